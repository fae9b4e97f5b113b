//! The models that planning can choose from.

/// A model, as far as planning needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shelved {
    /// Catalogue id.
    pub id: String,
    /// Stems in the model's order.
    pub sources: Vec<String>,
    /// For each network of the bag its weight for each of the sources; none for the built-in engine.
    pub blends: Vec<Vec<f32>>,
    /// It can be used.
    pub installed: bool,
}

/// All models that can be named.
#[derive(Debug, Clone, PartialEq)]
pub struct Shelf(Vec<Shelved>);

/// Id of the engine that needs no weights.
pub const BUILT_IN: &str = "spectral";

impl Shelf {
    /// These models; the built-in engine is there in any case.
    pub fn new(mut models: Vec<Shelved>) -> Self {
        models.retain(|model| model.id != BUILT_IN);
        models.insert(0, built_in());
        Self(models)
    }

    /// The model of that id.
    pub fn get(&self, id: &str) -> Option<&Shelved> {
        self.0.iter().find(|model| model.id == id)
    }

    /// The model of that id, if it is installed; else the built-in engine.
    pub(super) fn installed_or_built_in(&self, id: &str) -> &Shelved {
        self.get(id).filter(|model| model.installed).unwrap_or(&self.0[0])
    }

    /// Ids of all models.
    pub(super) fn ids(&self) -> String {
        self.0.iter().map(|model| model.id.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Default for Shelf {
    /// The built-in engine alone.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Shelved {
    /// The stems that are computed to get `needed` (in the model's order); all where leaving some out saves
    /// nothing, which is so unless a network of the bag works for the others only.
    pub(super) fn compute(&self, needed: &[usize]) -> Vec<usize> {
        let idle =
            |blend: &Vec<f32>| needed.iter().all(|at| blend.get(*at).is_none_or(|weight| *weight == 0.0));
        if self.blends.iter().any(idle) {
            return needed.to_vec();
        }
        (0..self.sources.len()).collect()
    }
}

fn built_in() -> Shelved {
    Shelved {
        id: BUILT_IN.into(),
        sources: ["drums", "bass", "other", "vocals"].map(String::from).to_vec(),
        blends: Vec::new(),
        installed: true,
    }
}
