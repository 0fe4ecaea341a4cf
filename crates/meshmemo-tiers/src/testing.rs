//! Real servers for tests of the shared tier, and a proxy that harms what passes through it. Each ends
//! when it is dropped.

mod redis_cluster;
mod redis_server;
mod tampering_proxy;

pub use redis_cluster::RedisCluster;
pub use redis_server::RedisServer;
pub use tampering_proxy::{Harm, TamperingProxy};
