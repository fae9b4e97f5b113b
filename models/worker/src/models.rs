//! The catalogue of what this worker can load, and the model that it holds.

use harmonix_engine::{
    EngineError, Separator,
    protocol::{Architecture, Model},
};
use harmonix_spectral::Spectral;

/// A model in memory.
pub(crate) struct Loaded {
    pub(crate) separator: Box<dyn Separator>,
    /// Where it computes.
    pub(crate) device: &'static str,
    id: String,
}

/// Keeps the model of the last task warm.
#[derive(Default)]
pub(crate) struct Models {
    loaded: Option<Loaded>,
}

impl Models {
    /// That model on that device. The flag is true if it had to be loaded.
    pub(crate) fn get(&mut self, model: &Model, device: &str) -> Result<(&mut Loaded, bool), EngineError> {
        let warm = self.loaded.take().filter(|loaded| loaded.id == model.id);
        let fresh = warm.is_none();
        let loaded = match warm {
            Some(loaded) => loaded,
            None => load(model, device)?,
        };
        Ok((self.loaded.insert(loaded), fresh))
    }

    /// Forgets the model: after a panic its state is not to be trusted.
    pub(crate) fn drop_all(&mut self) {
        self.loaded = None;
    }
}

fn load(model: &Model, device: &str) -> Result<Loaded, EngineError> {
    let separator: Box<dyn Separator> = match (model.architecture, device) {
        (Architecture::Spectral, "auto" | "cpu") => Box::new(Spectral::new()),
        (Architecture::Spectral, other) => {
            return Err(EngineError::Model(format!(
                "the built-in engine computes on the cpu, not on {other}"
            )));
        }
        (Architecture::Htdemucs, _) => {
            return Err(EngineError::Model("this worker was built without libtorch".into()));
        }
    };
    #[cfg(debug_assertions)]
    let separator = crate::fault::wrap(separator);
    Ok(Loaded { separator, device: "cpu", id: model.id.clone() })
}
