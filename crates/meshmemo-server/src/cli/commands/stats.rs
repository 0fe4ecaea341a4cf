//! `meshmemo stats`.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::cli::args::Remote;
use crate::cli::client::Client;
use crate::cli::{Done, output};
use crate::units::show_duration;

pub(crate) fn run(args: &Remote) -> Result<Done> {
    let report = Client::new(args)?.get("/api/cache/stats", &[])?;
    if args.json {
        output::say(&serde_json::to_string_pretty(&report)?)?;
        return Ok(Done::Well);
    }
    let stats = &report["stats"];
    let count = |name: &str| stats[name].as_u64().unwrap_or(0);
    let number = |name: &str| stats[name].as_f64().unwrap_or(0.0);
    output::say(&format!(
        "lookups      {} hits, {} coalesced, {} misses, {} bypasses: {:.2} % from the cache",
        count("hits"),
        count("coalesced"),
        count("misses"),
        count("bypasses"),
        number("hit_rate_percent"),
    ))?;
    output::say(&format!(
        "generations  {} in {}, {} failed, {} formats derived; {} saved",
        count("generations"),
        duration(&stats["generation_seconds"]),
        count("generation_failures"),
        count("derivations"),
        duration(&stats["seconds_saved"]),
    ))?;
    output::say(&format!(
        "memory       {} of {} entries, {:.1} of {:.0} MB ({:.1} %), at most {:.1} MB",
        count("current_items"),
        count("max_items"),
        number("current_memory_mb"),
        number("max_memory_mb"),
        number("memory_utilization_percent"),
        number("max_memory_seen_mb"),
    ))?;
    say_disk(&stats["tiers"]["disk"])?;
    say_redis(&stats["tiers"]["redis"])?;
    output::say(&format!(
        "departures   {} evicted from memory ({} by size, {} by count), {} expired",
        count("evictions"),
        count("evictions_by_size"),
        count("evictions_by_count"),
        count("expirations"),
    ))?;
    say_namespaces(&stats["namespaces"])?;
    if let Some(observed) = stats.get("observed") {
        say_observed(observed)?;
    } else if report["cache_enabled"] == Value::Bool(false) {
        output::say("the cache is off: every request generates")?;
    }
    Ok(Done::Well)
}

/// Says what the disk has, where there is one.
fn say_disk(disk: &Value) -> Result<()> {
    if disk.is_null() {
        return Ok(());
    }
    let count = |name: &str| disk[name].as_u64().unwrap_or(0);
    let number = |name: &str| disk[name].as_f64().unwrap_or(0.0);
    let whole = format!(
        ", {} misses, {} corrupt, {} failed",
        count("misses"),
        count("corrupt"),
        count("errors")
    );
    Ok(output::say(&format!(
        "disk         {} entries, {:.1} of {:.0} MB; {} hits{}",
        count("items"),
        number("size_mb"),
        number("max_mb"),
        count("hits"),
        if disk.get("misses").is_some() { whole } else { String::new() },
    ))?)
}

/// Says how the tier is that gateways share, where there is one and who asks may see all of it.
fn say_redis(redis: &Value) -> Result<()> {
    if redis.get("misses").is_none() {
        return Ok(());
    }
    let count = |name: &str| redis[name].as_u64().unwrap_or(0);
    let number = |name: &str| redis[name].as_f64().unwrap_or(0.0);
    let limit = match number("max_mb") {
        0.0 => "without a limit".to_owned(),
        max => format!("of {max:.0} MB"),
    };
    let is_open = redis["breaker_open"].as_bool().unwrap_or(false);
    Ok(output::say(&format!(
        "redis        {:.1} MB {limit}; {} hits, {} misses, {} corrupt, {} failed; {:.1} MB read, {:.1} MB \
         written, {} too large, {} dropped; {:.2} ms{}",
        number("size_mb"),
        count("hits"),
        count("misses"),
        count("corrupt"),
        count("errors"),
        number("read_mb"),
        number("written_mb"),
        count("oversized"),
        count("writes_dropped"),
        number("latency_ms"),
        if is_open { "; calls are kept away, as they failed" } else { "" },
    ))?)
}

/// Says what the cache would have done, where it only observes.
fn say_observed(observed: &Value) -> Result<()> {
    let count = |name: &str| observed[name].as_u64().unwrap_or(0);
    output::say(&format!(
        "observed     {} hits, {} coalesced, {} misses, {} bypasses: {:.2} % would have come from the \
         cache, and {} been saved",
        count("hits"),
        count("coalesced"),
        count("misses"),
        count("bypasses"),
        observed["hit_rate_percent"].as_f64().unwrap_or(0.0),
        duration(&observed["seconds_saved"]),
    ))?;
    Ok(output::say("the cache only observes: every request is forwarded (`--cache on` uses it)")?)
}

/// Says what each namespace has come to, where there are several.
fn say_namespaces(namespaces: &Value) -> Result<()> {
    let Some(namespaces) = namespaces.as_object().filter(|all| all.len() > 1) else {
        return Ok(());
    };
    let row = |(name, it): (&String, &Value)| {
        let count = |field: &str| it[field].as_u64().unwrap_or(0).to_string();
        let size = |field: &str| format!("{:.1}", it[field].as_f64().unwrap_or(0.0));
        let share = it["max_mb"].as_f64().map_or_else(|| "-".to_owned(), |mb| format!("{mb:.0}"));
        let counts = ["hits", "misses", "generations", "disk_items"].map(count);
        let [hits, misses, generations, on_disk] = counts;
        let (memory, disk) = (size("size_mb"), size("disk_mb"));
        vec![name.clone(), hits, misses, generations, memory, on_disk, disk, share]
    };
    let rows: Vec<_> = namespaces.iter().map(row).collect();
    let head =
        ["namespace", "hits", "misses", "generations", "memory MB", "on disk", "MB", "share MB"];
    output::say("")?;
    Ok(output::say(&output::table(&head, &[1, 2, 3, 4, 5, 6, 7], &rows))?)
}

fn duration(seconds: &Value) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.as_f64().unwrap_or(0.0));
    match seconds.unwrap_or_default() {
        Duration::ZERO => "0 s".to_owned(),
        duration => show_duration(duration),
    }
}
