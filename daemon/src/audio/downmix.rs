//! More than two channels become stereo by Recommendation ITU-R BS.775-3, annex 4, table 2.
//!
//! `L = FL + C/√2 + SL/√2` and `R = FR + C/√2 + SR/√2`. A single surround channel goes to both sides at half its
//! amplitude (−3 dB for its split into two, −3 dB as a surround). The low-frequency effects channel is dropped, as
//! the recommendation says. Loudspeakers it does not know (back pairs next to side pairs, heights, wides) join
//! their side at −3 dB. The sums are not scaled: samples are floating point and cannot clip here.

use std::f32::consts::FRAC_1_SQRT_2 as MINUS_3_DB;

use symphonia::core::audio::{Channels, Position};

const LEFT: [f32; 2] = [1.0, 0.0];
const RIGHT: [f32; 2] = [0.0, 1.0];
const CENTRE: [f32; 2] = [MINUS_3_DB, MINUS_3_DB];
const SIDE_LEFT: [f32; 2] = [MINUS_3_DB, 0.0];
const SIDE_RIGHT: [f32; 2] = [0.0, MINUS_3_DB];
const BEHIND: [f32; 2] = [0.5, 0.5];
const DROPPED: [f32; 2] = [0.0, 0.0];

/// How the channels of a stream become one or two.
#[derive(Debug, Clone, PartialEq)]
pub struct Downmix {
    channels: usize,
    /// What each channel adds to left and right; empty when the channels stay as they are.
    weights: Vec<[f32; 2]>,
}

impl Downmix {
    /// The mix for a stream of these channels. Without positions the usual order of that count is assumed.
    pub fn new(layout: &Channels) -> Self {
        let channels = layout.count();
        let weights = if channels <= 2 { Vec::new() } else { weights(layout) };
        Self { channels, weights }
    }

    /// Channels that come out: 1 or 2.
    pub fn channels(&self) -> usize {
        self.channels.min(2)
    }

    /// Channels that went in, when that were more than come out.
    pub fn mixed_from(&self) -> Option<u16> {
        (!self.weights.is_empty()).then_some(self.channels as u16)
    }

    /// Mixes interleaved frames in place.
    pub fn apply(&self, interleaved: &mut Vec<f32>) {
        if self.weights.is_empty() {
            return;
        }
        let frames = interleaved.len() / self.channels;
        for frame in 0..frames {
            let mut sum = [0.0f32; 2];
            let from = frame * self.channels;
            for (sample, weight) in interleaved[from..from + self.channels].iter().zip(&self.weights) {
                // A dropped channel is multiplied too: what is not finite in it stays visible.
                sum[0] += sample * weight[0];
                sum[1] += sample * weight[1];
            }
            interleaved[2 * frame..2 * frame + 2].copy_from_slice(&sum);
        }
        interleaved.truncate(2 * frames);
    }
}

fn weights(layout: &Channels) -> Vec<[f32; 2]> {
    match layout {
        Channels::Positioned(positions) => usual(*positions).iter().map(weight).collect(),
        // The first component of any ambisonic set is the sound from all around.
        Channels::Ambisonic(_) => {
            (0..layout.count()).map(|n| if n == 0 { [1.0, 1.0] } else { DROPPED }).collect()
        }
        _ => match by_count(layout.count()) {
            Some(positions) => positions.iter().map(weight).collect(),
            None => (0..layout.count()).map(|n| if n % 2 == 0 { SIDE_LEFT } else { SIDE_RIGHT }).collect(),
        },
    }
}

/// Positions given by "the first n of the WAVE mask" make no sense as loudspeakers: files without a mask mean
/// the usual layout of that count.
fn usual(positions: Position) -> Position {
    let count = positions.bits().count_ones();
    match by_count(count as usize) {
        Some(usual) if count >= 4 && Position::from_count(count) == Some(positions) => usual,
        _ => positions,
    }
}

/// The usual layout of 3 to 8 channels, in the order of the WAVE channel mask.
fn by_count(channels: usize) -> Option<Position> {
    let front = Position::FRONT_LEFT | Position::FRONT_RIGHT;
    let rear = Position::REAR_LEFT | Position::REAR_RIGHT;
    let side = Position::SIDE_LEFT | Position::SIDE_RIGHT;
    let (centre, low) = (Position::FRONT_CENTER, Position::LFE1);
    match channels {
        3 => Some(front | centre),
        4 => Some(front | rear),
        5 => Some(front | centre | rear),
        6 => Some(front | centre | low | rear),
        7 => Some(front | centre | low | Position::REAR_CENTER | side),
        8 => Some(front | centre | low | rear | side),
        _ => None,
    }
}

