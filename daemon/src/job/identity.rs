//! What makes two computations the same.

use harmonix_ipc::JobOptions;

use super::Resolved;
use crate::audio::Ingested;

/// Software and model: results of another version, or of other weights, are not those of this one.
struct Computed<'a> {
    resolved: &'a Resolved,
    device: &'a str,
    /// Digests of the model's files.
    weights: &'a [String],
}

impl Computed<'_> {
    fn feed(&self, digest: &mut blake3::Hasher) {
        let Self { resolved, device, weights } = self;
        let Resolved { model, sources, layout, precision, computed, .. } = resolved;
        let version = env!("CARGO_PKG_VERSION");
        digest.update(
            format!(
                "{version} {model} {sources:?} {layout:?} {precision:?} {computed:?} {device} {weights:?}"
            )
            .as_bytes(),
        );
    }
}

/// The name under which stems are kept: the same decoded audio, brought to the same level, the same model, weights and
/// settings. 64 hex digits.
pub fn stems_key(ingested: &Ingested, resolved: &Resolved, device: &str, weights: &[String]) -> String {
    let mut digest = blake3::Hasher::new();
    digest.update(format!("stems {} {:?} ", ingested.pcm_hash, ingested.input_gain).as_bytes());
    Computed { resolved, device, weights }.feed(&mut digest);
    digest.finalize().to_hex().to_string()
}

/// The identity of a whole request: the same bytes under the same name, and everything that changes an output. 64 hex
/// digits.
pub fn request_key(
    source: &str,
    name: &str,
    options: &JobOptions,
    resolved: &Resolved,
    weights: &[String],
) -> String {
    // who goes first, and whether an old answer will do, changes no output
    let options = JobOptions { priority: Default::default(), fresh: false, ..options.clone() };
    let options = serde_json::to_string(&options).unwrap_or_default();
    let outputs = (&resolved.outputs, &resolved.unavailable, &resolved.instead_of);
    let mut digest = blake3::Hasher::new();
    digest.update(format!("request {source} {name:?} {options} {outputs:?} ").as_bytes());
    Computed { resolved, device: "", weights }.feed(&mut digest);
    digest.finalize().to_hex().to_string()
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
