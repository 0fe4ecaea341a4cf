//! The keys that hold, with what each has used of its quotas.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use meshmemo::Scope;
use meshmemo_gateway::PlaceQuota;

use super::record::KeyRecord;
use super::token::Token;

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>;

/// A key that holds.
pub struct ApiKey {
    /// What is known of it.
    pub record: KeyRecord,
    hash: blake3::Hash,
    limiter: Option<Arc<Limiter>>,
    places: Arc<PlaceQuota>,
}

/// What a key has left of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests that it may make in a minute.
    pub per_minute: u32,
    /// Requests that it may make at once now.
    pub remaining: u32,
    /// How long it must wait for the next one, if it has none left; after this long one more is there.
    pub wait: Duration,
}

impl ApiKey {
    /// Makes the key of a record, going on with what it has used of its quotas under the one before.
    fn new(record: KeyRecord, before: Option<&Self>) -> Self {
        let hash =
            blake3::Hash::from_hex(&record.hash).expect("records are checked when they are read");
        let used = before.filter(|before| before.record.rpm == record.rpm);
        let limiter = match used {
            Some(used) => used.limiter.clone(),
            None => record.rpm.and_then(NonZeroU32::new).map(|rpm| {
                let limiter =
                    RateLimiter::direct_with_clock(Quota::per_minute(rpm), MonotonicClock)
                        .with_middleware();
                Arc::new(limiter)
            }),
        };
        let places = match before {
            Some(before) => Arc::clone(&before.places),
            None => Arc::new(PlaceQuota::new(record.queue)),
        };
        places.set_places_max(record.queue);
        Self { record, hash, limiter, places }
    }

    /// Returns whose entries it sees.
    pub fn scope(&self) -> Scope {
        if self.record.sees_all() {
            return Scope::All;
        }
        Scope::Namespace(self.record.namespace.as_str().into())
    }

    /// Returns its quota of places in the queue.
    pub fn places(&self) -> Arc<PlaceQuota> {
        Arc::clone(&self.places)
    }

    /// Takes one of its requests.
    ///
    /// # Errors
    /// What it has left, if that is none.
    pub fn take_request(&self) -> Result<Option<RateLimit>, RateLimit> {
        let (Some(limiter), Some(per_minute)) = (&self.limiter, self.record.rpm) else {
            return Ok(None);
        };
        let of = |remaining, wait| RateLimit { per_minute, remaining, wait };
        match limiter.check() {
            Ok(left) => Ok(Some(of(left.remaining_burst_capacity(), Duration::ZERO))),
            Err(refused) => Err(of(0, refused.wait_time_from(limiter.clock().now()))),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.record.id)
            .field("name", &self.record.name)
            .finish_non_exhaustive()
    }
}

/// The keys that hold, by their ids.
#[derive(Debug, Default)]
pub(super) struct Keyring(HashMap<String, Arc<ApiKey>>);

impl Keyring {
    /// Makes the keys of records, which go on with what they have used of their quotas.
    pub(super) fn renewed(&self, records: Vec<KeyRecord>) -> Self {
        let key = |record: KeyRecord| {
            let before = self.0.get(&record.id).map(AsRef::as_ref);
            (record.id.clone(), Arc::new(ApiKey::new(record, before)))
        };
        Self(records.into_iter().map(key).collect())
    }

    /// Finds the key that a token is of.
    pub(super) fn find(&self, text: &str) -> Option<Arc<ApiKey>> {
        let token = Token::read(text)?;
        let hash = token.hash();
        // Comparing hashes of this type takes the same time wherever they differ.
        self.0.get(token.id()).filter(|key| key.hash == hash).map(Arc::clone)
    }

    pub(super) fn shares(&self) -> HashMap<Arc<str>, u64> {
        let share =
            |key: &Arc<ApiKey>| Some((key.record.namespace.as_str().into(), key.record.bytes?));
        self.0.values().filter_map(share).collect()
    }

    /// Lists the keys, by their ids.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&String, &Arc<ApiKey>)> {
        self.0.iter()
    }

    /// Returns what is known of a key.
    pub(super) fn record(&self, id: &str) -> Option<&KeyRecord> {
        self.0.get(id).map(|key| &key.record)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::record::tests::record;

    #[test]
    fn a_key_is_found_by_its_token_and_by_no_other() {
        let (token, other) = (Token::draw().unwrap(), Token::draw().unwrap());
        let keyring = Keyring::default().renewed(vec![record("cup", &token)]);
        assert_eq!(keyring.find(token.reveal()).unwrap().record.name, "cup");
        let same_id = format!("mm_{}_{}", token.id(), &other.reveal()[16..]);
        for wrong in [other.reveal(), &same_id, "", &token.hash().to_string()] {
            assert!(keyring.find(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_was_used_of_a_quota_stays_used_when_keys_are_read_again() {
        let token = Token::draw().unwrap();
        let limited = KeyRecord { rpm: Some(2), queue: Some(1), ..record("cup", &token) };
        let keyring = Keyring::default().renewed(vec![limited.clone()]);
        let find = |keyring: &Keyring| keyring.find(token.reveal()).unwrap();
        assert_eq!(find(&keyring).take_request().unwrap().unwrap().remaining, 1);
        let keyring = keyring.renewed(vec![limited.clone()]);
        assert_eq!(find(&keyring).take_request().unwrap().unwrap().remaining, 0);
        let refused = find(&keyring).take_request().unwrap_err();
        assert!(refused.remaining == 0 && refused.wait > Duration::ZERO, "{refused:?}");
        let places = find(&keyring).places();
        let keyring = keyring.renewed(vec![KeyRecord { queue: Some(3), rpm: None, ..limited }]);
        assert!(Arc::ptr_eq(&places, &find(&keyring).places()), "places that are taken stay so");
        assert_eq!(find(&keyring).take_request(), Ok(None));
    }
}
