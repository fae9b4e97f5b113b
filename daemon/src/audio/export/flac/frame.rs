//! Frames: a block of all channels with its header and checksums (RFC 9639, section 9).

use super::{
    bits::{BitWriter, crc8, crc16},
    fixed,
    lpc::Window,
    subframe::Subframe,
};

/// Frames of audio in a block; every block but the last has as many.
pub(super) const BLOCK: usize = 4096;

/// How two channels are stored, by the code in the frame's header.
const LEFT_SIDE: u32 = 8;
const SIDE_RIGHT: u32 = 9;
const MID_SIDE: u32 = 10;

/// Turns blocks into frames.
#[derive(Debug)]
pub(super) struct FrameCoder {
    rate: u32,
    bps: u32,
    channels: Vec<Vec<i32>>,
    window: Window,
    short_window: Window,
    bits: BitWriter,
}

impl FrameCoder {
    /// A coder for `channels` (1 or 2) channels of `bps` (16 or 24) bits at `rate` Hz.
    pub(super) fn new(rate: u32, bps: u32, channels: u16) -> Self {
        Self {
            rate,
            bps,
            channels: vec![Vec::with_capacity(BLOCK); usize::from(channels)],
            window: Window::default(),
            short_window: Window::default(),
            bits: BitWriter::default(),
        }
    }

    /// The frame with the number `number` for `interleaved`, 1 to [`BLOCK`] frames of audio.
    pub(super) fn code(&mut self, number: u32, interleaved: &[i32]) -> &[u8] {
        let count = self.channels.len();
        for (index, channel) in self.channels.iter_mut().enumerate() {
            channel.clear();
            channel.extend(interleaved.iter().skip(index).step_by(count));
        }
        let block = interleaved.len() / count;
        let (assignment, side) = match &mut self.channels[..] {
            [left, right] => decorrelate(left, right),
            channels => (channels.len() as u32 - 1, None),
        };
        self.bits.clear();
        self.header(number, block, assignment);
        let window = if block == BLOCK { &mut self.window } else { &mut self.short_window };
        for (index, channel) in self.channels.iter().enumerate() {
            let bps = self.bps + u32::from(side == Some(index));
            Subframe::choose(channel, bps, window).write(channel, bps, &mut self.bits);
        }
        self.bits.align();
        let crc = crc16(self.bits.bytes());
        self.bits.put(u32::from(crc), 16);
        self.bits.bytes()
    }

    fn header(&mut self, number: u32, block: usize, assignment: u32) {
        // Sync code, fixed block size.
        self.bits.put(0xFFF8, 16);
        let (block_code, block_bits) = match block {
            BLOCK => (12, 0),
            1..=256 => (6, 8),
            _ => (7, 16),
        };
        let (rate_code, rate_value, rate_bits) = rate_code(self.rate);
        self.bits.put(block_code, 4);
        self.bits.put(rate_code, 4);
        self.bits.put(assignment, 4);
        self.bits.put(if self.bps == 16 { 4 } else { 6 }, 3);
        self.bits.put(0, 1);
        self.number(number);
        self.bits.put(block as u32 - 1, block_bits);
        self.bits.put(rate_value, rate_bits);
        let crc = crc8(self.bits.bytes());
        self.bits.put(u32::from(crc), 8);
    }

    /// A frame's number, coded like a character of UTF-8 but with up to 31 bits.
    fn number(&mut self, number: u32) {
        if number < 0x80 {
            return self.bits.put(number, 8);
        }
        // `more` continuation bytes hold 6 bits each and leave 6 − `more` to the first byte, which begins with
        // `more` + 1 ones and a zero.
        let more = (1..5).find(|more| number < 1 << (5 * more + 6)).unwrap_or(5);
        self.bits.put((0xFF << (7 - more)) & 0xFF | number >> (6 * more), 8);
        for byte in (0..more).rev() {
            self.bits.put(0x80 | number >> (6 * byte) & 0x3F, 8);
        }
    }
}

/// Replaces left and right by the pair of channels that is predicted best. Gives the code of the pair and which
/// of the two is a difference and so has one more bit.
fn decorrelate(left: &mut [i32], right: &mut [i32]) -> (u32, Option<usize>) {
    let side: Vec<i32> = left.iter().zip(&*right).map(|(l, r)| l - r).collect();
    let mid: Vec<i32> = left.iter().zip(&*right).map(|(l, r)| (l + r) >> 1).collect();
    // The bits of a residual grow with the logarithm of its magnitude.
    let cost = |channel: &[i32]| ((fixed::best_order(channel).1 + 1) as f64).log2();
    let [l, r, s, m] = [cost(left), cost(right), cost(&side), cost(&mid)];
    let pairs = [
        (l + r, 1, None),
        (l + s, LEFT_SIDE, Some(1)),
        (s + r, SIDE_RIGHT, Some(0)),
        (m + s, MID_SIDE, Some(1)),
    ];
    let (_, code, difference) = pairs.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or(pairs[0]);
    match code {
        LEFT_SIDE => right.copy_from_slice(&side),
        SIDE_RIGHT => left.copy_from_slice(&side),
        MID_SIDE => {
            left.copy_from_slice(&mid);
            right.copy_from_slice(&side);
        }
        _ => {}
    }
    (code, difference)
}

/// The code of a sample rate in a frame's header, and the value behind the header with its size in bits. A rate
/// that has no code is left to STREAMINFO.
fn rate_code(rate: u32) -> (u32, u32, u32) {
    const TABLE: [(u32, u32); 11] = [
        (88_200, 1),
        (176_400, 2),
        (192_000, 3),
        (8_000, 4),
        (16_000, 5),
        (22_050, 6),
        (24_000, 7),
        (32_000, 8),
        (44_100, 9),
        (48_000, 10),
        (96_000, 11),
    ];
    if let Some((_, code)) = TABLE.iter().find(|(known, _)| *known == rate) {
        return (*code, 0, 0);
    }
    match rate {
        _ if rate.is_multiple_of(1000) && rate / 1000 <= 0xFF => (12, rate / 1000, 8),
        _ if rate <= 0xFFFF => (13, rate, 16),
        _ if rate.is_multiple_of(10) && rate / 10 <= 0xFFFF => (14, rate / 10, 16),
        _ => (0, 0, 0),
    }
}
