use std::{collections::BTreeMap, fmt::Write};

use super::SongScore;

/// The scores as text: a line per song and stem, then the mean per stem over the songs.
#[must_use]
pub fn table(scores: &[SongScore]) -> String {
    let mut out = format!(
        "{:<22} {:<11} {:>7} {:>7} {:>7} {:>7} {:>7}   {}\n",
        "song", "stem", "SDR", "SI-SDR", "mix", "mix/4", "IRM", "notes"
    );
    let mut means: BTreeMap<&str, Vec<[Option<f64>; 5]>> = BTreeMap::new();
    for song in scores {
        for (index, stem) in song.stems.iter().enumerate() {
            let figures = [stem.sdr, stem.si_sdr, Some(stem.mixture), Some(stem.quarter), Some(stem.oracle)];
            means.entry(&stem.stem).or_default().push(figures);
            let notes = if index == 0 { notes(song) } else { String::new() };
            line(&mut out, if index == 0 { &song.song } else { "" }, &stem.stem, figures, &notes);
        }
        for phantom in &song.phantoms {
            let note = format!("absent: {:.1} dB relative to the mixture", phantom.level);
            line(&mut out, "", &phantom.stem, [None; 5], &note);
        }
    }
    for (index, (stem, rows)) in means.iter().enumerate().filter(|_| scores.len() > 1) {
        let mean = [0, 1, 2, 3, 4].map(|column| {
            let values: Option<Vec<f64>> = rows.iter().map(|row| row[column]).collect();
            values.map(|v| v.iter().sum::<f64>() / v.len() as f64)
        });
        line(&mut out, if index == 0 { "mean" } else { "" }, stem, mean, &format!("{} songs", rows.len()));
    }
    out
}

fn line(out: &mut String, song: &str, stem: &str, figures: [Option<f64>; 5], notes: &str) {
    let song: String = song.chars().take(22).collect();
    let cells = figures.map(|f| f.map_or(String::from("–"), |v| format!("{v:.2}")));
    let [sdr, si_sdr, mixture, quarter, oracle] = cells;
    let text =
        format!("{song:<22} {stem:<11} {sdr:>7} {si_sdr:>7} {mixture:>7} {quarter:>7} {oracle:>7}   {notes}");
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", text.trim_end());
}

fn notes(song: &SongScore) -> String {
    let mut notes = vec![format!("{:.1} s", song.seconds)];
    notes.extend(song.times_real_time.map(|t| format!("{t:.2} × real time")));
    notes.extend(song.null_peak.map(|peak| format!("null {peak:.1} dBFS")));
    notes.extend((song.frames_off != 0).then(|| format!("{:+} frames", song.frames_off)));
    notes.extend(song.error.clone());
    notes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Phantom, StemScore};

    #[test]
    fn lines_and_means() {
        let stem = |sdr| StemScore {
            stem: "bass".into(),
            sdr,
            si_sdr: None,
            mixture: -3.0,
            quarter: 1.0,
            oracle: 9.0,
        };
        let song = |name: &str, sdr| SongScore {
            song: name.into(),
            seconds: 10.0,
            stems: vec![stem(sdr)],
            phantoms: vec![Phantom { stem: "vocals".into(), level: -21.0 }],
            times_real_time: Some(3.0),
            null_peak: None,
            frames_off: 0,
            error: None,
        };
        let text = table(&[song("one", Some(4.0)), song("two", Some(5.0))]);
        assert!(text.contains("3.00 × real time") && text.contains("-21.0 dB"));
        let mean = text.lines().last().unwrap();
        assert!(mean.starts_with("mean") && mean.contains("4.50") && mean.ends_with("2 songs"), "{mean}");
    }
}