fn weight(position: Position) -> [f32; 2] {
    match position {
        Position::FRONT_LEFT => LEFT,
        Position::FRONT_RIGHT => RIGHT,
        Position::FRONT_CENTER => CENTRE,
        Position::LFE1 | Position::LFE2 => DROPPED,
        Position::REAR_CENTER
        | Position::TOP_CENTER
        | Position::TOP_FRONT_CENTER
        | Position::TOP_REAR_CENTER
        | Position::BOTTOM_FRONT_CENTER => BEHIND,
        Position::REAR_LEFT
        | Position::SIDE_LEFT
        | Position::FRONT_LEFT_CENTER
        | Position::TOP_FRONT_LEFT
        | Position::TOP_REAR_LEFT
        | Position::TOP_SIDE_LEFT
        | Position::BOTTOM_FRONT_LEFT
        | Position::FRONT_LEFT_WIDE => SIDE_LEFT,
        _ => SIDE_RIGHT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: f32 = MINUS_3_DB;

    fn mix(layout: impl Into<Channels>, frame: &[f32]) -> Vec<f32> {
        let mut samples = frame.to_vec();
        Downmix::new(&layout.into()).apply(&mut samples);
        samples
    }

    fn mask(bits: u64) -> Position {
        Position::from_bits(bits).unwrap()
    }

    #[test]
    fn mono_and_stereo_stay() {
        assert_eq!(mix(mask(0b100), &[0.1, 0.2]), [0.1, 0.2]);
        assert_eq!(mix(mask(0b11), &[0.1, 0.2]), [0.1, 0.2]);
        assert_eq!(Downmix::new(&mask(0b11).into()).mixed_from(), None);
        assert_eq!(Downmix::new(&mask(0b100).into()).channels(), 1);
    }

    #[test]
    fn surround_follows_the_recommendation() {
        let expected =
            |l: f32, r: f32, c: f32, sl: f32, sr: f32| vec![l + R * c + R * sl, r + R * c + R * sr];
        // 5.1 with side and with back loudspeakers; the fourth channel is the dropped LFE.
        for bits in [0x60F, 0x3F] {
            let mixed = mix(mask(bits), &[0.1, 0.2, 0.3, 9.0, 0.5, 0.6]);
            assert_eq!(mixed, expected(0.1, 0.2, 0.3, 0.5, 0.6), "{bits:x}");
        }
        assert_eq!(mix(mask(0x7), &[0.1, 0.2, 0.3]), expected(0.1, 0.2, 0.3, 0.0, 0.0));
        assert_eq!(mix(mask(0x33), &[0.1, 0.2, 0.5, 0.6]), expected(0.1, 0.2, 0.0, 0.5, 0.6));
        assert_eq!(mix(mask(0x37), &[0.1, 0.2, 0.3, 0.5, 0.6]), expected(0.1, 0.2, 0.3, 0.5, 0.6));
        // 6.1: LFE, then the single channel behind at half, then the sides.
        let mixed = mix(mask(0x70F), &[0.0, 0.0, 0.0, 9.0, 0.4, 0.2, 0.6]);
        assert_eq!(mixed, [0.2 + R * 0.2, 0.2 + R * 0.6]);
        // 7.1: back and side pairs both at −3 dB.
        let mixed = mix(mask(0x63F), &[0.0, 0.0, 0.0, 9.0, 0.1, 0.2, 0.3, 0.4]);
        assert_eq!(mixed, [R * 0.1 + R * 0.3, R * 0.2 + R * 0.4]);
    }

    #[test]
    fn files_without_a_mask_get_the_usual_layout() {
        let four = [0.1, 0.2, 0.3, 0.4];
        assert_eq!(mix(mask(0xF), &four), mix(mask(0x33), &four));
        assert_eq!(mix(Channels::Discrete(4), &four), mix(mask(0x33), &four));
        let seven = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
        assert_eq!(mix(mask(0x7F), &seven), mix(mask(0x70F), &seven));
        assert_eq!(mix(Channels::Discrete(9), &[1.0; 9]).len(), 2);
        assert_eq!(Downmix::new(&Channels::Discrete(64)).mixed_from(), Some(64));
    }

    #[test]
    fn what_is_not_finite_in_a_dropped_channel_stays_visible() {
        assert!(mix(mask(0x3F), &[0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0]).iter().all(|s| s.is_nan()));
    }
}
