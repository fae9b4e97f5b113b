//! A matrix over time and frequency.

/// Values of shape `[frames, bins]`, frame after frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plane<T> {
    bins: usize,
    values: Vec<T>,
}

impl<T: Copy + Default> Plane<T> {
    /// A plane of default values (zeros).
    pub(crate) fn new(frames: usize, bins: usize) -> Self {
        Self { bins, values: vec![T::default(); frames * bins] }
    }

    /// Number of frames.
    pub(crate) fn frames(&self) -> usize {
        self.values.len() / self.bins
    }

    /// Number of frequency bins of a frame.
    pub(crate) fn bins(&self) -> usize {
        self.bins
    }

    /// The bins of frame `t`.
    pub(crate) fn row(&self, t: usize) -> &[T] {
        &self.values[t * self.bins..(t + 1) * self.bins]
    }

    /// The bins of frame `t`, to write.
    pub(crate) fn row_mut(&mut self, t: usize) -> &mut [T] {
        &mut self.values[t * self.bins..(t + 1) * self.bins]
    }

    /// Copies a frame over another one.
    pub(crate) fn copy_row(&mut self, from: usize, to: usize) {
        self.values.copy_within(from * self.bins..(from + 1) * self.bins, to * self.bins);
    }
}
