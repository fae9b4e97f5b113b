use super::{
    canvas::{Canvas, Colour, text_width},
    colour::{BACKGROUND, DIM, GRID, PANEL, TEXT, accent, cubehelix},
    spectrogram::{Spectrogram, position},
    waveform,
};
use crate::{
    Result, Signal,
    metrics::{dbfs, level},
};

/// One signal of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What it is: `mixture`, `drums`, …
    pub name: &'a str,
    /// Its samples.
    pub audio: &'a Signal,
    /// Its SDR in dB, where the truth is known.
    pub sdr: Option<f64>,
}

const WIDTH: usize = 1400;
const HEADER: usize = 76;
const FOOTER: usize = 44;
const ROW: usize = 220;
const WAVE: usize = 48;
const SPECTRUM: usize = 148;
const GAP: usize = 3;
const LEFT: usize = 208;
const RIGHT: usize = WIDTH - 24;
const PLOT: usize = RIGHT - LEFT;
const MARGIN: usize = 20;

/// Levels shown below the loudest point of the first row, in dB.
const DYNAMICS: f32 = 78.0;

/// Draws rows of equal length as PNG, 1400 pixels wide; the first, usually the mixture, sets the scales of all.
pub fn draw(title: &str, rows: &[Row]) -> Result<Vec<u8>> {
    let mut canvas = Canvas::new(WIDTH, HEADER + rows.len() * ROW + FOOTER, BACKGROUND);
    let Some(first) = rows.first() else { return canvas.into_png() };
    let seconds = first.audio.seconds();
    header(&mut canvas, title, first.audio);
    let mut top = None;
    for (index, row) in rows.iter().enumerate() {
        let y = HEADER + index * ROW;
        let shown = Spectrogram::new(row.audio, PLOT, SPECTRUM);
        let top = *top.get_or_insert(shown.max().max(-120.0));
        labels(&mut canvas, y, row);
        wave(&mut canvas, y, row, first.audio);
        spectrum(&mut canvas, y + WAVE + GAP, &shown, top);
        for tick in ticks(seconds) {
            let x = LEFT + (tick / seconds * PLOT as f64) as usize;
            canvas.rectangle(x, y, 1, WAVE + GAP + SPECTRUM, GRID, 0.22);
        }
    }
    time_axis(&mut canvas, HEADER + (rows.len() - 1) * ROW + WAVE + GAP + SPECTRUM, seconds);
    canvas.into_png()
}

fn header(canvas: &mut Canvas, title: &str, audio: &Signal) {
    const BAR: usize = 200;
    let room = (RIGHT - BAR - 150 - MARGIN) / 16;
    let shown: String = title.chars().take(room).collect();
    canvas.text(MARGIN, 16, 2, TEXT, &shown);
    let facts = format!("{:.1} s  {} Hz  {} channels", audio.seconds(), audio.sample_rate, audio.channels);
    canvas.text(MARGIN, 38, 1, DIM, &facts);
    for x in 0..BAR {
        canvas.rectangle(RIGHT - BAR + x, 18, 1, 12, cubehelix(x as f64 / BAR as f64), 1.0);
    }
    canvas.text(RIGHT - BAR, 36, 1, DIM, &format!("-{DYNAMICS:.0} dB"));
    canvas.text_before(RIGHT, 36, 1, DIM, "loudest");
}

fn labels(canvas: &mut Canvas, y: usize, row: &Row) {
    const ROOM: usize = LEFT - MARGIN - 8;
    let scale = if text_width(row.name, 2) <= ROOM { 2 } else { 1 };
    canvas.text(MARGIN, y, scale, accent(row.name), row.name);
    let found = level(&row.audio.samples);
    let mut line = |index: usize, colour: Colour, name: &str, value: f64, unit: &str| {
        let y = y + 26 + 14 * index;
        canvas.text(MARGIN, y, 1, DIM, name);
        let (value, unit) =
            if value == f64::INFINITY { ("exact".into(), "") } else { (format!("{value:.1}"), unit) };
        canvas.text_before(MARGIN + 88, y, 1, colour, &value);
        canvas.text(MARGIN + 96, y, 1, DIM, unit);
    };
    line(0, TEXT, "rms", found.rms, "dBFS");
    line(1, TEXT, "peak", found.peak, "dBFS");
    if let Some(sdr) = row.sdr {
        line(3, accent(row.name), "SDR", sdr, "dB");
    }
    for (frequency, name) in [(60.0, "60"), (250.0, "250"), (1000.0, "1k"), (4000.0, "4k"), (16_000.0, "16k")]
    {
        let at = y + WAVE + GAP + SPECTRUM - 1 - (position(frequency) * SPECTRUM as f64) as usize;
        canvas.text_before(LEFT - 9, at - 4, 1, DIM, name);
        canvas.rectangle(LEFT - 6, at, 4, 1, GRID, 0.8);
    }
}

