//! Finding an entry: its manifest, or the key of one that has the same bytes.

use std::sync::Arc;

use ::redis::cmd;
use meshmemo::{Address, Digest, Key, MissReason, Opened, Scope};

use super::Inner;
use super::failure::Failure;
use super::manifest::{self, Line, MANIFEST};
use super::put::remember_bytes;
use super::reading::Reading;
use super::removal::{forget_bytes, retract, tidy};
use crate::envelope::{self, Broken, Footer};
use crate::limits::REDIS_SAME_BYTES_MAX;

/// Opens an entry.
pub(super) async fn open(redis: &Arc<Inner>, address: Address) -> Result<Opened, Failure> {
    match address {
        Address::Key(key) => Ok(match find(redis, &key).await? {
            Ok(found) => Opened::Hit(Arc::new(found)),
            Err(reason) => Opened::Miss(reason),
        }),
        Address::Digest(digest, scope, passed_over) => {
            by_digest(redis, digest, &scope, &passed_over).await
        }
    }
}

/// Finds an entry by its key. What is no entry is taken away, so that the next one who asks need not find
/// that out again.
pub(super) async fn find(
    redis: &Arc<Inner>,
    key: &Key,
) -> Result<Result<Reading, MissReason>, Failure> {
    let manifest: Option<Vec<u8>> =
        redis.ask(cmd("HGET").arg(redis.keys.entry(key)).arg(MANIFEST)).await?;
    let Some(manifest) = manifest else { return Ok(Err(MissReason::Absent)) };
    let Some((line, footer)) = manifest::read(&manifest) else {
        tidy(redis, retract(redis, key, "*")).await;
        return Ok(Err(MissReason::Corrupt));
    };
    let Line::Entry(upload) = line else { return Ok(Err(MissReason::Absent)) };
    match envelope::read(footer) {
        Ok(Footer { meta, .. }) if meta.is_expired(redis.clock.wall()) => {
            Ok(Err(MissReason::Expired))
        }
        Ok(footer) if footer.meta.key == *key && footer.meta.size_bytes == upload.size_bytes => {
            Ok(Ok(Reading::new(redis, footer, upload)))
        }
        Err(Broken::Newer) => Ok(Err(MissReason::Unreadable)),
        Ok(_) | Err(Broken::Corrupt(_)) => {
            tidy(redis, retract(redis, key, &upload.id)).await;
            Ok(Err(MissReason::Corrupt))
        }
    }
}

async fn by_digest(
    redis: &Arc<Inner>,
    digest: Digest,
    scope: &Scope,
    passed_over: &[Key],
) -> Result<Opened, Failure> {
    let same_bytes = redis.keys.same_bytes(&digest);
    let names: Vec<String> =
        redis.ask(cmd("SRANDMEMBER").arg(&same_bytes).arg(REDIS_SAME_BYTES_MAX)).await?;
    let mut keys: Vec<Key> = names.iter().filter_map(|name| name.parse().ok()).collect();
    keys.sort_unstable();
    for key in keys.into_iter().filter(|key| !passed_over.contains(key)) {
        use meshmemo::Stored;
        match find(redis, &key).await? {
            Ok(found) if found.meta().digest != digest => {
                tidy(redis, forget_bytes(redis, &digest, &key)).await;
            }
            Ok(found) if scope.covers(&found.meta().identity.namespace) => {
                tidy(redis, remember_bytes(redis, found.meta())).await;
                return Ok(Opened::Hit(Arc::new(found)));
            }
            Err(MissReason::Absent) => tidy(redis, forget_bytes(redis, &digest, &key)).await,
            Ok(_) | Err(_) => {}
        }
    }
    Ok(Opened::Miss(MissReason::Absent))
}
