//! What every tier promises, as a suite that every tier runs.
//!
//! Tests of a tier call [`conformance`] with a way to make an empty one; each check panics with
//! what was broken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;

use super::ManualClock;
use crate::clock::Clock;
use crate::entry::{Entry, Meta, Stored, read_entry};
use crate::key::{Digest, GenerationKey, Identity, Key, Value};
use crate::scope::Scope;
use crate::selector::{Filter, Selector};
use crate::summary::Summary;
use crate::ticket::Ticket;
use crate::tier::{Address, Gone, Opened, Put, Tier};

/// The largest entry that a tier under test accepts, in bytes.
pub const ENTRY_MAX_BYTES: u64 = 110 << 20;
/// An entry that it refuses, in bytes: what a tier keeps beside an entry's bytes lies in between.
pub const ENTRY_REFUSED_BYTES: u64 = ENTRY_MAX_BYTES + (1 << 20);

/// Makes an empty tier that reads wall time from the clock, and has room for one entry of
/// [`ENTRY_MAX_BYTES`] but not of [`ENTRY_REFUSED_BYTES`].
pub type MakeTier<'a> = &'a (dyn Fn(Arc<dyn Clock>) -> Arc<dyn Tier> + Sync);

/// Checks everything that a tier promises.
pub async fn conformance(make: MakeTier<'_>) {
    what_is_put_is_opened_by_key_and_by_digest(make).await;
    ranges_are_exact(make).await;
    a_put_replaces(make).await;
    removals_remove_what_they_select(make).await;
    filters_remove_what_they_match(make).await;
    bytes_shared_by_two_keys_outlive_one(make).await;
    an_expired_entry_is_a_miss(make).await;
    an_invalidated_ticket_publishes_nothing(make).await;
    sizes_from_nothing_to_the_bound_are_kept(make).await;
    a_reader_keeps_its_bytes(make).await;
    concurrent_puts_of_a_key_leave_one_whole(make).await;
    a_dropped_put_is_whole_or_nothing(make).await;
    a_listing_has_every_entry_once(make).await;
    no_namespace_sees_another(make).await;
}

/// Makes an entry for tests, whose key follows from `name`.
pub fn entry(name: &str, body: impl Into<Bytes>, clock: &dyn Clock) -> Entry {
    entry_of("", name, body, clock)
}

/// Makes an entry of a namespace for tests, whose key follows from both names.
pub fn entry_of(namespace: &str, name: &str, body: impl Into<Bytes>, clock: &dyn Clock) -> Entry {
    let parameters = BTreeMap::from([("name".to_owned(), Value::Text(name.to_owned()))]);
    let namespace = namespace.to_owned();
    let identity = Identity { namespace, parameters, ..Identity::default() };
    identified(identity, name, body.into(), clock.wall())
}

fn with_expiry(name: &str, body: Bytes, created: Duration, expires: Option<Duration>) -> Entry {
    let entry = entry(name, body, &ManualClock::new());
    Entry::new(Meta { created, expires, ..entry.meta().clone() }, entry.body().clone())
}

fn identified(identity: Identity, name: &str, body: Bytes, created: Duration) -> Entry {
    let generation_key = identity.generation_key();
    let meta = Meta {
        key: generation_key.key("glb"),
        generation_key,
        identity: Arc::new(identity),
        variant: "glb".to_owned(),
        label: format!("{name}.png"),
        media_type: "model/gltf-binary".to_owned(),
        head: None,
        digest: Digest::of(&body),
        size_bytes: body.len() as u64,
        cost: Duration::from_millis(17_250),
        created,
        expires: None,
    };
    Entry::new(meta, body)
}

async fn put(tier: &Arc<dyn Tier>, entry: &Entry) -> Put {
    tier.put(Arc::new(entry.clone()), Ticket::new()).await.expect("the tier writes")
}

async fn opened(tier: &Arc<dyn Tier>, address: Address) -> Option<Arc<dyn Stored>> {
    match tier.open(address).await.expect("the tier reads") {
        Opened::Hit(stored) => Some(stored),
        Opened::Miss(_) => None,
    }
}

async fn by_key(tier: &Arc<dyn Tier>, key: Key) -> Option<Entry> {
    let stored = opened(tier, Address::Key(key)).await?;
    Some(read_entry(&*stored).await.expect("what is found is whole"))
}

