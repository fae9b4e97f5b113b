/// Progress out of a computation, cancellation into it.
pub trait Monitor {
    /// Work done so far as a fraction, `0.0..=1.0`, never falling within one call.
    fn progress(&self, done: f64);
    /// True once nobody wants the result. Ask at least every 50 ms of work and return
    /// [`EngineError::Cancelled`](crate::EngineError::Cancelled).
    fn cancelled(&self) -> bool;
}

/// A monitor that never cancels and drops progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Monitor for Unwatched {
    fn progress(&self, _done: f64) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// A part of a larger computation: its `0..=1` becomes `from..=to` of the whole.
pub struct Span<'a> {
    whole: &'a dyn Monitor,
    from: f64,
    to: f64,
}

impl<'a> Span<'a> {
    /// The part of `whole` between the fractions `from` and `to`.
    pub fn new(whole: &'a dyn Monitor, from: f64, to: f64) -> Self {
        Self { whole, from, to }
    }
}

impl Monitor for Span<'_> {
    fn progress(&self, done: f64) {
        self.whole.progress(self.from + (self.to - self.from) * done.clamp(0.0, 1.0));
    }
    fn cancelled(&self) -> bool {
        self.whole.cancelled()
    }
}
