//! The duties: what the broker must do by its own decision, and the statements that require it.
//!
//! `core` asks `self.must(Duty::X)` where it can take a wrong decision on purpose. A fault that a changed packet alone
//! can show is no duty: it is in `sabotage`.

use crate::statements::{PerVersion, ids};

/// A decision of the broker that can be taken wrongly on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    IgnoreAfterRefusal,
    RefuseUnknownAuthMethod,
    CheckAuthenticationData,
    CheckLogin,
    RefuseWillQos,
    RefuseWillRetain,
    RefuseEmptyIdWithoutClean,
    AcceptPlainIds,
    CloseAfterBadId,
    AssignUniqueIds,
    CleanStartDiscards,
    ResumeSession,
    KeepSession,
    KeepSessionsOverRestart,
    EndSession,
    SessionLastsWithConnection,
    RetainedOutliveSessions,
    QueueWhileAway,
    PublishWill,
    DisconnectDropsWill,
    WaitForWillDelay,
    CancelDelayedWill,
    PublishWillWithSession,
    DeliverQos2Once,
    FreeQos2Id,
    FreeIdAfterRefusal,
    AnswerDeniedPublish,
    ForgetAliases,
    NeverRetainEmpty,
    HighestQosOfOverlap,
    LowerQos,
    NoLocal,
    HideDollarTopics,
    ReplaceSubscription,
    AnswerEveryUnsubscribe,
    FinishAfterUnsubscribe,
    CompareFiltersExactly,
    StopAfterUnsubscribe,
    RepeatOnResume,
    AcknowledgedIsDone,
    RefusedIsAcknowledged,
    SentDoesNotExpire,
    DropExpired,
    KeepReceiveMaximum,
    KeepMaximumPacketSize,
    DropTooLarge,
    RefusedShareIsDropped,
    UnfinishedShareWaits,
    UnfinishedShareEnds,
    RefuseLongIdAt31,
    JoinPieces,
    JoinFrames,
    RefuseTextFrames,
    ChooseMqtt,
    TakeRepeatedRequests,
    KeepRetainedOverRestart,
}

/// A row of the table.
pub struct DutyRow {
    pub duty: Duty,
    /// What the broker does when it disobeys.
    pub what: &'static str,
    /// The statements. A letter behind a slash names a variant: the same statement broken in another way.
    pub ids: PerVersion,
}

