//! Readers and nodes that stand still are in nobody else's way.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use meshmemo::testing::{ManualClock, entry};
use meshmemo::{Address, Entry, Opened, Put, Stored, SystemClock, Ticket, Tier, read_entry};
use meshmemo_tiers::testing::{RedisCluster, RedisServer};
use meshmemo_tiers::{Redis, RedisOptions};

/// More than chunks may be on their way.
const STALLED: usize = 100;

fn tier(urls: Vec<String>) -> Redis {
    Redis::new(RedisOptions::new(urls, "a", Arc::new(SystemClock::new())))
}

async fn opened(redis: &Redis, entry: &Entry) -> Option<Arc<dyn Stored>> {
    match redis.open(Address::Key(entry.meta().key)).await {
        Ok(Opened::Hit(stored)) => Some(stored),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stall_take_no_place() {
    let server = RedisServer::start();
    let redis = tier(vec![server.url()]);
    let cup = entry("cup", vec![7; 6 << 20], &ManualClock::new());
    assert_eq!(redis.put(Arc::new(cup.clone()), Ticket::new()).await.unwrap(), Put::Stored);
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        let mut chunks = opened(&redis, &cup).await.unwrap().read(0..u64::MAX);
        chunks.next().await.unwrap().unwrap();
        stalled.push(chunks);
    }
    let stored = opened(&redis, &cup).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(5), read_entry(&*stored)).await;
    assert!(read.unwrap().unwrap().body() == cup.body());
    for mut chunks in stalled {
        assert!(chunks.next().await.unwrap().is_ok(), "and they may go on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_costs_its_own_entries_and_comes_back() {
    let mut cluster = RedisCluster::start();
    let redis = tier(cluster.urls());
    let clock = ManualClock::new();
    let entries: Vec<_> =
        (0..30).map(|number| entry(&format!("cup {number}"), vec![number; 1000], &clock)).collect();
    for entry in &entries {
        assert_eq!(redis.put(Arc::new(entry.clone()), Ticket::new()).await.unwrap(), Put::Stored);
    }
    cluster.nodes_mut()[0].pause();
    let mut found = 0;
    for _ in 0..3 {
        found = 0;
        for entry in &entries {
            found += usize::from(opened(&redis, entry).await.is_some());
        }
        if found >= 10 {
            break;
        }
    }
    assert!((10..30).contains(&found), "those of two nodes of three: {found}");
    cluster.nodes_mut()[0].resume();
    let mut is_whole = false;
    for _ in 0..30 {
        let mut found = 0;
        for entry in &entries {
            found += usize::from(opened(&redis, entry).await.is_some());
        }
        is_whole = found == entries.len();
        if is_whole {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(is_whole, "it comes back");
}
