//! The protocols there are, one file each; [`open`] is the one place that knows them all.

mod fields;
mod form;
mod generic;
mod hunyuan;
mod hunyuan3d_2;
mod hunyuan3d_21;
pub mod orfeas;
mod stability;

use std::sync::Arc;

use crate::adapter::Adapter;
use generic::Generic;
pub use generic::{GenericRoute, GenericRoutes};
use hunyuan3d_2::Hunyuan3d2;
use hunyuan3d_21::Hunyuan3d21;
use orfeas::Orfeas;
use stability::Stability;

/// The names of the adapters for servers.
pub const ADAPTERS: [&str; 6] = [
    "hunyuan3d-2",
    "hunyuan3d-2.1-stock",
    "hunyuan3d-2.1-forwarding",
    "orfeas",
    "stability",
    "generic",
];

/// What becomes of results of a server that draws at random, for requests without a seed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unseeded {
    /// The first one is kept, and answers all that follow.
    #[default]
    Keep,
    /// Each request has one of its own.
    Pass,
}

/// Returns the adapter of this name, if there is one.
pub fn open(name: &str, unseeded: Unseeded, routes: &GenericRoutes) -> Option<Arc<dyn Adapter>> {
    Some(match name {
        "hunyuan3d-2" => Arc::new(Hunyuan3d2::new()),
        "hunyuan3d-2.1-stock" => Arc::new(Hunyuan3d21::stock(unseeded)),
        "hunyuan3d-2.1-forwarding" => Arc::new(Hunyuan3d21::forwarding()),
        "orfeas" => Arc::new(Orfeas::new(unseeded)),
        "stability" => Arc::new(Stability::new()),
        "generic" => Arc::new(Generic::new(routes.clone(), unseeded)),
        _ => return None,
    })
}
