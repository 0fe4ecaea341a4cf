//! Following the log of removals:
//!
//! 1. [`look`](Follower::look): where the log stands, and whether it is the one that was followed;
//! 2. [`read`](Follower::read): what has come since, each removal in its turn;
//! 3. [`bridge`](Follower::bridge), where some are gone: removals of filters by their epochs, those of keys
//!    by their tombstones.
//!
//! How far this gateway has come outlives it, in a file. Nothing is ever dropped wholesale.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::redis::cmd;
use ::redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use meshmemo::{Key, ResultCache, Scope, Selector, Trouble};

use super::failure::Failure;
use super::link::{Ask, Link};
use super::notice::{self, Notice};
use super::peers::{Followed, tell_waiting};
use super::position::{Noted, Position};
use super::scripts::{RAISE, STAND};
use super::{Inner, Redis, ms, secret, unique};
use crate::limits::{
    REDIS_CONTROL_MAX, REDIS_FOLLOW_WAIT, REDIS_LOOKS_AHEAD, REDIS_LOST_SHOWN,
    REDIS_NOTICES_AT_A_TIME, REDIS_REST_MAX, REDIS_REST_MIN, REDIS_SHAPES_MAX, REDIS_STRANGE_MAX,
    REDIS_UNSEEN_MAX,
};

/// The name of memory among the tiers.
const MEMORY: &str = "memory";

/// What stands for removals of shapes that are too many to be known each.
const FORGOTTEN: &str = "forgotten";

/// Follows the log for a cache.
pub(super) struct Follower {
    redis: Arc<Inner>,
    cache: ResultCache,
    /// A connection of its own: most of the time it waits.
    link: Link,
    noted: Noted,
    position: Option<Position>,
    /// Until when removals of each shape reach, in ns since the Unix epoch.
    epochs: HashMap<String, u64>,
    /// When it was last known to have seen everything, since the Unix epoch.
    complete_at: Duration,
    lost_until: Duration,
    /// The line of the log that is not what was written, and how often it was read.
    strange: (String, u32),
}

/// Where the log stands.
struct Stand {
    identity: String,
    number: u64,
    place: String,
}

impl Follower {
    pub(super) async fn open(
        redis: &Arc<Inner>,
        cache: ResultCache,
        file: Option<PathBuf>,
    ) -> Self {
        let noted = Noted::open(file).await;
        let position = noted.position.clone();
        Self {
            cache,
            link: Link::new(&redis.servers),
            noted,
            position,
            epochs: HashMap::new(),
            complete_at: Duration::ZERO,
            lost_until: Duration::ZERO,
            strange: (String::new(), 0),
            redis: Arc::clone(redis),
        }
    }

    /// Follows for as long as it is polled.
    pub(super) async fn run(mut self) {
        let mut pause = REDIS_REST_MIN;
        let mut seen_at = self.redis.clock.now();
        loop {
            match self.step().await {
                Ok(()) => {
                    pause = REDIS_REST_MIN;
                    seen_at = self.redis.clock.now();
                    self.redis.condition().removals_unseen = None;
                }
                Err(failure) => {
                    tracing::debug!(%failure, "the removals of other gateways are not seen");
                    self.redis.removals.followed.send_replace(Followed::NotNow);
                    if self.redis.clock.now().saturating_sub(seen_at) > REDIS_UNSEEN_MAX {
                        let detail = format!("removals of other gateways are not seen: {failure}");
                        let trouble = Trouble { reason: "removals-unseen", detail };
                        self.redis.condition().removals_unseen = Some(trouble);
                    }
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(REDIS_REST_MAX);
                }
            }
        }
    }

    async fn step(&mut self) -> Result<(), Failure> {
        let stand = self.look().await?;
        if self.redis.is_written
            && let Err(failure) = tell_waiting(&self.redis).await
        {
            tracing::debug!(%failure, "removals wait for a Redis that takes them");
        }
        // What is not done to its end is done again.
        let before = self.position.clone();
        let position = match before.clone() {
            None => self.join(stand).await?,
            Some(position)
                if position.identity != stand.identity || position.number > stand.number =>
            {
                self.begin_anew(&position, &stand).await?
            }
            Some(position) => self.read(position, stand.number).await?,
        };
        self.redis.removals.followed.send_replace(Followed::To(position.number));
        let is_news = before.as_ref() != Some(&position);
        if is_news {
            self.noted.keep(&position).await;
        }
        self.position = Some(position);
        self.complete_at = self.redis.clock.wall();
        if self.complete_at >= self.lost_until {
            self.redis.condition().removals_lost = None;
        }
        Ok(())
    }