/// Duties to statements.
pub const DUTIES: &[DutyRow] = &[
    DutyRow {
        duty: Duty::IgnoreAfterRefusal,
        what: "processes a PUBLISH that follows a CONNECT that it refused",
        ids: ids![v3_1_1: "MQTT-3.1.4-5", v5: "MQTT-3.1.4-6"],
    },
    DutyRow {
        duty: Duty::RefuseUnknownAuthMethod,
        what: "accepts any Authentication Method",
        ids: ids![v5: "MQTT-4.12.0-1"],
    },
    DutyRow {
        duty: Duty::CheckAuthenticationData,
        what: "accepts any Authentication Data",
        ids: ids![v5: ["MQTT-4.12.0-4", "MQTT-4.12.1-2/b"]],
    },
    DutyRow {
        duty: Duty::CheckLogin,
        what: "accepts any user name and password",
        ids: ids![v3_1_1: "§3.1.4/further-checks", v5: "MQTT-3.1.4-2"],
    },
    DutyRow {
        duty: Duty::RefuseWillQos,
        what: "accepts a Will QoS above the Maximum QoS",
        ids: ids![v5: "MQTT-3.2.2-12"],
    },
    DutyRow {
        duty: Duty::RefuseWillRetain,
        what: "accepts a retained will although retained messages are not available",
        ids: ids![v5: "MQTT-3.2.2-13"],
    },
    DutyRow {
        duty: Duty::RefuseEmptyIdWithoutClean,
        what: "accepts an empty client id with Clean Session 0",
        ids: ids![v3_1_1: ["MQTT-3.1.3-7", "MQTT-3.1.3-8"]],
    },
    DutyRow {
        duty: Duty::AcceptPlainIds,
        what: "refuses client ids of 1 and of 23 characters",
        ids: ids![v3_1_1: "MQTT-3.1.3-5", v5: "MQTT-3.1.3-5"],
    },
    DutyRow {
        duty: Duty::CloseAfterBadId,
        what: "refuses client ids that it need not accept, and leaves the connection open",
        ids: ids![v3_1_1: "MQTT-3.1.3-9", v5: "MQTT-3.1.3-8"],
    },
    DutyRow {
        duty: Duty::AssignUniqueIds,
        what: "assigns the same client id to every client with an empty one",
        ids: ids![v3_1_1: "MQTT-3.1.3-6", v5: ["MQTT-3.1.3-6", "MQTT-3.2.2-16"]],
    },
    DutyRow {
        duty: Duty::CleanStartDiscards,
        what: "resumes the old session although the client asked for a clean one",
        ids: ids![
            v3_1: "§2.2/clean-session-1",
            v3_1_1: ["MQTT-3.1.2-6", "MQTT-3.1.4-3/b"],
            v5: ["MQTT-3.1.2-4", "MQTT-3.1.4-4/b"],
        ],
    },
    DutyRow {
        duty: Duty::ResumeSession,
        what: "starts a new session although the client asked for the old one",
        ids: ids![
            v3_1: "§2.2/clean-session-0",
            v3_1_1: ["MQTT-3.1.2-4", "MQTT-3.1.4-3"],
            v5: ["MQTT-3.1.2-5", "MQTT-3.1.4-4"],
        ],
    },
    DutyRow {
        duty: Duty::KeepSession,
        what: "ends every session with its connection",
        ids: ids![v3_1: "§2.2/keep-alive-subscriptions", v3_1_1: "MQTT-3.1.2-4/b", v5: "MQTT-3.1.2-23"],
    },
    DutyRow {
        duty: Duty::KeepSessionsOverRestart,
        what: "forgets the sessions when it restarts",
        ids: ids![v3_1_1: "MQTT-4.1.0-1", v5: "MQTT-3.1.2-23/b"],
    },
    DutyRow {
        duty: Duty::EndSession,
        what: "keeps sessions that have expired",
        ids: ids![
            v3_1: ["§2.2/clean-session-end", "§3.14/clean-session"],
            v3_1_1: "MQTT-3.1.2-6/b",
            v5: "MQTT-4.1.0-2",
        ],
    },
    DutyRow {
        duty: Duty::SessionLastsWithConnection,
        what: "forgets the subscriptions of a client that sends PINGREQ",
        ids: ids![v3_1_1: "MQTT-4.1.0-2", v5: "MQTT-4.1.0-1"],
    },
    DutyRow {
        duty: Duty::RetainedOutliveSessions,
        what: "drops the retained messages when a session ends",
        ids: ids![v3_1_1: "MQTT-3.1.2-7"],
    },
    DutyRow {
        duty: Duty::QueueWhileAway,
        what: "does not queue messages for a client that is not connected",
        ids: ids![v3_1: "§2.2/clean-session-0/b", v3_1_1: "MQTT-3.1.2-5", v5: "MQTT-3.1.2-23/c"],
    },
    DutyRow {
        duty: Duty::PublishWill,
        what: "never publishes a will",
        ids: ids![v3_1: "§2.2/will-published", v3_1_1: "MQTT-3.1.2-8", v5: ["MQTT-3.1.2-7", "MQTT-3.1.2-8"]],
    },
    DutyRow {
        duty: Duty::DisconnectDropsWill,
        what: "publishes the will although the client sent DISCONNECT",
        ids: ids![
            v3_1: "§2.2/will-not-on-disconnect",
            v3_1_1: ["MQTT-3.1.2-10", "MQTT-3.14.4-3"],
            v5: ["MQTT-3.1.2-10", "MQTT-3.14.4-3"],
        ],
    },
    DutyRow {
        duty: Duty::WaitForWillDelay,
        what: "publishes a will without waiting for its delay",
        ids: ids![v5: "MQTT-3.1.2-8/b"],
    },
    DutyRow {
        duty: Duty::CancelDelayedWill,
        what: "publishes a delayed will although the client has reconnected",
        ids: ids![v5: "MQTT-3.1.3-9"],
    },
    DutyRow {
        duty: Duty::PublishWillWithSession,
        what: "drops a delayed will when its session ends first",
        ids: ids![v5: "§3.1.3.2.2/session-end"],
    },
    DutyRow {
        duty: Duty::DeliverQos2Once,
        what: "delivers a repeated QoS 2 PUBLISH again",
        ids: ids![v3_1: "§4.1/qos-2-once", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-10"],
    },
    DutyRow {
        duty: Duty::FreeQos2Id,
        what: "treats a reused identifier as the old message after PUBCOMP",
        ids: ids![v3_1_1: "MQTT-4.3.3-2/b", v5: "MQTT-4.3.3-12"],
    },
    DutyRow {
        duty: Duty::FreeIdAfterRefusal,
        what: "treats a reused identifier as the old message after a PUBREC that refused it",
        ids: ids![v5: "MQTT-4.3.3-9"],
    },
    DutyRow {
        duty: Duty::AnswerDeniedPublish,
        what: "does not answer a PUBLISH that is denied",
        ids: ids![v3_1: "§3.3/not-authorized", v3_1_1: "MQTT-3.3.5-2"],
    },
    DutyRow {
        duty: Duty::ForgetAliases,
        what: "keeps topic aliases for the next connection",
        ids: ids![v5: "MQTT-3.3.2-7"],
    },
    DutyRow {
        duty: Duty::NeverRetainEmpty,
        what: "retains an empty message",
        ids: ids![v3_1_1: "MQTT-3.3.1-11", v5: "MQTT-3.3.1-7"],
    },
    DutyRow {
        duty: Duty::HighestQosOfOverlap,
        what: "delivers at the lowest QoS of overlapping subscriptions",
        ids: ids![v3_1_1: "MQTT-3.3.5-1", v5: "MQTT-3.3.4-2"],
    },
    DutyRow {
        duty: Duty::LowerQos,
        what: "delivers at the published QoS instead of the granted one",
        ids: ids![v3_1: "§3.8/granted-level", v3_1_1: "MQTT-3.8.4-6", v5: ["MQTT-3.8.4-8", "MQTT-4.8.2-3"]],
    },
    DutyRow {
        duty: Duty::NoLocal,
        what: "sends a client its own messages in spite of No Local",
        ids: ids![v5: "MQTT-3.8.3-3"],
    },
    DutyRow {
        duty: Duty::HideDollarTopics,
        what: "matches topics that start with $ with a leading wildcard",
        ids: ids![v3_1_1: "MQTT-4.7.2-1", v5: "MQTT-4.7.2-1"],
    },
    DutyRow {
        duty: Duty::ReplaceSubscription,
        what: "keeps the old subscription when its filter is subscribed again",
        ids: ids![v3_1_1: "MQTT-3.8.4-3", v5: ["MQTT-3.8.4-3", "MQTT-3.8.4-4"]],
    },
    DutyRow {
        duty: Duty::AnswerEveryUnsubscribe,
        what: "does not answer an UNSUBSCRIBE that deletes nothing",
        ids: ids![v3_1_1: "MQTT-3.10.4-5", v5: "MQTT-3.10.4-5/b"],
    },
    DutyRow {
        duty: Duty::FinishAfterUnsubscribe,
        what: "drops deliveries in flight at UNSUBSCRIBE",
        ids: ids![v3_1_1: "MQTT-3.10.4-3", v5: "MQTT-3.10.4-3"],
    },
    DutyRow {
        duty: Duty::CompareFiltersExactly,
        what: "deletes subscriptions with a similar filter, and not the named one",
        ids: ids![v3_1_1: "MQTT-3.10.4-1", v5: "MQTT-3.10.4-1"],
    },
    DutyRow {
        duty: Duty::StopAfterUnsubscribe,
        what: "keeps delivering after UNSUBSCRIBE",
        ids: ids![v3_1: "§3.10/unsubscribed", v3_1_1: "MQTT-3.10.4-2", v5: "MQTT-3.10.4-2"],
    },
    DutyRow {
        duty: Duty::RepeatOnResume,
        what: "resends nothing when a session is resumed",
        ids: ids![
            v3_1: ["§2.2/clean-session-in-flight", "§4.1/qos-1-resend", "§4.1/qos-2-resume", "§4.2/on-reconnect"],
            v3_1_1: "MQTT-4.4.0-1",
            v5: ["MQTT-4.3.2-3", "MQTT-4.3.3-3", "MQTT-4.3.3-5", "MQTT-4.4.0-1"],
        ],
    },
    DutyRow {
        duty: Duty::AcknowledgedIsDone,
        what: "resends acknowledged messages when a session is resumed",
        ids: ids![v3_1_1: "MQTT-4.3.2-1/b", v5: ["MQTT-4.3.2-3/b", "MQTT-4.3.3-5/b"]],
    },
    DutyRow {
        duty: Duty::RefusedIsAcknowledged,
        what: "resends refused messages when a session is resumed",
        ids: ids![v5: "MQTT-4.4.0-2"],
    },
    DutyRow {
        duty: Duty::SentDoesNotExpire,
        what: "lets a message expire that was already sent",
        ids: ids![v5: "MQTT-4.3.3-7"],
    },
    DutyRow {
        duty: Duty::DropExpired,
        what: "delivers messages that have expired",
        ids: ids![v5: "MQTT-3.3.2-5"],
    },
    DutyRow {
        duty: Duty::KeepReceiveMaximum,
        what: "ignores the client's Receive Maximum",
        ids: ids![v5: ["MQTT-3.3.4-9", "MQTT-4.9.0-1", "MQTT-4.9.0-2"]],
    },
    DutyRow {
        duty: Duty::KeepMaximumPacketSize,
        what: "ignores the client's Maximum Packet Size",
        ids: ids![v5: "MQTT-3.1.2-24"],
    },
    DutyRow {
        duty: Duty::DropTooLarge,
        what: "never frees the slot of a message that is too large for the client",
        ids: ids![v5: "MQTT-3.1.2-25"],
    },
    DutyRow {
        duty: Duty::RefusedShareIsDropped,
        what: "offers a message that one member refused to another",
        ids: ids![v5: "MQTT-4.8.2-6"],
    },
    DutyRow {
        duty: Duty::UnfinishedShareWaits,
        what: "offers a message to another member when the connection of the first is lost",
        ids: ids![v5: "MQTT-4.8.2-4"],
    },
    DutyRow {
        duty: Duty::UnfinishedShareEnds,
        what: "offers a message to another member when the session of the first ends",
        ids: ids![v5: "MQTT-4.8.2-5"],
    },
    DutyRow {
        duty: Duty::RefuseLongIdAt31,
        what: "accepts client ids of any length at 3.1",
        ids: ids![v3_1: ["§3.1/client-id-length", "§3.1/client-id-rejected", "§3.2/identifier-rejected"]],
    },
    DutyRow {
        duty: Duty::JoinPieces,
        what: "loses packets that arrive in pieces",
        ids: ids![v3_1_1: "MQTT-7.1.1-1", v5: "MQTT-4.2.0-1"],
    },
    DutyRow {
        duty: Duty::JoinFrames,
        what: "treats every WebSocket message as whole packets, and loses a packet that continues in the next",
        ids: ids![v3_1_1: "MQTT-6.0.0-2", v5: "MQTT-6.0.0-2"],
    },
    DutyRow {
        duty: Duty::RefuseTextFrames,
        what: "reads WebSocket text frames like binary ones",
        ids: ids![v3_1_1: "MQTT-6.0.0-1", v5: "MQTT-6.0.0-1"],
    },
    DutyRow {
        duty: Duty::ChooseMqtt,
        what: "chooses the WebSocket subprotocol that is offered first, whatever it is",
        ids: ids![v3_1_1: "MQTT-6.0.0-4", v5: "MQTT-6.0.0-4"],
    },
    DutyRow {
        duty: Duty::TakeRepeatedRequests,
        what: "closes when it receives SUBSCRIBE or UNSUBSCRIBE with DUP 1",
        ids: ids![v3_1: ["§3.8/qos-1", "§3.10/qos-1"]],
    },
    DutyRow {
        duty: Duty::KeepRetainedOverRestart,
        what: "forgets the retained messages when it restarts",
        ids: ids![v3_1: "§2.1/retain-restart"],
    },
];
