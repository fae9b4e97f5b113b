//! The words that options take: those of the wire, each with a line of help.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use harmonix_ipc::{Device, Error, ErrorKind, Format, JobState, Mode, Precision, Priority, Quality};

type Words<T> = &'static [(&'static str, T, &'static str)];

const QUALITIES: Words<Quality> = &[
    ("draft", Quality::Draft, "Fastest: no shifts, overlap 0.05"),
    ("fast", Quality::Fast, "No shifts, overlap 0.10"),
    ("balanced", Quality::Balanced, "One shift, overlap 0.25"),
    ("studio", Quality::Studio, "Five shifts, overlap 0.50"),
];

const MODES: Words<Mode> = &[
    ("grouped", Mode::Grouped, "Each stem of the model"),
    ("karaoke", Mode::Karaoke, "Vocals, and an instrumental of everything else"),
    ("per_instrument", Mode::PerInstrument, "One output for each instrument asked for that the model has"),
];

const FORMATS: Words<Format> = &[
    ("wav16", Format::Wav16, "WAV, 16-bit integer"),
    ("wav24", Format::Wav24, "WAV, 24-bit integer"),
    ("wav32f", Format::Wav32f, "WAV, 32-bit float: never needs a gain"),
    ("flac16", Format::Flac16, "FLAC, 16 bit"),
    ("flac24", Format::Flac24, "FLAC, 24 bit"),
];

const DEVICES: Words<Device> = &[
    ("auto", Device::Auto, "The best there is"),
    ("cpu", Device::Cpu, "The processor"),
    ("cuda", Device::Cuda, "A CUDA graphics card; refused when there is none"),
];

const PRECISIONS: Words<Precision> = &[
    ("f32", Precision::F32, "32-bit floating point throughout"),
    ("fast", Precision::Fast, "Lower precision where it is faster: about 35 dB from the exact stems"),
];

const PRIORITIES: Words<Priority> = &[
    ("low", Priority::Low, "When nothing else waits"),
    ("normal", Priority::Normal, "In turn with the jobs of other users"),
    ("high", Priority::High, "Before all others; takes the device over at the next segment"),
];

const STATES: Words<JobState> = &[
    ("queued", JobState::Queued, "Waits for its next stage"),
    ("ingesting", JobState::Ingesting, "The input is decoded"),
    ("analyzing", JobState::Analyzing, "Tempo, key and the rest are estimated"),
    ("separating", JobState::Separating, "The stems are computed"),
    ("exporting", JobState::Exporting, "The stems are encoded and verified"),
    ("transcribing", JobState::Transcribing, "Lyrics are transcribed"),
    ("paused", JobState::Paused, "Held until it is resumed"),
    ("completed", JobState::Completed, "Every output exists and was verified"),
    ("failed", JobState::Failed, "Ended with an error"),
    ("cancelled", JobState::Cancelled, "Ended because its owner asked for it"),
];

pub(crate) fn quality() -> impl TypedValueParser<Value = Quality> {
    words(QUALITIES)
}

pub(crate) fn priority() -> impl TypedValueParser<Value = Priority> {
    words(PRIORITIES)
}

pub(crate) fn mode() -> impl TypedValueParser<Value = Mode> {
    words(MODES)
}

pub(crate) fn format() -> impl TypedValueParser<Value = Format> {
    words(FORMATS)
}

pub(crate) fn device() -> impl TypedValueParser<Value = Device> {
    words(DEVICES)
}

pub(crate) fn precision() -> impl TypedValueParser<Value = Precision> {
    words(PRECISIONS)
}

pub(crate) fn state() -> impl TypedValueParser<Value = JobState> {
    words(STATES)
}

/// `a-b` is taken for `a_b`.
fn words<T: Copy + Send + Sync + 'static>(table: Words<T>) -> impl TypedValueParser<Value = T> {
    let values = table.iter().map(|(word, _, help)| {
        let value = PossibleValue::new(*word).help(*help);
        if *word == "per_instrument" { value.alias("per-instrument") } else { value }
    });
    PossibleValuesParser::new(values).try_map(|typed| {
        let typed = typed.replace('-', "_");
        let row = table.iter().find(|(word, _, _)| *word == typed);
        row.map(|(_, value, _)| *value).ok_or_else(|| Error::new(ErrorKind::InvalidRequest, "no such word"))
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use super::*;

    fn check<T: Display + PartialEq>(table: Words<T>, all: &[T]) {
        assert!(table.iter().all(|(word, value, _)| *word == value.to_string()));
        assert!(table.iter().map(|(_, value, _)| value).eq(all.iter()));
    }

    #[test]
    fn the_words_are_those_of_the_wire_and_complete() {
        check(QUALITIES, &Quality::ALL);
        check(MODES, &Mode::ALL);
        check(FORMATS, &Format::ALL);
        check(DEVICES, &Device::ALL);
        check(PRECISIONS, &Precision::ALL);
        check(STATES, &JobState::ALL);
    }
}
