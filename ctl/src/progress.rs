//! How far jobs are: bars on a terminal, elsewhere a line for each change of state and each tenth.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use harmonix_ipc::{Job, JobId, JobState};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::{out::Out, text};

const TEMPLATE: &str = "{prefix:24!} {msg:12} [{bar:30}] {percent:>3} % {left}";
const STEPS: f64 = 1000.0;

/// Where the lines go that stand for bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// They are the result.
    Stdout,
    /// They stand beside the results.
    Stderr,
}

/// The jobs on show.
pub(crate) struct Progress<'a> {
    out: &'a Out,
    lines: Lines,
    rows: HashMap<JobId, Row>,
}

#[derive(Default)]
struct Row {
    bar: Option<ProgressBar>,
    /// Seconds left, as the daemon says; 0: it does not.
    left: Arc<AtomicU64>,
    told: Told,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(out: &'a Out, lines: Lines) -> Self {
        Self { out, lines, rows: HashMap::new() }
    }

    /// Shows a job as it is now; one that has ended is shown for the last time.
    pub(crate) fn show(&mut self, label: &str, job: &Job) {
        let is_new = !self.rows.contains_key(&job.id);
        let row = self.rows.entry(job.id.clone()).or_default();
        if self.out.is_terminal() {
            if is_new {
                row.bar = Some(self.out.bars.add(bar(label, &row.left)));
            }
            if let Some(bar) = &row.bar {
                row.left.store(job.remaining.map_or(0, |seconds| seconds.ceil() as u64), Relaxed);
                bar.set_message(job.state.to_string());
                bar.set_position((job.progress.clamp(0.0, 1.0) * STEPS) as u64);
            }
        }
        let line = row.told.next(job);
        let wanted = !self.out.is_terminal() || (job.state.is_final() && self.lines == Lines::Stdout);
        if let Some(line) = line.filter(|_| wanted) {
            match self.lines {
                Lines::Stdout => self.out.say(format_args!("{label}: {line}")),
                Lines::Stderr => self.out.note(format_args!("{label}: {line}")),
            }
        }
        if job.state.is_final() {
            self.end(&job.id);
        }
    }

    /// Shows a job no longer.
    pub(crate) fn end(&mut self, id: &JobId) {
        if let Some(bar) = self.rows.remove(id).and_then(|row| row.bar) {
            bar.finish_and_clear();
            self.out.bars.remove(&bar);
        }
    }
}

fn bar(label: &str, left: &Arc<AtomicU64>) -> ProgressBar {
    let said = Arc::clone(left);
    let left = move |state: &ProgressState, words: &mut dyn std::fmt::Write| write_left(state, &said, words);
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.progress_chars("##-").with_key("left", left);
    ProgressBar::new(STEPS as u64).with_style(style).with_prefix(text::clean(label))
}

/// The remaining time: what the daemon has learned, else what the pace tells.
fn write_left(state: &ProgressState, said: &AtomicU64, words: &mut dyn std::fmt::Write) {
    let seconds = match said.load(Relaxed) {
        0 => state.eta().as_secs_f64(),
        said => said as f64,
    };
    if seconds >= 1.0 {
        // a bar that cannot be drawn is no failure of the job
        let _ = write!(words, "{} left", text::span(seconds));
    }
}

/// What was said of a job last.
#[derive(Default)]
struct Told {
    state: Option<JobState>,
    tenth: u32,
}

impl Told {
    /// What there is to say now.
    fn next(&mut self, job: &Job) -> Option<String> {
        let tenth = (job.progress.clamp(0.0, 1.0) * 10.0 + 1e-9) as u32;
        let is_news = self.state != Some(job.state) || (tenth > self.tenth && !job.state.is_final());
        *self = Self { state: Some(job.state), tenth };
        let percent = tenth > 0 && !job.state.is_final();
        is_news
            .then(|| if percent { format!("{} {} %", job.state, tenth * 10) } else { job.state.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_tell_changes_of_state_and_tenths() {
        let steps = [
            ("queued", 0.0),
            ("separating", 0.05),
            ("separating", 0.09),
            ("separating", 0.1),
            ("separating", 0.37),
            ("separating", 0.38),
            ("exporting", 0.9),
            ("completed", 1.0),
            ("completed", 1.0),
        ];
        let mut told = Told::default();
        let mut lines = Vec::new();
        for (state, progress) in steps {
            let job = json!({
                "id": "a", "state": state, "progress": progress, "name": "n", "owner": 0, "quality": "fast",
                "mode": "grouped", "options": {}, "stems": {}, "files": [], "unavailable": [], "events": [],
                "created_at": 0.0
            });
            lines.extend(told.next(&serde_json::from_value(job).unwrap()));
        }
        let expected =
            ["queued", "separating", "separating 10 %", "separating 30 %", "exporting 90 %", "completed"];
        assert_eq!(lines, expected);
    }
}
