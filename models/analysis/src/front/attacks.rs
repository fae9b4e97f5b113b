//! Level of a stream every 3 ms, to place in time what the onset strength finds: its windows hear a click before it
//! sounds, and a soft attack after it has begun.

/// Blocks per second, about.
const BLOCK_RATE: f32 = 345.0;
/// Levels of a block: of the sound, and of its differences, which are its heights.
const LEVELS: usize = 2;
/// Blocks before a block that it must exceed: longer than a wave of the bass.
const BEFORE: usize = 8;
/// The largest rise that counts, in half decibels.
const MOST: i16 = 40;
/// The least level that counts, in half decibels above −110 dBFS.
const QUIET: u8 = 80;

/// Levels of the blocks of a stream.
pub(crate) struct Attacks {
    /// Blocks per second.
    pub(crate) rate: f64,
    size: usize,
    last: f32,
    sums: [f32; LEVELS],
    count: usize,
    /// In half decibels above −110 dBFS.
    levels: Vec<[u8; LEVELS]>,
}

impl Attacks {
    /// Of a mono stream at `sample_rate`.
    pub(crate) fn new(sample_rate: f32) -> Self {
        let size = (sample_rate / BLOCK_RATE).round().max(1.0) as usize;
        Self {
            rate: f64::from(sample_rate) / size as f64,
            size,
            last: 0.0,
            sums: [0.0; LEVELS],
            count: 0,
            levels: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, mut mono: &[f32]) {
        while !mono.is_empty() {
            let (now, rest) = mono.split_at((self.size - self.count).min(mono.len()));
            for s in now {
                self.sums[0] += s * s;
                self.sums[1] += (s - self.last).powi(2);
                self.last = *s;
            }
            self.count += now.len();
            if self.count == self.size {
                let level = |sum: f32| {
                    let decibels = 10.0 * (sum / self.size as f32).max(1e-20).log10();
                    ((decibels + 110.0) * 2.0).clamp(0.0, 255.0) as u8
                };
                self.levels.push(self.sums.map(level));
                (self.sums, self.count) = ([0.0; LEVELS], 0);
            }
            mono = rest;
        }
    }

    /// How much each block is louder than those just before it, in half decibels.
    pub(crate) fn rises(&self, from: usize, to: usize) -> Vec<f32> {
        let rise = |at: usize| {
            let before = &self.levels[at.saturating_sub(BEFORE)..at];
            let band = |i: usize| {
                let loudest = before.iter().map(|l| l[i]).max().unwrap_or(QUIET).max(QUIET);
                (i16::from(self.levels[at][i]) - i16::from(loudest)).clamp(0, MOST)
            };
            f32::from((0..LEVELS).map(band).sum::<i16>())
        };
        (from..to.min(self.levels.len())).map(rise).collect()
    }
}
