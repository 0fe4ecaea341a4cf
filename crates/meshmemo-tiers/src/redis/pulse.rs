//! Saying that this gateway lives, and looking how Redis is while nobody asks for anything.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::redis::{FromRedisValue, Value, cmd};

use super::{Inner, ms};
use crate::limits::{REDIS_PULSE, REDIS_PULSE_TTL};

/// Does so again and again, for as long as it is polled.
pub(super) async fn beat(redis: Arc<Inner>) {
    let mut say = cmd("SET");
    say.arg(redis.keys.record("node", &redis.node)).arg("lives").arg("PX").arg(ms(REDIS_PULSE_TTL));
    loop {
        // What fails shows in the condition.
        let said = if redis.is_written {
            redis.change::<()>(&say).await
        } else {
            redis.ask::<()>(&cmd("PING")).await
        };
        if said.is_ok()
            && let Ok(info) = redis.ask::<Value>(cmd("INFO").arg("memory")).await
        {
            let (used, max) = (sum(&info, "used_memory:"), sum(&info, "maxmemory:"));
            redis.traffic.used_bytes.store(used, Ordering::Relaxed);
            redis.traffic.max_bytes.store(max, Ordering::Relaxed);
        }
        tokio::time::sleep(REDIS_PULSE).await;
    }
}

/// Adds up what the servers say of a quantity: one of them, or each node of a Cluster.
fn sum(info: &Value, name: &str) -> u64 {
    match info {
        Value::Map(nodes) => nodes.iter().map(|(_, info)| sum(info, name)).sum(),
        Value::Array(nodes) => nodes.iter().map(|info| sum(info, name)).sum(),
        text => {
            let text = String::from_redis_value_ref(text).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_server_says_is_read_and_what_several_say_is_added_up() {
        let info = |used: u64| {
            let text = format!("# Memory\r\nused_memory:{used}\r\nmaxmemory:7\r\n");
            Value::BulkString(text.into_bytes())
        };
        assert_eq!(sum(&info(5), "used_memory:"), 5);
        let nodes = Value::Map(vec![(Value::Nil, info(5)), (Value::Nil, info(6))]);
        assert_eq!((sum(&nodes, "used_memory:"), sum(&nodes, "maxmemory:")), (11, 14));
    }
}
