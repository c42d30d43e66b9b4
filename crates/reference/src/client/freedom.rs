//! Freedoms: what the standards leave to a client. One that uses them is as correct as one that does not, so no case may
//! notice.

use std::collections::BTreeSet;

/// A choice of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freedom {
    RandomIds,
    LongAcks,
    AckProperties,
    ConnectProperties,
    Pings,
    Resubscribe,
    Republish,
    LateRefusals,
    Repairs,
    BareClose,
    SplitWrites,
    OneWrite,
    SlowWrites,
}

impl Freedom {
    /// Every freedom.
    pub const ALL: [Freedom; 13] = [
        Freedom::RandomIds,
        Freedom::LongAcks,
        Freedom::AckProperties,
        Freedom::ConnectProperties,
        Freedom::Pings,
        Freedom::Resubscribe,
        Freedom::Republish,
        Freedom::LateRefusals,
        Freedom::Repairs,
        Freedom::BareClose,
        Freedom::SplitWrites,
        Freedom::OneWrite,
        Freedom::SlowWrites,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Freedom::RandomIds => "random-ids",
            Freedom::LongAcks => "long-acks",
            Freedom::AckProperties => "ack-properties",
            Freedom::ConnectProperties => "connect-properties",
            Freedom::Pings => "pings",
            Freedom::Resubscribe => "resubscribe",
            Freedom::Republish => "republish",
            Freedom::LateRefusals => "late-refusals",
            Freedom::Repairs => "repairs",
            Freedom::BareClose => "bare-close",
            Freedom::SplitWrites => "split-writes",
            Freedom::OneWrite => "one-write",
            Freedom::SlowWrites => "slow-writes",
        }
    }

    /// What the client does, and what permits it.
    pub fn about(self) -> &'static str {
        match self {
            Freedom::RandomIds => "Packet identifiers come in no order (2.3.1 of 3.1.1, 2.2.1 of 5.0).",
            Freedom::LongAcks => "Acknowledgements name their reason code even if it is 0 (5.0, 3.4.2.1).",
            Freedom::AckProperties => "Acknowledgements have a Reason String if it fits (5.0, 3.4.2.2.2).",
            Freedom::ConnectProperties => {
                "CONNECT has limits of the client that the application did not ask for (5.0, 3.1.2.11)."
            }
            Freedom::Pings => "The client sends PINGREQ whenever something arrives (3.1.2.10).",
            Freedom::Resubscribe => "The client subscribes again after each reconnect (3.8).",
            Freedom::Republish => {
                "Messages of a session that the server has lost are published as new ones (5.0, 4.4)."
            }
            Freedom::LateRefusals => "A call is accepted at first, and its refusal is an event.",
            Freedom::Repairs => "What exceeds a limit of the server is sent in a form that does not (5.0, 3.2.2.3).",
            Freedom::BareClose => "The client closes on an error without a DISCONNECT before it (5.0, 4.13.1).",
            Freedom::SplitWrites => "The first bytes of a packet are written one by one (4.2).",
            Freedom::OneWrite => "Packets that are due together are written together (4.2).",
            Freedom::SlowWrites => "Every packet leaves 20 ms late (4.2).",
        }
    }
}

/// The freedoms that a client uses. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Free(BTreeSet<Freedom>);

/// No client has this freedom.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no freedom `{0}` of a client; `mqttspec client --list-free` prints them")]
pub struct UnknownFreedom(pub String);

impl Free {
    /// Uses these.
    pub fn of(freedoms: impl IntoIterator<Item = Freedom>) -> Free {
        Free(freedoms.into_iter().collect())
    }

    /// Reads a list such as `random-ids,pings`.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn parse(list: &str) -> Result<Free, UnknownFreedom> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let freedom = |name: &str| {
            let mut all = Freedom::ALL.into_iter();
            let found = all.find(|freedom| freedom.name() == name);
            found.ok_or_else(|| UnknownFreedom(name.to_owned()))
        };
        names.map(freedom).collect::<Result<_, _>>().map(Free)
    }

    /// About half of the freedoms, the same ones for the same seed.
    pub fn random(seed: u64) -> Free {
        // The high bits of a multiplication are mixed well enough to choose by.
        let bits = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let all = Freedom::ALL.into_iter().enumerate();
        Free::of(all.filter(|(at, _)| bits >> at & 1 == 1).map(|(_, freedom)| freedom))
    }

    /// Whether this freedom is used.
    pub fn uses(&self, freedom: Freedom) -> bool {
        self.0.contains(&freedom)
    }

    /// Their names, as [`Free::parse`] reads them.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|freedom| freedom.name()).collect();
        names.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_is_written() {
        let all = Free::of(Freedom::ALL);
        assert_eq!(Free::parse(&all.names()), Ok(all));
        assert_eq!(Free::parse(""), Ok(Free::default()));
        assert_eq!(Free::parse("pings,none"), Err(UnknownFreedom("none".to_owned())));
    }

    #[test]
    fn random_sets_differ_and_use_every_freedom() {
        let sets: Vec<Free> = (0..8).map(Free::random).collect();
        assert_eq!(sets[3], Free::random(3));
        assert!(sets.windows(2).all(|two| two[0] != two[1]));
        for freedom in Freedom::ALL {
            assert!(sets.iter().any(|set| set.uses(freedom)), "{freedom:?}");
            assert!(sets.iter().any(|set| !set.uses(freedom)), "{freedom:?}");
        }
    }
}
