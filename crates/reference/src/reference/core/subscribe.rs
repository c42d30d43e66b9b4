//! SUBSCRIBE and UNSUBSCRIBE (3.1.1 and 5.0, sections 3.8 to 3.11), and the retained messages that a SUBSCRIBE triggers.

use std::sync::Arc;

use super::message::Message;
use super::offence::{Fault, Offence};
use super::reason::{self, v3};
use super::session::{Delivery, Held};
use super::state::Record;
use super::{Broker, Cause, ConnectionId};
use crate::reference::combined::Combined;
use crate::reference::duty::Duty;
use crate::reference::freedom::{Choice, granted_at_most};
use crate::reference::topic;
use crate::wire::property::id;
use crate::wire::{Packet, PacketType, SubAck, Subscribe, Subscription, Text, UnsubAck, Unsubscribe, Version};

/// The result of one filter of a SUBSCRIBE.
enum Outcome {
    Refused(u8),
    Granted {
        held: Held,
        /// Whether the retained messages are sent.
        retained: bool,
    },
}

impl Broker {
    pub(super) fn subscribe(&mut self, id: ConnectionId, subscribe: Subscribe) {
        let version = self.connections[&id].version;
        for subscription in &subscribe.subscriptions {
            if version != Version::V5 && self.ends_for_filter(id, &subscription.filter, PacketType::Subscribe) {
                return;
            }
            if self.closes_for_filter(id, version, &subscription.filter, PacketType::Subscribe) {
                return;
            }
            let is_shared = version == Version::V5 && subscription.filter.as_bytes().starts_with(b"$share/");
            if is_shared && subscription.no_local() && self.punish(id, Offence::SharedNoLocal) {
                return;
            }
        }
        let client = self.connections[&id].client.clone();
        let subscription_id =
            (subscribe.properties.number(id::SUBSCRIPTION_IDENTIFIER)).filter(|_| version == Version::V5);
        if self.free(Choice::UnavailableCloses, version)
            && let Some(fault) = self.excluded(version, &subscribe.subscriptions, subscription_id)
        {
            return self.end(id, Cause::Fault, Some(&fault));
        }
        let mut reason_codes = Vec::new();
        let mut granted = Vec::new();
        // v3.1.1:MQTT-3.8.4-4, v5:MQTT-3.8.4-5: one after the other, but one SUBACK, with a code for each in their order
        // (v3.1.1:MQTT-3.8.4-5, v3.1.1:MQTT-3.9.3-1, v5:MQTT-3.8.4-6, v5:MQTT-3.9.3-1).
        for subscription in subscribe.subscriptions {
            match self.hold(&client, version, subscription, subscription_id) {
                Outcome::Refused(code) => reason_codes.push(code),
                Outcome::Granted { held, retained } => {
                    reason_codes.push(held.qos());
                    if retained {
                        granted.push(held);
                    }
                }
            }
        }
        // Section 3.8.4 of both: matching messages may be sent before SUBACK.
        let comes_first = self.free(Choice::RetainedBeforeSuback, version);
        for held in granted.iter().filter(|_| comes_first) {
            self.send_retained(&client, held);
        }
        // v3.1.1:MQTT-3.8.4-1 and -2, v5:MQTT-3.8.4-1 and -2.
        self.send(
            id,
            Packet::SubAck(SubAck {
                packet_id: subscribe.packet_id,
                reason_codes,
                ..SubAck::default()
            }),
        );
        for held in granted.iter().filter(|_| !comes_first) {
            self.send_retained(&client, held);
        }
    }

    /// The fault of a SUBSCRIBE that asks for what CONNACK has excluded, if that ends the connection (5.0, sections
    /// 3.2.2.3.11 to 3.2.2.3.13).
    fn excluded(&self, version: Version, subscriptions: &[Subscription], id: Option<u32>) -> Option<Fault> {
        let codes = [
            reason::SHARED_NOT_SUPPORTED,
            reason::WILDCARDS_NOT_SUPPORTED,
            reason::SUBSCRIPTION_IDS_NOT_SUPPORTED,
        ];
        let refusals = subscriptions
            .iter()
            .filter_map(|wanted| self.refusal(version, wanted, id));
        let reason = refusals.into_iter().find(|code| codes.contains(code))?;
        Some(Fault {
            statements: Vec::new(),
            reason,
            text: "CONNACK said that this is not available".to_owned(),
        })
    }

    /// At 5.0 a bad filter has a code of its own in SUBACK and UNSUBACK, but may still end the connection.
    fn closes_for_filter(&mut self, id: ConnectionId, version: Version, filter: &Text, packet: PacketType) -> bool {
        self.free(Choice::BadFilterCloses, version)
            && topic::check_v5_filter(filter.as_bytes()).is_err()
            && self.punish(id, Offence::BadFilter(packet))
    }

    /// If there is no code to refuse a single filter, a bad filter ends the connection.
    fn ends_for_filter(&mut self, id: ConnectionId, filter: &Text, packet: PacketType) -> bool {
        topic::check_filter(filter.as_bytes()).is_err() && self.punish(id, Offence::BadFilter(packet))
    }

