//! What a person sees while the demo runs, on stderr. Nothing here decides anything.

use std::io::IsTerminal;
use std::time::Duration;

use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// Draws on a terminal, writes lines elsewhere, or keeps quiet.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
}

impl Progress {
    /// On stderr: drawn if it is a terminal, else one line per step.
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

    /// Shows nothing: for tests.
    #[must_use]
    pub fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            lines: false,
        }
    }

    /// What happens now.
    pub fn step(&self, what: impl Into<String>) {
        let what = what.into();
        if self.lines {
            eprintln!("{what}");
        }
        self.bar.set_message(what);
    }

    /// From now on requests are counted, up to `total`.
    pub fn start_requests(&self, total: u64) {
        self.bar.set_style(style(
            "{spinner} {bar:32} {pos}/{len} paid requests, {msg} ({per_sec}, {elapsed})",
        ));
        self.bar.set_length(total);
        self.bar.set_position(0);
        self.bar.set_message("");
    }

    /// One request ended; `charged` is the sum so far.
    pub fn request_ended(&self, charged: BaseUnits) {
        self.bar.inc(1);
        if !self.lines {
            self.bar.set_message(format!("{} USDC", Usdc(charged)));
        }
    }

    /// No more requests: back to steps.
    pub fn end_requests(&self) {
        self.bar.set_style(style("{spinner} {msg}"));
    }

    /// Removes what is drawn, before something else is printed.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well formed")
}
