//! Dictionaries of variants, as the bus carries them, to and from JSON, as requests and replies are made of.

use std::collections::HashMap;

use harmonix_ipc::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json};
use zbus::{Array, Dict, OwnedVariant, Signature, Variant};

/// What is passed by name.
pub(super) type Arguments = HashMap<String, OwnedVariant>;

/// Values nested deeper than this are refused.
const DEPTH: usize = 16;

/// Arguments as the fields of a request.
pub(super) fn to_json(arguments: &Arguments) -> Result<Map<String, Json>> {
    arguments.iter().map(|(name, value)| Ok((name.clone(), json(value, DEPTH)?))).collect()
}

fn json(value: &Variant<'_>, depth: usize) -> Result<Json> {
    let refused = |what: &str| Err(Error::new(ErrorKind::InvalidRequest, what.to_owned()));
    let Some(depth) = depth.checked_sub(1) else { return refused("arguments are nested too deeply") };
    Ok(match value {
        Variant::U8(number) => (*number).into(),
        Variant::I16(number) => (*number).into(),
        Variant::U16(number) => (*number).into(),
        Variant::I32(number) => (*number).into(),
        Variant::U32(number) => (*number).into(),
        Variant::I64(number) => (*number).into(),
        Variant::U64(number) => (*number).into(),
        Variant::F64(number) => (*number).into(),
        Variant::Bool(truth) => (*truth).into(),
        Variant::Str(text) => text.as_str().into(),
        Variant::ObjectPath(path) => path.as_str().into(),
        Variant::Variant(inner) => json(inner, depth)?,
        Variant::Array(array) => {
            array.inner().iter().map(|item| json(item, depth)).collect::<Result<Vec<_>>>()?.into()
        }
        Variant::Dict(dict) => {
            let entry = |(key, value): (&Variant<'_>, &Variant<'_>)| match key {
                Variant::Str(key) => Ok((key.as_str().to_owned(), json(value, depth)?)),
                _ => Err(Error::new(ErrorKind::InvalidRequest, "keys of a dictionary must be texts")),
            };
            Json::Object(dict.iter().map(entry).collect::<Result<_>>()?)
        }
        Variant::Structure(_) | Variant::Signature(_) | Variant::Fd(_) => {
            return refused("structures, signatures and descriptors cannot be arguments by name");
        }
    })
}

/// A JSON object as a dictionary of variants. What is null is left out.
pub(super) fn to_dictionary(value: &impl serde::Serialize) -> Result<Arguments> {
    let unfit = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Internal, error.to_string());
    let Json::Object(fields) = serde_json::to_value(value).map_err(|error| unfit(&error))? else {
        return Err(unfit(&"not an object"));
    };
    let mut dictionary = Arguments::new();
    for (name, value) in &fields {
        if let Some(value) = variant(value).map_err(|error| unfit(&error))? {
            dictionary.insert(name.clone(), value.try_into_owned().map_err(|error| unfit(&error))?);
        }
    }
    Ok(dictionary)
}

fn variant(value: &Json) -> zbus::Result<Option<Variant<'static>>> {
    Ok(Some(match value {
        Json::Null => return Ok(None),
        Json::Bool(truth) => Variant::Bool(*truth),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Variant::U64(number),
            (None, Some(number)) => Variant::I64(number),
            (None, None) => Variant::F64(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Variant::Str(text.clone().into()),
        Json::Array(items) => array(items)?,
        Json::Object(fields) => {
            let mut dict = Dict::new(&Signature::Str, &Signature::Variant);
            for (name, value) in fields {
                if let Some(value) = variant(value)? {
                    dict.append(Variant::Str(name.clone().into()), Variant::Variant(Box::new(value)))?;
                }
            }
            Variant::Dict(dict)
        }
    }))
}

/// Texts as `as`, numbers as `ad`, anything else as `av`.
fn array(items: &[Json]) -> zbus::Result<Variant<'static>> {
    let (element, wrap) = match items {
        _ if !items.is_empty() && items.iter().all(Json::is_number) => (Signature::F64, false),
        _ if items.iter().all(Json::is_string) => (Signature::Str, false),
        _ => (Signature::Variant, true),
    };
    let mut array = Array::new(&element);
    for item in items {
        let value = match item {
            Json::Number(number) if !wrap => Some(Variant::F64(number.as_f64().unwrap_or_default())),
            item => variant(item)?,
        };
        if let Some(value) = value {
            array.append(if wrap { Variant::Variant(Box::new(value)) } else { value })?;
        }
    }
    Ok(Variant::Array(array))
}
