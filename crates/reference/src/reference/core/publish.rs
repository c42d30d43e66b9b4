//! PUBLISH from a client (3.1.1 and 5.0, sections 3.3 and 4.3): its checks, the retained messages, and the receivers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::message::Message;
use super::offence::{Fault, Offence};
use super::reason;
use super::session::{Delivery, Held, Session};
use super::state::Record;
use super::{Broker, Cause, ConnectionId};
use crate::reference::combined::Combined;
use crate::reference::duty::Duty;
use crate::reference::freedom::Choice;
use crate::reference::topic;
use crate::wire::property::id;
use crate::wire::{Ack, Packet, Publish, Text, Version};

impl Broker {
    pub(super) fn publish(&mut self, id: ConnectionId, publish: Publish) {
        let version = self.connections[&id].version;
        if version == Version::V5 && self.is_beyond_limits(id, &publish) {
            return;
        }
        let Some(topic) = self.resolve_topic(id, &publish) else {
            return;
        };
        if topic::has_wildcard(topic.as_bytes()) && self.punish(id, Offence::WildcardInTopic) {
            return;
        }
        let packet_id = publish.packet_id.unwrap_or_default();
        if self.is_denied(&topic) {
            return self.deny_publish(id, publish.qos, packet_id);
        }
        if self.has_wrong_payload(id, &publish) {
            return self.refuse_payload(id, publish.qos, packet_id);
        }
        let client = self.connections[&id].client.clone();
        match publish.qos {
            0 => {
                self.take_over(topic, publish, client);
            }
            1 => {
                let ahead = self.effects.len();
                let is_taken = self.take_over(topic, publish, client);
                // v3.1.1:MQTT-4.3.2-2, v5:MQTT-4.3.2-4. The message is stored by now: an acknowledgement is a promise.
                self.send(id, Packet::PubAck(self.taken(version, packet_id, is_taken)));
                self.acknowledge_first(version, ahead);
            }
            _ => self.receive_once(id, topic, publish, client, packet_id),
        }
    }

    /// QoS 2 as a receiver (v3.1.1:MQTT-4.3.3-2, v5:MQTT-4.3.3-8 to -12). The message is passed on at its first PUBLISH,
    /// which is the second of the two methods that figure 4.3 allows.
    fn receive_once(&mut self, id: ConnectionId, topic: Text, publish: Publish, client: Text, packet_id: u16) {
        let is_open = |b: &Broker| {
            let is_here = b.connections[&id].open.contains(&packet_id);
            if !is_here && b.wrong(Combined::ResumeForgetsReceived) {
                return false;
            }
            let has = |s: &Session| s.received.contains_key(&packet_id);
            b.state.sessions.get(&client).is_some_and(has)
                || b.wrong(Combined::ReceivedIdsAreGlobal) && b.state.sessions.values().any(has)
        };
        let ahead = self.effects.len();
        let mut is_taken = true;
        // v3.1.1:MQTT-4.3.3-2, v5:MQTT-4.3.3-10: until PUBREL the identifier denotes the message that we have.
        if !(is_open(self) && self.must(Duty::DeliverQos2Once)) {
            let version = self.connections[&id].version;
            let kept = self.free(Choice::Qos2AtPubrel, version).then(|| {
                let message = Message::from_publish(publish.clone(), topic.clone(), client.clone(), self.now);
                Arc::new(message)
            });
            let is_kept = kept.is_some();
            self.record(Record::Receive {
                client: client.clone(),
                packet_id,
                message: kept,
            });
            is_taken = is_kept || self.take_over(topic, publish, client);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.open.insert(packet_id);
        }
        let version = self.connections[&id].version;
        if self.free(Choice::UnknownPubrelCloses, version) {
            self.used.insert((self.connections[&id].client.clone(), packet_id));
        }
        self.send(id, Packet::PubRec(self.taken(version, packet_id, is_taken)));
        self.acknowledge_first(version, ahead);
    }

