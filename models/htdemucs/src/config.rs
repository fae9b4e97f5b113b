//! The network's shape, read from a checkpoint's own arguments.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::CheckpointError;

/// Which of the two published networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Hybrid Transformer Demucs (Rouard, Massa, Défossez 2022).
    HtDemucs,
    /// Hybrid Demucs (Défossez 2021).
    HDemucs,
}

/// Arguments of a network by the reference's names. Those that matter in training alone are not read.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) class: Class,
    pub(crate) sources: Vec<String>,
    pub(crate) audio_channels: i64,
    pub(crate) nfft: i64,
    pub(crate) depth: usize,
    pub(crate) rewrite: bool,
    /// Weight of the frequency embedding; none when zero.
    pub(crate) freq_emb: f64,
    /// What the reference multiplies the stored embedding with.
    pub(crate) emb_scale: f64,
    pub(crate) kernel_size: i64,
    pub(crate) time_stride: i64,
    pub(crate) stride: i64,
    pub(crate) context: i64,
    pub(crate) context_enc: i64,
    pub(crate) norm_starts: usize,
    pub(crate) norm_groups: i64,
    /// Residual branches in the encoder.
    pub(crate) dconv_encoder: bool,
    /// Residual branches in the decoder.
    pub(crate) dconv_decoder: bool,
    pub(crate) dconv_depth: i64,
    /// First layer whose residual branches attend.
    pub(crate) dconv_attn: usize,
    /// First layer whose residual branches have an LSTM.
    pub(crate) dconv_lstm: usize,
    pub(crate) bottom_channels: bool,
    pub(crate) transformer: Option<Transformer>,
    pub(crate) sample_rate: u32,
    /// Frames of a segment.
    pub(crate) segment: usize,
    /// Whether shorter input is padded to a whole segment.
    pub(crate) padded: bool,
}

/// Arguments of the cross-domain transformer.
#[derive(Debug, Clone)]
pub(crate) struct Transformer {
    pub(crate) layers: usize,
    pub(crate) heads: i64,
    pub(crate) cross_first: bool,
    pub(crate) norm_first: bool,
    pub(crate) gelu: bool,
    pub(crate) max_period: f64,
    pub(crate) weight_pos_embed: f64,
    /// Groups of the norm after each layer; zero is none.
    pub(crate) norm_out: i64,
}

/// A number that Python may have given as an integer, a float or a fraction.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(f64),
    Fraction { numerator: i64, denominator: i64 },
}

impl Number {
    /// Frames at a rate, rounded down as the reference does: exactly for fractions.
    fn frames(&self, rate: u32) -> Option<usize> {
        let frames = match *self {
            Self::Plain(seconds) => (seconds * f64::from(rate)) as i64,
            Self::Fraction { denominator: 0, .. } => return None,
            Self::Fraction { numerator, denominator } => {
                numerator.checked_mul(i64::from(rate))?.checked_div_euclid(denominator)?
            }
        };
        usize::try_from(frames).ok().filter(|frames| (1..=1 << 24).contains(frames))
    }
}

/// Truth values that Python code also gives as numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(f64),
}

impl Flag {
    fn number(&self) -> i64 {
        match *self {
            Self::Bool(flag) => flag.into(),
            Self::Number(number) => number as i64,
        }
    }
    fn set(&self) -> bool {
        self.number() != 0
    }
}

/// Reads arguments one by one, each with the reference's default.
struct Args<'a>(&'a Map<String, Value>);