/// Lists a scope, all pages of it.
async fn listed(tier: &Arc<dyn Tier>, scope: Scope) -> Vec<Summary> {
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = tier.list(scope.clone(), cursor).await.expect("it lists");
        listed.extend(page.entries.into_iter().map(|listed| Summary::clone(&listed.summary)));
        cursor = page.next;
        if cursor.is_none() {
            return listed;
        }
    }
}

fn by_digest(entry: &Entry) -> Address {
    Address::Digest(entry.meta().digest, Scope::All, Vec::new())
}

#[track_caller]
fn assert_same(found: Option<Entry>, wanted: &Entry) {
    let found = found.expect("the entry is there");
    assert_eq!(found.meta(), wanted.meta(), "what is known of an entry comes back whole");
    assert!(found.body() == wanted.body(), "the bytes come back as they were");
}

async fn what_is_put_is_opened_by_key_and_by_digest(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let cup = entry("cup", "the cup's bytes", &*clock);
    assert!(by_key(&tier, cup.meta().key).await.is_none(), "an empty tier has nothing");
    assert_eq!(put(&tier, &cup).await, Put::Stored);
    assert_same(by_key(&tier, cup.meta().key).await, &cup);
    let stored = opened(&tier, by_digest(&cup)).await.expect("by digest");
    assert_eq!(stored.meta(), cup.meta());
    let but_it = Address::Digest(cup.meta().digest, Scope::All, vec![cup.meta().key]);
    assert!(opened(&tier, but_it).await.is_none(), "no other entry has its bytes");
    let other = GenerationKey::from_bytes([7; 32]).key("glb");
    assert!(by_key(&tier, other).await.is_none(), "another key has nothing");
}

async fn ranges_are_exact(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let body: Bytes = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let cup = entry("cup", body.clone(), &*clock);
    put(&tier, &cup).await;
    let stored = opened(&tier, Address::Key(cup.meta().key)).await.expect("it is there");
    let length = body.len() as u64;
    let ranges = [(0, 1), (0, length), (1 << 20, (1 << 20) + 1), (999_999, 2_100_001), (5, 5)];
    for (start, end) in ranges {
        let mut chunks = stored.read(start..end);
        let mut read = Vec::new();
        while let Some(chunk) = chunks.next().await {
            read.extend_from_slice(&chunk.expect("the range is readable"));
        }
        let at = |position| usize::try_from(position).expect("the body is small");
        assert!(read == body[at(start)..at(end)], "range {start}..{end}");
    }
    let beyond: Vec<_> = stored.read(length - 2..length + 10).collect().await;
    let read: usize = beyond.into_iter().map(|chunk| chunk.expect("it is readable").len()).sum();
    assert_eq!(read, 2, "a range beyond the end ends with the bytes");
}

async fn a_put_replaces(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let (old, new) = (entry("cup", "old", &*clock), entry("cup", "newer", &*clock));
    put(&tier, &old).await;
    put(&tier, &new).await;
    assert_same(by_key(&tier, old.meta().key).await, &new);
    assert!(opened(&tier, by_digest(&old)).await.is_none(), "the old is gone");
}

async fn removals_remove_what_they_select(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let entries: Vec<_> = ["a", "b", "c"].iter().map(|name| entry(name, *name, &*clock)).collect();
    for entry in &entries {
        put(&tier, entry).await;
    }
    let key = entries[0].meta().key;
    let removed = tier.remove(Selector::Key(key)).await.expect("it removes");
    assert_eq!(removed, [Gone { key, size_bytes: 1 }]);
    let again = tier.remove(Selector::Key(key)).await.expect("it removes");
    assert_eq!(again, [], "nothing is removed twice");
    assert!(by_key(&tier, key).await.is_none());
    assert_same(by_key(&tier, entries[1].meta().key).await, &entries[1]);
    let all = tier.remove(Selector::All).await.expect("it removes");
    assert_eq!(all.len(), 2);
    for entry in &entries {
        assert!(by_key(&tier, entry.meta().key).await.is_none());
        assert!(opened(&tier, by_digest(entry)).await.is_none());
    }
    put(&tier, &entries[0]).await;
    assert_same(by_key(&tier, key).await, &entries[0]);
}

