//! The analyser: blocks in, an [`Analysis`] out.

use crate::{
    analysis::Analysis,
    evidence::Evidence,
    front::{Stream, Wanted},
    harmony, loudness,
    options::{Instruments, Options},
    rhythm, sections,
};

/// A part of the music on its own, where it has been separated already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stem {
    /// The drums: rhythm is looked for here as well as in the mix.
    Drums,
    /// The mix without its drums: harmony is looked for here instead of in the mix.
    Pitched,
}

/// Frames from which on a block is worth a second thread.
const PARALLEL: usize = 8192;

/// Analyses one track in one pass, on two threads where there are two processors and blocks are of some length. Memory
/// grows by about 2 kB per second of audio.
pub struct Analyzer {
    sample_rate: u32,
    options: Options,
    channels: usize,
    mix: Feed,
    metering: Cutter,
    drums: Option<Feed>,
    pitched: Option<Feed>,
    meter: loudness::Meter,
    frames: u64,
    parallel: bool,
}

impl Analyzer {
    /// An analyser of interleaved audio with `channels` channels, 1 or 2, at `sample_rate`, 8000 Hz or more.
    ///
    /// # Errors
    /// When there are other numbers of channels or lower rates.
    pub fn new(sample_rate: u32, channels: usize, options: Options) -> Result<Self, Unsupported> {
        if !(8000..=1_536_000).contains(&sample_rate) || !(1..=2).contains(&channels) {
            return Err(Unsupported { sample_rate, channels });
        }
        let all = Wanted { onsets: true, chroma: true, instruments: options.instruments };
        Ok(Self {
            sample_rate,
            options,
            channels,
            mix: Feed::new(sample_rate, channels, all),
            metering: Cutter::new(sample_rate, channels),
            parallel: std::thread::available_parallelism().is_ok_and(|n| n.get() > 1),
            drums: None,
            pitched: None,
            meter: loudness::Meter::new(sample_rate, channels),
            frames: 0,
        })
    }

    /// Takes the next block of the mix, of any length. What is not a finite number counts as zero.
    pub fn push(&mut self, interleaved: &[f32]) {
        let Self { mix, meter, metering, frames, channels, .. } = self;
        let mut measure = || {
            metering.push(interleaved, |step| {
                *frames += (step.len() / *channels) as u64;
                meter.push(step, true);
            });
        };
        if self.parallel && interleaved.len() >= PARALLEL * *channels {
            std::thread::scope(|scope| {
                scope.spawn(measure);
                mix.push(interleaved);
            });
        } else {
            measure();
            mix.push(interleaved);
        }
    }

    /// Takes the next block of a stem. A stem has the format and the length of the mix; blocks may be cut in other
    /// places.
    pub fn push_stem(&mut self, stem: Stem, interleaved: &[f32]) {
        let (feed, wanted) = match stem {
            Stem::Drums => {
                (&mut self.drums, Wanted { onsets: true, chroma: false, instruments: Instruments::Off })
            }
            Stem::Pitched => {
                (&mut self.pitched, Wanted { onsets: false, chroma: true, instruments: Instruments::Off })
            }
        };
        feed.get_or_insert_with(|| Feed::new(self.sample_rate, self.channels, wanted)).push(interleaved);
    }

    /// Takes the end and says what was found.
    pub fn finish(self) -> Analysis {
        self.finish_with_evidence().0
    }

