//! A Redis Cluster of a test's own: three masters on ports of the loopback interface.

use super::redis_server::{RedisServer, wait_until};

/// How many slots a Cluster has.
const SLOTS: u32 = 16_384;

/// A Redis Cluster of a test's own.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts three nodes, and waits until they serve together.
    pub fn start() -> Self {
        // Without replicas, those nodes go on that can.
        let options = [
            ["--cluster-enabled", "yes"],
            ["--cluster-node-timeout", "2000"],
            ["--cluster-require-full-coverage", "no"],
        ]
        .concat();
        let nodes: Vec<_> = (0..3).map(|_| RedisServer::start_with(&options)).collect();
        for (number, node) in (0_u32..).zip(&nodes) {
            let (first, next) = (number * SLOTS / 3, (number + 1) * SLOTS / 3);
            let taken = node.command(&format!("CLUSTER ADDSLOTSRANGE {first} {}", next - 1));
            assert_eq!(taken.as_deref(), Some("+OK\r\n"));
            node.command(&format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port()));
        }
        let cluster = Self { nodes };
        for node in &cluster.nodes {
            wait_until("the nodes of a Cluster know one another", || {
                let info = node.command("CLUSTER INFO").unwrap_or_default();
                // Where not all slots need be served, the state alone says little.
                ["cluster_state:ok", "cluster_known_nodes:3", "cluster_slots_assigned:16384"]
                    .iter()
                    .all(|line| info.contains(line))
            });
        }
        cluster
    }

    /// Returns where its nodes are.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// Returns its nodes.
    pub fn nodes_mut(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }
}
