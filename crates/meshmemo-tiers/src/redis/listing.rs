//! What there is: the entries of all servers, some at a time.

use std::sync::Arc;

use ::redis::{FromRedisValue, Value, cmd};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use meshmemo::{Cursor, Key, Listed, Page, Scope, Summary};

use super::Inner;
use super::condition::Use;
use super::failure::Failure;
use super::link::Ask;
use super::manifest::{self, Line, MANIFEST};
use crate::envelope;
use crate::limits::{REDIS_CONTROL_MAX, REDIS_LOOKS_AHEAD, REDIS_SCAN_COUNT};

/// An entry, and the upload that has its bytes.
pub(super) struct Found {
    pub(super) listed: Listed,
    pub(super) upload: String,
}

/// Lists the entries of a scope.
pub(super) async fn list(
    redis: &Arc<Inner>,
    scope: Scope,
    cursor: Option<Cursor>,
) -> Result<Page, Failure> {
    let (found, next) = page(redis, &scope, cursor).await?;
    Ok(Page { entries: found.into_iter().map(|found| found.listed).collect(), next })
}

/// Finds the entries of a scope, some at a time. Redis may show one twice, but leaves out none that is there
/// all the time.
pub(super) async fn page(
    redis: &Arc<Inner>,
    scope: &Scope,
    cursor: Option<Cursor>,
) -> Result<(Vec<Found>, Option<Cursor>), Failure> {
    let at = cursor.and_then(|Cursor(text)| {
        let (server, position) = text.split_once(' ')?;
        Some((server.to_owned(), position.to_owned()))
    });
    let servers = servers(redis).await?;
    let (server, position) = match at {
        Some((server, position)) if servers.contains(&server) => (server, position),
        // It has left the Cluster: what it had is elsewhere now.
        Some((server, _)) => match servers.iter().find(|other| **other > server) {
            Some(next) => (next.clone(), "0".to_owned()),
            None => return Ok((Vec::new(), None)),
        },
        None => (servers.first().cloned().unwrap_or_default(), "0".to_owned()),
    };
    let (next, mut names) = scan(redis, &server, &position).await?;
    names.sort_unstable();
    names.dedup();
    let keys: Vec<Key> = names.iter().filter_map(|name| redis.keys.key_of(name)).collect();
    let found =
        stream::iter(keys.into_iter().map(|key| listed(redis, key))).buffered(REDIS_LOOKS_AHEAD);
    let found: Vec<Option<Found>> = found.try_collect().await?;
    let found = found.into_iter().flatten();
    let found =
        found.filter(|found| scope.covers(&found.listed.summary.namespace)).collect::<Vec<_>>();
    let next = match next.as_str() {
        "0" => servers.into_iter().find(|other| *other > server).map(|it| (it, "0".to_owned())),
        _ => Some((server, next)),
    };
    Ok((found, next.map(|(server, position)| Cursor(format!("{server} {position}")))))
}

/// Looks at the entry of a key, and reads none of its bytes.
pub(super) async fn listed(redis: &Inner, key: Key) -> Result<Option<Found>, Failure> {
    let manifest: Option<Vec<u8>> =
        redis.ask(cmd("HGET").arg(redis.keys.entry(&key)).arg(MANIFEST)).await?;
    let Some((Line::Entry(upload), footer)) = manifest.as_deref().and_then(manifest::read) else {
        return Ok(None);
    };
    let Ok(footer) = envelope::read(footer) else { return Ok(None) };
    if footer.meta.key != key || footer.meta.is_expired(redis.clock.wall()) {
        return Ok(None);
    }
    let summary = Arc::new(Summary::from(&footer.meta));
    // Redis tells neither how often nor when an entry was used.
    let last_used = footer.meta.created;
    Ok(Some(Found { listed: Listed { summary, hits: 0, last_used }, upload: upload.id }))
}

/// Lists the servers that hold entries, in an order: one without a name, or the masters of a Cluster.
async fn servers(redis: &Inner) -> Result<Vec<String>, Failure> {
    if !redis.servers.is_cluster() {
        return Ok(vec![String::new()]);
    }
    let slots: Value = redis.ask(cmd("CLUSTER").arg("SLOTS")).await?;
    let mut masters = masters(&slots).ok_or_else(|| Failure::garbled("CLUSTER SLOTS"))?;
    masters.sort_unstable();
    masters.dedup();
    Ok(masters)
}

/// Reads the addresses of the masters from an answer to `CLUSTER SLOTS`: of each range of slots the start, the
/// end, and the nodes, the master first.
fn masters(slots: &Value) -> Option<Vec<String>> {
    let Value::Array(ranges) = slots else { return None };
    let master = |range: &Value| {
        let Value::Array(range) = range else { return None };
        let Value::Array(node) = range.get(2)? else { return None };
        let host = String::from_redis_value_ref(node.first()?).ok()?;
        let port = u16::from_redis_value_ref(node.get(1)?).ok()?;
        Some(format!("{host}:{port}"))
    };
    ranges.iter().map(master).collect()
}

/// Asks one server for the names of some entries; returns where to go on.
async fn scan(
    redis: &Inner,
    server: &str,
    position: &str,
) -> Result<(String, Vec<String>), Failure> {
    let mut scan = cmd("SCAN");
    scan.arg(position).arg("MATCH").arg(redis.keys.all_entries());
    scan.arg("COUNT").arg(REDIS_SCAN_COUNT).arg("TYPE").arg("hash");
    let scanned = redis.control.ask(REDIS_CONTROL_MAX, Ask::At(server, &scan)).await;
    redis.note(Use::Read, &scanned);
    scanned
}
