//! What stands between a request and the backend that answers it.
//!
//! [`Queue`] protects backends: so many at a time, so many in line, the rest is told to come back.
//! [`PlaceQuota`] bounds what one caller takes of it.
//!
//! There are two kinds of backends. [`Relief`] is the embedded one; [`ReliefGeneration`] binds one photo
//! to it, as the engine's [`Generation`](meshmemo::Generation). [`Backends`] are servers behind URLs, and
//! [`Gateway`] stands in front of them: its [`Adapter`] knows the servers' protocol, so that a request
//! has a key, and [`pass_on`] passes on what is no generation.
//!
//! [`Jobs`] remembers work whose client comes back for it, also after a restart.
#![forbid(unsafe_code)]

mod gateway;
mod adapter;
mod adapters;
mod alias;
mod backends;
mod remote;
mod remote_generation;
mod proxy;
mod uploads;
mod studio_jobs;
mod jobs;
mod job_id;
mod answer;
mod judge;
mod base64_text;
mod headers;
mod shown;
mod places;
mod lane;
mod line;
mod seat;
mod queue;
mod keeper;
mod quota;
mod relief;

pub use adapter::{
    Adapter, Ask, Course, Door, Expected, Keeping, Letter, Manner, Meaning, Owner, Reason, Reply,
    Report, RequestHead, Said, StudioDoor, Unclear, credentials_of,
};
pub use adapters::{ADAPTERS, GenericRoute, GenericRoutes, Unseeded, open, orfeas};
pub use alias::{Known, RequestDigest};
pub use answer::BackendAnswer;
pub use backends::{BackendView, Backends, BackendsOptions, TUNNELS_MAX};
pub use gateway::{Gateway, Wanted};
pub use headers::{
    Arrival, BACKEND_AUTHORIZATION, credentials, forward, is_own_key, remove_hop_by_hop,
};
pub use job_id::Secret;
pub use jobs::{Done, FoundJob, JobState, JobView, Jobs, RunningJob};
pub use lane::{LaneCounts, LaneView};
pub use proxy::{pass_on, send_on};
pub use queue::{Place, Queue, QueueOptions};
pub use quota::PlaceQuota;
pub use relief::{Asked, Relief, ReliefGeneration, ReliefOptions};
pub use remote::{Body, Remote, whole};
pub use shown::Shown;
pub use studio_jobs::StudioJobs;
pub use uploads::{Upload, Uploads};