    async fn look(&self) -> Result<Stand, Failure> {
        if !self.redis.is_written {
            return self.look_only().await;
        }
        let mut stand = STAND.prepare_invoke();
        for what in ["log", "sequence", "identity"] {
            stand.key(self.redis.keys.removals(what));
        }
        stand.arg(unique()?);
        let (identity, number, place): (String, u64, String) =
            self.link.ask(REDIS_CONTROL_MAX, Ask::Script(&stand)).await?;
        Stand { identity, number, place }.checked()
    }

    /// The same, for who may not write.
    async fn look_only(&self) -> Result<Stand, Failure> {
        let removals = |what| self.redis.keys.removals(what);
        let get = cmd("MGET").arg(removals("identity")).arg(removals("sequence")).to_owned();
        let (identity, number): (Option<String>, Option<u64>) =
            self.link.ask(REDIS_CONTROL_MAX, Ask::Command(&get)).await?;
        let mut last = cmd("XREVRANGE");
        last.arg(removals("log")).arg("+").arg("-").arg("COUNT").arg(1);
        let last: StreamRangeReply = self.link.ask(REDIS_CONTROL_MAX, Ask::Command(&last)).await?;
        let place = last.ids.into_iter().next().map_or_else(|| "0-0".to_owned(), |last| last.id);
        let nobody = || Failure::garbled("no gateway that writes has joined yet");
        Stand { identity: identity.ok_or_else(nobody)?, number: number.unwrap_or(0), place }
            .checked()
    }

    /// Joins the others: what they have removed is not here either.
    async fn join(&mut self, stand: Stand) -> Result<Position, Failure> {
        self.bridge().await?;
        let Stand { identity, number, place } = stand;
        Ok(Position { identity, number, place })
    }

    /// Reads what has come since, or waits for it.
    async fn read(&mut self, position: Position, last: u64) -> Result<Position, Failure> {
        let mut read = cmd("XREAD");
        read.arg("COUNT")
            .arg(REDIS_NOTICES_AT_A_TIME)
            .arg("BLOCK")
            .arg(ms(REDIS_FOLLOW_WAIT))
            .arg("STREAMS");
        read.arg(self.redis.keys.removals("log")).arg(&position.place);
        let limit = REDIS_FOLLOW_WAIT + REDIS_CONTROL_MAX;
        let reply: Option<StreamReadReply> = self.link.ask(limit, Ask::Command(&read)).await?;
        let read = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|stream| stream.ids);
        let read: Vec<StreamId> = read.collect();
        let numbered =
            |entry: &StreamId| entry.get::<u64>("n").filter(|it| (1..=last.max(1)).contains(it));
        let next = read.first().map(|first| numbered(first).unwrap_or(position.number + 1));
        let is_whole = match next {
            Some(next) => next <= position.number + 1,
            None => last <= position.number,
        };
        if !is_whole {
            tracing::info!(
                "removals have left the log before they were seen here: looking for them"
            );
            self.bridge().await?;
        }
        let mut position = position;
        for entry in read {
            let number = match (entry.get::<u64>("n"), read_notice(&entry)) {
                (Some(number), Ok(notice)) => {
                    self.apply(notice).await;
                    number
                }
                _ => {
                    self.pass_over(&entry).await?;
                    position.number
                }
            };
            position = Position { number, place: entry.id, ..position };
        }
        if !is_whole && next.is_none() {
            position.number = last;
        }
        Ok(position)
    }

    /// Passes over a line of the log that is not what was written, if it still is not when it is read again.
    async fn pass_over(&mut self, entry: &StreamId) -> Result<(), Failure> {
        if self.strange.0 != entry.id {
            self.strange = (entry.id.clone(), 0);
        }
        self.strange.1 += 1;
        if self.strange.1 < REDIS_STRANGE_MAX {
            return Err(Failure::garbled("a removal in the log is not what was written"));
        }
        self.bridge().await?;
        let place = &entry.id;
        self.tell_of_loss(format!(
            "a removal in the log ({place}) can not be read; repeat the last ones"
        ));
        Ok(())
    }

    /// Removes here what another gateway has removed.
    async fn apply(&mut self, notice: Option<Notice>) {
        let Some(notice) = notice else { return };
        if let Some((shape, reaches_ns)) = notice.epoch()
            && (self.epochs.len() < REDIS_SHAPES_MAX || self.epochs.contains_key(&shape))
        {
            let known = self.epochs.entry(shape).or_default();
            *known = (*known).max(reaches_ns);
        }
        if notice.by != self.redis.node {
            self.remove(notice.selector(self.redis.clock.wall())).await;
        }
    }

    async fn remove(&mut self, selector: Selector) {
        // Memory at once: a disk may take its time.
        self.cache.remove_from(selector.clone(), |tier| tier == MEMORY).await;
        let removal = self.cache.remove_from(selector, is_own).await;
        if let Some((tier, error)) = removal.failures.first() {
            self.tell_of_loss(format!(
                "what another gateway has removed may stay in the tier `{tier}` here, which could not \
                 remove it: {error}; repeat it"
            ));
        }
    }

    /// Begins with a log that begins anew: Redis was restarted without it. What it knew of removals is
    /// told to it, and what it can not know any more, to people.
    async fn begin_anew(&mut self, before: &Position, stand: &Stand) -> Result<Position, Failure> {
        // What a bit on the way has changed is no news.
        let again = self.look().await?;
        if again.identity != stand.identity || again.number < stand.number {
            return Err(Failure::garbled("the log of removals is another one each time"));
        }
        secret::restore(&self.redis).await?;
        let epochs = self.redis.keys.removals("epochs");
        if self.redis.is_written && !self.epochs.is_empty() {
            let mut raise = RAISE.prepare_invoke();
            raise.key(&epochs);
            for (shape, reaches_ns) in &self.epochs {
                raise.arg(shape).arg(*reaches_ns);
            }
            self.redis.step::<()>(&raise).await?;
        }
        self.bridge().await?;
        let since = match self.complete_at {
            Duration::ZERO => "since this gateway last ran".to_owned(),
            at => format!(
                "in the {} s before",
                (self.redis.clock.wall().saturating_sub(at)).as_secs()
            ),
        };
        let detail = format!(
            "Redis began anew: removals that other gateways made {since} may not hold here; repeat them"
        );
        // Where nobody has ever removed anything, nothing was lost.
        if before.number > 0 {
            self.tell_of_loss(detail);
        }
        Ok(Position { identity: stand.identity.clone(), number: 0, place: "0-0".to_owned() })
    }

    /// Tells people that removals may not hold here.
    fn tell_of_loss(&mut self, detail: String) {
        tracing::warn!("{detail}");
        self.lost_until = self.redis.clock.wall() + REDIS_LOST_SHOWN;
        self.redis.condition().removals_lost = Some(Trouble { reason: "removals-lost", detail });
    }

    /// Finds what removals have left behind that are not in the log any more.
    async fn bridge(&mut self) -> Result<(), Failure> {
        let known = self.known_epochs().await?;
        if known.get(FORGOTTEN).is_some_and(|at| Duration::from_nanos(*at) > self.complete_at) {
            let detail = "purges of too many kinds were made to know them all; repeat them";
            self.tell_of_loss(detail.to_owned());
        }
        for (shape, reaches_ns) in known {
            if self.epochs.get(&shape).is_none_or(|here| *here < reaches_ns)
                && let Some(selector) = notice::of_epoch(&shape, reaches_ns)
            {
                self.remove(selector).await;
                self.epochs.insert(shape, reaches_ns);
            }
        }
        let listed = self.cache.list_from(&Scope::All, is_own).await;
        let entries: Vec<(Key, Duration)> =
            listed.iter().map(|it| (it.summary.key, it.summary.created)).collect();
        let redis = &self.redis;
        let looked = stream::iter(entries).map(|(key, created)| is_removed(redis, key, created));
        let removed: Vec<Option<Key>> =
            looked.buffer_unordered(REDIS_LOOKS_AHEAD).try_collect().await?;
        for key in removed.into_iter().flatten() {
            self.remove(Selector::Key(key)).await;
        }
        Ok(())
    }

    async fn known_epochs(&self) -> Result<HashMap<String, u64>, Failure> {
        let epochs = self.redis.keys.removals("epochs");
        self.link.ask(REDIS_CONTROL_MAX, Ask::Command(cmd("HGETALL").arg(epochs))).await
    }
}

