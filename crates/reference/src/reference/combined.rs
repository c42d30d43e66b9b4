//! Faults that show only in a combination: each is a wrong decision that a broker takes where two or three features meet, and that
//! stays unseen while each is used alone.
//!
//! `core` asks `self.wrong(Combined::X)` where the features meet. They are apart from [`duty`](super::duty), whose faults show in the
//! plain use of one feature: what a scripted case can show is listed there.

use crate::statements::{PerVersion, ids};

/// One row for each fault: its name in Rust, its name for people, what the broker does, and the statements that it breaks.
macro_rules! combined {
    ($($fault:ident = $name:literal, $what:literal, $ids:expr;)*) => {
        /// A wrong decision where features meet.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Combined {
            $($fault,)*
        }

        impl Combined {
            /// Every fault.
            pub const ALL: &[Combined] = &[$(Combined::$fault,)*];

            /// The name after `combined:` in a token of [`Disobey::parse`](super::Disobey::parse).
            pub fn name(self) -> &'static str {
                match self {
                    $(Combined::$fault => $name,)*
                }
            }

            /// What the broker does wrong.
            pub fn what(self) -> &'static str {
                match self {
                    $(Combined::$fault => $what,)*
                }
            }

            /// The statements that it breaks.
            pub fn ids(self) -> PerVersion {
                match self {
                    $(Combined::$fault => $ids,)*
                }
            }
        }
    };
}

