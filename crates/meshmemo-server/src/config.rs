//! What the process is configured to do: flag over environment over file over default.
//!
//! Every setting is one row of [`SETTINGS`]; each is resolved as text with its source, so that
//! `config show` can tell where it came from, and then read once, with errors that name both.

mod access;
mod backend;
mod file;
mod redis;
mod resolve;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::http::Uri;
use etcetera::BaseStrategy;
use meshmemo::{Mode, Policy, Warm};
use meshmemo_tiers::Durability;

use crate::access::Auth;
use crate::units::{DURATION_FORM, SIZE_FORM, parse_duration, parse_size};
pub use access::{AccessConfig, TlsFiles};
pub use backend::{BackendConfig, CacheUse, Credentials, RemoteConfig};
pub use redis::{RedisConfig, masked};
pub use resolve::{Given, Resolved, Source};

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file; its flag has dashes for underscores.
    pub name: &'static str,
    /// Its environment variable.
    pub environment: &'static str,
    /// Other environment variables that are accepted.
    pub also: Option<Alias>,
    /// What holds if nothing is said.
    pub default: &'static str,
}

/// An environment variable that other services use for the same setting.
#[derive(Debug)]
pub struct Alias {
    /// Its name.
    pub environment: &'static str,
    /// Writes its value as ours is written.
    pub convert: fn(&str) -> String,
}

const fn setting(name: &'static str, environment: &'static str, default: &'static str) -> Setting {
    Setting { name, environment, also: None, default }
}

/// Every setting there is.
pub const SETTINGS: [Setting; 33] = [
    setting("listen", "MESHMEMO_LISTEN", "127.0.0.1:8080"),
    // The default is the platform's cache directory + `/meshmemo`.
    setting("data_dir", "MESHMEMO_DATA_DIR", ""),
    setting("disk_max", "MESHMEMO_DISK_MAX", "20GiB"),
    setting("durability", "MESHMEMO_DURABILITY", "full"),
    setting("disk_mode", "MESHMEMO_DISK_MODE", "read-write"),
    Setting {
        also: Some(Alias { environment: "REDIS_NODES", convert: str::to_owned }),
        ..setting("redis", "MESHMEMO_REDIS", "off")
    },
    setting("redis_prefix", "MESHMEMO_REDIS_PREFIX", "meshmemo"),
    setting("redis_max_value", "MESHMEMO_REDIS_MAX_VALUE", "256MiB"),
    setting("redis_lease", "MESHMEMO_REDIS_LEASE", "10s"),
    setting("redis_mode", "MESHMEMO_REDIS_MODE", "read-write"),
    setting("warm", "MESHMEMO_WARM", "25%"),
    setting("backend", "MESHMEMO_BACKEND", "relief"),
    setting("adapter", "MESHMEMO_ADAPTER", "native"),
    // The default is `relief`, or for a server the name of its adapter.
    setting("model_id", "MESHMEMO_MODEL_ID", ""),
    setting("unseeded", "MESHMEMO_UNSEEDED", "keep"),
    setting("credentials", "MESHMEMO_CREDENTIALS", "separate"),
    // A table of the file; in the environment, as TOML.
    setting("generic", "MESHMEMO_GENERIC", ""),
    Setting {
        also: Some(Alias { environment: "DISABLE_RESULT_CACHE", convert: off_if_set }),
        ..setting("cache", "MESHMEMO_CACHE", "on")
    },
    Setting {
        also: Some(Alias { environment: "CACHE_MAX_MEMORY_MB", convert: mebibytes }),
        ..setting("max_memory", "MESHMEMO_MAX_MEMORY", "512MiB")
    },
    Setting {
        also: Some(Alias { environment: "CACHE_MAX_SIZE", convert: str::to_owned }),
        ..setting("max_entries", "MESHMEMO_MAX_ENTRIES", "1000")
    },
    Setting {
        also: Some(Alias { environment: "CACHE_TTL_SECONDS", convert: str::to_owned }),
        ..setting("ttl", "MESHMEMO_TTL", "none")
    },
    setting("policy", "MESHMEMO_POLICY", "lru"),
    setting("concurrency", "MESHMEMO_CONCURRENCY", "1"),
    setting("queue", "MESHMEMO_QUEUE", "64"),
    setting("backend_timeout", "MESHMEMO_BACKEND_TIMEOUT", "15m"),
    setting("max_body", "MESHMEMO_MAX_BODY", "64MiB"),
    setting("drain_timeout", "MESHMEMO_DRAIN_TIMEOUT", "30s"),
    setting("api_keys", "MESHMEMO_API_KEYS", "off"),
    // The default is `all` where there are keys, and `none` where there are not.
    setting("auth", "MESHMEMO_AUTH", ""),
    setting("allow_from", "MESHMEMO_ALLOW_FROM", ""),
    setting("cors_origin", "MESHMEMO_CORS_ORIGIN", ""),
    setting("tls_cert", "MESHMEMO_TLS_CERT", "off"),
    setting("tls_key", "MESHMEMO_TLS_KEY", "off"),
];

