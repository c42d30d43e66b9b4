//! The choices: decisions that the broker may take in more than one way, and the freedom that permits each.
//!
//! `core` asks `self.free(Choice::X, version)` where it may deviate from its usual decision.

/// One row per choice: its name in Rust, and that of the freedom.
macro_rules! choices {
    ($($choice:ident = $name:literal,)*) => {
        /// A decision that the broker may take in another way than usual.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Choice {
            $($choice,)*
        }

        impl Choice {
            /// Every choice with the name of its freedom.
            pub const ALL: &[(Choice, &'static str)] = &[$((Choice::$choice, $name),)*];
        }
    };
}

choices! {
    EmptyIdsRefused = "empty-ids-refused",
    LongIdsRefused = "long-ids-refused",
    OtherIdsRefused = "other-ids-refused",
    AssignedIdsLong = "assigned-ids-long",
    ConnectTimeoutShort = "connect-timeout-short",
    ConnectTimeoutLong = "connect-timeout-long",
    SessionExpiryZero = "session-expiry-zero",
    SessionExpiryLowered = "session-expiry-lowered",
    ReceiveMaximum1 = "receive-maximum-1",
    ReceiveMaximumLow = "receive-maximum-low",
    ReceiveMaximumUnstated = "receive-maximum-unstated",
    MaximumQos1 = "maximum-qos-1",
    MaximumQos0 = "maximum-qos-0",
    RetainUnavailable = "retain-unavailable",
    MaximumPacketSize = "maximum-packet-size",
    NoTopicAliases = "no-topic-aliases",
    TopicAliasMaximumHigh = "topic-alias-maximum-high",
    NoWildcards = "no-wildcards",
    NoSubscriptionIds = "no-subscription-ids",
    NoSharedSubscriptions = "no-shared-subscriptions",
    UnavailableCloses = "unavailable-closes",
    ServerKeepAlive = "server-keep-alive",
    KeepAliveLate = "keep-alive-late",
    NoMatchingSubscribers = "no-matching-subscribers",
    PubackFirst = "puback-first",
    Qos2AtPubrel = "qos-2-at-pubrel",
    DeniedPublishCloses = "denied-publish-closes",
    PayloadFormatChecked = "payload-format-checked",
    DollarTopicsPrivate = "dollar-topics-private",
    StrictStrings = "strict-strings",
    RetainedQos0Dropped = "retained-qos-0-dropped",
    DuplicatesToQos0 = "duplicates-to-qos-0",
    OverlapCopies = "overlap-copies",
    PacketIdsDescending = "packet-ids-descending",
    PacketIdsLowest = "packet-ids-lowest",
    PacketIdsScattered = "packet-ids-scattered",
    InFlightOne = "in-flight-one",
    RepeatsOnTimer = "repeats-on-timer",
    RepeatsCrossing = "repeats-crossing",
    Qos0Queued = "qos-0-queued",
    ResumePublishFirst = "resume-publish-first",
    AutomaticSubscription = "automatic-subscription",
    GrantedQos1 = "granted-qos-1",
    GrantedQos0 = "granted-qos-0",
    RetainedBeforeSuback = "retained-before-suback",
    RetainedReversed = "retained-reversed",
    BadFilterCloses = "bad-filter-closes",
    DollarFiltersRefused = "dollar-filters-refused",
    ShareFirst = "share-first",
    ShareScattered = "share-scattered",
    ShareRedistributed = "share-redistributed",
    UnsubscribeDropsQueue = "unsubscribe-drops-queue",
    SessionExpiryLate = "session-expiry-late",
    WillDelayLate = "will-delay-late",
    WillsAfterRestart = "wills-after-restart",
    UnknownPubrelCloses = "unknown-pubrel-closes",
}

impl Choice {
    /// The choice with this freedom's name; `None` for freedoms that only change packets or bytes.
    pub fn named(name: &str) -> Option<Choice> {
        Choice::ALL.iter().find(|(_, n)| *n == name).map(|(choice, _)| *choice)
    }
}
