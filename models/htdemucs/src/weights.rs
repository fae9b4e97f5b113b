//! A checkpoint's weights as tensors on a device.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use crate::{
    CheckpointError, Error,
    checkpoint::{self, Array},
};

/// Weights by name. Each is taken once; what is left over at the end shows that the network is another one.
pub(crate) struct Weights {
    arrays: BTreeMap<String, Array>,
    device: Device,
    kind: Kind,
    products: Kind,
}

impl Weights {
    /// Weights that will lie on `device` as elements of `kind`; products are computed in `products`.
    pub(crate) fn new(arrays: BTreeMap<String, Array>, device: Device, kind: Kind, products: Kind) -> Self {
        Self { arrays, device, kind, products }
    }

    /// What products and convolutions are computed in.
    pub(crate) fn products(&self) -> Kind {
        self.products
    }

    /// Takes the tensor of that name.
    pub(crate) fn take(&mut self, name: &str) -> Result<Tensor, Error> {
        let array = self.arrays.remove(name).ok_or_else(|| CheckpointError::Missing(name.to_owned()))?;
        let kind = match array.kind {
            checkpoint::Kind::F16 => Kind::Half,
            checkpoint::Kind::Bf16 => Kind::BFloat16,
            checkpoint::Kind::F32 => Kind::Float,
            checkpoint::Kind::F64 => Kind::Double,
        };
        let shape: Vec<i64> = array.shape.iter().map(|n| *n as i64).collect();
        // an empty array has no valid pointer for libtorch to read from
        if array.bytes.is_empty() {
            return Err(CheckpointError::Missing(name.to_owned()).into());
        }
        let tensor = Tensor::f_from_data_size(&array.bytes, &shape, kind)?;
        Ok(tensor.f_to_kind(self.kind)?.f_to_device(self.device)?)
    }

    /// Takes the tensor of that name if there is one.
    pub(crate) fn take_if(&mut self, name: &str) -> Result<Option<Tensor>, Error> {
        self.arrays.contains_key(name).then(|| self.take(name)).transpose()
    }

    /// Fails if anything is left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.arrays.into_keys().next() {
            Some(name) => Err(CheckpointError::Unused(name).into()),
            None => Ok(()),
        }
    }
}