impl Args<'_> {
    fn get<T: serde::de::DeserializeOwned>(&self, name: &str, default: T) -> Result<T, CheckpointError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|error| CheckpointError::Argument(format!("`{name}`: {error}"))),
        }
    }

    /// Refuses a value that this implementation would compute differently.
    fn only(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Result<(), CheckpointError> {
        match self.0.get(name) {
            Some(value) if !value.is_null() && !holds(value) => {
                Err(CheckpointError::Argument(format!("`{name}` = {value} is not supported")))
            }
            _ => Ok(()),
        }
    }

    /// A count within a range.
    fn count(
        &self,
        name: &str,
        default: i64,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<i64, CheckpointError> {
        let count = self.get(name, default)?;
        if range.contains(&count) {
            return Ok(count);
        }
        Err(CheckpointError::Argument(format!("`{name}` = {count} lies outside of {range:?}")))
    }
}

impl Config {
    /// Reads the arguments of a network of the reference's class `class`.
    ///
    /// # Errors
    /// [`CheckpointError::Argument`]: another class, an argument of another type, or one with which this
    /// implementation would not compute what the reference does.
    pub(crate) fn new(class: &str, args: &Map<String, Value>) -> Result<Self, CheckpointError> {
        let class = match class {
            "HTDemucs" => Class::HtDemucs,
            "HDemucs" => Class::HDemucs,
            other => {
                return Err(CheckpointError::Argument(format!(
                    "a network of class {other} is not supported"
                )));
            }
        };
        let (ht, args) = (class == Class::HtDemucs, Args(args));
        let is_false = |value: &Value| *value == Value::Bool(false) || value.as_f64() == Some(0.0);
        let is_true = |value: &Value| *value == Value::Bool(true) || value.as_f64() == Some(1.0);
        args.only("cac", is_true)?;
        args.only("multi_freqs", |value| value.as_array().is_some_and(Vec::is_empty))?;
        if ht {
            args.only("t_emb", |value| value == "sin")?;
            for name in ["t_norm_in_group", "t_group_norm", "t_sparse_self_attn", "t_sparse_cross_attn"] {
                args.only(name, is_false)?;
            }
            args.only("t_sin_random_shift", is_false)?;
            args.only("t_norm_in", is_true)?;
        } else {
            args.only("hybrid", is_true)?;
            args.only("hybrid_old", is_false)?;
        }

        let sources: Vec<String> = args.get("sources", Vec::new())?;
        let plain = |name: &String| {
            !name.is_empty()
                && name.len() <= 32
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        if sources.is_empty() || sources.len() > 32 || !sources.iter().all(plain) {
            return Err(CheckpointError::Argument("`sources` are no names of stems".into()));
        }
        let nfft = args.count("nfft", 4096, 16..=1 << 16)?;
        let dconv_mode = args.count("dconv_mode", 1, 0..=3)?;
        let sample_rate = args.count("samplerate", 44_100, 8_000..=192_000)? as u32;
        let segment = args.get("segment", Number::Plain(if ht { 10.0 } else { 40.0 }))?;
        let segment = segment.frames(sample_rate);
        let flag = |name: &str, default| Ok::<_, CheckpointError>(args.get(name, Flag::Bool(default))?.set());
        let norm_first = flag("t_norm_first", true)?;
        let transformer = Transformer {
            layers: args.count("t_layers", 5, 0..=64)? as usize,
            heads: args.count("t_heads", 8, 1..=64)?,
            cross_first: flag("t_cross_first", false)?,
            norm_first,
            gelu: flag("t_gelu", true)?,
            max_period: args.get("t_max_period", 10_000.0)?,
            weight_pos_embed: args.get("t_weight_pos_embed", 1.0)?,
            norm_out: if norm_first { args.get("t_norm_out", Flag::Bool(true))?.number() } else { 0 },
        };
        let attentive = 4;
        Ok(Self {
            class,
            sources,
            audio_channels: args.count("audio_channels", 2, 1..=2)?,
            nfft,
            depth: args.count("depth", if ht { 4 } else { 6 }, 1..=10)? as usize,
            rewrite: flag("rewrite", true)?,
            freq_emb: args.get("freq_emb", 0.2)?,
            emb_scale: args.get("emb_scale", 10.0)?,
            kernel_size: args.count("kernel_size", 8, 1..=64)?,
            time_stride: args.count("time_stride", 2, 1..=16)?,
            stride: args.count("stride", 4, 1..=16)?,
            context: args.count("context", 1, 0..=16)?,
            context_enc: args.count("context_enc", 0, 0..=16)?,
            norm_starts: args.count("norm_starts", 4, 0..=64)? as usize,
            norm_groups: args.count("norm_groups", 4, 1..=1024)?,
            dconv_encoder: dconv_mode & 1 != 0,
            dconv_decoder: dconv_mode & 2 != 0,
            dconv_depth: args.count("dconv_depth", 2, -8..=8)?,
            dconv_attn: if ht { usize::MAX } else { args.count("dconv_attn", attentive, 0..=64)? as usize },
            dconv_lstm: if ht { usize::MAX } else { args.count("dconv_lstm", attentive, 0..=64)? as usize },
            bottom_channels: ht && args.count("bottom_channels", 0, 0..=1 << 14)? != 0,
            transformer: (ht && transformer.layers > 0).then_some(transformer),
            sample_rate,
            segment: segment.ok_or_else(|| CheckpointError::Argument("`segment` is no length".into()))?,
            padded: ht && flag("use_train_segment", true)?,
        })
    }
}
