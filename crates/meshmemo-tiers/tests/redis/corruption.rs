//! Whatever is in Redis under an entry's name, nothing wrong comes back.

use std::sync::Arc;

use meshmemo::testing::{ManualClock, entry};
use meshmemo::{
    Address, Entry, ErrorKind, MissReason, Opened, Put, Stored, SystemClock, Ticket, Tier,
    read_entry,
};
use meshmemo_tiers::testing::RedisServer;
use meshmemo_tiers::{Redis, RedisOptions};

const BODY_BYTES: usize = 2_500_000;

async fn kept() -> (RedisServer, Redis, Entry) {
    let server = RedisServer::start();
    let redis = tier(&server);
    let cup = entry("cup", vec![7; BODY_BYTES], &ManualClock::new());
    assert_eq!(redis.put(Arc::new(cup.clone()), Ticket::new()).await.unwrap(), Put::Stored);
    (server, redis, cup)
}

fn tier(server: &RedisServer) -> Redis {
    Redis::new(RedisOptions::new(vec![server.url()], "a", Arc::new(SystemClock::new())))
}

fn name(entry: &Entry) -> String {
    format!("meshmemo:{{{}}}:entry", entry.meta().key)
}

async fn opened(redis: &Redis, entry: &Entry) -> Opened {
    redis.open(Address::Key(entry.meta().key)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_that_is_none_is_a_miss_and_gone() {
    for garbage in ["garbage", "mm1", "mm9|e|x"] {
        let (server, redis, cup) = kept().await;
        server.command(&format!("HSET {} m {garbage}", name(&cup)));
        assert!(
            matches!(opened(&redis, &cup).await, Opened::Miss(MissReason::Corrupt)),
            "{garbage}"
        );
        assert!(
            matches!(opened(&redis, &cup).await, Opened::Miss(MissReason::Absent)),
            "{garbage}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_has_changed_or_is_gone_ends_the_reading_and_the_entry() {
    for harm in ["HSET", "HDEL"] {
        let (server, redis, cup) = kept().await;
        let Opened::Hit(stored) = opened(&redis, &cup).await else { panic!("it is there") };
        let fields = server.command(&format!("HKEYS {}", name(&cup))).unwrap();
        let chunk = fields.lines().find(|line| line.ends_with(":1")).unwrap().to_owned();
        let value = if harm == "HSET" { "changed" } else { "" };
        server.command(&format!("{harm} {} {chunk} {value}", name(&cup)));
        let read = read_entry(&*stored).await.unwrap_err();
        assert_eq!(read.kind(), ErrorKind::Corrupt, "{harm}: {read}");
        assert!(matches!(opened(&redis, &cup).await, Opened::Miss(MissReason::Absent)), "{harm}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_entrys_value_under_the_name_is_a_miss() {
    let (server, redis, cup) = kept().await;
    let vase = entry("vase", "the vase's bytes", &ManualClock::new());
    redis.put(Arc::new(vase.clone()), Ticket::new()).await.unwrap();
    server.command(&format!("RENAME {} {}", name(&vase), name(&cup)));
    assert!(matches!(opened(&redis, &cup).await, Opened::Miss(MissReason::Corrupt)));
    server.command(&format!("SET {} text", name(&cup)));
    assert!(redis.open(Address::Key(cup.meta().key)).await.is_err(), "of another type");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_evicted_meanwhile_is_written_again_or_not_kept() {
    let server =
        RedisServer::start_with(&["--maxmemory", "12mb", "--maxmemory-policy", "allkeys-lfu"]);
    let redis = tier(&server);
    let mut is_kept = 0;
    for number in 0..20 {
        let cup = entry(&format!("cup {number}"), vec![number; BODY_BYTES], &ManualClock::new());
        match redis.put(Arc::new(cup.clone()), Ticket::new()).await {
            Ok(put) => {
                assert_eq!(put, Put::Stored);
                is_kept += 1;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Storage, "{error}"),
        }
        if let Opened::Hit(stored) = opened(&redis, &cup).await {
            match read_entry(&*stored).await {
                Ok(read) => assert!(read.body() == cup.body()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
            }
        }
    }
    assert!(is_kept > 10, "most of them are kept: {is_kept}");
}
