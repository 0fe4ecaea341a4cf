//! Models made, or kept, by a running server.

use anyhow::Result;
use meshmemo::{Clock, SystemClock};

use super::{Given, Made};
use crate::cli::args::{Generate, Remote};
use crate::cli::client::{Client, header};

pub(super) struct Server {
    client: Client,
}

impl Server {
    pub(super) fn new(args: &Generate, url: &str) -> Result<Self> {
        let (url, api_key) = (Some(url.to_owned()), args.api_key.clone());
        let remote = Remote { url, api_key, ca_cert: args.ca_cert.clone(), json: args.json };
        Ok(Self { client: Client::new(&remote)? })
    }

    pub(super) fn make(
        &self,
        photo: Vec<u8>,
        label: &str,
        given: &Given,
        args: &Generate,
    ) -> Result<Made> {
        let cache_control = args.refresh.then_some("no-cache");
        let clock = SystemClock::new();
        let fetched = self.client.generate(photo, label, given, cache_control)?;
        let took = clock.now();
        let key = header(&fetched.headers, "x-meshmemo-cache-key")?.to_owned();
        let outcome = outcome(header(&fetched.headers, "cache-status")?).to_owned();
        // The extension of the model's own address.
        let link = header(&fetched.headers, "link")?;
        let extension = link.split('>').next().and_then(|url| url.rsplit('.').next());
        let format = extension.unwrap_or_default().parse()?;
        Ok(Made { body: fetched.body, outcome, key, took, format })
    }
}

/// Names what a `Cache-Status` says.
pub(crate) fn outcome(status: &str) -> &'static str {
    let is = |parameter: &str| status.split(';').any(|part| part.trim() == parameter);
    match () {
        () if is("hit") => "hit",
        () if is("collapsed") => "coalesced",
        () if is("fwd=bypass") => "bypass",
        () => "miss",
    }
}
