//! What was typed. Nothing is read or checked here but the form.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::Given;

/// Generate once, serve for ever: a result cache for image-to-3D generation.
#[derive(Debug, Parser)]
#[command(name = "meshmemo", version, about, max_term_width = 100)]
pub(super) struct Args {
    /// How the log is written
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(super) log: LogForm,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogForm {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve models over HTTP, with the management calls and a page for browsers
    Serve(Box<Serve>),
    /// Make models of photos
    Generate(Box<Generate>),
    /// Show the counters of a running server
    Stats(Remote),
    /// List the entries of a running server
    Entries(Entries),
    /// Show or change the limits of a running server; check or show a configuration
    Config(Box<Config>),
    /// Remove every entry from a running server
    Clear(Clear),
    /// Remove an entry from a running server, by its key or by its photo
    Rm(Rm),
    /// Bring results from disk into the memory of a running server, or make models of photos there
    Warm(Warm),
    /// Remove the entries of a running server that meet conditions
    Purge(Purge),
    /// Verify every entry of a data directory that no server uses
    Fsck(Fsck),
    /// Print completions for a shell
    Completions(Completions),
}

#[derive(Debug, ClapArgs)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// The settings that flags may say; what they may be, `config.rs` knows.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Settings (flag > environment MESHMEMO_… > file > default)")]
pub(super) struct Settings {
    /// The configuration file [default: ./meshmemo.toml, then the one in the user's configuration]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    disk: DiskSettings,
    /// What is brought from disk into memory at the start: `off`, so many entries, a size, or a
    /// part of the memory limit [default: 25%]
    #[arg(long, value_name = "N|SIZE|off")]
    warm: Option<String>,
    /// What makes the models: `relief`, the embedded generator [default: relief]
    #[arg(long, value_name = "BACKEND")]
    backend: Option<String>,
    /// The protocol that clients speak: `native` [default: native]
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// The name of the model; part of every key [default: relief]
    #[arg(long, value_name = "TEXT")]
    model_id: Option<String>,
    /// Whether the cache is used: `on` or `off` [default: on]
    #[arg(long, value_name = "on|off")]
    cache: Option<String>,
    /// What entries in memory may weigh [default: 512MiB]
    #[arg(long, value_name = "SIZE")]
    max_memory: Option<String>,
    /// How many entries may be in memory [default: 1000]
    #[arg(long, value_name = "N")]
    max_entries: Option<String>,
    /// How long a result lives, or `none` for ever [default: none]
    #[arg(long, value_name = "DURATION|none")]
    ttl: Option<String>,
    /// Which entry leaves when room is needed: `lru` [default: lru]
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// How many generations run at a time [default: 1]
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    /// How many generations wait for their turn; the next one is answered 503 [default: 64]
    #[arg(long, value_name = "N")]
    queue: Option<String>,
    /// How long one generation may take [default: 15m]
    #[arg(long, value_name = "DURATION")]
    backend_timeout: Option<String>,
    /// What a request's body may weigh [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    max_body: Option<String>,
    /// How long what is under way may take to end when the server stops [default: 30s]
    #[arg(long, value_name = "DURATION")]
    drain_timeout: Option<String>,
}

impl Settings {
    /// Returns what was typed, by setting.
    pub(super) fn given(&self) -> Given {
        let all = [
            ("listen", &self.listen),
            ("warm", &self.warm),
            ("backend", &self.backend),
            ("adapter", &self.adapter),
            ("model_id", &self.model_id),
            ("cache", &self.cache),
            ("max_memory", &self.max_memory),
            ("max_entries", &self.max_entries),
            ("ttl", &self.ttl),
            ("policy", &self.policy),
            ("concurrency", &self.concurrency),
            ("queue", &self.queue),
            ("backend_timeout", &self.backend_timeout),
            ("max_body", &self.max_body),
            ("drain_timeout", &self.drain_timeout),
        ];
        let mut given = self.disk.given();
        given.extend(all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        given
    }
}

/// The settings of the disk, which `generate` has too.
#[derive(Debug, Default, ClapArgs)]
pub(super) struct DiskSettings {
    /// Where results are kept on disk [default: the platform's cache directory + /meshmemo]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// What results on disk may take, or `off` to keep none [default: 20GiB]
    #[arg(long, value_name = "SIZE|off")]
    disk_max: Option<String>,
    /// What a result has gone through when it counts as stored: `none` (a power failure may lose
    /// it), `data` or `full` [default: full]
    #[arg(long, value_name = "none|data|full")]
    durability: Option<String>,
}

impl DiskSettings {
    /// Returns what was typed, by setting.
    pub(super) fn given(&self) -> Given {
        let all = [
            ("data_dir", &self.data_dir),
            ("disk_max", &self.disk_max),
            ("durability", &self.durability),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct Generate {
    /// Photos: PNG, JPEG or WebP
    #[arg(required = true, value_name = "IMAGE")]
    pub(super) images: Vec<PathBuf>,
    /// Where the model goes, for one photo; `-` is standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "out_dir")]
    pub(super) output: Option<PathBuf>,
    /// Where the models go [default: the current directory]
    #[arg(long, value_name = "DIR")]
    pub(super) out_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) shape: Shape,
    /// Generate anew even if the model is cached
    #[arg(long)]
    pub(super) refresh: bool,
    /// Use a running server and its cache, instead of generating here
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// The server's API key
    #[arg(long, value_name = "KEY", requires = "url")]
    pub(super) api_key: Option<String>,
    /// Print what was done as JSON, a line for each photo
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) disk: DiskSettings,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// What is asked of a model; left out is the default of the generator.
#[derive(Debug, Default, ClapArgs)]
pub(super) struct Shape {
    /// glb, stl, obj or ply [default: that of the output's name, or glb]
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<String>,
    /// From 1 (coarse) to 10 (fine) [default: 7]
    #[arg(long, value_name = "1-10")]
    pub(super) quality: Option<String>,
    /// Size of the solid in mm [default: 100x100x20]
    #[arg(long, value_name = "WxHxD")]
    pub(super) size: Option<String>,
    /// A number that is part of the key
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<String>,
}

/// Which server, and how to answer.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Remote {
    /// The server [default: `MESHMEMO_URL`, or `http://127.0.0.1:8080`]
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// The server's API key [default: `MESHMEMO_API_KEY`]
    #[arg(long, value_name = "KEY")]
    pub(super) api_key: Option<String>,
    /// Print the server's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Entries {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// The greatest first: recent, size, cost, hits or age
    #[arg(long, default_value = "recent")]
    pub(super) sort: String,
    /// How many
    #[arg(long, default_value_t = 100)]
    pub(super) limit: usize,
    /// Only entries whose label or key contains this
    #[arg(value_name = "TEXT")]
    pub(super) q: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Config {
    #[command(flatten)]
    pub(super) remote: Remote,
    #[command(subcommand)]
    pub(super) command: Option<ConfigCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Change limits of a running server, until it restarts
    Set(ConfigSet),
    /// Check a configuration file, or what holds without one
    Check(ConfigCheck),
    /// Show what holds and where each value comes from
    Show(Box<ConfigShow>),
}

#[derive(Debug, ClapArgs)]
pub(super) struct ConfigSet {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// `max_size=N`, `max_memory_mb=MB`, `default_ttl_seconds=SECONDS|none` or `policy=NAME`
    #[arg(required = true, value_name = "FIELD=VALUE")]
    pub(super) changes: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ConfigCheck {
    /// The file [default: the one that `serve` would read]
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ConfigShow {
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Print it as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Clear {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// Only these tiers: `memory`, `disk` [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) tiers: Vec<String>,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Rm {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// A key of 64 digits, or a photo: then all formats of its model, with the options below
    #[arg(value_name = "KEY|IMAGE")]
    pub(super) what: String,
    #[command(flatten)]
    pub(super) shape: Shape,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Warm {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// How many entries: the most valuable of those used last [default: 100]
    #[arg(long, value_name = "N", conflicts_with_all = ["keys", "images"])]
    pub(super) top: Option<usize>,
    /// These entries, by their keys of 64 digits
    #[arg(long, value_name = "KEY", value_delimiter = ',', conflicts_with = "images")]
    pub(super) keys: Vec<String>,
    /// Photos whose models are to be there; what is missing is generated, with the options below
    #[arg(value_name = "IMAGE")]
    pub(super) images: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) shape: Shape,
}

#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = true, args = ["older_than", "model_id", "label_prefix"])]
pub(super) struct Purge {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// Entries that were made longer ago than this: `90s`, `24h`, `7d`
    #[arg(long, value_name = "DURATION")]
    pub(super) older_than: Option<String>,
    /// Entries of this model
    #[arg(long, value_name = "TEXT")]
    pub(super) model_id: Option<String>,
    /// Entries whose label begins with this
    #[arg(long, value_name = "TEXT")]
    pub(super) label_prefix: Option<String>,
    /// Tell what would be removed, and remove nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Fsck {
    /// The directory [default: the one that `serve` would use]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Put corrupt entries aside, into `quarantine` below the directory
    #[arg(long)]
    pub(super) repair: bool,
    /// Print what was found as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Completions {
    pub(super) shell: Shell,
}
