//! The addresses of a target by transport, and which of them a run uses.

use std::collections::BTreeMap;

use super::Endpoints;
use crate::transport::Transport;

/// The addresses of a target, over at least one transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transports {
    all: BTreeMap<Transport, Endpoints>,
    chosen: Transport,
    /// Cases about WebSocket are played too, over an address alongside the chosen one.
    websocket_aside: bool,
}

/// The target has no address over a transport.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the profile has no `{wanted}` address; it has {has}")]
pub struct NoTransport {
    pub wanted: Transport,
    pub has: String,
}

impl Transports {
    /// `None` if there is no address at all. The first transport is in use, in the order of [`Transport::ALL`].
    pub(super) fn new(all: BTreeMap<Transport, Endpoints>) -> Option<Transports> {
        let chosen = *all.keys().next()?;
        Some(Transports {
            all,
            chosen,
            websocket_aside: true,
        })
    }

    /// One transport alone.
    pub(super) fn only(transport: Transport, endpoints: Endpoints) -> Transports {
        Transports {
            all: BTreeMap::from([(transport, endpoints)]),
            chosen: transport,
            websocket_aside: true,
        }
    }

    /// The same with these addresses for a transport.
    pub(super) fn and(mut self, transport: Transport, endpoints: Endpoints) -> Transports {
        self.all.insert(transport, endpoints);
        self
    }

    /// Puts another transport to use.
    ///
    /// # Errors
    /// The target has no address over it.
    pub fn choose(&mut self, transport: Transport) -> Result<(), NoTransport> {
        if !self.has(transport) {
            let has: Vec<&str> = self.all.keys().map(|t| t.name()).collect();
            return Err(NoTransport {
                wanted: transport,
                has: has.join(", "),
            });
        }
        self.chosen = transport;
        Ok(())
    }

    /// What cases are played over.
    pub fn chosen(&self) -> Transport {
        self.chosen
    }

    /// Whether there is an address over this transport.
    pub fn has(&self, transport: Transport) -> bool {
        self.all.contains_key(&transport)
    }

    /// The addresses over the transport in use.
    pub fn in_use(&self) -> &Endpoints {
        &self.all[&self.chosen]
    }

    /// The transport of cases that are about WebSocket: that in use if it is one, else the one without TLS first.
    fn websocket_transport(&self) -> Option<Transport> {
        let aside = [Transport::Ws, Transport::Wss].into_iter().filter(|t| self.has(*t));
        if self.chosen.is_websocket() {
            Some(self.chosen)
        } else {
            aside.take(usize::from(self.websocket_aside)).next()
        }
    }

    /// The addresses for cases that are about WebSocket.
    pub fn websocket(&self) -> Option<&Endpoints> {
        self.all.get(&self.websocket_transport()?)
    }

    /// The same without the addresses that only cases about WebSocket use: a broker that need not listen there starts
    /// sooner.
    pub fn without_aside(mut self) -> Transports {
        self.websocket_aside = false;
        self
    }

    /// Whether cases are played over this transport.
    pub fn uses(&self, transport: Transport) -> bool {
        self.chosen == transport || self.websocket_transport() == Some(transport)
    }

    /// Whether cases need TLS.
    pub fn need_tls(&self) -> bool {
        Transport::ALL.into_iter().any(|t| t.is_encrypted() && self.uses(t))
    }

    /// All addresses as they are written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.all.values().flat_map(Endpoints::texts)
    }
}