    /// The acknowledgement of a message, which may report that it has no receiver (5.0, sections 3.4.2.1 and 3.5.2.1).
    fn taken(&self, version: Version, packet_id: u16, is_taken: bool) -> Ack {
        let tells = !is_taken && self.free(Choice::NoMatchingSubscribers, version);
        Ack {
            reason_code: if tells {
                reason::NO_MATCHING_SUBSCRIBERS
            } else {
                reason::SUCCESS
            },
            ..Ack::new(packet_id)
        }
    }

    /// Puts the acknowledgement before the deliveries of the same message, which start at `ahead`. Records are still
    /// written before anything is sent.
    fn acknowledge_first(&mut self, version: Version, ahead: usize) {
        if self.free(Choice::PubackFirst, version)
            && let Some(acknowledgement) = self.effects.pop()
        {
            self.effects.insert(ahead, acknowledgement);
        }
    }

    /// Whether a payload contradicts its Payload Format Indicator, and is checked (5.0, section 3.3.2.3.2).
    fn has_wrong_payload(&self, id: ConnectionId, publish: &Publish) -> bool {
        let version = self.connections[&id].version;
        let says_text = publish.properties.number(id::PAYLOAD_FORMAT_INDICATOR) == Some(1);
        let is_text = || {
            publish
                .payload
                .bytes()
                .is_none_or(|bytes| std::str::from_utf8(bytes).is_ok())
        };
        says_text && self.free(Choice::PayloadFormatChecked, version) && !is_text()
    }

    fn refuse_payload(&mut self, id: ConnectionId, qos: u8, packet_id: u16) {
        let ack = Ack {
            reason_code: reason::PAYLOAD_FORMAT_INVALID,
            ..Ack::new(packet_id)
        };
        match qos {
            0 => {
                let fault = Fault {
                    statements: Vec::new(),
                    reason: reason::PAYLOAD_FORMAT_INVALID,
                    text: "the payload is no UTF-8".to_owned(),
                };
                self.end(id, Cause::Fault, Some(&fault));
            }
            1 => self.send(id, Packet::PubAck(ack)),
            _ => self.send(id, Packet::PubRec(ack)),
        }
    }

    /// The limits of CONNACK that a v5 client violates.
    fn is_beyond_limits(&mut self, id: ConnectionId, publish: &Publish) -> bool {
        let limits = &self.config.limits;
        let (maximum_qos, retain, receive_maximum) =
            (limits.maximum_qos, limits.retain_available, limits.receive_maximum);
        // QoS 3 arrives here only if it is let through, and then it must not be rejected as too high after all.
        if publish.qos.min(2) > maximum_qos && self.punish(id, Offence::QosTooHigh) {
            return true;
        }
        if publish.retain && !retain && self.punish(id, Offence::RetainNotAvailable) {
            return true;
        }
        let open = &self.connections[&id].open;
        // QoS 1 is acknowledged before the next packet is processed, so only QoS 2 can pile up.
        let one_too_many = publish.qos == 2
            && open.len() >= usize::from(receive_maximum)
            && publish.packet_id.is_some_and(|packet_id| !open.contains(&packet_id));
        one_too_many && self.punish(id, Offence::TooManyOpen)
    }

    /// The topic, with an alias replaced by its topic (5.0, section 3.3.2.3.4). `None` if there is none, which has
    /// ended the connection unless that is let through.
    fn resolve_topic(&mut self, id: ConnectionId, publish: &Publish) -> Option<Text> {
        let Some(alias) = publish.properties.number(id::TOPIC_ALIAS) else {
            if publish.topic.is_empty() && self.punish(id, Offence::NoTopic) {
                return None;
            }
            return Some(publish.topic.clone());
        };
        // v5:MQTT-3.2.2-17, v5:MQTT-3.3.2-8 and v5:MQTT-3.3.2-9; the maximum itself is accepted (v5:MQTT-3.3.2-12).
        let is_legal = (1..=u32::from(self.config.limits.topic_alias_maximum)).contains(&alias);
        if !is_legal && self.punish(id, Offence::AliasOutOfRange) {
            return None;
        }
        let alias = u16::try_from(alias).ok()?;
        if publish.topic.is_empty() {
            let known = self.connections[&id].aliases.get(&alias).cloned();
            let known = known.or_else(|| self.alias_of_older_connection(id, alias));
            if known.is_none() {
                self.punish(id, Offence::AliasUnknown);
            }
            return known;
        }
        let client = self.connections[&id].client.clone();
        let keeps = self.wrong(Combined::AliasKeepsFirstTopic);
        let aliases = &mut self.connections.get_mut(&id)?.aliases;
        if !(keeps && aliases.contains_key(&alias)) {
            aliases.insert(alias, publish.topic.clone());
        }
        if !self.must(Duty::ForgetAliases) {
            self.kept_aliases.insert((client, alias), publish.topic.clone());
        }
        Some(publish.topic.clone())
    }

