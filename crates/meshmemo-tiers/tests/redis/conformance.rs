//! The suite that every tier passes, on one server and on a Cluster of three.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use meshmemo::testing::{ENTRY_MAX_BYTES, MakeTier, conformance};
use meshmemo::{Clock, Tier};
use meshmemo_tiers::testing::{RedisCluster, RedisServer};
use meshmemo_tiers::{Redis, RedisOptions};

/// Each tier is empty: it has a prefix of its own.
async fn check(urls: Vec<String>) {
    let made = AtomicUsize::new(0);
    let make: MakeTier<'_> = &|clock: Arc<dyn Clock>| {
        let mut options = RedisOptions::new(urls.clone(), "a-gateway", clock);
        options.prefix = format!("test-{}", made.fetch_add(1, Ordering::Relaxed));
        options.max_value_bytes = ENTRY_MAX_BYTES;
        Arc::new(Redis::new(options)) as Arc<dyn Tier>
    };
    conformance(make).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_conforms() {
    let server = RedisServer::start();
    check(vec![server.url()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_conforms() {
    let cluster = RedisCluster::start();
    check(cluster.urls()).await;
}