    /// Like [`finish`](Self::finish), and says what the models were given.
    pub fn finish_with_evidence(mut self) -> (Analysis, Evidence) {
        let channels = self.channels;
        self.mix.finish();
        let rest = self.metering.rest();
        self.frames += (rest.len() / channels) as u64;
        self.meter.push(rest, false);
        let duration = self.frames as f64 / f64::from(self.sample_rate);
        let (loudness, energy) = self.meter.finish();
        for feed in [&mut self.drums, &mut self.pitched].into_iter().flatten() {
            feed.finish();
        }
        let listener = self.mix.stream.onsets.as_mut().and_then(|rhythm| rhythm.onsets.listener.take());
        let threshold = self.options.instrument_threshold;
        let instruments = listener.map_or_else(Vec::new, |listener| listener.finish(duration, threshold));
        let chroma = harmony::Harmony::new(
            self.pitched.and_then(|f| f.stream.chroma).or(self.mix.stream.chroma.take()),
            duration,
        );
        let onsets =
            self.drums.and_then(|f| f.stream.onsets).into_iter().chain(self.mix.stream.onsets.take());
        let onsets: Vec<_> = onsets.collect();
        let (tempo, rhythm) = rhythm::tempo(&onsets, &chroma, duration, &self.options);
        let beats = tempo.as_ref().map_or(&[][..], |t| &t.beats);
        let downbeats = tempo.as_ref().map_or(&[][..], |t| &t.downbeats);
        let evidence = chroma.evidence(beats, rhythm);
        let analysis = Analysis {
            key: chroma.key(self.options.key_profile),
            chords: chroma.chords(beats),
            sections: sections::sections(&chroma, onsets.last(), beats, downbeats),
            tempo,
            instruments,
            duration,
            loudness,
            energy,
        };
        (analysis, evidence)
    }
}

/// Cuts blocks into steps of 100 ms, so that nothing depends on how the caller cuts them.
struct Cutter {
    channels: usize,
    step: usize,
    held: Vec<f32>,
}

impl Cutter {
    fn new(sample_rate: u32, channels: usize) -> Self {
        let step = loudness::step_frames(sample_rate) as usize * channels;
        Self { channels, step, held: Vec::with_capacity(step) }
    }

    fn push(&mut self, mut interleaved: &[f32], mut each: impl FnMut(&[f32])) {
        while !interleaved.is_empty() {
            let take = (self.step - self.held.len()).min(interleaved.len());
            self.held.extend(interleaved[..take].iter().map(|s| if s.is_finite() { *s } else { 0.0 }));
            interleaved = &interleaved[take..];
            if self.held.len() == self.step {
                each(&self.held);
                self.held.clear();
            }
        }
    }

    /// Whole frames of less than a step.
    fn rest(&mut self) -> &[f32] {
        self.held.truncate(self.held.len() / self.channels * self.channels);
        &self.held
    }
}

/// A stream of mono steps.
struct Feed {
    stream: Stream,
    cutter: Cutter,
    mono: Vec<f32>,
}

impl Feed {
    fn new(sample_rate: u32, channels: usize, wanted: Wanted) -> Self {
        Self {
            stream: Stream::new(sample_rate, wanted),
            cutter: Cutter::new(sample_rate, channels),
            mono: Vec::new(),
        }
    }

    fn push(&mut self, interleaved: &[f32]) {
        let (stream, mono, channels) = (&mut self.stream, &mut self.mono, self.cutter.channels);
        self.cutter.push(interleaved, |step| {
            mixed(step, channels, mono);
            stream.push(mono);
        });
    }

    fn finish(&mut self) {
        let channels = self.cutter.channels;
        mixed(self.cutter.rest(), channels, &mut self.mono);
        self.stream.push(&self.mono);
        self.stream.finish();
    }
}

/// One or two channels as one.
fn mixed(step: &[f32], channels: usize, mono: &mut Vec<f32>) {
    mono.clear();
    match channels {
        1 => mono.extend_from_slice(step),
        _ => mono.extend(step.as_chunks::<2>().0.iter().map(|[l, r]| 0.5 * (l + r))),
    }
}

/// Audio of a form that is not analysed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported {
    /// The rate that was asked for.
    pub sample_rate: u32,
    /// The channels that were asked for.
    pub channels: usize,
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} channels at {} Hz: analysis takes one or two channels at 8000 Hz or more",
            self.channels, self.sample_rate
        )
    }
}

impl std::error::Error for Unsupported {}