    /// Makes one subscription.
    fn hold(&mut self, client: &Text, version: Version, wanted: Subscription, id: Option<u32>) -> Outcome {
        if let Some(code) = self.refusal(version, &wanted, id) {
            return Outcome::Refused(code);
        }
        let is_v5 = version == Version::V5;
        let most = granted_at_most(&self.config.free, version);
        let qos = wanted.qos().min(self.config.limits.maximum_qos).min(most);
        let options = (wanted.options & !0b11) | qos;
        let handling = if is_v5 { wanted.retain_handling() } else { 0 };
        let held = Held::new(wanted.filter, is_v5, options, id);
        let existed = (self.state.sessions.get(client))
            .is_some_and(|s| s.subscriptions.iter().any(|old| old.filter == held.filter));
        // v3.1.1:MQTT-3.8.4-3, v5:MQTT-3.8.4-3 and -4: it replaces the old one. Under the fault, the old one stays and
        // nothing is sent for the new one.
        if existed && !self.must(Duty::ReplaceSubscription) {
            return Outcome::Granted { held, retained: false };
        }
        if existed && self.wrong(Combined::ResubscribeDropsQueue) {
            self.drop_queue(client);
        }
        self.record(Record::Subscribe {
            client: client.clone(),
            held: held.clone(),
        });
        // v3.1.1:MQTT-3.3.1-6, v5:MQTT-3.3.1-9, -10 and -11. A shared subscription gets none (5.0, section 4.8.2).
        let retained = held.shared.is_none() && (handling == 0 || handling == 1 && !existed);
        Outcome::Granted { held, retained }
    }

    /// The code with which a filter is refused (v5:MQTT-3.8.4-7, v3.1.1:MQTT-3.9.3-2).
    fn refusal(&self, version: Version, wanted: &Subscription, id: Option<u32>) -> Option<u8> {
        let filter = wanted.filter.as_bytes();
        let is_private = filter.starts_with(b"$") && !filter.starts_with(b"$share/");
        let denied = self.is_denied(&wanted.filter) || is_private && self.free(Choice::DollarFiltersRefused, version);
        match version {
            // 3.1 has no code that refuses a filter (3.1, section 3.9): it is acknowledged, and has no effect.
            Version::V3_1 => None,
            Version::V3_1_1 => denied.then_some(v3::SUBSCRIPTION_FAILED),
            Version::V5 => {
                let limits = &self.config.limits;
                let is_shared = filter.starts_with(b"$share/");
                let fault = Offence::BadFilter(PacketType::Subscribe).fault(version);
                if topic::check_v5_filter(filter).is_err() && !self.lets_through(&fault) {
                    Some(reason::FILTER_INVALID)
                } else if denied {
                    Some(reason::NOT_AUTHORIZED)
                } else if is_shared && !limits.shared_subscriptions {
                    Some(reason::SHARED_NOT_SUPPORTED)
                } else if topic::has_wildcard(filter) && !limits.wildcards {
                    Some(reason::WILDCARDS_NOT_SUPPORTED)
                } else if id.is_some() && !limits.subscription_ids {
                    Some(reason::SUBSCRIPTION_IDS_NOT_SUPPORTED)
                } else {
                    None
                }
            }
        }
    }

    fn send_retained(&mut self, client: &Text, held: &Held) {
        let mut matching: Vec<Arc<Message>> = (self.state.retained.values())
            .filter(|message| self.matches(held, &message.topic))
            .filter(|message| !(message.is_expired(self.now) && self.must(Duty::DropExpired)))
            .filter(|message| !(held.no_local() && message.publisher == *client))
            .cloned()
            .collect();
        if self.config.free.value(Choice::RetainedReversed).is_some() {
            matching.reverse();
        }
        for message in matching {
            let delivery = Delivery {
                qos: self.lower_qos(message.qos, held.qos()),
                // v3.1.1:MQTT-3.3.1-8.
                retain: true,
                subscription_ids: held.id.into_iter().collect(),
                message,
            };
            self.deliver(client, delivery);
        }
    }

    pub(super) fn unsubscribe(&mut self, id: ConnectionId, unsubscribe: Unsubscribe) {
        let version = self.connections[&id].version;
        let client = self.connections[&id].client.clone();
        for filter in &unsubscribe.filters {
            if version != Version::V5 && self.ends_for_filter(id, filter, PacketType::Unsubscribe) {
                return;
            }
            if self.closes_for_filter(id, version, filter, PacketType::Unsubscribe) {
                return;
            }
        }
        // v3.1.1:MQTT-3.10.4-6, v5:MQTT-3.10.4-6, and the order of the codes, v5:MQTT-3.11.3-1.
        let codes: Vec<u8> = unsubscribe
            .filters
            .iter()
            .map(|filter| self.let_go(&client, version, filter))
            .collect();
        // v3.1.1:MQTT-3.10.4-5, v5:MQTT-3.10.4-5: answered even if nothing was deleted.
        let deleted = codes.contains(&reason::SUCCESS);
        if !deleted && !self.must(Duty::AnswerEveryUnsubscribe) {
            return;
        }
        self.send(
            id,
            Packet::UnsubAck(UnsubAck {
                packet_id: unsubscribe.packet_id,
                // 3.x has no payload in UNSUBACK.
                reason_codes: if version == Version::V5 { codes } else { Vec::new() },
                ..UnsubAck::default()
            }),
        );
    }

