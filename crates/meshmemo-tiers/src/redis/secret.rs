//! The secret that all gateways have in common: it hashes what clients show the backend, and is part of keys.

use ::redis::cmd;
use meshmemo::Digest;

use super::Inner;
use super::failure::Failure;

/// Returns the secret that is there, or makes this one it.
pub(super) async fn agree(redis: &Inner, own: [u8; 32]) -> Result<[u8; 32], Failure> {
    let found = match find(redis).await? {
        Some(found) => found,
        None if redis.is_written => {
            put(redis, own).await?;
            find(redis).await?.unwrap_or(own)
        }
        None => own,
    };
    Ok(*redis.secret.get_or_init(|| found))
}

/// Puts the secret back into a Redis that has lost it.
pub(super) async fn restore(redis: &Inner) -> Result<(), Failure> {
    let Some(secret) = redis.secret.get().filter(|_| redis.is_written) else { return Ok(()) };
    put(redis, *secret).await?;
    if find(redis).await?.is_some_and(|found| found != *secret) {
        tracing::error!(
            "gateways have different secrets: what was made for credentials of clients is not shared \
             until this one is started again"
        );
    }
    Ok(())
}

async fn find(redis: &Inner) -> Result<Option<[u8; 32]>, Failure> {
    let found: Option<String> = redis.ask(cmd("GET").arg(name(redis))).await?;
    let found: Option<Digest> = found.and_then(|text| text.parse().ok());
    Ok(found.map(|digest| *digest.as_bytes()))
}

/// Puts one there, if there is none.
async fn put(redis: &Inner, secret: [u8; 32]) -> Result<(), Failure> {
    let text = Digest::from_bytes(secret).to_string();
    let set = cmd("SET").arg(name(redis)).arg(text).arg("NX").to_owned();
    let _was_none: Option<String> = redis.change(&set).await?;
    Ok(())
}

fn name(redis: &Inner) -> String {
    redis.keys.record("secret", "credentials")
}
