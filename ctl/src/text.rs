//! Words for people.

use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use harmonix_ipc::names::is_unprintable;

/// The text on one line, fit for a terminal: names come from elsewhere.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|char| if is_unprintable(char) { '\u{fffd}' } else { char }).collect()
}

/// `1.5 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

/// `4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span(seconds: f64) -> String {
    let total = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    let two = |a, unit_a, b, unit_b| match b {
        0 => format!("{a} {unit_a}"),
        _ => format!("{a} {unit_a} {b} {unit_b}"),
    };
    match total {
        0..60 => format!("{total} s"),
        60..3600 => two(total / 60, "min", total % 60, "s"),
        3600..86400 => two(total / 3600, "h", total % 3600 / 60, "min"),
        _ => two(total / 86400, "d", total % 86400 / 3600, "h"),
    }
}

/// How long ago that moment, in seconds since the Unix epoch, was.
pub(crate) fn ago(at: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    format!("{} ago", span(now - at))
}

/// A level: `-18.3 dBFS`, or `silent`.
pub(crate) fn level(dbfs: Option<f64>) -> String {
    dbfs.map_or_else(|| "silent".to_owned(), |level| format!("{level:.1} dBFS"))
}

/// Rows with their columns aligned, the last one as long as it likes.
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..COLUMNS).map(width).collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                // writing to a string cannot fail
                let _ = write!(line, "{cell:width$}  ");
            }
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b[31m\nb\u{202e}c\u{9b}d"), "a\u{fffd}[31m\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(clean("שיר נאה 歌"), "שיר נאה 歌");
    }

    #[test]
    fn sizes_and_spans() {
        assert_eq!([0, 1023, 1024, 1_610_612_736].map(bytes), ["0 B", "1023 B", "1.0 KiB", "1.5 GiB"]);
        assert_eq!(
            [0.4, 60.0, 200.0, 7500.0, 90_000.0].map(span),
            ["0 s", "1 min", "3 min 20 s", "2 h 5 min", "1 d 1 h"]
        );
        assert_eq!(span(-1.0), "0 s");
        assert_eq!(span(f64::NAN), "0 s");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), ["a    bb", "ccc  d"]);
    }
}