    /// Deletes one subscription. What is queued or in flight for it stays (v3.1.1:MQTT-3.10.4-3, v5:MQTT-3.10.4-3).
    fn let_go(&mut self, client: &Text, version: Version, filter: &Text) -> u8 {
        let fault = Offence::BadFilter(PacketType::Unsubscribe).fault(version);
        let is_bad = version == Version::V5 && topic::check_v5_filter(filter.as_bytes()).is_err();
        if is_bad && !self.lets_through(&fault) {
            return reason::FILTER_INVALID;
        }
        if !self.must(Duty::FinishAfterUnsubscribe) {
            self.drop_in_flight(client);
        }
        if !self.must(Duty::CompareFiltersExactly) {
            return self.let_similar_go(client, filter);
        }
        // v3.1.1:MQTT-3.10.4-1 and -2, v5:MQTT-3.10.4-1 and -2.
        let held =
            (self.state.sessions.get(client)).is_some_and(|s| s.subscriptions.iter().any(|h| h.filter == *filter));
        if !held {
            return reason::NO_SUBSCRIPTION_EXISTED;
        }
        if self.wrong(Combined::UnsubscribeEndsShare) {
            let is_alike = |h: &&Held| h.shared.as_ref().is_some_and(|(_, plain)| plain == filter);
            let shares = self
                .state
                .sessions
                .get(client)
                .into_iter()
                .flat_map(|s| &s.subscriptions);
            let shares: Vec<Text> = shares.filter(is_alike).map(|h| h.filter.clone()).collect();
            for filter in shares {
                self.record(Record::Unsubscribe {
                    client: client.clone(),
                    filter,
                });
            }
        }
        let record = Record::Unsubscribe {
            client: client.clone(),
            filter: filter.clone(),
        };
        if self.wrong(Combined::RestartRestoresSubscriptions) {
            self.state.apply(&record);
        } else if self.must(Duty::StopAfterUnsubscribe) {
            self.record(record);
        }
        if self.free(Choice::UnsubscribeDropsQueue, version) {
            self.drop_unwanted(client);
        }
        reason::SUCCESS
    }

    /// Drops what waits for its first sending and no longer matches a subscription: section 3.10.4 of both says that it may
    /// still be delivered.
    fn drop_unwanted(&mut self, client: &Text) {
        let Some(session) = self.state.sessions.get(client) else {
            return;
        };
        let is_wanted = |delivery: &&Delivery| {
            session
                .subscriptions
                .iter()
                .any(|h| self.matches(h, &delivery.message.topic))
        };
        let kept: Vec<Delivery> = session.queue.iter().filter(is_wanted).cloned().collect();
        let count = session.queue.len();
        if kept.len() == count {
            return;
        }
        for _ in 0..count {
            self.record(Record::Drop { client: client.clone() });
        }
        for delivery in kept {
            self.record(Record::Queue {
                client: client.clone(),
                delivery,
            });
        }
    }

    /// Breaks v3.1.1:MQTT-3.10.4-1 and v5:MQTT-3.10.4-1: an exact match stays, and a similar filter is deleted.
    fn let_similar_go(&mut self, client: &Text, filter: &Text) -> u8 {
        let alike = |held: &Held| {
            held.filter != *filter
                && (held.filter.as_bytes().eq_ignore_ascii_case(filter.as_bytes())
                    || topic::matches_levels(held.filter.as_bytes(), filter.as_bytes())
                    || topic::matches_levels(filter.as_bytes(), held.filter.as_bytes()))
        };
        let gone: Vec<Text> = (self.state.sessions.get(client).into_iter())
            .flat_map(|s| s.subscriptions.iter().filter(|h| alike(h)).map(|h| h.filter.clone()))
            .collect();
        for filter in &gone {
            self.record(Record::Unsubscribe {
                client: client.clone(),
                filter: filter.clone(),
            });
        }
        if gone.is_empty() {
            reason::NO_SUBSCRIPTION_EXISTED
        } else {
            reason::SUCCESS
        }
    }

    fn drop_in_flight(&mut self, client: &Text) {
        let open: Vec<u16> = (self.state.sessions.get(client).into_iter())
            .flat_map(|s| {
                s.in_flight
                    .iter()
                    .map(|m| m.packet_id)
                    .chain(s.released.iter().copied())
            })
            .collect();
        for packet_id in open {
            self.record(Record::Finish {
                client: client.clone(),
                packet_id,
            });
        }
    }
}