combined! {
    TakeoverForgetsReceived = "takeover-forgets-received",
        "forgets the client's open QoS 2 exchanges when a new connection takes the session over",
        ids![v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-10"];
    TakeoverDropsQueue = "takeover-drops-queue",
        "drops what waits for the Receive Maximum when a new connection takes the session over",
        ids![v5: "MQTT-4.5.0-1"];
    TakeoverKeepsDelayedWill = "takeover-keeps-delayed-will",
        "publishes a delayed will although the new connection took the session over before its delay had passed",
        ids![v5: "MQTT-3.1.3-9"];
    ResumeKeepsWindow = "resume-keeps-window",
        "applies the larger Receive Maximum of an earlier connection to a resumed session",
        ids![v5: ["MQTT-3.3.4-9", "MQTT-4.9.0-1"]];
    ResumeKeepsPacketSize = "resume-keeps-packet-size",
        "applies the Maximum Packet Size of an earlier connection to a resumed session",
        ids![v5: "MQTT-3.1.2-24"];
    ResumeForgetsReleased = "resume-forgets-released",
        "repeats no PUBREL when a session is resumed that has unacknowledged PUBLISH packets as well",
        ids![v3_1_1: "MQTT-4.4.0-1", v5: "MQTT-4.4.0-1"];
    ResumeReversesQueue = "resume-reverses-queue",
        "sends the queue in reverse behind the repeated messages of a resumed session",
        ids![v3_1_1: "MQTT-4.6.0-6", v5: "MQTT-4.6.0-5"];
    ResumeRestartsIds = "resume-restarts-ids",
        "assigns identifiers from 1 again in a resumed session, whether they are in use or not",
        ids![v3_1_1: "MQTT-2.3.1-4", v5: "MQTT-2.2.1-4"];
    ResumeForgetsReceived = "resume-forgets-received",
        "takes a QoS 2 PUBLISH that is repeated on another connection for a new message",
        ids![v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-10"];
    ResumeKeepsReceived = "resume-keeps-received",
        "does not free the identifier of a QoS 2 message whose PUBREL comes on another connection",
        ids![v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-12"];
    CleanStartKeepsReceived = "clean-start-keeps-received",
        "keeps the client's open QoS 2 exchanges when the client asks for a clean session",
        ids![v3_1_1: "MQTT-3.1.2-6", v5: "MQTT-3.1.2-4"];
    ExpiredBlocksQueue = "expired-blocks-queue",
        "sends nothing more when an expired message is the oldest of several in the queue",
        ids![v5: "MQTT-4.5.0-1"];
    TooLargeBlocksQueue = "too-large-blocks-queue",
        "sends nothing more when a message that is too large for the client is the oldest of several in the queue",
        ids![v5: "MQTT-3.1.2-25"];
    RefusalUsesWindow = "refusal-uses-window",
        "never frees the place in the Receive Maximum of a message that the client refused",
        ids![v5: "MQTT-4.9.0-2"];
    QueueLowersQos = "queue-lowers-qos",
        "delivers at QoS 1 what was published at QoS 2 while the client was away and had messages waiting",
        ids![v3_1_1: "MQTT-3.8.4-6", v5: "MQTT-3.8.4-8"];
    QueueForgetsSubscriptionIds = "queue-forgets-subscription-ids",
        "leaves out the Subscription Identifiers of messages that were queued for an absent client",
        ids![v5: "MQTT-3.3.4-3"];
    ResubscribeDropsQueue = "resubscribe-drops-queue",
        "drops what waits in the queue when a subscription is replaced",
        ids![v3_1_1: "MQTT-3.8.4-3", v5: "MQTT-3.8.4-4"];
    UnsubscribeEndsShare = "unsubscribe-ends-share",
        "deletes a shared subscription together with the plain one of the same filter",
        ids![v5: "MQTT-3.10.4-1"];
    ShareHidesOwn = "share-hides-own",
        "gives a client with a shared and a plain subscription for a topic only the share's messages",
        ids![v5: "MQTT-4.5.0-1"];
    AliasIsNotRetained = "alias-is-not-retained",
        "does not retain a message whose topic is given by an alias alone",
        ids![v5: "MQTT-3.3.1-5"];
    DelayedWillIsNotRetained = "delayed-will-is-not-retained",
        "forgets that a will is to be retained while it waits for its delay",
        ids![v5: "MQTT-3.1.2-15"];
    RestartForgetsReceived = "restart-forgets-received",
        "forgets the client's open QoS 2 exchanges when it restarts",
        ids![v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-10"];
    RestartForgetsReleased = "restart-forgets-released",
        "forgets the PUBRELs without PUBCOMP when it restarts",
        ids![v3_1_1: "MQTT-4.4.0-1", v5: "MQTT-4.4.0-1"];
    RestartReversesInFlight = "restart-reverses-in-flight",
        "repeats unacknowledged messages in reverse after a restart",
        ids![v3_1_1: "MQTT-4.6.0-1", v5: "MQTT-4.6.0-1"];
    RestartForgetsSending = "restart-forgets-sending",
        "repeats unacknowledged messages with DUP 0 after a restart",
        ids![v3_1_1: "MQTT-3.3.1-1", v5: "MQTT-3.3.1-1"];
    RestartQueuesInFlight = "restart-queues-in-flight",
        "queues unacknowledged QoS 2 messages once more when it restarts",
        ids![v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-2"];
    RestartForgetsOptions = "restart-forgets-options",
        "forgets No Local and Retain As Published when it restarts",
        ids![v5: ["MQTT-3.8.3-3", "MQTT-3.3.1-13"]];
    RestartForgetsSubscriptionIds = "restart-forgets-subscription-ids",
        "forgets the Subscription Identifiers when it restarts",
        ids![v5: "MQTT-3.3.4-3"];
    RestartForgetsShares = "restart-forgets-shares",
        "forgets the shared subscriptions when it restarts",
        ids![v5: "MQTT-3.1.2-5"];
    RestartRenewsExpiry = "restart-renews-expiry",
        "counts the Message Expiry Interval of queued messages anew when it restarts",
        ids![v5: ["MQTT-3.3.2-6", "MQTT-3.3.2-5"]];
    RestartForgetsDelayedWill = "restart-forgets-delayed-will",
        "forgets the wills that wait for their delay when it restarts",
        ids![v5: "MQTT-3.1.2-8"];
    RestartRestoresRetained = "restart-restores-retained",
        "brings back removed retained messages when it restarts",
        ids![v3_1_1: "MQTT-3.3.1-10", v5: "MQTT-3.3.1-6"];
}

impl Combined {
    /// The fault with this name.
    pub fn named(name: &str) -> Option<Combined> {
        Combined::ALL.iter().copied().find(|fault| fault.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::statements::{Version, catalogue};

    #[test]
    fn each_fault_has_a_name_of_its_own_and_breaks_statements_of_the_catalogue() {
        let names: BTreeSet<&str> = Combined::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Combined::ALL.len());
        for fault in Combined::ALL {
            assert_eq!(Combined::named(fault.name()), Some(*fault));
            let known = |version: Version| {
                fault
                    .ids()
                    .at(version)
                    .iter()
                    .map(move |id| catalogue().at(version, id))
            };
            let known: Vec<bool> = Version::ALL.into_iter().flat_map(known).map(|s| s.is_some()).collect();
            assert!(!known.is_empty() && known.iter().all(|k| *k), "{}", fault.name());
        }
    }
}
