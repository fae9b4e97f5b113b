//! Checkpoint files: the reference's `.th` (a zip with a pickle) and safetensors with the reference's metadata.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Cursor, Read, Seek},
    path::Path,
    thread,
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::{
    CheckpointError,
    pickle::{self, Value},
};

/// Largest file that is read: the largest published one has 168 MB.
const BYTES: u64 = 1 << 30;

/// Largest pickle inside a `.th` file.
const PICKLE: u64 = 16 << 20;

/// Element types of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IEEE 754 half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
}

impl Kind {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// A tensor as the file holds it: row-major, little-endian.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Type of the elements.
    pub kind: Kind,
    /// Elements along each axis.
    pub shape: Vec<usize>,
    /// The elements.
    pub bytes: Vec<u8>,
}

/// What a checkpoint file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Name of the network's class, e.g. `HTDemucs`.
    pub class: String,
    /// Arguments of its construction by name. Fractions are `{"_type": "fraction", "numerator", "denominator"}`.
    pub args: Map<String, Json>,
    /// Weights by name.
    pub tensors: BTreeMap<String, Array>,
}

impl Checkpoint {
    /// Reads a file whose digest is `sha256` (64 hex digits).
    ///
    /// # Errors
    /// [`CheckpointError`]: not readable, another digest, or not a checkpoint. Nothing of the file is executed.
    pub fn open(path: &Path, sha256: &str) -> Result<Self, CheckpointError> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        if len > BYTES {
            return Err(CheckpointError::Format(format!("{len} bytes are more than any checkpoint has")));
        }
        let mut bytes = Vec::with_capacity(len as usize);
        file.by_ref().take(BYTES).read_to_end(&mut bytes)?;
        // the reader trusts nothing, so it may begin before the digest is known
        let (parsed, digest) = thread::scope(|scope| {
            let digest = scope.spawn(|| Sha256::digest(&bytes));
            (Self::parse(&bytes), digest.join())
        });
        let digest = digest.map_err(|_| format("the digest could not be computed"))?;
        let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if found != sha256 {
            return Err(CheckpointError::Digest { expected: sha256.to_owned(), found });
        }
        parsed
    }

    /// Reads the bytes of a file of either form.
    ///
    /// # Errors
    /// [`CheckpointError::Format`] or [`CheckpointError::Pickle`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        if bytes.starts_with(b"PK\x03\x04") { from_zip(bytes) } else { from_safetensors(bytes) }
    }

    /// The same as safetensors, the reference's newest form: metadata `klass`, `args`, `kwargs`.
    ///
    /// # Errors
    /// [`CheckpointError::Format`] if the format cannot hold it.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, CheckpointError> {
        let views = self.tensors.iter().map(|(name, array)| {
            let dtype = match array.kind {
                Kind::F16 => Dtype::F16,
                Kind::Bf16 => Dtype::BF16,
                Kind::F32 => Dtype::F32,
                Kind::F64 => Dtype::F64,
            };
            TensorView::new(dtype, array.shape.clone(), &array.bytes).map(|view| (name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(format)?;
        let metadata = [
            ("klass", format!("demucs.{}.{}", self.class.to_lowercase(), self.class)),
            ("args", "[]".to_owned()),
            ("kwargs", Json::Object(self.args.clone()).to_string()),
        ];
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        safetensors::serialize(views, Some(metadata)).map_err(format)
    }
}

fn format(error: impl std::fmt::Display) -> CheckpointError {
    CheckpointError::Format(error.to_string())
}

fn damaged<T>(what: &str) -> Result<T, CheckpointError> {
    Err(CheckpointError::Format(what.to_owned()))
}

fn from_safetensors(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let entry = |key: &str| match metadata.get(key) {
        Some(text) => Ok(text.as_str()),
        None => damaged(&format!("no `{key}` in the metadata: this is no checkpoint of the reference")),
    };
    let class = entry("klass")?.rsplit('.').next().unwrap_or_default().to_owned();
    let args = arguments(
        serde_json::from_str(entry("args")?).map_err(format)?,
        serde_json::from_str(entry("kwargs")?).map_err(format)?,
    )?;
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(format)?.tensors() {
        let kind = match view.dtype() {
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            Dtype::F32 => Kind::F32,
            Dtype::F64 => Kind::F64,
            other => return damaged(&format!("`{name}` is of type {other:?}")),
        };
        tensors.insert(name, Array { kind, shape: view.shape().to_vec(), bytes: view.data().to_vec() });
    }
    Ok(Checkpoint { class, args, tensors })
}

/// Arguments by name; the one that the reference passes by place is `sources`.
fn arguments(args: Vec<Json>, mut kwargs: Map<String, Json>) -> Result<Map<String, Json>, CheckpointError> {
    let mut args = args.into_iter();
    if let Some(sources) = args.next() {
        kwargs.entry("sources").or_insert(sources);
    }
    if args.next().is_some() {
        return damaged("more than one argument by place");
    }
    Ok(kwargs)
}

fn from_zip(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(format)?;
    let names = archive.file_names().map(|name| name.map(std::borrow::Cow::into_owned));
    let names = names.collect::<Result<Vec<String>, _>>().map_err(format)?;
    let Some(folder) = names.iter().find_map(|name| name.strip_suffix("/data.pkl")) else {
        return damaged("a zip without data.pkl: this is no checkpoint of PyTorch");
    };
    let root = pickle::read(&entry(&mut archive, &format!("{folder}/data.pkl"), PICKLE)?)?;
    let byte_order = format!("{folder}/byteorder");
    if names.contains(&byte_order) && entry(&mut archive, &byte_order, 16)? != b"little" {
        return damaged("big-endian weights");
    }

    let Some(Value::Class(class)) = root.get("klass") else { return damaged("no `klass` in the pickle") };
    let class = class.rsplit('.').next().unwrap_or_default().to_owned();
    let (Some(Value::List(args)), Some(kwargs)) = (root.get("args"), root.get("kwargs")) else {
        return damaged("no `args` and `kwargs` in the pickle");
    };
    let Json::Object(kwargs) = to_json(kwargs) else { return damaged("`kwargs` is no dictionary") };
    let args = arguments(args.iter().map(to_json).collect(), kwargs)?;

    let Some(Value::Dict(state)) = root.get("state") else { return damaged("no `state` in the pickle") };
    let mut tensors = BTreeMap::new();
    let mut total = 0u64;
    for (name, value) in state {
        let Value::Text(name) = name else { return damaged("a weight without a name") };
        let Value::Tensor { kind, key, offset, shape, stride } = value else {
            return damaged(&format!("`{name}` is no tensor: quantised checkpoints are not supported"));
        };
        let kind = match kind.as_str() {
            "HalfStorage" => Kind::F16,
            "BFloat16Storage" => Kind::Bf16,
            "FloatStorage" => Kind::F32,
            "DoubleStorage" => Kind::F64,
            other => return damaged(&format!("`{name}` lies in a {other}")),
        };
        let storage = entry(&mut archive, &format!("{folder}/data/{key}"), BYTES)?;
        let bytes = gather(&storage, kind.size(), *offset, shape, stride);
        let Some(bytes) = bytes else { return damaged(&format!("`{name}` is longer than its storage")) };
        total += bytes.len() as u64;
        if total > 2 * BYTES {
            return damaged("tensors that are larger than their file");
        }
        tensors.insert(name.clone(), Array { kind, shape: shape.clone(), bytes });
    }
    Ok(Checkpoint { class, args, tensors })
}

fn entry(
    archive: &mut zip::ZipArchive<impl Read + Seek>,
    name: &str,
    limit: u64,
) -> Result<Vec<u8>, CheckpointError> {
    let file = archive.by_name(name).map_err(|error| CheckpointError::Format(format!("{name}: {error}")))?;
    if file.size() > limit {
        return damaged(&format!("{name} is too large"));
    }
    let mut bytes = Vec::new();
    // the reader compares the entry's CRC at its end
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The elements of a strided view, row-major.
fn gather(storage: &[u8], size: usize, offset: usize, shape: &[usize], stride: &[usize]) -> Option<Vec<u8>> {
    let count = shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n))?;
    if count.checked_mul(size)? > BYTES as usize {
        return None;
    }
    let dense = shape
        .iter()
        .zip(stride)
        .rev()
        .try_fold(1usize, |expected, (n, step)| (*step == expected || *n <= 1).then_some(expected * n));
    if dense.is_some() {
        let from = offset.checked_mul(size)?;
        return storage.get(from..from.checked_add(count * size)?).map(<[u8]>::to_vec);
    }
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = index.iter().zip(stride).map(|(i, step)| i * step).sum::<usize>() + offset;
        bytes.extend_from_slice(storage.get(at * size..(at + 1) * size)?);
        for (i, n) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    Some(bytes)
}

/// Plain data as JSON. What is none of it (a class, a tensor) becomes null: the arguments that are read have none.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(value) => json!(value),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Dict(entries) => Json::Object(
            entries
                .iter()
                .filter_map(|(key, value)| match key {
                    Value::Text(key) => Some((key.clone(), to_json(value))),
                    _ => None,
                })
                .collect(),
        ),
        Value::Fraction(numerator, denominator) => {
            json!({"_type": "fraction", "numerator": numerator, "denominator": denominator})
        }
        Value::None | Value::Class(_) | Value::Storage { .. } | Value::Tensor { .. } => Json::Null,
    }
}
