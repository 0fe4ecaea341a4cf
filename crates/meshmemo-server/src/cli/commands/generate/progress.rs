//! How far a generation is: a bar on a terminal, a line a step elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use meshmemo::Progress;

use crate::cli::output;

/// What the bar counts to.
const WHOLE: u64 = 1000;

/// Shows the progress of one photo on standard error.
pub(super) enum Bar {
    Terminal(ProgressBar),
    Lines { label: String, last: Cell<Option<&'static str>> },
}

impl Bar {
    pub(super) fn new(label: &str) -> Self {
        if !stderr().is_terminal() {
            return Self::Lines { label: label.to_owned(), last: Cell::new(None) };
        }
        let bar = ProgressBar::new(WHOLE);
        let style = ProgressStyle::with_template("{prefix}  {bar:30}  {msg}  {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(label.to_owned());
        bar.set_message("looking it up");
        Self::Terminal(bar)
    }

    /// Shows how far the generation is.
    pub(super) fn show(&self, now: Progress) {
        let (fraction, step) = match now {
            Progress::Queued { .. } => (0.0, "waiting for its turn"),
            Progress::Working { fraction, step } => (fraction, step),
            _ => return,
        };
        match self {
            Self::Terminal(bar) => {
                bar.set_position(thousandths(fraction));
                bar.set_message(step);
            }
            Self::Lines { label, last } => {
                if last.replace(Some(step)) != Some(step) {
                    output::note(&format!("{label}: {step}"));
                }
            }
        }
    }

    pub(super) fn finish(self) {
        if let Self::Terminal(bar) = self {
            bar.finish_and_clear();
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
fn thousandths(fraction: f32) -> u64 {
    (f64::from(fraction.clamp(0.0, 1.0)) * 1000.0) as u64
}