    /// v5:MQTT-3.3.2-7: aliases are not carried over. Under the fault, they are.
    fn alias_of_older_connection(&self, id: ConnectionId, alias: u16) -> Option<Text> {
        let client = self.connections[&id].client.clone();
        self.kept_aliases.get(&(client, alias)).cloned()
    }

    /// Whether the configuration denies the topic to all clients.
    pub(super) fn is_denied(&self, topic: &Text) -> bool {
        let denied = |filter: &Text| filter == topic || topic::matches(filter.as_bytes(), topic.as_bytes());
        self.config.denied.iter().any(denied)
    }

    /// v3.1.1:MQTT-3.3.5-2: 3.x acknowledges as usual, because it has no code for this. 5.0 refuses in PUBACK and PUBREC;
    /// after such a PUBREC the identifier is free (v5:MQTT-4.3.3-9).
    fn deny_publish(&mut self, id: ConnectionId, qos: u8, packet_id: u16) {
        let version = self.connections[&id].version;
        let is_v5 = version == Version::V5;
        if self.free(Choice::DeniedPublishCloses, version) {
            let fault = Fault {
                statements: Vec::new(),
                reason: reason::NOT_AUTHORIZED,
                text: "not authorized to publish to this topic".to_owned(),
            };
            return self.end(id, Cause::Fault, Some(&fault));
        }
        let ack = Ack {
            reason_code: if is_v5 { reason::NOT_AUTHORIZED } else { reason::SUCCESS },
            ..Ack::new(packet_id)
        };
        if !is_v5 && !self.must(Duty::AnswerDeniedPublish) {
            return;
        }
        match qos {
            0 => {}
            1 => self.send(id, Packet::PubAck(ack)),
            _ if !is_v5 || !self.must(Duty::FreeIdAfterRefusal) => {
                let client = self.connections[&id].client.clone();
                self.record(Record::Receive {
                    client,
                    packet_id,
                    message: None,
                });
                self.send(id, Packet::PubRec(ack));
            }
            _ => self.send(id, Packet::PubRec(ack)),
        }
    }

    /// The broker accepts the message of a PUBLISH. `false` if it has no receiver.
    pub(super) fn take_over(&mut self, topic: Text, publish: Publish, publisher: Text) -> bool {
        // Section 4.7.2 of both leaves such topics to the server.
        let is_private = topic.as_bytes().first() == Some(&b'$');
        if is_private && self.config.free.value(Choice::DollarTopicsPrivate).is_some() {
            return false;
        }
        let by_alias = publish.topic.is_empty();
        let mut message = Message::from_publish(publish, topic, publisher, self.now);
        if by_alias {
            self.disturb_by_alias(&mut message);
        }
        self.distribute(message)
    }

    /// Keeps the message if it is a retained one and passes it to the subscribers. `false` if there is none.
    pub(super) fn distribute(&mut self, message: Message) -> bool {
        self.distribute_kept(Arc::new(message))
    }

    pub(super) fn distribute_kept(&mut self, message: Arc<Message>) -> bool {
        if message.retain {
            self.retain(&message);
        }
        let subscribers = self.subscribers(&message);
        let is_taken = !subscribers.is_empty();
        self.deliver_all(subscribers);
        is_taken
    }

