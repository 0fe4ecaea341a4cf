//! The settings that flags may say, as they were typed.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::config::Given;

/// The settings that flags may say; what they may be, `config.rs` knows.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Settings (flag > environment MESHMEMO_… > file > default)")]
pub(in crate::cli) struct Settings {
    /// The configuration file [default: ./meshmemo.toml, then the one in the user's configuration]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    disk: DiskSettings,
    #[command(flatten)]
    redis: RedisSettings,
    /// What is brought from disk into memory at the start: `off`, so many entries, a size, or a
    /// part of the memory limit [default: 25%]
    #[arg(long, value_name = "N|SIZE|off")]
    warm: Option<String>,
    #[command(flatten)]
    backend: BackendSettings,
    /// What the cache is used for: answers (`on`), to count what it would have answered while
    /// everything is forwarded (`observe`), or nothing (`off`) [default: on]
    #[arg(long, value_name = "on|observe|off")]
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
    /// How many generations run at a time, at each backend [default: 1]
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    /// How many generations wait for their turn; the next one is answered 503 [default: 64]
    #[arg(long, value_name = "N")]
    queue: Option<String>,
    /// How long one generation may take; of a server, also how long it may be silent [default: 15m]
    #[arg(long, value_name = "DURATION")]
    backend_timeout: Option<String>,
    /// What a request's body may weigh [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    max_body: Option<String>,
    /// How long what is under way may take to end when the server stops [default: 30s]
    #[arg(long, value_name = "DURATION")]
    drain_timeout: Option<String>,
    #[command(flatten)]
    access: AccessSettings,
}

impl Settings {
    /// Returns what was typed, by setting.
    pub(in crate::cli) fn given(&self) -> Given {
        let all = [
            ("listen", &self.listen),
            ("warm", &self.warm),
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
        given.extend(self.redis.given());
        given.extend(self.backend.given());
        given.extend(self.access.given());
        given.extend(all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        given
    }
}

/// The settings of what makes the models, which `generate` has too.
#[derive(Debug, Default, ClapArgs)]
pub(in crate::cli) struct BackendSettings {
    /// What makes the models: `relief`, the embedded generator, or the URLs of servers that do the same
    /// work [default: relief]
    #[arg(long, value_name = "relief|URL[,URL…]")]
    backend: Option<String>,
    /// The protocol of the server: hunyuan3d-2, hunyuan3d-2.1-stock, hunyuan3d-2.1-forwarding,
    /// orfeas, stability, or generic, which the configuration file describes [default: native, for `relief`]
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// The name of the model, or with commas between them those of each backend, which must be the same;
    /// part of every key: change it when the model behind the URL changes
    /// [default: relief, or the adapter's name]
    #[arg(long, value_name = "TEXT")]
    model_id: Option<String>,
    /// For requests without a seed, where the server draws at random: `keep` the first result, or
    /// `pass` each request through [default: keep]
    #[arg(long, value_name = "keep|pass")]
    unseeded: Option<String>,
    /// Clients that show the server credentials of their own have a `separate` cache each, or `share`
    /// one [default: separate]
    #[arg(long, value_name = "separate|share")]
    credentials: Option<String>,
    /// The same as `--credentials share`: who asks is answered also with what was made, and paid for, by
    /// others
    #[arg(long, conflicts_with = "credentials")]
    share_across_credentials: bool,
}

impl BackendSettings {
    /// Returns what was typed, by setting.
    pub(in crate::cli) fn given(&self) -> Given {
        let all = [
            ("backend", &self.backend),
            ("adapter", &self.adapter),
            ("model_id", &self.model_id),
            ("unseeded", &self.unseeded),
            ("credentials", &self.credentials),
        ];
        let mut given: Given =
            all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        if self.share_across_credentials {
            given.extend([("credentials", "share".to_owned())]);
        }
        given
    }
}

/// The settings of the disk, which `generate` has too.
#[derive(Debug, Default, ClapArgs)]
pub(in crate::cli) struct DiskSettings {
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
    /// What the disk is used for: `read-write`, `read-only`, `write-only` or `off` [default: read-write]
    #[arg(long, value_name = "MODE")]
    disk_mode: Option<String>,
}

impl DiskSettings {
    /// Returns what was typed, by setting.
    pub(in crate::cli) fn given(&self) -> Given {
        let all = [
            ("data_dir", &self.data_dir),
            ("disk_max", &self.disk_max),
            ("durability", &self.durability),
            ("disk_mode", &self.disk_mode),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

/// The settings of the tier that gateways share, which `generate` has too.
#[derive(Debug, Default, ClapArgs)]
pub(in crate::cli) struct RedisSettings {
    /// Where the Redis or Valkey is that gateways share: a URL such as `rediss://user:password@host:6379/0`,
    /// several for the nodes of a Cluster, or `off` [default: off]
    #[arg(long, value_name = "URL[,URL…]")]
    redis: Option<String>,
    /// What all names in Redis begin with: gateways with the same one share results [default: meshmemo]
    #[arg(long, value_name = "TEXT")]
    redis_prefix: Option<String>,
    /// What a result may weigh to be shared; a larger one stays with its gateway [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    redis_max_value: Option<String>,
    /// How long others wait for a gateway that has died with work of theirs, and how long one may be paused
    /// and keep it [default: 10s]
    #[arg(long, value_name = "DURATION")]
    redis_lease: Option<String>,
    /// What Redis is used for: `read-write`, `read-only`, `write-only` or `off` [default: read-write]
    #[arg(long, value_name = "MODE")]
    redis_mode: Option<String>,
}

impl RedisSettings {
    /// Returns what was typed, by setting.
    pub(in crate::cli) fn given(&self) -> Given {
        let all = [
            ("redis", &self.redis),
            ("redis_prefix", &self.redis_prefix),
            ("redis_max_value", &self.redis_max_value),
            ("redis_lease", &self.redis_lease),
            ("redis_mode", &self.redis_mode),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

/// The settings of who may ask.
#[derive(Debug, Default, ClapArgs)]
struct AccessSettings {
    /// The file of API keys that `meshmemo keys` writes; then everybody needs one [default: off]
    #[arg(long, value_name = "FILE")]
    api_keys: Option<String>,
    /// Who needs a key: `all`, `admin` (everybody but for generations and their models) or `none`
    /// [default: all with --api-keys, none without]
    #[arg(long, value_name = "all|admin|none")]
    auth: Option<String>,
    /// Which addresses may come at all: networks or single addresses [default: all]
    #[arg(long, value_name = "CIDR,…")]
    allow_from: Option<String>,
    /// Whose pages may read from here in browsers: origins such as `https://shop.example`, or `*`
    /// [default: none]
    #[arg(long, value_name = "ORIGIN,…")]
    cors_origin: Option<String>,
    /// The server's certificate, with those up to its root, in PEM: it then speaks TLS [default: off]
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The private key of the certificate, in PEM [default: off]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
}

impl AccessSettings {
    /// Returns what was typed, by setting.
    fn given(&self) -> Given {
        let all = [
            ("api_keys", &self.api_keys),
            ("auth", &self.auth),
            ("allow_from", &self.allow_from),
            ("cors_origin", &self.cors_origin),
            ("tls_cert", &self.tls_cert),
            ("tls_key", &self.tls_key),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}
