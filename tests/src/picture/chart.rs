//! Curves over one axis, each in a panel of its own.

use super::{
    canvas::{Canvas, text_width},
    colour::{BACKGROUND, DIM, GRID, PANEL, TEXT, accent},
};
use crate::Result;

/// A curve.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// What it is, with its unit.
    pub name: &'a str,
    /// Points from left to right.
    pub points: &'a [(f64, f64)],
}

const WIDTH: usize = 1100;
const HEADER: usize = 48;
const FOOTER: usize = 40;
const ROW: usize = 190;
const HEIGHT: usize = 140;
const LEFT: usize = 100;
const RIGHT: usize = WIDTH - 24;
const PLOT: usize = RIGHT - LEFT;

/// Lines across a panel.
const LINES: usize = 4;

/// Draws curves below each other as PNG; every panel begins at zero. `axis` says what they run over.
pub fn chart(title: &str, axis: &str, curves: &[Curve]) -> Result<Vec<u8>> {
    let mut canvas = Canvas::new(WIDTH, HEADER + curves.len() * ROW + FOOTER, BACKGROUND);
    canvas.text(20, 16, 2, TEXT, title);
    let points = || curves.iter().flat_map(|curve| curve.points);
    let end = points().map(|(x, _)| *x).fold(1e-9, f64::max);
    for (index, curve) in curves.iter().enumerate() {
        let y = HEADER + index * ROW;
        canvas.text(LEFT, y, 1, TEXT, curve.name);
        panel(&mut canvas, y + 14, curve, end, index);
    }
    let y = HEADER + curves.len().max(1) * ROW - ROW + 14 + HEIGHT + 8;
    for line in 0..=LINES {
        let label = short(end * line as f64 / LINES as f64);
        let x = LEFT + PLOT * line / LINES;
        canvas.text((x - text_width(&label, 1) / 2).min(RIGHT - text_width(&label, 1)), y, 1, DIM, &label);
    }
    canvas.text_before(RIGHT, y + 16, 1, DIM, axis);
    canvas.into_png()
}

fn panel(canvas: &mut Canvas, y: usize, curve: &Curve, end: f64, index: usize) {
    const COLOURS: [&str; 4] = ["bass", "vocals", "other", "guitar"];
    canvas.rectangle(LEFT, y, PLOT, HEIGHT, PANEL, 1.0);
    let top = curve.points.iter().map(|(_, value)| *value).fold(1e-9, f64::max) * 1.1;
    for line in 0..=LINES {
        let at = y + HEIGHT - HEIGHT * line / LINES;
        canvas.rectangle(LEFT, at.min(y + HEIGHT - 1), PLOT, 1, GRID, 0.22);
        canvas.text_before(LEFT - 8, at.saturating_sub(4), 1, DIM, &short(top * line as f64 / LINES as f64));
    }
    let place = |(x, value): (f64, f64)| {
        let height = (value / top * (HEIGHT - 1) as f64) as usize;
        (LEFT + (x / end * (PLOT - 1) as f64) as usize, y + HEIGHT - 1 - height.min(HEIGHT - 1))
    };
    let colour = accent(COLOURS[index % COLOURS.len()]);
    for pair in curve.points.windows(2) {
        let ((x0, y0), (x1, y1)) = (place(pair[0]), place(pair[1]));
        for x in x0..=x1 {
            let part = if x1 == x0 { 1.0 } else { (x - x0) as f64 / (x1 - x0) as f64 };
            let at = (y0 as f64 + (y1 as f64 - y0 as f64) * part).round() as usize;
            canvas.rectangle(x, at, 1, 2, colour, 1.0);
        }
    }
}

/// A number in few characters.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e4 => format!("{:.0} k", value / 1e3),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_any_number_of_points() {
        let curve = |points| Curve { name: "resident memory, MB", points };
        let png =
            chart("soak", "jobs", &[curve(&[(0.0, 1.0), (500.0, 2.0)]), curve(&[]), curve(&[(0.0, 0.0)])]);
        let reader = png::Decoder::new(std::io::Cursor::new(png.unwrap())).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (1100, 658));
        assert!(chart("", "", &[]).is_ok());
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.25, 3.0, 250.0, 12_345.0].map(short), ["0.25", "3.0", "250", "12 k"]);
    }
}