/// What an operator should know whose platform has no directory for caches.
const MISSING_DATA_DIR: &str =
    "no data directory is known: give --data-dir, or nothing outlives a restart";

/// The least that a disk's budget may be.
const DISK_MAX_LEAST_BYTES: u64 = 1 << 20;

/// Returns where entries are kept on disk if nobody says where; nothing where the platform has no
/// directory for that.
fn default_data_dir() -> Option<String> {
    let directory = etcetera::choose_base_strategy().ok()?.cache_dir().join("meshmemo");
    directory.into_os_string().into_string().ok()
}

fn off_if_set(value: &str) -> String {
    let is_set = matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on");
    if is_set { "off" } else { "on" }.to_owned()
}

fn mebibytes(value: &str) -> String {
    format!("{value}MiB")
}

/// What holds, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// What makes the models.
    pub backend: BackendConfig,
    /// Where entries are kept on disk.
    pub data_dir: PathBuf,
    /// Why nothing is kept on disk, though it should be.
    pub missing_data_dir: Option<String>,
    /// Bytes that everything below `data_dir` may take; `None` keeps nothing there.
    pub disk_max_bytes: Option<u64>,
    /// What an entry on disk has gone through when it counts as stored.
    pub durability: Durability,
    /// What the disk is used for.
    pub disk_mode: Mode,
    /// The tier that is shared with other gateways, if there is one.
    pub redis: Option<RedisConfig>,
    /// What is brought from disk into memory at the start.
    pub warm: Warm,
    /// The operator's name for the model; part of every key.
    pub model_id: String,
    /// What the cache is used for.
    pub cache: CacheUse,
    /// Bytes that entries in memory may weigh.
    pub max_memory_bytes: u64,
    /// How many entries may be in memory.
    pub max_entries: usize,
    /// How long a result lives; `None` is for ever.
    pub ttl: Option<Duration>,
    /// Which entry leaves memory when room is needed.
    pub policy: Policy,
    /// How many generations run at a time, at each backend.
    pub concurrency: usize,
    /// How many generations wait for their turn.
    pub queue: usize,
    /// How long one generation may take.
    pub backend_timeout: Duration,
    /// Bytes that a request's body may have.
    pub max_body_bytes: u64,
    /// How long what is under way may take to end when the server stops.
    pub drain_timeout: Duration,
    /// Who may ask for what.
    pub access: AccessConfig,
}

impl Config {
    /// Resolves every setting and checks it.
    ///
    /// # Errors
    /// The first setting that is not acceptable, with its value, its source and its range; or a
    /// file that can not be read or has unknown keys.
    pub fn load(file: Option<&Path>, given: &Given) -> Result<Self> {
        Self::read(&Resolved::load(file, given)?)
    }

