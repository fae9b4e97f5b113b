//! The catalogue of models: the embedded one, and the administrator's own file over it.

use std::{collections::BTreeMap, path::Path};

use harmonix_engine::protocol::Architecture;
use harmonix_ipc::{Error, ErrorKind, Licence, Result};
use serde::Deserialize;

/// The catalogue that comes with Harmonix.
const BUILT_IN: &str = include_str!("../../../models/registry.toml");

/// Most bytes of a file whose size the catalogue does not bound.
const MAX_SIZE: u64 = 2 << 30;

/// No catalogue may allow files larger than this.
const HIGHEST_SIZE: u64 = 64 << 30;

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name in commands, options and paths: lower-case letters, digits, `_`, `-`.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// What it does; `separator` is all there is.
    pub kind: String,
    /// What computes it.
    pub architecture: Architecture,
    /// Its stems, in its order.
    pub sources: Vec<String>,
    /// Its terms.
    pub licence: Licence,
    /// The networks of the bag in order; none for the built-in engine.
    pub members: Vec<Member>,
}

/// A network of a bag, and the file that its weights are in.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The checkpoint's signature.
    pub signature: String,
    /// Name of the file: a plain name that ends in `.th` or `.safetensors`.
    pub file: String,
    /// Its digest, 64 lower-case hexadecimal digits.
    pub sha256: Option<String>,
    /// How its digest begins, 8 to 63 digits; only where the whole is not known.
    pub sha256_prefix: Option<String>,
    /// Its size in bytes, if it is known.
    pub size: Option<u64>,
    /// Most bytes that are taken for it.
    pub limit: u64,
    /// Weight of its output for each of the model's sources.
    pub blend: Vec<f32>,
    /// Where it can be had, in the order in which they are tried.
    pub urls: Vec<String>,
}

/// All models that can be named.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue(Vec<Entry>);

impl Catalogue {
    /// The embedded catalogue, with the file's entries over it if there is one.
    ///
    /// Fails with [`ErrorKind::Config`], which names the file and the key: it cannot be read, holds a key that is not
    /// known, or a value out of its range.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let mut all = vec![spectral()];
        all.extend(parse(BUILT_IN).map_err(|error| named(error, "the embedded catalogue"))?);
        if let Some(path) = file {
            let shown = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::io(ErrorKind::Config, format!("cannot read the catalogue {shown}"), &error)
                    .hint("set models.catalogue to a file that the daemon may read, or leave it empty")
            })?;
            for entry in parse(&text).map_err(|error| named(error, &shown))? {
                match all.iter_mut().find(|known| known.id == entry.id) {
                    Some(known) => *known = entry,
                    None => all.push(entry),
                }
            }
        }
        Ok(Self(all))
    }

    /// Every model, the built-in engine first.
    pub fn all(&self) -> &[Entry] {
        &self.0
    }

    /// The model of that id.
    pub fn get(&self, id: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.id == id)
    }
}

