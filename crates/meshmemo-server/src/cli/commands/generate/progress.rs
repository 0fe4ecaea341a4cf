//! How far a generation is: a bar on a terminal, a line a step elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use meshmemo_gen::relief::{Progress, Step};

use crate::cli::output;

/// What the bar counts to.
const WHOLE: u64 = 1000;

/// Shows the progress of one photo on standard error.
pub(super) enum Bar {
    Terminal(ProgressBar),
    Lines { label: String, last: Arc<Mutex<Option<Step>>> },
}

impl Bar {
    pub(super) fn new(label: &str) -> Self {
        if !stderr().is_terminal() {
            return Self::Lines { label: label.to_owned(), last: Arc::default() };
        }
        let bar = ProgressBar::new(WHOLE);
        let style = ProgressStyle::with_template("{prefix}  {bar:30}  {msg}  {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(label.to_owned());
        bar.set_message("looking it up");
        Self::Terminal(bar)
    }

    /// Returns what the generator tells its progress to.
    pub(super) fn reporter(&self) -> Arc<dyn Fn(Progress) + Send + Sync> {
        match self {
            Self::Terminal(bar) => {
                let bar = bar.clone();
                Arc::new(move |now| {
                    bar.set_position(thousandths(now.fraction));
                    bar.set_message(now.step.as_str());
                })
            }
            Self::Lines { label, last } => {
                let (label, last) = (label.clone(), Arc::clone(last));
                Arc::new(move |now| {
                    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                    if last.replace(now.step) != Some(now.step) {
                        output::note(&format!("{label}: {}", now.step.as_str()));
                    }
                })
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
