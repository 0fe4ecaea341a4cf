//! The settings of the shared tier, and what each lower tier is used for.

use std::time::Duration;

use anyhow::{Result, anyhow};
use meshmemo::Mode;
use meshmemo_tiers::RedisOptions;

use super::resolve::Resolved;
use crate::units::{DURATION_FORM, SIZE_FORM, parse_duration, parse_size};

/// What a prefix of names in Redis may have.
const PREFIX_FORM: &str = "1 to 64 letters, digits, or any of `-_.:`";

/// How long a lease may last.
const LEASE_MIN: Duration = Duration::from_secs(1);
const LEASE_MAX: Duration = Duration::from_mins(5);

/// The shared tier.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// Where Redis is, with what is shown there of who asks.
    pub urls: Vec<String>,
    /// What all names there begin with.
    pub prefix: String,
    /// Bytes that an entry may have to be shared.
    pub max_value_bytes: u64,
    /// How long a lease or a slot lasts that is not renewed.
    pub lease: Duration,
    /// What it is used for.
    pub mode: Mode,
}

impl RedisConfig {
    /// Reads the settings; nothing where there is no shared tier, or it is off. URLs that can not be read are
    /// no error here: requests go on without the tier, and its health says why.
    pub(super) fn read(resolved: &Resolved) -> Result<Option<Self>> {
        let prefix = resolved.check("redis_prefix", PREFIX_FORM, |text| {
            let is_meant = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
            let is_prefix = (1..=64).contains(&text.len()) && text.chars().all(is_meant);
            is_prefix.then(|| text.to_owned())
        })?;
        let range = format!("{SIZE_FORM}, from 1 byte to 512 MiB");
        let max_value_bytes = resolved.check("redis_max_value", &range, |text| {
            parse_size(text).filter(|size| (1..=512 << 20).contains(size))
        })?;
        let range = format!("{DURATION_FORM}, from 1 second to 5 minutes");
        let lease = resolved.check("redis_lease", &range, |text| {
            let is_in_range = |it: &Duration| (LEASE_MIN..=LEASE_MAX).contains(it);
            parse_duration(text).filter(is_in_range)
        })?;
        let mode = mode(resolved, "redis_mode")?;
        let urls = match resolved.text("redis") {
            "" | "off" => return Ok(None),
            text => text.split(',').map(str::trim).filter(|url| !url.is_empty()).map(url).collect(),
        };
        Ok(mode.map(|mode| Self { urls, prefix, max_value_bytes, lease, mode }))
    }

    /// Checks the URLs, and connects to nothing.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check_urls(&self) -> Result<()> {
        RedisOptions::check_urls(&self.urls).map_err(|wrong| anyhow!("`redis`: {wrong}"))
    }
}

/// Reads what a tier is used for; nothing if it is off.
pub(super) fn mode(resolved: &Resolved, name: &str) -> Result<Option<Mode>> {
    let modes = [Mode::ReadWrite, Mode::ReadOnly, Mode::WriteOnly];
    resolved.check(name, "`read-write`, `read-only`, `write-only` or `off`", |text| match text {
        "off" => Some(None),
        _ => modes.into_iter().find(|mode| mode.as_str() == text).map(Some),
    })
}

/// Completes what is only a host and a port. What has an `@` and no scheme is a piece of something else: a comma
/// in a password is to be written `%2C`.
fn url(text: &str) -> String {
    if text.contains("://") || text.contains('@') {
        text.to_owned()
    } else {
        format!("redis://{text}")
    }
}

/// Returns URLs as they may be shown. If one of them can not be read, who knows where a password ends: none is.
pub fn masked(urls: &str) -> String {
    let masked: Vec<_> = urls.split(',').map(|it| RedisOptions::masked(&url(it.trim()))).collect();
    match urls {
        "" | "off" => urls.to_owned(),
        _ if masked.iter().any(|it| it == HIDDEN) => HIDDEN.to_owned(),
        _ => masked.join(","),
    }
}

/// What is shown of what is not.
const HIDDEN: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let shown = masked("redis://u:p%40ss@h:1/2,rediss://h");
        assert_eq!(shown, "redis://u:***@h:1/2,rediss://h");
        assert_eq!(masked("redis://:secret@h"), "redis://:***@h");
        assert_eq!(masked("h:6379"), "redis://h:6379");
        assert_eq!(masked("off"), "off");
        for open in
            ["redis://:pa,SECRET@h", "redis+unix:///run/x.sock?user=u&pass=SECRET", "SECRET@h"]
        {
            assert!(!masked(open).contains("SECRET"), "{}", masked(open));
        }
    }
}
