//! From what was asked for to what is computed: presets, models and outputs.

use harmonix_engine::Layout;
use harmonix_ipc::{Device, Error, ErrorKind, JobOptions, Mode, Quality, Result};

use crate::audio::Output;

/// A model of the catalogue, as far as planning needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// Catalogue id.
    pub id: &'static str,
    /// Stems in the model's order.
    pub sources: &'static [&'static str],
}

/// The built-in engine, which needs no weights.
const SPECTRAL: Engine = Engine { id: "spectral", sources: &["drums", "bass", "other", "vocals"] };

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

/// What is computed for a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The model that computes.
    pub engine: Engine,
    /// The model that the preset names, if it is not the one that computes.
    pub instead_of: Option<&'static str>,
    /// Segments, overlap and shifts.
    pub layout: Layout,
    /// Files that are made, each the sum of some of the model's stems.
    pub outputs: Vec<Output>,
    /// Outputs asked for that the model does not make.
    pub unavailable: Vec<String>,
}

/// Resolves a request, or refuses it with a hint that lists the choices.
///
/// No neural model can run in this version, so every preset falls back to the built-in engine with the
/// preset's overlap. Shifts are left out there: its masks hardly change with the place of a segment.
pub fn resolve(options: &JobOptions) -> Result<Resolved> {
    if options.device == Device::Cuda {
        return Err(Error::new(ErrorKind::Unavailable, "no engine that is installed computes on cuda")
            .hint("leave the device at auto: the built-in engine computes on the cpu"));
    }
    let preset = preset(options.quality);
    let engine = SPECTRAL;
    let (outputs, unavailable) = outputs(&engine, options.mode, options.stems.as_deref())?;
    Ok(Resolved {
        engine,
        instead_of: (preset.model != engine.id).then_some(preset.model),
        layout: Layout {
            overlap: preset.overlap,
            shifts: if engine == SPECTRAL { 0 } else { preset.shifts },
            seed: 0,
        },
        outputs,
        unavailable,
    })
}

fn outputs(engine: &Engine, mode: Mode, wanted: Option<&[String]>) -> Result<(Vec<Output>, Vec<String>)> {
    let vocals = engine.sources.iter().position(|source| *source == "vocals");
    let one = |at: usize| Output { name: engine.sources[at].to_owned(), parts: vec![at] };
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
            return refuse(format!("the engine {} makes no stem `{name}` in mode {mode}", engine.id));
        }
        _ => {}
    }
    let mut unavailable: Vec<String> = missing.into_iter().cloned().collect();
    unavailable.sort();
    unavailable.dedup();
    Ok((all.into_iter().filter(|output| have.contains(&&output.name)).collect(), unavailable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(mode: Mode, stems: Option<&[&str]>) -> Result<(Vec<String>, Vec<String>)> {
        let stems = stems.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let resolved = resolve(&JobOptions { mode, stems, ..JobOptions::default() })?;
        Ok((resolved.outputs.into_iter().map(|output| output.name).collect(), resolved.unavailable))
    }

    #[test]
    fn presets_are_the_published_table() {
        let table = Quality::ALL.map(|quality| {
            let Preset { model, shifts, overlap } = preset(quality);
            (model, shifts, overlap)
        });
        let expected = [
            ("htdemucs", 0, 0.05),
            ("htdemucs", 0, 0.10),
            ("htdemucs_ft", 1, 0.25),
            ("htdemucs_6s", 5, 0.50),
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn a_preset_without_its_model_says_so() {
        for quality in Quality::ALL {
            let resolved = resolve(&JobOptions { quality, ..JobOptions::default() }).unwrap();
            assert_eq!((resolved.engine.id, resolved.instead_of), ("spectral", Some(preset(quality).model)));
        }
    }

    #[test]
    fn outputs_by_mode_and_filter() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(resolved(Mode::Grouped, None).unwrap().0, names(&["drums", "bass", "other", "vocals"]));
        assert_eq!(resolved(Mode::Karaoke, None).unwrap().0, names(&["vocals", "instrumental"]));
        assert_eq!(
            resolved(Mode::Grouped, Some(&["vocals", "drums"])).unwrap().0,
            names(&["drums", "vocals"])
        );
        let (made, unavailable) = resolved(Mode::PerInstrument, Some(&["guitar", "bass", "guitar"])).unwrap();
        assert_eq!((made, unavailable), (names(&["bass"]), names(&["guitar"])));
    }

    #[test]
    fn what_cannot_be_made_is_refused_with_the_choices() {
        let cases: [(Mode, &[&str]); 6] = [
            (Mode::Grouped, &[]),
            (Mode::Grouped, &["guitar"]),
            (Mode::Karaoke, &["drums"]),
            (Mode::PerInstrument, &["guitar"]),
            (Mode::PerInstrument, &["bass", "../x"]),
            (Mode::PerInstrument, &["bass", ""]),
        ];
        for (mode, stems) in cases {
            let error = resolved(mode, Some(stems)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidRequest, "{mode} {stems:?}");
            assert!(error.hint.unwrap().contains("vocals"));
        }
        let cuda = JobOptions { device: Device::Cuda, ..JobOptions::default() };
        assert_eq!(resolve(&cuda).unwrap_err().kind, ErrorKind::Unavailable);
    }
}
