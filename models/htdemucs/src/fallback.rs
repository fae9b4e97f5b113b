//! What to try when memory runs out.

use tch::Device;

/// Segments at once on a graphics card, to begin with.
const CARD_BATCH: usize = 4;

/// Where and how many segments at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placement {
    pub(crate) device: Device,
    pub(crate) batch: usize,
}

impl Placement {
    /// To begin with: more than one segment at once fills a card, and only costs memory on a processor.
    pub(crate) fn on(device: Device) -> Self {
        Self { device, batch: if device == Device::Cpu { 1 } else { CARD_BATCH } }
    }

    /// After memory ran out: half the batch, then the processor, then nothing.
    pub(crate) fn less(self) -> Option<Self> {
        match self {
            Self { device, batch } if batch > 1 => Some(Self { device, batch: batch / 2 }),
            Self { device: Device::Cpu, .. } => None,
            _ => Some(Self::on(Device::Cpu)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_a_card_through_smaller_batches_to_the_processor() {
        let mut steps = vec![Placement::on(Device::Cuda(0))];
        while let Some(next) = steps.last().copied().and_then(Placement::less) {
            steps.push(next);
        }
        let on = |device, batch| Placement { device, batch };
        let card = Device::Cuda(0);
        assert_eq!(steps, [on(card, 4), on(card, 2), on(card, 1), on(Device::Cpu, 1)]);
    }
}
