//! `manifest.json`: everything from which a job can be verified and repeated.

use std::collections::BTreeMap;

use harmonix_engine::{Layout, ModelInfo, protocol::Precision};
use harmonix_ipc::{JobId, JobOptions, Probe, StemFile};
use serde::Serialize;

use crate::{actors::export::Export, audio, job::Separated};

/// File name of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// The manifest of a job. No times and no host: the same input, model and settings give the same bytes but for `job`.
#[derive(Debug, Serialize)]
pub struct Manifest<'a> {
    version: u32,
    harmonix: &'static str,
    job: &'a JobId,
    input: Input<'a>,
    settings: &'a JobOptions,
    /// The model that the preset names, when another one computed.
    instead_of: Option<&'a str>,
    engine: Engine<'a>,
    /// Output → the model's stems that it is the sum of.
    outputs: BTreeMap<&'a str, Vec<&'a str>>,
    unavailable: &'a [String],
    /// The outputs are as the model made them: asked for, or because not all stems were computed.
    raw: bool,
    gain_db: f64,
    /// Level of mixture − Σ stems before and after the residual was spread, in dBFS; null is silence.
    residual_before_dbfs: Option<f64>,
    residual_after_dbfs: Option<f64>,
    files: &'a [StemFile],
    warnings: &'a [String],
}

/// How the stems came to be. Where a job was interrupted is told by its events: it changes no result.
#[derive(Debug, Serialize)]
struct Engine<'a> {
    model: &'a ModelInfo,
    device: &'a str,
    layout: Layout,
    summary: Summary,
    precision: Precision,
    batch: usize,
    sha256: &'a [String],
}

#[derive(Debug, Serialize)]
struct Summary {
    frames: u64,
    segments: usize,
    passes: usize,
}

#[derive(Debug, Serialize)]
struct Input<'a> {
    name: &'a str,
    probe: &'a Probe,
    /// BLAKE3 of the decoded audio.
    pcm_blake3: &'a str,
    gain: f64,
    preview: Option<f64>,
    converted: bool,
    downmixed_from: Option<u16>,
}

impl<'a> Engine<'a> {
    fn new(separated: &'a Separated) -> Self {
        let harmonix_engine::Summary { frames, segments, passes, .. } = separated.summary;
        Self {
            model: &separated.model,
            device: &separated.device,
            layout: separated.layout,
            summary: Summary { frames, segments, passes },
            precision: separated.precision,
            batch: separated.batch,
            sha256: &separated.sha256,
        }
    }
}

impl<'a> Manifest<'a> {
    /// The manifest of an export.
    pub fn new(
        export: &'a Export,
        outputs: &'a [audio::Output],
        raw: bool,
        audio: &'a harmonix_ipc::Exported,
    ) -> Self {
        let Export { ingested, separated, resolved, .. } = export;
        let sources = &separated.model.sources;
        let parts =
            |output: &'a audio::Output| output.parts.iter().map(|part| sources[*part].as_str()).collect();
        Self {
            version: 1,
            harmonix: env!("CARGO_PKG_VERSION"),
            job: export.running.job(),
            input: Input {
                name: &export.name,
                probe: &ingested.probe,
                pcm_blake3: &ingested.pcm_hash,
                gain: ingested.input_gain,
                preview: ingested.preview,
                converted: ingested.converted,
                downmixed_from: ingested.downmixed_from,
            },
            settings: &export.options,
            instead_of: resolved.instead_of.as_deref(),
            engine: Engine::new(separated),
            outputs: outputs.iter().map(|output| (output.name.as_str(), parts(output))).collect(),
            unavailable: &resolved.unavailable,
            raw,
            gain_db: audio.gain_db,
            residual_before_dbfs: audio.residual_before_dbfs,
            residual_after_dbfs: audio.residual_after_dbfs,
            files: &audio.files,
            warnings: &audio.warnings,
        }
    }

    /// The file's content.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
