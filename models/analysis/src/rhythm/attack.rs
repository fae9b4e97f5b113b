//! Where the beats of the onset strength sound.

use crate::front::Attacks;

/// How far from a beat its attack is looked for, in seconds.
const REACH: f64 = 0.035;
/// Attacks this far from each other, in seconds, speak for each other.
const TOGETHER: f64 = 0.004;
/// Share of the strongest place that the first strong one has.
const FIRST: f32 = 0.6;

/// How much later than `beats` (seconds) the attacks are that go with them, in seconds: the place at which most of
/// them rise.
pub(super) fn offset(attacks: &Attacks, beats: &[f64]) -> f64 {
    let steps = (2.0 * REACH * attacks.rate * f64::from(FINE)) as usize + 1;
    let mut places = vec![0.0f32; steps];
    let place = |time: f64| (time + REACH) * attacks.rate * f64::from(FINE);
    for beat in beats {
        let from = ((beat - REACH) * attacks.rate).floor().max(0.0) as usize;
        let to = ((beat + REACH) * attacks.rate).ceil().max(0.0) as usize + 1;
        for (i, rise) in attacks.rises(from, to).into_iter().enumerate() {
            // a sound begins anywhere in the first block that has it
            let begin = place((from + i) as f64 / attacks.rate - beat);
            for step in 0..FINE {
                if let Some(p) = places.get_mut((begin + f64::from(step)).round().max(0.0) as usize) {
                    *p += rise;
                }
            }
        }
    }
    let near = (TOGETHER * attacks.rate * f64::from(FINE)) as usize;
    let sums: Vec<f32> =
        (0..steps).map(|i| places[i.saturating_sub(near)..(i + near + 1).min(steps)].iter().sum()).collect();
    let most = sums.iter().fold(0.0f32, |a, b| a.max(*b));
    let Some(first) = (1..steps.saturating_sub(1))
        .find(|i| sums[*i] >= FIRST * most && sums[*i] >= sums[i - 1] && sums[*i] >= sums[i + 1])
        .filter(|_| most > 0.0)
    else {
        return 0.0;
    };
    let range = first.saturating_sub(near)..(first + near + 1).min(steps);
    let (mut weight, mut sum) = (0.0, 0.0);
    for i in range {
        weight += f64::from(places[i]);
        sum += f64::from(places[i]) * i as f64;
    }
    sum / weight.max(1e-9) / (attacks.rate * f64::from(FINE)) - REACH
}

/// Steps of a block.
const FINE: u32 = 4;
