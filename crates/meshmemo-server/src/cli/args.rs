//! What was typed. Nothing is read or checked here but the form.

mod backend;
mod settings;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::Given;

pub(super) use backend::{Backend, BackendCommand};
pub(super) use settings::{BackendSettings, DiskSettings, RedisSettings, Settings};

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
    /// List what makes the models behind a running server; take one out of use, and into use again
    Backend(Backend),
    /// Make, list and revoke the API keys of servers
    Keys(Keys),
    /// Check a running server, its backend, its tiers and your access, and ask for one model twice
    Doctor(Doctor),
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
    /// The server's API key [default: `MESHMEMO_API_KEY`]
    #[arg(long, value_name = "KEY")]
    pub(super) api_key: Option<String>,
    /// A certificate in PEM by which to know the server [default: `MESHMEMO_CA_CERT`]
    #[arg(long, value_name = "FILE")]
    pub(super) ca_cert: Option<PathBuf>,
    /// Print what was done as JSON, a line for each photo
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) disk: DiskSettings,
    #[command(flatten)]
    pub(super) redis: RedisSettings,
    #[command(flatten)]
    pub(super) backend: BackendSettings,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl Generate {
    /// Returns the settings that were typed.
    pub(super) fn given(&self) -> Given {
        let mut given = self.disk.given();
        given.extend(self.redis.given());
        given.extend(self.backend.given());
        given
    }
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
    /// The server's API key [default: `MESHMEMO_API_KEY`, which other processes can not see]
    #[arg(long, value_name = "KEY")]
    pub(super) api_key: Option<String>,
    /// A certificate in PEM by which to know the server, besides those that the system trusts
    /// [default: `MESHMEMO_CA_CERT`]
    #[arg(long, value_name = "FILE")]
    pub(super) ca_cert: Option<PathBuf>,
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
    /// Only entries of this namespace, for keys that see all
    #[arg(long, value_name = "NS")]
    pub(super) namespace: Option<String>,
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
    /// The namespace of the photo's model [default: that of the API key]
    #[arg(long, value_name = "NS")]
    pub(super) namespace: Option<String>,
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
#[group(required = true, multiple = true, args = ["older_than", "model_id", "label_prefix", "namespace"])]
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
    /// Entries of this namespace
    #[arg(long, value_name = "NS")]
    pub(super) namespace: Option<String>,
    /// Tell what would be removed, and remove nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Keys {
    /// The file [default: `MESHMEMO_API_KEYS`, or what the configuration says]
    #[arg(long = "api-keys", global = true, value_name = "FILE")]
    pub(super) file: Option<String>,
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key, and print it: it is shown this once
    Add(KeysAdd),
    /// List the keys, without what makes them work
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key: servers refuse it within seconds
    Revoke {
        /// Its name, or its id of 12 digits
        #[arg(value_name = "NAME|ID")]
        key: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct KeysAdd {
    /// Whose key it is: letters a-z, digits, `-`, `_`, `.`
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// What it is for: `read` (models and statistics of its namespace), `generate` (that, and
    /// generations) or `admin` (everything, in every namespace)
    #[arg(long, value_name = "read|generate|admin")]
    pub(super) role: String,
    /// Whose entries it makes and sees: keys with the same namespace share; `*`, for `read` only,
    /// sees all [default: one of its own, called as the key]
    #[arg(long, value_name = "NS")]
    pub(super) namespace: Option<String>,
    /// Let it have models made anew that are cached (`no-cache`, `no-store`); `admin` always may
    #[arg(long)]
    pub(super) regenerate: bool,
    /// How many requests it may make in a minute [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rpm: Option<u32>,
    /// How many of its generations may run or wait at a time [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) queue: Option<u32>,
    /// What its namespace may store in each tier; its own oldest entries make room [default: no
    /// limit, or that of the namespace]
    #[arg(long, value_name = "SIZE")]
    pub(super) bytes: Option<String>,
    /// Print the key and what is known of it as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Doctor {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// The photo to ask with; it may cost a generation [default: a small one of its own]
    #[arg(value_name = "IMAGE")]
    pub(super) image: Option<PathBuf>,
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
