//! Progress display of the demo, on stderr.

use std::io::IsTerminal;
use std::time::Duration;

use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Interval at which the spinner is redrawn.
const TICK: Duration = Duration::from_millis(100);

/// Progress display: drawn on a terminal, lines of text elsewhere, or hidden.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
}

impl Progress {
    /// A display on stderr: drawn if stderr is a terminal, else one line per step.
    #[must_use]
    pub fn on_stderr() -> Self {
        let lines = !std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(style("{spinner} {msg}"));
        if !lines {
            bar.enable_steady_tick(TICK);
        }
        Self { bar, lines }
    }

    /// A display that shows nothing, for tests.
    #[must_use]
    pub fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            lines: false,
        }
    }

    /// Shows the current step.
    pub fn step(&self, what: impl Into<String>) {
        let what = what.into();
        if self.lines {
            eprintln!("{what}");
        }
        self.bar.set_message(what);
    }

    /// Begins to show a counter of requests, up to `total`.
    pub fn start_requests(&self, total: u64) {
        self.bar.set_style(style(
            "{spinner} {bar:32} {pos}/{len} paid requests, {msg} ({per_sec}, {elapsed})",
        ));
        self.bar.set_length(total);
        self.bar.set_position(0);
        self.bar.set_message("");
    }

    /// Counts one ended request; `charged` is the sum charged so far.
    pub fn request_ended(&self, charged: BaseUnits) {
        self.bar.inc(1);
        if !self.lines {
            self.bar.set_message(format!("{} USDC", Usdc(charged)));
        }
    }

    /// Ends the counter of requests and shows steps again.
    pub fn end_requests(&self) {
        self.bar.set_style(style("{spinner} {msg}"));
    }

    /// Removes the display, before something else is printed.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well formed")
}