fn spectral() -> Entry {
    Entry {
        id: "spectral".into(),
        title: "Built-in engine: no weights".into(),
        kind: "separator".into(),
        architecture: Architecture::Spectral,
        sources: ["drums", "bass", "other", "vocals"].map(String::from).to_vec(),
        licence: Licence {
            name: "MIT OR Apache-2.0".into(),
            url: "https://spdx.org/licenses/".into(),
            text: "Part of Harmonix, under its own licence.".into(),
        },
        members: Vec::new(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    licence: BTreeMap<String, FileLicence>,
    #[serde(default)]
    model: Vec<FileModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLicence {
    name: String,
    url: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileModel {
    id: String,
    title: String,
    kind: Kind,
    architecture: Architecture,
    sources: Vec<String>,
    licence: String,
    member: Vec<FileMember>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Separator,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMember {
    signature: String,
    file: String,
    sha256: Option<String>,
    sha256_prefix: Option<String>,
    size: Option<u64>,
    max_size: Option<u64>,
    blend: Option<Vec<f32>>,
    #[serde(default)]
    urls: Vec<String>,
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line =
            error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        wrong(format!("line {line}: {}", error.message()))
    })?;
    let mut entries: Vec<Entry> = Vec::new();
    for model in file.model {
        let id = model.id.clone();
        let entry = entry(model, &file.licence).map_err(|error| named(error, &format!("model {id:?}")))?;
        if entries.iter().any(|known| known.id == entry.id) {
            return Err(wrong(format!("model {id:?}: `id` is there twice")));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(model: FileModel, licences: &BTreeMap<String, FileLicence>) -> Result<Entry> {
    let FileModel { id, title, kind: Kind::Separator, architecture, sources, licence, member } = model;
    ensure(is_plain(&id, 64), "`id` must be 1 to 64 lower-case letters, digits, `_` and `-`")?;
    ensure(id != "spectral", "`id` spectral is the built-in engine's")?;
    ensure(is_line(&title, 200), "`title` must be one line of at most 200 characters")?;
    ensure(architecture != Architecture::Spectral, "`architecture` must be htdemucs")?;
    let distinct = sources.iter().enumerate().all(|(at, name)| !sources[..at].contains(name));
    let plain = sources.iter().all(|name| is_plain(name, 32) && name != "instrumental");
    ensure(
        (1..=16).contains(&sources.len()) && distinct && plain,
        "`sources` must be 1 to 16 different plain names",
    )?;
    let terms = licences.get(&licence).ok_or_else(|| {
        wrong(format!("`licence` {licence:?} has no table [licence.{licence}] in this file"))
    })?;
    ensure(is_line(&terms.name, 200), "`licence.name` must be one line")?;
    ensure(is_url(&terms.url), "`licence.url` must begin with http:// or https://")?;
    ensure(!terms.text.trim().is_empty() && terms.text.len() <= 32_768, "`licence.text` must not be empty")?;
    let licence = Licence {
        name: terms.name.clone(),
        url: terms.url.clone(),
        text: terms.text.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    ensure((1..=16).contains(&member.len()), "`member` must be there 1 to 16 times")?;
    let mut members: Vec<Member> = Vec::new();
    for file in member {
        let name = file.file.clone();
        let member =
            self::member(file, &sources).map_err(|error| named(error, &format!("member {name:?}")))?;
        ensure(
            members.iter().all(|known| known.file != member.file),
            "two members have the same `file`: each needs its own",
        )?;
        members.push(member);
    }
    let made = |at: usize| members.iter().any(|member| member.blend[at] > 0.0);
    ensure((0..sources.len()).all(made), "`blend` leaves a source that no member makes")?;
    let title = title.trim().to_owned();
    Ok(Entry { id, title, kind: "separator".into(), architecture, sources, licence, members })
}

fn member(file: FileMember, sources: &[String]) -> Result<Member> {
    let FileMember { signature, file, sha256, sha256_prefix, size, max_size, blend, urls } = file;
    let stem = file.strip_suffix(".th").or_else(|| file.strip_suffix(".safetensors")).unwrap_or_default();
    ensure(is_file_name(stem), "`file` must be a plain name that ends in .th or .safetensors")?;
    ensure(is_file_name(&signature), "`signature` must be a plain name")?;
    ensure(
        sha256.as_deref().is_none_or(|digest| digest.len() == 64 && is_hex(digest)),
        "`sha256` must be 64 lower-case hexadecimal digits",
    )?;
    ensure(
        sha256_prefix.as_deref().is_none_or(|digest| (8..64).contains(&digest.len()) && is_hex(digest)),
        "`sha256_prefix` must be 8 to 63 lower-case hexadecimal digits",
    )?;
    ensure(sha256.is_none() || sha256_prefix.is_none(), "`sha256_prefix` beside `sha256` says nothing")?;
    let bounded = |size: Option<u64>| size.is_none_or(|size| (1..=HIGHEST_SIZE).contains(&size));
    ensure(bounded(size), "`size` must be 1 to 64 GiB, in bytes")?;
    ensure(bounded(max_size), "`max_size` must be 1 to 64 GiB, in bytes")?;
    ensure(
        urls.len() <= 16 && urls.iter().all(|url| is_url(url)),
        "`urls` must begin with http:// or https://",
    )?;
    ensure(
        urls.iter().all(|url| !url.split('/').nth(2).unwrap_or_default().contains('@')),
        "`urls` must not hold a user's name or password",
    )?;
    let blend = blend.unwrap_or_else(|| vec![1.0; sources.len()]);
    ensure(
        blend.len() == sources.len() && blend.iter().all(|weight| weight.is_finite() && *weight >= 0.0),
        "`blend` must have a weight of 0 or more for each source",
    )?;
    let limit = size.or(max_size).unwrap_or(MAX_SIZE);
    Ok(Member { signature, file, sha256, sha256_prefix, size, limit, blend, urls })
}

fn is_plain(name: &str, longest: usize) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=longest).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-')
}

fn is_file_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    (1..=100).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with(['.', '-'])
}

fn is_line(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
}

fn is_hex(digest: &str) -> bool {
    digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && url.len() <= 2048
        && url.bytes().all(|b| b.is_ascii_graphic())
}

fn ensure(holds: bool, otherwise: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(wrong(otherwise)) }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, what)
}

fn named(mut error: Error, name: &str) -> Error {
    error.message = format!("{name}: {}", error.message);
    error
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
