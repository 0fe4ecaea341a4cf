//! Step 3 of the leader's part: a result is derived from another variant, or generated; either way it is
//! validated before it is one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use crate::audience::Audience;
use crate::backend::{Freshness, Request};
use crate::entry::{Entry, Meta, read_entry};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Digest;
use crate::limits::TIER_READ_MAX;
use crate::outcome::Outcome;
use crate::published::{Published, Role, Source};
use crate::result_cache::ResultCache;
use crate::sync::Mutex;

/// A result that no tier has yet.
pub(crate) struct Made {
    pub(crate) entry: Arc<Entry>,
    pub(crate) is_derived: bool,
    pub(crate) source: Source,
    pub(crate) queue: Duration,
    pub(crate) generate: Duration,
}

impl ResultCache {
    /// Makes a result that nobody else is to have.
    pub(crate) async fn make_unkept(
        &self,
        request: &Request,
        audience: &Audience,
    ) -> Result<Published> {
        let Made { entry, queue, generate, .. } = self.make(request, audience).await?;
        let source = Source::Generated { is_stored: false };
        Ok(Published { stored: entry, source, queue, generate })
    }

    /// Derives or generates, and validates.
    pub(crate) async fn make(&self, request: &Request, audience: &Audience) -> Result<Made> {
        match request.generation.variants().source_of(&request.variant) {
            Some(source) => self.derive(request, source, audience).await,
            None if request.freshness == Freshness::OnlyIfCached => {
                Err(Error::new(ErrorKind::NotCached, "nothing is generated for this request"))
            }
            None => self.generate(request, audience).await,
        }
    }

    async fn generate(&self, request: &Request, audience: &Audience) -> Result<Made> {
        let generated = async {
            let generated = request.generation.generate(&request.variant, audience).await?;
            request.generation.validate(&request.variant, &generated.body).await?;
            Ok(generated)
        };
        let generated = generated.await;
        self.count(&request.identity.namespace, |stats| stats.count_generation(&generated));
        let generated = generated?;
        let meta = self.describe(request, &generated.body, generated.media_type, generated.cost);
        let meta = Meta { head: generated.head.map(Arc::new), ..meta };
        Ok(Made {
            entry: Arc::new(Entry::new(meta, generated.body)),
            is_derived: false,
            source: Source::Generated { is_stored: false },
            queue: generated.queued,
            generate: generated.cost,
        })
    }

    async fn derive(&self, request: &Request, source: &str, audience: &Audience) -> Result<Made> {
        let found = self.source(request, source, request.freshness);
        let found = match select(pin!(found), pin!(audience.left())).await {
            Either::Left((found, _)) => found,
            // Its generation, if that has begun, goes on without this.
            Either::Right(((), _)) => {
                let message = "nobody waits for what was to be derived";
                return Err(Error::new(ErrorKind::Cancelled, message));
            }
        };
        let (role, published, body) = match found {
            // A tier that has the source and can not deliver it is as good as one that has it not.
            Err(error)
                if matches!(error.kind(), ErrorKind::Storage | ErrorKind::Corrupt)
                    && request.freshness == Freshness::Cached =>
            {
                self.source(request, source, Freshness::Refresh).await?
            }
            found => found?,
        };
        let Published { stored, source, queue, generate } = published;
        let cost = stored.meta().cost;
        let derived = request.generation.derive(body, &request.variant).await?;
        request.generation.validate(&request.variant, &derived.body).await?;
        self.count(&request.identity.namespace, |stats| stats.derivations += 1);
        let meta = self.describe(request, &derived.body, derived.media_type, cost);
        let source = match role.outcome(Freshness::Cached, Some(source)) {
            Outcome::Hit { .. } | Outcome::Derived => Source::Derived,
            Outcome::Coalesced => Source::GeneratedElsewhere,
            Outcome::Miss { .. } | Outcome::Bypass { .. } => Source::Generated { is_stored: false },
        };
        let entry = Arc::new(Entry::new(meta, derived.body));
        Ok(Made { entry, is_derived: true, source, queue, generate })
    }

    /// Asks for the variant that another one is derived from, through the same flow as anybody.
    async fn source(
        &self,
        request: &Request,
        source: &str,
        freshness: Freshness,
    ) -> Result<(Role, Published, Bytes)> {
        let request_of_source =
            Request { variant: source.to_owned(), freshness, ..request.clone() };
        let joined = Mutex::new(None);
        let on_behalf_of = Some(request.key());
        let (role, published) = self.resolve(request_of_source, on_behalf_of, &joined).await;
        let published = published?;
        let entry = self.bounded(TIER_READ_MAX, read_entry(&*published.stored).boxed()).await;
        let too_slow =
            || Error::new(ErrorKind::Storage, "the model to derive from came too slowly");
        let body = entry.ok_or_else(too_slow)??.body().clone();
        Ok((role, published, body))
    }

    fn describe(&self, request: &Request, body: &[u8], media_type: String, cost: Duration) -> Meta {
        let created = self.inner.clock.wall();
        let ttl = self.inner.memory.config().ttl;
        Meta {
            key: request.key(),
            generation_key: request.generation_key,
            identity: Arc::clone(&request.identity),
            variant: request.variant.clone(),
            label: request.label.clone(),
            media_type,
            head: None,
            digest: Digest::of(body),
            size_bytes: body.len() as u64,
            cost,
            created,
            expires: ttl.and_then(|ttl| created.checked_add(ttl)),
        }
    }
}