/// The row's own peak fills the height, or a quarter of the first row's where that is more: what is quiet looks quiet.
fn wave(canvas: &mut Canvas, y: usize, row: &Row, first: &Signal) {
    let peak = |audio: &Signal| dbfs(level(&audio.samples).peak) as f32;
    let full = peak(row.audio).max(peak(first) / 4.0).max(1e-6);
    canvas.rectangle(LEFT, y, PLOT, WAVE, PANEL, 1.0);
    let half = WAVE as f32 / 2.0;
    let colour = accent(row.name);
    let pixel = |value: f32| (half - value / full * (half - 1.0)).clamp(0.0, WAVE as f32 - 1.0) as usize;
    for (x, column) in waveform::columns(&row.audio.samples, PLOT).into_iter().enumerate() {
        let bar = |canvas: &mut Canvas, high: f32, low: f32, opacity| {
            let (from, to) = (pixel(high), pixel(low));
            canvas.rectangle(LEFT + x, y + from, 1, to - from + 1, colour, opacity);
        };
        bar(canvas, column.high, column.low, 0.5);
        bar(canvas, column.rms.min(column.high), (-column.rms).max(column.low), 0.85);
    }
}

fn spectrum(canvas: &mut Canvas, y: usize, shown: &Spectrogram, top: f32) {
    for x in 0..PLOT {
        for (bin, &decibels) in shown.column(x).iter().enumerate() {
            let colour = cubehelix(f64::from(1.0 + (decibels - top) / DYNAMICS));
            canvas.set(LEFT + x, y + SPECTRUM - 1 - bin, colour);
        }
    }
}

fn time_axis(canvas: &mut Canvas, y: usize, seconds: f64) {
    for tick in ticks(seconds) {
        let x = LEFT + (tick / seconds * PLOT as f64) as usize;
        canvas.rectangle(x, y, 1, 5, GRID, 0.8);
        let minutes = (tick / 60.0).floor();
        let label = if seconds < 90.0 {
            format!("{tick} s")
        } else {
            format!("{minutes}:{:02}", tick - 60.0 * minutes)
        };
        let left = x - text_width(&label, 1) / 2;
        canvas.text(left.min(RIGHT - text_width(&label, 1)), y + 10, 1, DIM, &label);
    }
}

/// Round times, about ten of them.
fn ticks(seconds: f64) -> impl Iterator<Item = f64> {
    const STEPS: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];
    let step = STEPS.into_iter().find(|step| seconds / step <= 16.0).unwrap_or(3600.0);
    (0..=(seconds / step + 1e-9) as usize).map(move |i| i as f64 * step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::generators::{noise, silence};

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(
            ticks(30.0).collect::<Vec<_>>(),
            [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0, 24.0, 26.0, 28.0, 30.0]
        );
        assert_eq!(ticks(200.0).count(), 7);
    }

    #[test]
    fn draws_anything() {
        let (loud, quiet) = (noise(8000, 1, 0.3, 0.5, 1), silence(8000, 1, 0.3));
        let row = |audio| Row { name: "vocals", audio, sdr: Some(f64::INFINITY) };
        let png = draw("título", &[row(&loud), row(&quiet)]).unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (1400, 560));
        assert!(draw("", &[row(&quiet)]).is_ok() && draw("", &[]).is_ok());
        assert!(draw("", &[row(&Signal::silent(44_100, 2, 0))]).is_ok());
    }
}
