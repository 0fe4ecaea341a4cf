//! The removal listener, and user code in general: called outside of locks, and survived.

use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use meshmemo::Cause::{Cleared, Removed, Replaced, SizeBytes, SizeCount};
use meshmemo::{Cache, Limits};

#[test]
fn each_departure_is_told_once_with_its_cause() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let cache: Cache<&str, u64> = Cache::builder()
        .max_bytes(10)
        .max_entries(3)
        .weigher(|_, value| *value)
        .on_remove(move |key, value, cause| log.lock().unwrap().push((*key, *value, cause)))
        .build();
    for (key, value) in [("a", 1), ("a", 2), ("b", 3), ("c", 4), ("d", 1)] {
        let _ = cache.insert(key, value);
    }
    let _ = cache.insert("e", 9);
    cache.remove(&"d");
    cache.reconfigure(Limits { max_bytes: 100, max_entries: 3, ttl: None });
    let _ = cache.insert("f", 1);
    cache.clear();
    let wanted = [
        ("a", 1, Replaced),
        ("a", 2, SizeCount),
        ("b", 3, SizeBytes),
        ("c", 4, SizeBytes),
        ("d", 1, Removed),
        ("e", 9, Cleared),
        ("f", 1, Cleared),
    ];
    assert_eq!(*told.lock().unwrap(), wanted);
}

#[test]
fn a_panicking_listener_is_counted_and_called_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let cache: Cache<u32, u32> = Cache::builder()
        .on_remove(move |_, _, _| {
            count.fetch_add(1, Ordering::Relaxed);
            panic!("the listener was told to panic");
        })
        .build();
    for key in 0..3 {
        let _ = cache.insert(key, key);
    }
    cache.remove(&0);
    cache.clear();
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert_eq!(cache.stats().listener_panics, 3);
}

/// A key and value that call the cache from everywhere the engine calls user code.
type Nosy = Cache<NosyKey, NosyValue>;
static NOSY: OnceLock<Nosy> = OnceLock::new();

fn look_around() {
    static IS_LOOKING: AtomicBool = AtomicBool::new(false);
    if let Some(cache) = NOSY.get()
        && !IS_LOOKING.swap(true, Ordering::Relaxed)
    {
        cache.len();
        cache.stats();
        IS_LOOKING.store(false, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct NosyKey(u32);

impl Hash for NosyKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        look_around();
        // All keys collide, so that equality is asked too.
        0_u32.hash(state);
    }
}

impl PartialEq for NosyKey {
    fn eq(&self, other: &Self) -> bool {
        look_around();
        self.0 == other.0
    }
}

impl Eq for NosyKey {}

impl Clone for NosyKey {
    fn clone(&self) -> Self {
        look_around();
        Self(self.0)
    }
}

#[derive(Debug)]
struct NosyValue;

impl Clone for NosyValue {
    fn clone(&self) -> Self {
        look_around();
        Self
    }
}

impl Drop for NosyValue {
    fn drop(&mut self) {
        look_around();
    }
}

#[test]
fn user_code_may_use_the_cache_wherever_it_is_called() {
    let cache = NOSY.get_or_init(|| {
        Cache::builder()
            .max_entries(3)
            .weigher(|_, _| {
                look_around();
                1
            })
            .on_remove(|_, _, _| look_around())
            .build()
    });
    for key in 0..20 {
        let _ = cache.insert(NosyKey(key % 5), NosyValue);
        cache.get(&NosyKey(key % 3));
        cache.peek(&NosyKey(key % 2));
        cache.get_or_insert_with(&NosyKey(key % 4), || {
            look_around();
            NosyValue
        });
        cache.remove(&NosyKey(key % 7));
        cache.entries();
    }
    cache.clear();
    assert!(cache.is_empty());
}

#[test]
fn panicking_user_code_leaves_the_cache_whole() {
    let cache: Cache<u32, u32> = Cache::builder()
        .weigher(|key, _| {
            assert!(*key != 13, "the weigher was told to panic");
            1
        })
        .build();
    let _ = cache.insert(1, 1);
    assert!(catch_unwind(AssertUnwindSafe(|| cache.insert(13, 0))).is_err());
    assert!(
        catch_unwind(AssertUnwindSafe(|| cache.get_or_insert_with(&2, || panic!("no")))).is_err()
    );
    assert_eq!(cache.get_or_insert_with(&2, || 2), 2, "a dead leader is replaced");
    assert_eq!((cache.len(), cache.bytes()), (2, 2));
}
