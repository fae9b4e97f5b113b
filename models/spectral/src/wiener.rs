//! Multichannel Wiener filter (Duong, Vincent & Gribonval 2010, "Under-determined reverberant audio source
//! separation using a full-rank spatial covariance model").
//!
//! A mask scales both channels of a bin alike, so it cannot tell a guitar on the left from a voice in the
//! centre that shares the bin. The Wiener filter models each source as a power per bin times a spatial
//! covariance per frequency, and multiplies each bin by a matrix instead.

use harmonix_engine::EngineError;
use realfft::num_complex::Complex32;

use crate::{ESTIMATED, SOURCES, plane::Plane, spectrogram::Spectrogram, watch::Watch};

/// Share of diffuse sound in each covariance. It keeps the sum of covariances invertible where all of them
/// are of one direction, as in a mono recording.
const DIFFUSE: f32 = 0.05;

/// A Hermitian 2 × 2 matrix `[[left, cross], [cross*, right]]`.
#[derive(Debug, Clone, Copy, Default)]
struct Covariance {
    left: f32,
    right: f32,
    cross: Complex32,
}

impl Covariance {
    fn add(&mut self, scale: f32, other: &Self) {
        self.left += scale * other.left;
        self.right += scale * other.right;
        self.cross += other.cross * scale;
    }

    fn times(&self, [l, r]: [Complex32; 2]) -> [Complex32; 2] {
        [l * self.left + self.cross * r, self.cross.conj() * l + r * self.right]
    }

    /// Solves `self · x = y`.
    fn solve(&self, [l, r]: [Complex32; 2]) -> [Complex32; 2] {
        let determinant = (self.left * self.right - self.cross.norm_sqr()).max(f32::MIN_POSITIVE);
        let scale = determinant.recip();
        [(l * self.right - self.cross * r) * scale, (r * self.left - self.cross.conj() * l) * scale]
    }
}

/// Spatial covariances `[bins][SOURCES]`, each of trace 2 before the diffuse share.
pub(crate) struct SpatialModel {
    covariances: Vec<[Covariance; SOURCES]>,
}

impl SpatialModel {
    /// Estimates each source's covariance at each frequency from what its mask lets through.
    pub(crate) fn new(
        mix: &Spectrogram,
        masks: &[Plane<f32>; SOURCES],
        watch: &mut Watch,
    ) -> Result<Self, EngineError> {
        let mut covariances = vec![[Covariance::default(); SOURCES]; mix.power.bins()];
        for t in 0..mix.power.frames() {
            for (source, mask) in masks.iter().enumerate() {
                let bins = mix.left.row(t).iter().zip(mix.right.row(t)).zip(mask.row(t));
                for (c, ((l, r), m)) in covariances.iter_mut().zip(bins) {
                    // squared: a bin that belongs to the source for certain says most about it
                    let m = m * m;
                    let c = &mut c[source];
                    c.left += m * l.norm_sqr();
                    c.right += m * r.norm_sqr();
                    c.cross += l * r.conj() * m;
                }
            }
            watch.tick()?;
        }
        for c in covariances.iter_mut().flatten() {
            let power = 0.5 * (c.left + c.right);
            if power > 0.0 {
                let scale = (1.0 - DIFFUSE) / power;
                *c = Covariance { left: c.left * scale, right: c.right * scale, cross: c.cross * scale };
            }
            c.left += DIFFUSE;
            c.right += DIFFUSE;
        }
        Ok(Self { covariances })
    }

    /// Filters bin `k`: the part of each of the [`ESTIMATED`] sources in both channels.
    pub(crate) fn filter(
        &self,
        k: usize,
        masks: [f32; SOURCES],
        mix: [Complex32; 2],
    ) -> [[Complex32; 2]; ESTIMATED.len()] {
        let covariances = &self.covariances[k];
        let mut total = Covariance::default();
        for (c, m) in covariances.iter().zip(&masks) {
            total.add(*m, c);
        }
        let whitened = total.solve(mix);
        ESTIMATED.map(|source| covariances[source].times(whitened).map(|x| x * masks[source]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_it_multiplies() {
        let c = Covariance { left: 1.5, right: 0.5, cross: Complex32::new(0.3, -0.4) };
        let x = [Complex32::new(1.0, 2.0), Complex32::new(-0.5, 0.25)];
        for (a, b) in c.solve(c.times(x)).iter().zip(&x) {
            assert!((a - b).norm() < 1e-5, "{a} {b}");
        }
    }
}