    fn deliver_all(&mut self, subscribers: Vec<(Text, Delivery)>) {
        for (client, delivery) in subscribers {
            self.deliver(&client, delivery);
        }
    }

    /// As [`Broker::distribute`], for a will.
    pub(super) fn distribute_will(&mut self, mut message: Message) {
        self.disturb_will(&mut message);
        if !self.wrong(Combined::WillSkipsAbsent) {
            self.distribute(message);
            return;
        }
        let message = Arc::new(message);
        if message.retain {
            self.retain(&message);
        }
        let subscribers = self.subscribers(&message);
        let is_here = |client: &Text| self.state.sessions.get(client).is_some_and(|s| s.connection.is_some());
        let subscribers = subscribers.into_iter().filter(|(client, _)| is_here(client)).collect();
        self.deliver_all(subscribers);
    }

    /// v3.1.1:MQTT-3.3.1-5, -7, -10 and -11, v5:MQTT-3.3.1-5, -6 and -7.
    pub(super) fn retain(&mut self, message: &Arc<Message>) {
        // Section 3.3.1.3 of both: a retained message of QoS 0 may be discarded at any time.
        let is_dropped = message.qos == 0 && self.config.free.value(Choice::RetainedQos0Dropped).is_some();
        let is_kept = !is_dropped && (!message.payload.is_empty() || !self.must(Duty::NeverRetainEmpty));
        let record = Record::Retain {
            topic: message.topic.clone(),
            message: is_kept.then(|| message.clone()),
        };
        let replaces = is_kept && self.state.retained.contains_key(&message.topic);
        if !is_kept && self.wrong(Combined::RestartRestoresRetained)
            || replaces && self.wrong(Combined::RestartRestoresOlderRetained)
        {
            return self.state.apply(&record);
        }
        self.record(record);
    }

    /// The receivers of the message: one copy per session for its own subscriptions together, and one per share.
    fn subscribers(&mut self, message: &Arc<Message>) -> Vec<(Text, Delivery)> {
        let mut deliveries = Vec::new();
        // The members of a share have the same share name and filter (5.0, section 4.8.2).
        let mut shares: BTreeMap<(Text, Text), Vec<(Text, Held)>> = BTreeMap::new();
        for (client, session) in &self.state.sessions {
            let routed = self.routed(session).iter();
            let matching = routed.filter(|held| self.matches(held, &message.topic));
            let (shared, own): (Vec<&Held>, Vec<&Held>) = matching.partition(|held| held.shared.is_some());
            // v5:MQTT-3.8.3-3.
            let own: Vec<&Held> = (own.into_iter())
                .filter(|held| !(held.no_local() && *client == message.publisher && self.must(Duty::NoLocal)))
                .collect();
            if own.len() > 1 && self.free_towards(Choice::OverlapCopies, client) {
                // 3.1.1, section 3.3.5, and 5.0, section 3.3.4: a copy for each of them, each at its QoS.
                let copies = own.iter().map(|held| self.delivery_for(message, &[held]));
                deliveries.extend(copies.map(|copy| (client.clone(), copy)));
            } else if !own.is_empty() && (shared.is_empty() || !self.wrong(Combined::ShareHidesOwn)) {
                deliveries.push((client.clone(), self.delivery_for(message, &own)));
            }
            for held in shared {
                if let Some(mut share) = held.shared.clone() {
                    if self.wrong(Combined::SharesMerge) {
                        share.0 = Text::default();
                    }
                    shares.entry(share).or_default().push((client.clone(), held.clone()));
                }
            }
        }
        for members in shares.into_values() {
            let several = members.len() > 1;
            if let Some((client, mut held)) = self.next_member(members) {
                if several && self.wrong(Combined::ShareForgetsSubscriptionIds) {
                    held.id = None;
                }
                deliveries.push((client, self.delivery_for(message, &[&held])));
            }
        }
        deliveries
    }

