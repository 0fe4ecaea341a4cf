//! What makes the models: the embedded generator, or a server behind its own protocol. To the native
//! door both are the same.

use std::sync::Arc;

use meshmemo::{Freshness, Request};
use meshmemo_gateway::{
    Ask, Asked, BackendView, Course, Gateway, PlaceQuota, Queue, Relief, ReliefGeneration, Shown,
    Wanted,
};
use meshmemo_gen::{FieldError, Format};

/// The name of the embedded generator.
pub(crate) const RELIEF: &str = "relief";

/// What makes the models.
#[derive(Debug, Clone)]
pub enum Backend {
    /// The embedded generator, whose model the operator calls so.
    Relief(Arc<Relief>, Arc<str>),
    /// Servers, with an adapter in front of them.
    Remote(Arc<Gateway>),
}

/// What is asked for besides the model itself.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// Whose entry it is to be.
    pub namespace: &'a str,
    /// A name for people.
    pub label: String,
    /// What may come from the cache.
    pub freshness: Freshness,
    /// What is shown to a server of who it is.
    pub shown: Option<Shown>,
    /// Where its places in the lines are taken from.
    pub quota: Option<Arc<PlaceQuota>>,
}

impl Backend {
    /// Makes the engine's request of what somebody asks for by the native door. Takes a while: the
    /// photo is hashed, and for a server also written in its protocol.
    ///
    /// # Errors
    /// The first field that the backend can not honour.
    pub fn request(&self, ask: Ask, order: Order<'_>) -> Result<Request, FieldError> {
        let Order { namespace, label, freshness, shown, quota } = order;
        match self {
            Self::Relief(relief, model_id) => {
                let (relief, Ask { photo, parameters, .. }) = (Arc::clone(relief), ask);
                let generation = ReliefGeneration::new(relief, photo, parameters).within(quota);
                Ok(generation.into_request(Asked { namespace, model_id, label, freshness }))
            }
            Self::Remote(gateway) => {
                let (letter, known) = gateway.write(namespace, shown, &ask)?;
                let variant = format_of(&ask, known.meaning.expected.format)?.as_str().to_owned();
                let wanted = Wanted { label: Some(label), freshness, quota };
                Ok(Request { variant, ..gateway.request(&known, letter, wanted) })
            }
        }
    }

    /// Returns the line in front of it.
    pub fn queue(&self) -> &Queue {
        match self {
            Self::Relief(relief, _) => relief.queue(),
            Self::Remote(gateway) => gateway.backends().queue(),
        }
    }

    /// Lists what there is behind the line, and how it stands.
    pub fn views(&self) -> Vec<BackendView> {
        match self {
            Self::Relief(relief, _) => {
                let view = |lane| BackendView { url: RELIEF.to_owned(), lane };
                relief.queue().lanes().into_iter().map(view).collect()
            }
            Self::Remote(gateway) => gateway.backends().views(),
        }
    }

    /// Finds what is behind the line by its address; returns its place in the list.
    pub fn find(&self, address: &str) -> Option<usize> {
        match self {
            Self::Relief(..) => (address == RELIEF).then_some(0),
            Self::Remote(gateway) => gateway.backends().find(address),
        }
    }

    /// Returns the name of the protocol that clients speak.
    pub fn adapter_name(&self) -> &'static str {
        match self {
            Self::Relief(..) => "native",
            Self::Remote(gateway) => gateway.adapter().manner().name,
        }
    }

    /// Returns whether clients upload photos before they order models of them.
    pub fn takes_uploads(&self) -> bool {
        self.gateway().is_some_and(|gateway| gateway.adapter().manner().course == Course::Studio)
    }

    /// Waits until a server can be reached, for as long as a generation may take.
    pub async fn reached(&self) {
        if let Some(gateway) = self.gateway()
            && gateway.backends().reached().await.is_none()
        {
            tracing::warn!("no backend can be reached to go on with a job");
        }
    }

    /// Returns the adapter in front of a server.
    pub fn gateway(&self) -> Option<&Arc<Gateway>> {
        match self {
            Self::Relief(..) => None,
            Self::Remote(gateway) => Some(gateway),
        }
    }
}

/// Returns the format of what a server makes; it must be the one that is asked for, if one is.
fn format_of(ask: &Ask, made: Option<Format>) -> Result<Format, FieldError> {
    let asked = ask.parameters.format;
    let is_asked = ask.given.iter().any(|field| field == "format");
    match made {
        Some(made) if made == asked || !is_asked => Ok(made),
        Some(made) => Err(FieldError::new(
            "format",
            asked.as_str(),
            format!("`{made}`, which is all there is"),
        )),
        None => {
            let range = "of a server whose `answer` is a format, and not `any`";
            Err(FieldError::new("format", asked.as_str(), range))
        }
    }
}
