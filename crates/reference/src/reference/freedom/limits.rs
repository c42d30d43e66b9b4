//! Freedoms that are limits: values that CONNACK announces, and durations.

use std::time::Duration;

use super::{Choice, Free};
use crate::reference::config::Limits;
use crate::statements::Version;

/// The limits with those that `free` sets. No limit becomes looser than the configuration has it.
pub fn limited(mut limits: Limits, free: &Free) -> Limits {
    let usual = Limits::default();
    let takes = |choice| free.value(choice).is_some();
    let lower = |at: &mut u16, to: u32| *at = (*at).min(u16::try_from(to).unwrap_or(u16::MAX));
    if takes(Choice::ReceiveMaximumUnstated) && limits.receive_maximum == usual.receive_maximum {
        limits.receive_maximum = u16::MAX;
    }
    if let Some(most) = free.value(Choice::ReceiveMaximumLow) {
        lower(&mut limits.receive_maximum, most.max(1));
    }
    if takes(Choice::ReceiveMaximum1) {
        lower(&mut limits.receive_maximum, 1);
    }
    if takes(Choice::MaximumQos1) {
        limits.maximum_qos = limits.maximum_qos.min(1);
    }
    if takes(Choice::MaximumQos0) {
        limits.maximum_qos = 0;
    }
    if let Some(most) = free.value(Choice::MaximumPacketSize) {
        // A client of 3.x cannot learn of it.
        limits.maximum_packet_size_v5 = Some(most);
    }
    if takes(Choice::TopicAliasMaximumHigh) && limits.topic_alias_maximum == usual.topic_alias_maximum {
        limits.topic_alias_maximum = u16::MAX;
    }
    if takes(Choice::NoTopicAliases) {
        limits.topic_alias_maximum = 0;
    }
    if let Some(most) = free.value(Choice::SessionExpiryLowered) {
        limits.session_expiry_maximum = limits.session_expiry_maximum.min(most);
    }
    if takes(Choice::SessionExpiryZero) {
        limits.session_expiry_maximum = 0;
    }
    if let Some(seconds) = free.value(Choice::ServerKeepAlive)
        && limits.server_keep_alive.is_none()
    {
        limits.server_keep_alive = u16::try_from(seconds).ok();
    }
    limits.retain_available &= !takes(Choice::RetainUnavailable);
    limits.wildcards &= !takes(Choice::NoWildcards);
    limits.shared_subscriptions &= !takes(Choice::NoSharedSubscriptions);
    limits.subscription_ids &= !takes(Choice::NoSubscriptionIds);
    for choice in [Choice::ConnectTimeoutShort, Choice::ConnectTimeoutLong] {
        if let Some(seconds) = free.value(choice) {
            limits.connect_timeout = Duration::from_secs(seconds.into());
        }
    }
    limits
}

/// The Maximum QoS is one of 5.0's CONNACK. At 3.x a server cannot announce what it accepts, and grants a lower QoS instead.
pub fn granted_at_most(free: &Free, version: Version) -> u8 {
    if free.takes(Choice::GrantedQos0, version) {
        0
    } else if free.takes(Choice::GrantedQos1, version) {
        1
    } else {
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maximum_packet_size_binds_clients_of_5_0_alone() {
        let free = Free::parse("maximum-packet-size=300").expect("a name of the list");
        let limits = limited(Limits::default(), &free);
        assert_eq!(Version::ALL.map(|v| limits.packet_size(v)), [None, None, Some(300)]);
        // It is no looser than the configuration.
        let narrow = Limits {
            maximum_packet_size: Some(200),
            ..Limits::default()
        };
        let limits = limited(narrow, &free);
        assert_eq!(Version::ALL.map(|v| limits.packet_size(v)), [Some(200); 3]);
    }
}
