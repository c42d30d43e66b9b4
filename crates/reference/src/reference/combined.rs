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
    TakeoverForgetsSending = "takeover-forgets-sending",
        "repeats unacknowledged messages with DUP 0 when a new connection takes the session over",
        ids![v3_1_1: "MQTT-3.3.1-1", v5: "MQTT-3.3.1-1"];
    TakeoverDropsInFlight = "takeover-drops-in-flight",
        "repeats no unacknowledged message when a new connection takes the session over",
        ids![v3_1_1: "MQTT-4.4.0-1", v5: "MQTT-4.4.0-1"];
    TakeoverQueuesInFlight = "takeover-queues-in-flight",
        "queues unacknowledged QoS 2 messages once more when a new connection takes the session over",
        ids![v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-2"];
    TakeoverDropsWill = "takeover-drops-will",
        "publishes no will when a new connection takes a lasting session over",
        ids![v3_1_1: "MQTT-3.1.2-8"];
    TakeoverKeepsSubscriptions = "takeover-keeps-subscriptions",
        "keeps the subscriptions when a connection with a clean start takes the session over",
        ids![v3_1_1: "MQTT-3.1.2-6", v5: "MQTT-3.1.2-4"];
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
    ResumeIgnoresPubrel = "resume-ignores-pubrel",
        "sends no PUBCOMP for a PUBREL whose PUBLISH came on an earlier connection",
        ids![v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-11"];
    RepeatRenewsExpiry = "repeat-renews-expiry",
        "repeats a message with its whole Message Expiry Interval, however long it has waited",
        ids![v5: "MQTT-3.3.2-6"];
    RepeatUsesWindow = "repeat-uses-window",
        "counts a repeated message twice against the Receive Maximum, and frees only one of the two places",
        ids![v5: "MQTT-4.9.0-2"];
    ReleasedFreesId = "released-frees-id",
        "uses the identifier of a QoS 2 message for another one between PUBREL and PUBCOMP",
        ids![v3_1_1: "MQTT-2.3.1-4", v5: "MQTT-2.2.1-4"];
    IdsWrapAtFour = "ids-wrap-at-four",
        "assigns the identifier 1 again after 4, whether it is in use or not",
        ids![v3_1_1: "MQTT-2.3.1-4", v5: "MQTT-2.2.1-4"];
    ReceivedIdsAreGlobal = "received-ids-are-global",
        "drops a QoS 2 message if another client has an open exchange with the same identifier",
        ids![v3_1_1: "MQTT-4.5.0-1", v5: "MQTT-4.5.0-1"];
    AcksAreGlobal = "acks-are-global",
        "takes a PUBACK for the acknowledgement of every client's message with that identifier",
        ids![v3_1_1: "MQTT-4.4.0-1", v5: "MQTT-4.4.0-1"];
    CleanStartKeepsReceived = "clean-start-keeps-received",
        "keeps the client's open QoS 2 exchanges when the client asks for a clean session",
        ids![v3_1_1: "MQTT-3.1.2-6", v5: "MQTT-3.1.2-4"];
    CleanStartKeepsQueue = "clean-start-keeps-queue",
        "keeps the queued messages when the client asks for a clean session",
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
    ExpiredUsesWindow = "expired-uses-window",
        "never frees the place in the Receive Maximum of a message that expired in the queue",
        ids![v5: "MQTT-4.5.0-1"];
    TooLargeUsesWindow = "too-large-uses-window",
        "never frees the place in the Receive Maximum of a message that is too large for the client",
        ids![v5: "MQTT-3.1.2-25"];
    RefusalDropsQueue = "refusal-drops-queue",
        "drops what waits in the queue when the client refuses a message",
        ids![v5: "MQTT-4.5.0-1"];
    DisconnectDropsQueue = "disconnect-drops-queue",
        "drops what waits for the Receive Maximum when the client of a lasting session sends DISCONNECT",
        ids![v5: "MQTT-4.5.0-1"];
    QueueLowersQos = "queue-lowers-qos",
        "delivers at QoS 1 what was published at QoS 2 while the client was away and had messages waiting",
        ids![v3_1_1: "MQTT-3.8.4-6", v5: "MQTT-3.8.4-8"];
    QueueForgetsSubscriptionIds = "queue-forgets-subscription-ids",
        "leaves out the Subscription Identifiers of messages that were queued for an absent client",
        ids![v5: "MQTT-3.3.4-3"];
    QueueForgetsRetain = "queue-forgets-retain",
        "queues messages for an absent client with RETAIN 0, whatever Retain As Published says",
        ids![v5: "MQTT-3.3.1-13"];
    AwayMatchesFirst = "away-matches-first",
        "compares topics only with the oldest of an absent client's subscriptions",
        ids![v3_1_1: "MQTT-4.5.0-1", v5: "MQTT-4.5.0-1"];
    WillSkipsAbsent = "will-skips-absent",
        "queues no will for an absent client",
        ids![v3_1_1: "MQTT-4.5.0-1", v5: "MQTT-4.5.0-1"];
    ResubscribeDropsQueue = "resubscribe-drops-queue",
        "drops what waits in the queue when a subscription is replaced",
        ids![v3_1_1: "MQTT-3.8.4-3", v5: "MQTT-3.8.4-4"];
    UnsubscribeEndsShare = "unsubscribe-ends-share",
        "deletes a shared subscription together with the plain one of the same filter",
        ids![v5: "MQTT-3.10.4-1"];
    ShareHidesOwn = "share-hides-own",
        "gives a client with a shared and a plain subscription for a topic only the share's messages",
        ids![v5: "MQTT-4.5.0-1"];
    ShareForgetsSubscriptionIds = "share-forgets-subscription-ids",
        "leaves out the Subscription Identifier of a shared subscription with several members",
        ids![v5: "MQTT-3.3.4-3"];
    ShareDropsWhenAway = "share-drops-when-away",
        "drops the messages of a shared subscription while all of its members are away",
        ids![v5: "MQTT-4.5.0-1"];
    SharesMerge = "shares-merge",
        "gives a message once for all shared subscriptions with the same filter, whatever their share names",
        ids![v5: "MQTT-4.5.0-1"];
    AliasIsNotRetained = "alias-is-not-retained",
        "does not retain a message whose topic is given by an alias alone",
        ids![v5: "MQTT-3.3.1-5"];
    AliasLosesExpiry = "alias-loses-expiry",
        "drops the Message Expiry Interval of a message whose topic is given by an alias alone",
        ids![v5: "MQTT-3.3.2-6"];
    AliasLosesProperties = "alias-loses-properties",
        "drops the properties of a message whose topic is given by an alias alone",
        ids![v5: "MQTT-3.3.2-17"];
    AliasKeepsFirstTopic = "alias-keeps-first-topic",
        "keeps the first topic of an alias when the client assigns another",
        ids![v5: ["MQTT-3.3.2-12", "MQTT-4.5.0-1"]];
    DelayedWillIsNotRetained = "delayed-will-is-not-retained",
        "forgets that a will is to be retained while it waits for its delay",
        ids![v5: "MQTT-3.1.2-15"];
    DelayedWillLosesInterval = "delayed-will-loses-interval",
        "counts the Message Expiry Interval of a delayed will from the end of the connection",
        ids![v5: "MQTT-3.3.2-6"];
    WillKeepsOlderRetained = "will-keeps-older-retained",
        "does not retain a will if its topic has a retained message already",
        ids![v3_1_1: "MQTT-3.1.2-17", v5: "MQTT-3.1.2-15"];
    RestartForgetsReceived = "restart-forgets-received",
        "forgets the client's open QoS 2 exchanges when it restarts",
        ids![v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-10"];
    RestartForgetsReleased = "restart-forgets-released",
        "forgets the PUBRELs without PUBCOMP when it restarts",
        ids![v3_1_1: "MQTT-4.4.0-1", v5: "MQTT-4.4.0-1"];
    RestartReversesInFlight = "restart-reverses-in-flight",
        "repeats unacknowledged messages in reverse after a restart",
        ids![v3_1_1: "MQTT-4.6.0-6", v5: "MQTT-4.6.0-5"];
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
    RestartRestoresOlderRetained = "restart-restores-older-retained",
        "brings back the first retained message of a topic when it restarts",
        ids![v3_1_1: "MQTT-3.3.1-5", v5: "MQTT-3.3.1-5"];
    RestartRenewsRetained = "restart-renews-retained",
        "counts the Message Expiry Interval of retained messages anew when it restarts",
        ids![v5: ["MQTT-3.3.2-6", "MQTT-3.3.2-5"]];
    RestartRestoresSubscriptions = "restart-restores-subscriptions",
        "brings back deleted subscriptions when it restarts",
        ids![v3_1_1: "MQTT-3.10.4-2", v5: "MQTT-3.10.4-2"];
    RestartKeepsOneSubscription = "restart-keeps-one-subscription",
        "restores only the oldest subscription of a session when it restarts",
        ids![v3_1_1: "MQTT-3.1.2-4", v5: "MQTT-3.1.2-5"];
    RestartKeepsOneQueued = "restart-keeps-one-queued",
        "restores only the oldest message of a queue when it restarts",
        ids![v3_1_1: "MQTT-4.5.0-1", v5: "MQTT-4.5.0-1"];
    RestartReversesQueue = "restart-reverses-queue",
        "sends the queue in reverse after a restart",
        ids![v3_1_1: "MQTT-4.6.0-6", v5: "MQTT-4.6.0-5"];
    RestartExpiresQueue = "restart-expires-queue",
        "drops the queued messages that have a Message Expiry Interval when it restarts",
        ids![v5: "MQTT-4.5.0-1"];
    RestartDropsLarge = "restart-drops-large",
        "drops the queued messages of more than 100 bytes when it restarts",
        ids![v3_1_1: "MQTT-4.5.0-1", v5: "MQTT-4.5.0-1"];
    RestartForgetsProperties = "restart-forgets-properties",
        "forgets the properties of queued messages when it restarts",
        ids![v5: ["MQTT-3.3.2-17", "MQTT-3.3.2-4", "MQTT-3.3.2-15", "MQTT-3.3.2-16", "MQTT-3.3.2-20"]];
    RestartForgetsRelease = "restart-forgets-release",
        "forgets the client's PUBREC when it restarts, and repeats the PUBLISH",
        ids![v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-6"];
    ViolationDropsWill = "violation-drops-will",
        "publishes no will of a lasting session whose connection it closes because of a violation",
        ids![v3_1_1: "MQTT-3.1.2-8", v5: "MQTT-3.1.2-8"];
    ViolationEndsSession = "violation-ends-session",
        "ends a lasting session when it closes its connection because of a violation",
        ids![v3_1_1: "MQTT-3.1.2-4", v5: "MQTT-3.1.2-5"];
    ViolationForgetsReceived = "violation-forgets-received",
        "forgets the client's open QoS 2 exchanges when it closes the connection because of a violation",
        ids![v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-10"];
    ViolationUsesWindow = "violation-uses-window",
        "never frees the places in the Receive Maximum that were taken when it closed a connection because of a violation",
        ids![v5: "MQTT-4.9.0-2"];
    MalformedPublishIsRetained = "malformed-publish-is-retained",
        "retains the message of a malformed PUBLISH before it closes the connection",
        ids![v3_1_1: "MQTT-3.3.1-4", v5: "MQTT-4.13.1-1"];
    MalformedUnsubscribeCounts = "malformed-unsubscribe-counts",
        "deletes the subscriptions of a malformed UNSUBSCRIBE before it closes the connection",
        ids![v3_1_1: "MQTT-3.10.1-1", v5: "MQTT-3.10.1-1"];
    SecondConnectEndsSession = "second-connect-ends-session",
        "ends the session when a second CONNECT on its connection asks for a new one, before it closes the connection",
        ids![v3_1_1: "MQTT-3.1.0-2", v5: "MQTT-3.1.0-2"];
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
