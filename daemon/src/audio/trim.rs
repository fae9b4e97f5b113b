//! Cuts the frames an encoder added in front of and behind the audio.

use super::resample::output_frames;

/// Which frames of a decoded stream are audio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Trim {
    /// Frames to drop at the start.
    pub(super) skip: u64,
    /// Frames to keep after that; `None` for all.
    pub(super) keep: Option<u64>,
    /// Frames that may follow as padding. When more follow, the header was wrong and all of them are audio.
    /// `None`: whatever follows is cut, because somebody asked for it.
    pub(super) slack: Option<u64>,
    /// Ticks per second that the numbers above count in, where that is not the sample rate.
    pub(super) scale: Option<u32>,
}

impl Trim {
    /// The same part in frames at `rate` Hz.
    fn at(self, rate: u32) -> Self {
        let Some(scale) = self.scale.filter(|scale| *scale != rate && *scale > 0) else { return self };
        let frames = |ticks| output_frames(ticks, scale, rate);
        Self { skip: frames(self.skip), keep: self.keep.map(frames), scale: None, ..self }
    }
}

/// Applies a [`Trim`] to a stream of blocks.
#[derive(Debug)]
pub(super) struct Trimmer {
    channels: usize,
    trim: Trim,
    hold: Vec<f32>,
    /// True once more audio came than the header promised.
    pub(super) overrun: bool,
}

impl Trimmer {
    pub(super) fn new(trim: Trim) -> Self {
        Self { channels: 1, trim, hold: Vec::new(), overrun: false }
    }

    /// Says what the blocks are, before the first one, and learns how many frames are to be kept.
    pub(super) fn start(&mut self, channels: usize, rate: u32) -> Option<u64> {
        self.channels = channels;
        self.trim = self.trim.at(rate);
        self.trim.keep
    }

    /// Leaves in `block` (interleaved) only what is audio.
    pub(super) fn apply(&mut self, block: &mut Vec<f32>) {
        let skip = self.trim.skip.min((block.len() / self.channels) as u64);
        self.trim.skip -= skip;
        block.drain(..skip as usize * self.channels);
        let Some(keep) = &mut self.trim.keep else { return };
        let kept = (*keep).min((block.len() / self.channels) as u64);
        *keep -= kept;
        let rest = block.split_off(kept as usize * self.channels);
        let Some(slack) = self.trim.slack else { return };
        self.hold.extend_from_slice(&rest);
        if (self.hold.len() / self.channels) as u64 > slack {
            self.overrun = true;
            self.trim.keep = None;
            block.append(&mut self.hold);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(trim: Trim, blocks: &[&[f32]]) -> (Vec<f32>, bool) {
        let mut trimmer = Trimmer::new(trim);
        let mut out = Vec::new();
        for block in blocks {
            let mut block = block.to_vec();
            trimmer.apply(&mut block);
            out.append(&mut block);
        }
        (out, trimmer.overrun)
    }

    #[test]
    fn start_and_end_are_cut_across_blocks() {
        let trim = Trim { skip: 3, keep: Some(3), slack: Some(4), scale: None };
        let blocks: [&[f32]; 4] = [&[1.0, 2.0], &[3.0, 4.0, 5.0], &[6.0, 7.0, 8.0], &[9.0]];
        assert_eq!(run(trim, &blocks), (vec![4.0, 5.0, 6.0], false));
        assert_eq!(run(Trim::default(), &blocks).0.len(), 9);
    }

    #[test]
    fn a_header_that_promises_too_little_loses_nothing() {
        let trim = Trim { skip: 1, keep: Some(1), slack: Some(2), scale: None };
        assert_eq!(
            run(trim, &[&[1.0, 2.0, 3.0], &[4.0, 5.0], &[6.0]]),
            (vec![2.0, 3.0, 4.0, 5.0, 6.0], true)
        );
    }

    #[test]
    fn ticks_become_frames() {
        let mut trimmer =
            Trimmer::new(Trim { skip: 90, keep: Some(90_000), slack: None, scale: Some(90_000) });
        assert_eq!(trimmer.start(2, 48_000), Some(48_000));
        assert_eq!(trimmer.trim.skip, 48);
    }

    #[test]
    fn an_edit_cuts_any_amount() {
        let trim = Trim { skip: 0, keep: Some(1), slack: None, scale: None };
        assert_eq!(run(trim, &[&[1.0; 100], &[2.0; 100]]), (vec![1.0], false));
    }
}
