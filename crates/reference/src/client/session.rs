//! What a client holds of its session: the messages that are not acknowledged, and the identifiers in use.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::wire::Publish;

/// A message of the client on its way.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub id: u16,
    pub publish: Publish,
    /// PUBREC has come: what is open is the PUBREL.
    pub released: bool,
    /// It was sent on some connection.
    pub is_sent: bool,
    /// When it was sent first.
    pub sent_at: Duration,
}

/// The session state of a client (3.1.1, 4.1; 5.0, 4.1).
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    /// In the order of their first sending.
    pub outgoing: Vec<Outgoing>,
    /// Identifiers of QoS 2 messages of the server that are not released.
    pub incoming: BTreeSet<u16>,
    /// Identifiers of SUBSCRIBE and UNSUBSCRIBE packets without an answer.
    pub requests: BTreeSet<u16>,
    /// How many messages were sent for the first time on the present connection.
    pub started: usize,
    last_id: u16,
}

impl Session {
    /// An identifier that is not in use; the last one again if `repeats`.
    pub fn take_id(&mut self, repeats: bool) -> u16 {
        if repeats && self.last_id > 0 {
            return self.last_id;
        }
        let after = self.last_id;
        let mut all = (1..=u16::MAX)
            .map(|step| after.wrapping_add(step))
            .filter(|id| *id != 0);
        let id = all.find(|id| !self.uses(*id)).unwrap_or(1);
        self.last_id = id;
        id
    }

    /// A new connection: nothing was sent on it yet.
    pub fn begin(&mut self) {
        self.started = 0;
    }

    /// Takes a message whose PUBLISH is sent.
    pub fn start(&mut self, outgoing: Outgoing) {
        self.started += 1;
        self.outgoing.push(outgoing);
    }

    /// An identifier that is not in use, in no order.
    pub fn random_id(&mut self) -> u16 {
        loop {
            // A step of a full period over 16 bits.
            self.last_id = self.last_id.wrapping_mul(25_173).wrapping_add(13_849);
            if self.last_id != 0 && !self.uses(self.last_id) {
                return self.last_id;
            }
        }
    }

    fn uses(&self, id: u16) -> bool {
        self.requests.contains(&id) || self.outgoing.iter().any(|one| one.id == id)
    }

    /// How many messages count towards the server's Receive Maximum (5.0, 4.9).
    pub fn in_flight(&self) -> usize {
        self.outgoing.iter().filter(|one| one.is_sent).count()
    }

    /// The message with this identifier.
    pub fn find(&mut self, id: u16) -> Option<&mut Outgoing> {
        self.outgoing.iter_mut().find(|one| one.id == id)
    }

    /// Forgets a message that is acknowledged.
    pub fn done(&mut self, id: u16) {
        self.outgoing.retain(|one| one.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_not_zero_and_not_in_use() {
        let mut session = Session {
            last_id: u16::MAX - 1,
            ..Session::default()
        };
        session.requests.insert(1);
        assert_eq!([(); 3].map(|()| session.take_id(false)), [u16::MAX, 2, 3]);
        assert_eq!(session.take_id(true), 3);
        let random = [(); 3].map(|()| session.random_id());
        assert!(random.iter().all(|id| *id > 3), "{random:?}");
        assert!(random[0] != random[1] && random[1] != random[2]);
    }
}
