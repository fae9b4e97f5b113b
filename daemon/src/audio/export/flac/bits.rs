//! A writer of bits, most significant first, and the checksums of FLAC frames.

/// Collects bits into bytes.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl BitWriter {
    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        (self.pending, self.count) = (0, 0);
    }

    /// Appends the lowest `bits` (at most 32) bits of `value`.
    pub(super) fn put(&mut self, value: u32, bits: u32) {
        let mask = (1u64 << bits) - 1;
        self.pending = self.pending << bits | u64::from(value) & mask;
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.pending >> self.count) as u8);
        }
    }

    /// Appends `value` in two's complement.
    pub(super) fn put_signed(&mut self, value: i32, bits: u32) {
        self.put(value as u32, bits);
    }

    /// Appends the Rice code of `value` with `parameter` low bits: the rest in unary, then the low bits.
    pub(super) fn put_rice(&mut self, value: u32, parameter: u32) {
        let mut zeros = value >> parameter;
        while zeros >= 31 {
            self.put(0, 31);
            zeros -= 31;
        }
        self.put(1, zeros + 1);
        self.put(value, parameter);
    }

    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        self.put(0, (8 - self.count % 8) % 8);
    }

    /// The whole bytes so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// CRC-8 with the polynomial x⁸ + x² + x + 1, which closes a frame's header.
pub(super) fn crc8(bytes: &[u8]) -> u8 {
    const TABLE: [u16; 256] = table(0x07 << 8);
    (bytes.iter().fold(0u16, |crc, &byte| TABLE[usize::from((crc >> 8) as u8 ^ byte)]) >> 8) as u8
}

/// CRC-16 with the polynomial x¹⁶ + x¹⁵ + x² + 1, which closes a frame.
pub(super) fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = table(0x8005);
    bytes.iter().fold(0, |crc, &byte| crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

const fn table(polynomial: u16) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ polynomial };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_have_their_published_check_values() {
        assert_eq!(crc8(b"123456789"), 0xF4);
        assert_eq!(crc16(b"123456789"), 0xFEE8);
    }

    #[test]
    fn bits_stand_in_order() {
        let mut bits = BitWriter::default();
        bits.put(0b101, 3);
        bits.put_signed(-1, 2);
        bits.put_rice(9, 2); // quotient 2, remainder 1
        bits.align();
        assert_eq!(bits.bytes(), [0b1011_1001, 0b0100_0000]);
        bits.clear();
        bits.put_rice(70, 0);
        bits.align();
        assert_eq!(bits.bytes(), [0, 0, 0, 0, 0, 0, 0, 0, 0b10]);
    }
}
