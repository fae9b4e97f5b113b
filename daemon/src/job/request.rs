//! From what was asked for to what is computed: presets, models and outputs.

use harmonix_engine::{Layout, protocol};
use harmonix_ipc::{Device, Error, ErrorKind, JobOptions, Mode, Precision, Quality, Result};
use serde::{Deserialize, Serialize};

use super::{BUILT_IN, Shelf, Shelved};
use crate::{audio::Output, models::not_installed};

/// Most shifted passes.
const SHIFTS: u32 = 20;

/// Largest overlap of two segments, as a fraction.
const OVERLAP: f64 = 0.95;

/// What a preset stands for.
struct Preset {
    model: &'static str,
    shifts: u32,
    overlap: f64,
}

fn preset(quality: Quality) -> Preset {
    let (model, shifts, overlap) = match quality {
        Quality::Draft => ("htdemucs", 0, 0.05),
        Quality::Fast => ("htdemucs", 0, 0.10),
        Quality::Balanced => ("htdemucs_ft", 1, 0.25),
        Quality::Studio => ("htdemucs_6s", 5, 0.50),
    };
    Preset { model, shifts, overlap }
}

/// What is computed for a request. Decided once, when the job is accepted: what is installed or removed later does not
/// change a job that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// Catalogue id of the model that computes.
    pub model: String,
    /// Its stems, in its order.
    pub sources: Vec<String>,
    /// The model that the preset names, if it is not the one that computes.
    pub instead_of: Option<String>,
    /// Segments, overlap and shifts.
    pub layout: Layout,
    /// The arithmetic that was asked for.
    pub precision: protocol::Precision,
    /// The stems that are computed, in the model's order; all of them unless a specialist suffices.
    pub computed: Vec<String>,
    /// Files that are made, each the sum of some of the computed stems.
    pub outputs: Vec<Output>,
    /// Outputs asked for that the model does not make.
    pub unavailable: Vec<String>,
}

impl Resolved {
    /// True when not all of the model's stems are computed: what is left of the mixture then belongs to no stem, so
    /// the residual cannot be spread.
    pub fn is_partial(&self) -> bool {
        self.computed.len() < self.sources.len()
    }

    /// The outputs over stems that lie in the order of `sources`.
    pub fn outputs_over(&self, sources: &[String]) -> Result<Vec<Output>> {
        let place = |part: &usize| {
            let name = self.computed.get(*part);
            name.and_then(|name| sources.iter().position(|source| source == name)).ok_or_else(|| {
                Error::new(ErrorKind::Separation, format!("the model {} left out a stem", self.model))
            })
        };
        let over = |output: &Output| {
            let parts = output.parts.iter().map(place).collect::<Result<_>>()?;
            Ok(Output { name: output.name.clone(), parts })
        };
        self.outputs.iter().map(over).collect()
    }
}

/// What a quality stands for: the id of its model.
pub fn model_of(quality: Quality) -> &'static str {
    preset(quality).model
}

/// What is asked for in fact: a preview is of quality `draft`.
pub fn effective(options: JobOptions) -> JobOptions {
    if options.preview { JobOptions { quality: Quality::Draft, ..options } } else { options }
}