async fn filters_remove_what_they_match(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let old = entry("old cup", "1", &*clock);
    put(&tier, &old).await;
    clock.advance(Duration::from_mins(1));
    let (cup, vase) = (entry("cup", "2", &*clock), entry("vase", "3", &*clock));
    put(&tier, &cup).await;
    put(&tier, &vase).await;
    let filter = |edit: fn(&mut Filter)| {
        let mut filter = Filter::default();
        edit(&mut filter);
        Selector::Matching(filter)
    };
    let by_model = filter(|filter| filter.model_id = Some("another model".to_owned()));
    assert_eq!(tier.remove(by_model).await.expect("it removes"), []);
    let created_before = Some(clock.wall());
    let by_age = Selector::Matching(Filter { created_before, ..Filter::default() });
    let gone = tier.remove(by_age).await.expect("it removes");
    assert_eq!(gone, [Gone { key: old.meta().key, size_bytes: 1 }]);
    let by_label = filter(|filter| filter.label_prefix = Some("cu".to_owned()));
    let gone = tier.remove(by_label).await.expect("it removes");
    assert_eq!(gone, [Gone { key: cup.meta().key, size_bytes: 1 }]);
    assert!(by_key(&tier, cup.meta().key).await.is_none());
    assert_same(by_key(&tier, vase.meta().key).await, &vase);
}

async fn bytes_shared_by_two_keys_outlive_one(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let (cup, twin) = (entry("cup", "same", &*clock), entry("twin", "same", &*clock));
    put(&tier, &cup).await;
    put(&tier, &twin).await;
    tier.remove(Selector::Key(cup.meta().key)).await.expect("it removes");
    let stored = opened(&tier, by_digest(&cup)).await.expect("the twin has it");
    assert_eq!(stored.meta().key, twin.meta().key);
}

async fn an_expired_entry_is_a_miss(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let expires = clock.wall() + Duration::from_secs(10);
    let cup = with_expiry("cup", "bytes".into(), clock.wall(), Some(expires));
    put(&tier, &cup).await;
    clock.advance(Duration::from_millis(9_999));
    assert_same(by_key(&tier, cup.meta().key).await, &cup);
    clock.advance(Duration::from_millis(1));
    assert!(by_key(&tier, cup.meta().key).await.is_none(), "its time is over");
    assert!(opened(&tier, by_digest(&cup)).await.is_none());
    assert_eq!(put(&tier, &cup).await, Put::Expired, "and it does not come back");
}

async fn an_invalidated_ticket_publishes_nothing(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let cup = entry("cup", "bytes", &*clock);
    let ticket = Ticket::new();
    ticket.invalidate();
    let put = tier.put(Arc::new(cup.clone()), ticket).await.expect("the tier writes");
    assert_eq!(put, Put::Invalidated);
    assert!(by_key(&tier, cup.meta().key).await.is_none());
    a_removal_during_a_put_wins(&tier, &cup).await;
}

/// Invalidates and removes at every point at which a put can be suspended.
async fn a_removal_during_a_put_wins(tier: &Arc<dyn Tier>, cup: &Entry) {
    for polls in 0..64 {
        let ticket = Ticket::new();
        let mut write = tier.put(Arc::new(cup.clone()), ticket.clone());
        let mut poll = || write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let is_done = (0..polls).any(|_| poll().is_ready());
        ticket.invalidate();
        tier.remove(Selector::Key(cup.meta().key)).await.expect("it removes");
        if !is_done {
            write.await.expect("the tier writes");
        }
        let found = by_key(tier, cup.meta().key).await;
        assert!(found.is_none(), "what was removed does not come back (after {polls} polls)");
        if is_done {
            break;
        }
    }
}

async fn sizes_from_nothing_to_the_bound_are_kept(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let large = vec![0x5a; 100_000_000];
    for (name, body) in [("nothing", Vec::new()), ("one", vec![1]), ("large", large)] {
        let kept = entry(name, body, &*clock);
        assert_eq!(put(&tier, &kept).await, Put::Stored, "{name}");
        assert_same(by_key(&tier, kept.meta().key).await, &kept);
    }
    let small = entry("beyond", "small", &*clock);
    put(&tier, &small).await;
    let beyond = usize::try_from(ENTRY_REFUSED_BYTES).expect("the bound is small");
    let beyond = entry("beyond", vec![0; beyond], &*clock);
    assert_eq!(put(&tier, &beyond).await, Put::TooLarge);
    assert!(by_key(&tier, beyond.meta().key).await.is_none(), "what it replaces is out of date");
}

