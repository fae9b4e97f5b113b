//! What this worker can load, and the models that it keeps.

use harmonix_engine::{
    Conditions, EngineError, Separator,
    protocol::{Architecture, Model, Precision},
};
use harmonix_spectral::Spectral;

/// Weights that are kept for later tasks, in bytes. The model in use is kept whatever it weighs.
const KEPT: u64 = 1 << 30;

/// What a task computes with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) model: Model,
    /// Stems; all when empty.
    pub(crate) sources: Vec<String>,
    /// `auto`, `cpu` or `cuda`.
    pub(crate) device: String,
    pub(crate) precision: Precision,
}

/// A model in memory.
struct Loaded {
    separator: Box<dyn Separator>,
    wanted: Wanted,
    /// As it was loaded.
    conditions: Conditions,
}

/// Keeps models warm, the most recently used last.
#[derive(Default)]
pub(crate) struct Models {
    loaded: Vec<Loaded>,
}

impl Models {
    /// The model that is wanted. The flag is true if it had to be loaded.
    pub(crate) fn get(&mut self, wanted: &Wanted) -> Result<(&mut dyn Separator, bool), EngineError> {
        // one that had to go on with less than it began with does not serve another task
        self.loaded.retain(|loaded| loaded.separator.conditions() == loaded.conditions);
        let warm = self.loaded.iter().position(|loaded| loaded.wanted == *wanted);
        let model = match warm {
            Some(at) => self.loaded.remove(at),
            None => {
                let separator = load(wanted)?;
                let conditions = separator.conditions();
                Loaded { separator, wanted: wanted.clone(), conditions }
            }
        };
        let mut weight = model.separator.weight_bytes();
        for at in (0..self.loaded.len()).rev() {
            weight += self.loaded[at].separator.weight_bytes();
            if weight > KEPT {
                self.loaded.drain(..=at);
                break;
            }
        }
        let at = self.loaded.len();
        self.loaded.push(model);
        Ok((self.loaded[at].separator.as_mut(), warm.is_none()))
    }

    /// Forgets all models: after a panic their state is not to be trusted.
    pub(crate) fn drop_all(&mut self) {
        self.loaded.clear();
    }
}

fn load(wanted: &Wanted) -> Result<Box<dyn Separator>, EngineError> {
    let separator: Box<dyn Separator> = match (wanted.model.architecture, wanted.device.as_str()) {
        (Architecture::Spectral, "auto" | "cpu") => Box::new(Spectral::new()),
        (Architecture::Spectral, other) => {
            let message = format!("the built-in engine computes on the cpu, not on {other}");
            return Err(EngineError::Device(message));
        }
        (Architecture::Htdemucs, device) => htdemucs(wanted, device)?,
    };
    #[cfg(debug_assertions)]
    let separator = crate::fault::wrap(separator);
    Ok(separator)
}

#[cfg(feature = "torch")]
fn htdemucs(wanted: &Wanted, device: &str) -> Result<Box<dyn Separator>, EngineError> {
    use std::sync::Once;

    static THREADS: Once = Once::new();
    THREADS.call_once(|| harmonix_htdemucs::use_threads(harmonix_htdemucs::threads()));
    let Wanted { model, sources, precision, .. } = wanted;
    Ok(Box::new(harmonix_htdemucs::HtDemucs::open(model, sources, device, *precision)?))
}

#[cfg(not(feature = "torch"))]
fn htdemucs(_: &Wanted, _: &str) -> Result<Box<dyn Separator>, EngineError> {
    Err(EngineError::Model("this worker was built without libtorch".into()))
}
