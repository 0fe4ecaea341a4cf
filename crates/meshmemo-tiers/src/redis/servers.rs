//! Where Redis is: one server, or some nodes of a Cluster.

use std::fmt;

use ::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::failure::Failure;

/// Where Redis is.
pub(super) struct Servers {
    /// What was given made no sense, perhaps.
    infos: Result<Vec<ConnectionInfo>, Failure>,
}

impl Servers {
    /// Reads URLs: one of a server, or several of the nodes of a Cluster.
    pub(super) fn new(urls: &[String]) -> Self {
        let read = |(at, url): (usize, &String)| {
            url.as_str().into_connection_info().map_err(|error| {
                let which = if urls.len() == 1 { String::new() } else { format!(" {}", at + 1) };
                let wanted = "it must be such as redis://user:password@host:6379/0";
                let why = error.to_string();
                let why = why.split(" - ").next().unwrap_or_default();
                Failure::malformed(format!("the Redis URL{which} can not be read: {why}; {wanted}"))
            })
        };
        let infos = urls.iter().enumerate().map(read).collect();
        Self { infos }
    }

    pub(super) fn infos(&self) -> Result<&[ConnectionInfo], Failure> {
        match &self.infos {
            Ok(infos) if infos.is_empty() => Err(Failure::malformed("no Redis URL is given")),
            Ok(infos) => Ok(infos),
            Err(failure) => Err(failure.clone()),
        }
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.infos.as_ref().is_ok_and(|infos| infos.len() > 1)
    }
}

impl fmt::Debug for Servers {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<&ConnectionAddr> =
            self.infos.iter().flatten().map(ConnectionInfo::addr).collect();
        f.debug_list().entries(addresses).finish()
    }
}