async fn a_reader_keeps_its_bytes(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let old = entry("cup", vec![1; 2_500_000], &*clock);
    put(&tier, &old).await;
    let replaced = opened(&tier, Address::Key(old.meta().key)).await.expect("it is there");
    put(&tier, &entry("cup", vec![2; 10], &*clock)).await;
    assert_same(read_entry(&*replaced).await.ok(), &old);
    let removed = opened(&tier, Address::Key(old.meta().key)).await.expect("it is there");
    tier.remove(Selector::All).await.expect("it removes");
    let read = read_entry(&*removed).await.expect("an open entry stays readable");
    assert_eq!(read.body().len(), 10);
}

async fn concurrent_puts_of_a_key_leave_one_whole(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let rivals: Vec<_> =
        (1..=8_u8).map(|n| entry("cup", vec![n; 300_000 * usize::from(n)], &*clock)).collect();
    for outcome in join_all(rivals.iter().map(|entry| put(&tier, entry))).await {
        assert_eq!(outcome, Put::Stored);
    }
    let left = by_key(&tier, rivals[0].meta().key).await.expect("one is there");
    assert!(rivals.iter().any(|rival| rival.body() == left.body()), "one of them, whole");
    assert_eq!(listed(&tier, Scope::All).await.len(), 1, "and only one");
}

async fn a_dropped_put_is_whole_or_nothing(make: MakeTier<'_>) {
    for polls in 0..64 {
        let clock = Arc::new(ManualClock::new());
        let tier = make(Arc::clone(&clock) as _);
        let cup = entry("cup", vec![polls; 1_500_000], &*clock);
        let mut write = tier.put(Arc::new(cup.clone()), Ticket::new());
        let mut poll = || write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let is_done = (0..polls).any(|_| poll().is_ready());
        drop(write);
        if let Some(stored) = opened(&tier, Address::Key(cup.meta().key)).await {
            assert_same(read_entry(&*stored).await.ok(), &cup);
        } else {
            assert!(!is_done, "a write that has ended is there");
        }
        if is_done {
            break;
        }
        yield_once().await;
    }
}

/// Lets the runtime run something else.
async fn yield_once() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn a_listing_has_every_entry_once(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let mut wanted = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let kept = entry(name, name, &*clock);
        put(&tier, &kept).await;
        wanted.push(Summary::from(kept.meta()));
    }
    let mut listed = listed(&tier, Scope::All).await;
    wanted.sort_by_key(|summary| summary.key);
    listed.sort_by_key(|summary: &Summary| summary.key);
    assert_eq!(listed, wanted);
}

async fn no_namespace_sees_another(make: MakeTier<'_>) {
    let clock = Arc::new(ManualClock::new());
    let tier = make(Arc::clone(&clock) as _);
    let own = entry_of("own", "cup", "same bytes", &*clock);
    let other = entry_of("other", "cup", "same bytes", &*clock);
    let only_theirs = entry_of("other", "vase", "their bytes", &*clock);
    for kept in [&own, &other, &only_theirs] {
        put(&tier, kept).await;
    }
    let scope = || Scope::Namespace("own".into());
    let same = opened(&tier, Address::Digest(own.meta().digest, scope(), Vec::new())).await;
    assert_eq!(same.expect("its own is there").meta(), own.meta());
    let theirs = Address::Digest(only_theirs.meta().digest, scope(), Vec::new());
    assert!(opened(&tier, theirs).await.is_none(), "what only others have is not there");
    let keys: Vec<_> = listed(&tier, scope()).await.iter().map(|summary| summary.key).collect();
    assert_eq!(keys, [own.meta().key]);
    let filter = Filter { namespace: Some("other".into()), ..Filter::default() };
    let gone = tier.remove(Selector::Matching(filter)).await.expect("it removes");
    assert_eq!(gone.len(), 2, "one can be removed as a whole");
    assert_same(by_key(&tier, own.meta().key).await, &own);
}
