//! `meshmemo fsck`.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use meshmemo_tiers::{FsckOptions, FsckProgress, FsckReport, OpenError, fsck};
use serde_json::json;

use crate::cli::args::Fsck;
use crate::cli::{Done, Usage, output};
use crate::config::{Config, Given};
use crate::units::show_size;

pub(crate) fn run(args: &Fsck) -> Result<Done> {
    let root = match &args.data_dir {
        Some(root) => root.clone(),
        None => Config::load(args.config.as_deref(), &Given::new()).map_err(Usage)?.data_dir,
    };
    let options = FsckOptions { root, repair: args.repair };
    let bar = Bar::new();
    let checked = fsck(&options, |progress| bar.show(progress));
    bar.finish();
    let report = checked.map_err(|error| match error {
        OpenError::Held { .. } => Usage(anyhow!("{error}: stop it first")),
        error => Usage(error.into()),
    })?;
    if args.json {
        output::say(&serde_json::to_string_pretty(&to_json(&report))?)?;
    } else {
        say(&options, &report)?;
    }
    Ok(if report.is_clean() { Done::Well } else { Done::Badly })
}

fn say(options: &FsckOptions, report: &FsckReport) -> Result<()> {
    for (path, what) in &report.corrupt {
        output::say(&format!("corrupt      {}: {what}", path.display()))?;
    }
    for (path, why) in &report.unreadable {
        output::say(&format!("unreadable   {}: {why}", path.display()))?;
    }
    let size = show_size(report.bytes);
    output::say(&format!("whole        {} entries, {size}", report.entries))?;
    for (count, what) in [
        (report.quarantined, "files in the quarantine"),
        (report.superseded, "files of replaced or cleared entries: the next start removes them"),
        (report.left_over, "half-written files: the next start removes them"),
        (report.newer, "files of a newer version: left alone"),
        (report.foreign, "files that are no entries: left alone"),
    ] {
        if count > 0 {
            output::say(&format!("also         {count} {what}"))?;
        }
    }
    let root = options.root.display();
    output::say(&match (report.corrupt.len(), report.is_repaired) {
        (0, _) if report.is_clean() => format!("{root} is clean"),
        (0, _) => format!("{root}: {} files can not be read", report.unreadable.len()),
        (count, true) => format!("{root}: {count} files were corrupt and are in the quarantine"),
        (count, false) => {
            format!("{root}: {count} files are corrupt; --repair puts them in the quarantine")
        }
    })?;
    Ok(())
}

fn to_json(report: &FsckReport) -> serde_json::Value {
    let files = |files: &[(PathBuf, String)]| {
        let one = |(path, reason): &(PathBuf, String)| json!({ "path": path.display().to_string(), "reason": reason });
        files.iter().map(one).collect::<Vec<_>>()
    };
    json!({
        "clean": report.is_clean(),
        "repaired": report.is_repaired,
        "entries": report.entries,
        "bytes": report.bytes,
        "corrupt": files(&report.corrupt),
        "unreadable": files(&report.unreadable),
        "quarantined": report.quarantined,
        "superseded": report.superseded,
        "left_over": report.left_over,
        "newer": report.newer,
        "foreign": report.foreign,
    })
}

/// How far the verification is, on a terminal.
struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new() -> Self {
        if !stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new(0);
        let template = "verifying  {bar:30}  {bytes} of {total_bytes}  {bytes_per_sec}  {eta}";
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    fn show(&self, progress: FsckProgress) {
        self.bar.set_length(progress.total_bytes);
        self.bar.set_position(progress.bytes);
    }

    fn finish(self) {
        self.bar.finish_and_clear();
    }
}
