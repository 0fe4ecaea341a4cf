//! Those who keep entries of the same cache elsewhere: the trait behind which their removals stand.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::selector::Selector;

/// Those who keep entries of the same cache elsewhere.
pub trait Peers: Debug + Send + Sync {
    /// Tells all of them to remove what `selector` selects now; returns when none can miss it any more.
    ///
    /// # Errors
    /// Any: what peers have may be served until the removal is repeated.
    fn announce(&self, selector: Selector) -> BoxFuture<'_, Result<()>>;
}