/// Resolves a request, or refuses it with a hint that lists the choices.
///
/// A preset whose model is not installed falls back to the built-in engine with the preset's overlap; a model that
/// was asked for by name is computed by that model or refused. Shifts and precision are left out of the built-in engine:
/// its masks hardly change with the place of a segment, and it has but one arithmetic.
///
/// Fails with [`ErrorKind::InvalidRequest`], [`ErrorKind::ModelMissing`], or [`ErrorKind::Unavailable`] for a device that
/// the model does not compute on.
pub fn resolve(options: &JobOptions, shelf: &Shelf) -> Result<Resolved> {
    let preset = preset(options.quality);
    let shifts = options.shifts.unwrap_or(preset.shifts);
    let overlap = options.overlap.unwrap_or(preset.overlap);
    if shifts > SHIFTS {
        return Err(invalid(format!("{shifts} shifts are too many")).hint(format!("0 to {SHIFTS}")));
    }
    if !(0.0..=OVERLAP).contains(&overlap) {
        return Err(invalid(format!("segments cannot overlap by {overlap}")).hint(format!("0 to {OVERLAP}")));
    }
    let model = match &options.model {
        Some(id) => named(id, shelf)?,
        None => shelf.installed_or_built_in(preset.model),
    };
    let is_built_in = model.id == BUILT_IN;
    if options.device == Device::Cuda && is_built_in {
        return Err(Error::new(ErrorKind::Unavailable, "the built-in engine does not compute on cuda")
            .hint("leave the device at auto, or install a model: `harmonixctl models list`"));
    }
    let (outputs, unavailable) = outputs(model, options.mode, options.stems.as_deref())?;
    let mut needed: Vec<_> = outputs.iter().flat_map(|output| output.parts.iter().copied()).collect();
    needed.sort_unstable();
    needed.dedup();
    let computed = model.compute(&needed);
    let among_computed = |output: Output| Output {
        parts: output.parts.iter().filter_map(|part| computed.iter().position(|at| at == part)).collect(),
        ..output
    };
    Ok(Resolved {
        model: model.id.clone(),
        sources: model.sources.clone(),
        instead_of: (options.model.is_none() && model.id != preset.model).then(|| preset.model.to_owned()),
        layout: Layout { overlap, shifts: if is_built_in { 0 } else { shifts }, seed: options.seed },
        precision: match options.precision {
            Precision::Fast if !is_built_in => protocol::Precision::Fast,
            Precision::F32 | Precision::Fast => protocol::Precision::F32,
        },
        outputs: outputs.into_iter().map(among_computed).collect(),
        computed: computed.into_iter().map(|at| model.sources[at].clone()).collect(),
        unavailable,
    })
}

fn named<'a>(id: &str, shelf: &'a Shelf) -> Result<&'a Shelved> {
    let shown: String = id.chars().filter(char::is_ascii_graphic).take(40).collect();
    let model = shelf.get(id).ok_or_else(|| {
        invalid(format!("there is no model {shown}")).hint(format!("one of {}", shelf.ids()))
    })?;
    if model.installed { Ok(model) } else { Err(not_installed(&model.id)) }
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, what)
}

fn outputs(engine: &Shelved, mode: Mode, wanted: Option<&[String]>) -> Result<(Vec<Output>, Vec<String>)> {
    let vocals = engine.sources.iter().position(|source| *source == "vocals");
    let one = |at: usize| Output { name: engine.sources[at].clone(), parts: vec![at] };
    let all: Vec<_> = match (mode, vocals) {
        (Mode::Karaoke, Some(vocals)) => {
            let rest = (0..engine.sources.len()).filter(|at| *at != vocals).collect();
            vec![one(vocals), Output { name: "instrumental".into(), parts: rest }]
        }
        _ => (0..engine.sources.len()).map(one).collect(),
    };
    let Some(wanted) = wanted else { return Ok((all, Vec::new())) };
    let names = all.iter().map(|output| output.name.as_str()).collect::<Vec<_>>().join(", ");
    let refuse = |what: String| {
        Err(Error::new(ErrorKind::InvalidRequest, what).hint(format!("one or more of {names}")))
    };
    if wanted.is_empty() {
        return refuse("no stem is asked for".into());
    }
    let (have, missing): (Vec<_>, Vec<_>) =
        wanted.iter().partition(|name| all.iter().any(|output| output.name == **name));
    let plain = |name: &str| {
        !name.is_empty() && name.len() <= 32 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    match missing.first() {
        Some(name) if mode != Mode::PerInstrument || !plain(name) || have.is_empty() => {
            let name: String = name.chars().filter(|c| !c.is_control()).take(32).collect();
            return refuse(format!("the model {} makes no stem `{name}` in mode {mode}", engine.id));
        }
        _ => {}
    }
    let mut unavailable: Vec<String> = missing.into_iter().cloned().collect();
    unavailable.sort();
    unavailable.dedup();
    Ok((all.into_iter().filter(|output| have.contains(&&output.name)).collect(), unavailable))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
