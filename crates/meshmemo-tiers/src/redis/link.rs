//! A connection that heals: made when it is needed, given up when it can not be trusted any more, and
//! not tried again and again while there is nobody at the other end.
//!
//! An answer that came too late would be taken for that of the next question's asker only if the
//! connection were used on; so it is not.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::cluster::ClusterClientBuilder;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, RedisFuture, RedisResult,
    ScriptInvocation, Value,
};
use tokio::time::Instant;

use super::failure::Failure;
use super::servers::Servers;
use crate::limits::{
    REDIS_CLUSTER_CONNECT_MAX, REDIS_CONNECT_MAX, REDIS_NODE_CONNECT_MAX, REDIS_NODE_MAX,
    REDIS_REST_MAX, REDIS_REST_MIN, REDIS_STRIKES_COUNT_FOR, REDIS_STRIKES_MAX,
};

/// A connection to one server or to a Cluster, as commands see it.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// What Redis is asked.
#[derive(Clone, Copy)]
pub(super) enum Ask<'a> {
    Command(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
    Together(&'a Pipeline),
    /// A command for one server of several.
    At(&'a str, &'a Cmd),
}

impl Ask<'_> {
    async fn of<T: FromRedisValue>(self, connection: &mut Connection) -> RedisResult<T> {
        match (self, connection) {
            (Self::Script(script), connection) => script.invoke_async(connection).await,
            (Self::Together(pipeline), connection) => pipeline.query_async(connection).await,
            (Self::At(server, command), Connection::Cluster(cluster)) => {
                let (host, port) = server.rsplit_once(':').unwrap_or((server, ""));
                let (host, port) = (host.to_owned(), port.parse().unwrap_or_default());
                let one = SingleNodeRoutingInfo::ByAddress { host, port };
                let one = RoutingInfo::SingleNode(one);
                Ok(T::from_redis_value(cluster.route_command(command.clone(), one).await?)?)
            }
            (Self::Command(command) | Self::At(_, command), connection) => {
                command.query_async(connection).await
            }
        }
    }
}

/// A connection that heals.
pub(super) struct Link {
    servers: Arc<Servers>,
    state: RwLock<State>,
    /// Held by who connects; the others wait for what that comes to.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// Which connection it is, in their order: who gives one up gives up no later one.
    number: u64,
    rest: Option<Rest>,
    /// How often it has failed lately, and since when that is counted.
    strikes: u32,
    first_strike: Option<Instant>,
}

/// Why nobody tries to connect now.
#[derive(Debug, Clone)]
struct Rest {
    until: Instant,
    pause: Duration,
    failure: Failure,
}

impl Link {
    pub(super) fn new(servers: &Arc<Servers>) -> Self {
        let (servers, state) = (Arc::clone(servers), RwLock::default());
        Self { servers, state, connecting: tokio::sync::Mutex::default() }
    }

    /// Asks something, within a limit that the connecting does not count to. What a connection is in the way of
    /// that has broken since it was last used is asked once more, on a new one: whatever is asked may be done
    /// twice.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        limit: Duration,
        what: Ask<'_>,
    ) -> Result<T, Failure> {
        match self.ask_once(limit, what).await {
            Err(failure) if failure.reason == Failure::CUT => self.ask_once(limit, what).await,
            answered => answered,
        }
    }

    async fn ask_once<T: FromRedisValue>(
        &self,
        limit: Duration,
        what: Ask<'_>,
    ) -> Result<T, Failure> {
        let (mut connection, number) = self.connection().await?;
        // What one node of a Cluster does is no reason to leave the others, unless it goes on.
        let strikes_max = match &connection {
            Connection::Single(_) => 1,
            Connection::Cluster(_) => REDIS_STRIKES_MAX,
        };
        let result = match tokio::time::timeout(limit, what.of(&mut connection)).await {
            Ok(result) => result.map_err(Failure::from),
            Err(_elapsed) => Err(Failure::slow(limit)),
        };
        if let Err(failure) = &result
            && failure.ends_connection
        {
            self.strike(number, strikes_max);
        }
        result
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self) -> Result<(Connection, u64), Failure> {
        if let Some(live) = self.live()? {
            return Ok(live);
        }
        let _turn = self.connecting.lock().await;
        if let Some(live) = self.live()? {
            return Ok(live);
        }
        let limit = self.servers.connect_max();
        let connected = match tokio::time::timeout(limit, self.servers.connect()).await {
            Ok(connected) => connected,
            Err(_elapsed) => Err(Failure::slow(limit)),
        };
        let mut state = self.write();
        match connected {
            Ok(connection) => {
                state.number += 1;
                state.rest = None;
                state.first_strike = None;
                state.connection = Some(connection.clone());
                Ok((connection, state.number))
            }
            Err(failure) => {
                let before = state.rest.as_ref().map_or(REDIS_REST_MIN / 2, |rest| rest.pause);
                let pause = (2 * before).min(REDIS_REST_MAX);
                let until = now() + pause;
                state.rest = Some(Rest { until, pause, failure: failure.clone() });
                Err(failure)
            }
        }
    }

    /// Returns the connection, or that it is too early to try for one.
    fn live(&self) -> Result<Option<(Connection, u64)>, Failure> {
        let state = self.read();
        if let Some(connection) = &state.connection {
            return Ok(Some((connection.clone(), state.number)));
        }
        match &state.rest {
            Some(rest) if now() < rest.until => Err(rest.failure.clone()),
            _ => Ok(None),
        }
    }

    /// Notes that a connection has failed, and gives it up if it has done so too often lately.
    fn strike(&self, number: u64, strikes_max: u32) {
        let mut state = self.write();
        if state.number != number {
            return;
        }
        let is_lately = state.first_strike.is_some_and(|at| at.elapsed() < REDIS_STRIKES_COUNT_FOR);
        if !is_lately {
            (state.strikes, state.first_strike) = (0, Some(now()));
        }
        state.strikes += 1;
        if state.strikes >= strikes_max {
            let given_up = state.connection.take();
            drop(state);
            drop(given_up);
        }
    }
}

/// The runtime's time, which tests may hold.
fn now() -> Instant {
    Instant::now()
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Servers {
    /// Returns how long it may take to connect: some nodes of a Cluster may not answer.
    fn connect_max(&self) -> Duration {
        if self.is_cluster() { REDIS_CLUSTER_CONNECT_MAX } else { REDIS_CONNECT_MAX }
    }

    /// Connects commands.
    async fn connect(&self) -> Result<Connection, Failure> {
        Ok(match self.infos()? {
            [only] => {
                // Every operation has a limit of its own.
                let config = AsyncConnectionConfig::new()
                    .set_response_timeout(None)
                    .set_connection_timeout(None);
                let client = Client::open(only.clone())?;
                let connected = client.get_multiplexed_async_connection_with_config(&config).await;
                Connection::Single(connected?)
            }
            several => {
                let client = ClusterClientBuilder::new(several.iter().cloned())
                    .retries(1)
                    .connection_timeout(REDIS_NODE_CONNECT_MAX)
                    .response_timeout(REDIS_NODE_MAX)
                    .build()?;
                Connection::Cluster(client.get_async_connection().await?)
            }
        })
    }
}