/// Reads a line of the log: nothing, where a newer gateway has written what is not understood.
fn read_notice(entry: &StreamId) -> Result<Option<Notice>, Failure> {
    let text: String = entry.get("r").unwrap_or_default();
    let sum: Option<String> = entry.get("s");
    if sum != Some(notice::sum(&text)) {
        return Err(Failure::garbled("a removal in the log is not what was written"));
    }
    let read = serde_json::from_str(&text);
    if read.is_err() {
        tracing::warn!(place = entry.id, "a removal that a newer gateway made is not understood");
    }
    Ok(read.ok())
}

impl Stand {
    /// Returns it, if it can be one.
    fn checked(self) -> Result<Self, Failure> {
        let Self { identity, .. } = &self;
        let is_identity = identity.len() == 32 && identity.bytes().all(|it| it.is_ascii_hexdigit());
        let strange = || Failure::garbled("the log of removals has a strange identity");
        is_identity.then_some(self).ok_or_else(strange)
    }
}

/// Looks whether an entry was removed by its key after it was made.
async fn is_removed(redis: &Inner, key: Key, created: Duration) -> Result<Option<Key>, Failure> {
    let removed: Option<u64> = redis.ask(cmd("GET").arg(redis.keys.tombstone(&key))).await?;
    Ok(removed.filter(|removed| notice::ns(created) < *removed).map(|_| key))
}

/// Returns whether a tier is this gateway's alone.
fn is_own(tier: &str) -> bool {
    tier != Redis::NAME
}