    /// Checks what was resolved.
    ///
    /// # Errors
    /// The first setting that is not acceptable, with its value, its source and its range.
    pub fn read(resolved: &Resolved) -> Result<Self> {
        let backend = BackendConfig::read(resolved)?;
        let cache = CacheUse::read(resolved, &backend)?;
        let size = |name, least: u64| {
            let range = format!("{SIZE_FORM}, at least {least} bytes");
            resolved.check(name, &range, |text| parse_size(text).filter(|size| *size >= least))
        };
        let duration = |name| {
            let none = if name == "ttl" { "`none`, or " } else { "" };
            let range = format!("{none}{DURATION_FORM}, above 0");
            resolved.check(name, &range, |text| parse_duration(text).filter(|d| !d.is_zero()))
        };
        let count = |name, least: usize, most: usize| {
            let range = format!("a whole number from {least} to {most}");
            let is_in_range = |count: &usize| (least..=most).contains(count);
            resolved.check(name, &range, |text| text.parse().ok().filter(is_in_range))
        };
        let max_memory_bytes = size("max_memory", 1)?;
        let data_dir = resolved.text("data_dir");
        let is_missing = data_dir.is_empty() && resolved.text("disk_max") != "off";
        let disk_mode = redis::mode(resolved, "disk_mode")?;
        let config = Self {
            disk_mode: disk_mode.unwrap_or_default(),
            redis: RedisConfig::read(resolved)?,
            data_dir: PathBuf::from(data_dir),
            missing_data_dir: is_missing.then(|| MISSING_DATA_DIR.to_owned()),
            disk_max_bytes: match resolved.text("disk_max") {
                _ if data_dir.is_empty() || disk_mode.is_none() => None,
                "off" => None,
                _ => Some(disk_max(resolved)?),
            },
            durability: resolved
                .check("durability", "`none`, `data` or `full`", |text| text.parse().ok())?,
            warm: resolved.check(
                "warm",
                "`off`, a number of entries, a size such as `64MiB`, or a part of the memory limit \
                 such as `25%`",
                |text| warm(text, max_memory_bytes),
            )?,
            listen: resolved.check("listen", "an address such as `127.0.0.1:8080`", address)?,
            model_id: backend.model_id(resolved)?,
            backend,
            cache,
            max_memory_bytes,
            max_entries: count("max_entries", 1, u32::MAX as usize - 1)?,
            ttl: match resolved.text("ttl") {
                "none" => None,
                _ => Some(duration("ttl")?),
            },
            policy: resolved.check("policy", "`lru`", |text| text.parse().ok())?,
            concurrency: count("concurrency", 1, 1024)?,
            queue: count("queue", 0, 1_000_000)?,
            backend_timeout: duration("backend_timeout")?,
            max_body_bytes: size("max_body", 1024)?,
            drain_timeout: duration("drain_timeout")?,
            access: AccessConfig::read(resolved)?,
        };
        config.check_exposure(resolved)?;
        config.check_loop(resolved)?;
        Ok(config)
    }

    /// Refuses to stand in front of itself.
    fn check_loop(&self, resolved: &Resolved) -> Result<()> {
        let BackendConfig::Remote(remote) = &self.backend else { return Ok(()) };
        let is_own = |url: &Uri| {
            let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
            let is_here =
                host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip == self.listen.ip());
            is_here && url.port_u16().unwrap_or(80) == self.listen.port()
        };
        if remote.urls.iter().any(is_own) {
            let (backend, listen) = (resolved.source("backend"), resolved.source("listen"));
            bail!(
                "`backend` (from {backend}) is this server's own address, `{}` (from {listen}): give it \
                 another --listen",
                self.listen
            );
        }
        Ok(())
    }

    /// Refuses to let everybody on the network in.
    fn check_exposure(&self, resolved: &Resolved) -> Result<()> {
        let is_protected = self.access.auth != Auth::None || !self.access.allow_from.is_empty();
        if !self.listen.ip().is_loopback() && !is_protected {
            let source = resolved.source("listen");
            bail!(
                "`listen` is `{}` (from {source}), where everybody on the network could come: make \
                 a key with `meshmemo keys add NAME --role admin --api-keys FILE` and give \
                 `--api-keys FILE`, or say who may come with `--allow-from CIDR`, or use a loopback \
                 address",
                self.listen
            );
        }
        Ok(())
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse().ok()
}

/// Reads the budget of the disk; less than it takes to keep anything at all is a mistake.
fn disk_max(resolved: &Resolved) -> Result<u64> {
    let range = format!("`off`, or {SIZE_FORM}, at least {DISK_MAX_LEAST_BYTES} bytes");
    let is_enough = |size: &u64| *size >= DISK_MAX_LEAST_BYTES;
    resolved.check("disk_max", &range, |text| parse_size(text).filter(is_enough))
}

/// Reads how much is to be brought into memory: nothing, so many entries, or so many bytes.
fn warm(text: &str, max_memory_bytes: u64) -> Option<Warm> {
    if text == "off" {
        return Some(Warm::Top(0));
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent = percent.trim().parse::<u64>().ok().filter(|percent| *percent <= 100)?;
        let bytes = u128::from(max_memory_bytes) * u128::from(percent) / 100;
        return Some(Warm::Bytes(u64::try_from(bytes).ok()?));
    }
    match text.parse::<usize>() {
        Ok(count) => Some(Warm::Top(count)),
        Err(_) => parse_size(text).map(Warm::Bytes),
    }
}

/// Reads a file for `config check`, and nothing but it.
///
/// # Errors
/// As [`Config::load`].
pub fn check_file(path: &Path) -> Result<Config> {
    let resolved = Resolved::of_file(path)?;
    Config::read(&resolved).with_context(|| format!("in {}", path.display()))
}