    /// v3.1.1:MQTT-3.3.2-3, v5:MQTT-3.3.2-3, and v3.1.1:MQTT-4.7.2-1, v5:MQTT-4.7.2-1 for `$`.
    pub(super) fn matches(&self, held: &Held, topic: &Text) -> bool {
        let (filter, topic) = (held.matched_by(), topic.as_bytes());
        topic::matches_levels(filter, topic) && !(topic::is_hidden(filter, topic) && self.must(Duty::HideDollarTopics))
    }

    /// One delivery for all of a session's matching subscriptions.
    fn delivery_for(&self, message: &Arc<Message>, matching: &[&Held]) -> Delivery {
        let granted = matching.iter().map(|held| held.qos());
        // v3.1.1:MQTT-3.3.5-1, v5:MQTT-3.3.4-2.
        let granted = if self.must(Duty::HighestQosOfOverlap) {
            granted.max()
        } else {
            granted.min()
        };
        Delivery {
            message: message.clone(),
            qos: self.lower_qos(message.qos, granted.unwrap_or_default()),
            // v3.1.1:MQTT-3.3.1-9, v5:MQTT-3.3.1-12 and -13. 3.x has no Retain As Published: the option is 0 there.
            retain: message.retain && matching.iter().any(|held| held.retain_as_published()),
            // v5:MQTT-3.3.4-3 and v5:MQTT-3.3.4-4.
            subscription_ids: matching.iter().filter_map(|held| held.id).collect(),
        }
    }

    /// v3.1.1:MQTT-3.8.4-6, v5:MQTT-3.8.4-8.
    pub(super) fn lower_qos(&self, published: u8, granted: u8) -> u8 {
        if self.must(Duty::LowerQos) {
            published.min(granted)
        } else {
            published
        }
    }

    /// The members take turns; one without a connection gets its turn only if no member has one.
    fn next_member(&mut self, members: Vec<(Text, Held)>) -> Option<(Text, Held)> {
        let is_connected = |client: &Text| self.state.sessions.get(client).is_some_and(|s| s.connection.is_some());
        let (here, away): (Vec<_>, Vec<_>) = members.into_iter().partition(|(client, _)| is_connected(client));
        if here.is_empty() && self.wrong(Combined::ShareDropsWhenAway) {
            return None;
        }
        let mut candidates = if here.is_empty() { away } else { here };
        self.turn = self.turn.wrapping_add(1);
        let takes = |choice| self.config.free.value(choice).is_some();
        let turn = if takes(Choice::ShareFirst) {
            0
        } else if takes(Choice::ShareScattered) {
            self.turn.wrapping_mul(2_654_435_761) >> 7
        } else {
            self.turn
        };
        let next = turn.checked_rem(candidates.len())?;
        Some(candidates.swap_remove(next))
    }

    /// 5.0, section 4.8.2: a QoS 1 message of a shared subscription that was sent to this client and not acknowledged may go
    /// to another member as soon as the connection is lost.
    pub(super) fn redistribute(&mut self, client: &Text) {
        let Some(session) = self.state.sessions.get(client) else {
            return;
        };
        // The share that a delivery belongs to, if it can only be one.
        let share_of = |delivery: &Delivery| {
            let mut matching =
                (session.subscriptions.iter()).filter(|held| self.matches(held, &delivery.message.topic));
            let held = matching.next().filter(|held| held.shared.is_some())?;
            (delivery.qos == 1 && matching.next().is_none()).then(|| held.filter.clone())
        };
        let unfinished: Vec<(u16, Delivery, Text)> = (session.in_flight.iter())
            .filter_map(|m| Some((m.packet_id, m.delivery.clone(), share_of(&m.delivery)?)))
            .collect();
        for (packet_id, delivery, share) in unfinished {
            let other = self.state.sessions.iter().find_map(|(other, session)| {
                let mut members = session.subscriptions.iter().filter(|held| held.filter == share);
                let held = members.find(|held| held.qos() > 0)?;
                (other != client && session.connection.is_some()).then(|| (other.clone(), held.clone()))
            });
            if let Some((other, held)) = other {
                self.record(Record::Finish {
                    client: client.clone(),
                    packet_id,
                });
                let again = self.delivery_for(&delivery.message, &[&held]);
                self.deliver(&other, again);
            }
        }
    }
}
