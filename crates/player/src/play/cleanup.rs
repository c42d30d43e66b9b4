//! What a case leaves at the broker, read off its transcript, and how it is removed. Never part of a verdict, a
//! transcript or a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use crate::conversation::Caller;
use crate::scenario::Login;
use crate::statements::Version;
use crate::sut::Address;
use crate::transcript::{Author, Event, Transcript, What};
use crate::wire::property::id;
use crate::wire::{
    Connect, Disconnect, Frame, Packet, PacketType, PropertyValue, Publish, Side, Subscribe, Subscription, Text, check,
    encode_bytes,
};

use super::Settings;
use super::outcome::seconds;

/// What a case leaves: sessions that outlive their connections, and retained messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    pub client_ids: BTreeSet<Text>,
    pub topics: BTreeSet<Text>,
}

impl Traces {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.client_ids.is_empty() && self.topics.is_empty()
    }

    /// Those of another exchange too.
    pub fn add(&mut self, other: Traces) {
        self.client_ids.extend(other.client_ids);
        self.topics.extend(other.topics);
    }
}

/// Reads off a transcript what it leaves at the broker.
pub fn traces(transcript: &Transcript) -> Traces {
    let mut tracer = Tracer::default();
    for event in &transcript.events {
        tracer.see(event);
    }
    tracer.traces
}

/// Reads traces off events as they come.
#[derive(Debug, Default)]
pub struct Tracer {
    pub traces: Traces,
    /// Whether the session of the last CONNECT on each connection outlives it.
    outlive: BTreeMap<u32, bool>,
}

impl Tracer {
    /// Takes the next event of an exchange.
    pub fn see(&mut self, event: &Event) {
        let What::Packet { decoded, topic, .. } = &event.what else {
            return;
        };
        match &decoded.packet {
            Some(Packet::Connect(connect)) if !event.is_from_peer() => {
                self.outlive.insert(event.connection, outlives(connect));
                if outlives(connect) && !connect.client_id.is_empty() {
                    self.traces.client_ids.insert(connect.client_id.clone());
                }
                if let Some(will) = connect.will.as_ref().filter(|w| w.retain) {
                    self.retained(&will.topic);
                }
            }
            Some(Packet::ConnAck(connack)) => {
                let lives = self.outlive.get(&event.connection).is_some_and(|lives| *lives);
                if let Some(PropertyValue::Text(assigned)) = connack.properties.get(id::ASSIGNED_CLIENT_IDENTIFIER)
                    && lives
                {
                    self.traces.client_ids.insert(assigned.clone());
                }
            }
            Some(Packet::Publish(publish)) if !event.is_from_peer() && publish.retain => {
                // The one after a Topic Alias is resolved.
                self.retained(topic.as_ref().unwrap_or(&publish.topic));
            }
            _ => {}
        }
    }

    fn retained(&mut self, topic: &Text) {
        if is_topic_name(topic) {
            self.traces.topics.insert(topic.clone());
        }
    }
}

/// Whether the broker was there at the end: it has answered a PINGREQ of the harness after the last packet of the
/// script, and has closed no connection since, except for those on which the harness took its leave.
pub fn heard_last(transcript: &Transcript) -> bool {
    let mut answered = BTreeSet::new();
    let mut closed = BTreeSet::new();
    // Backwards: an answer comes before what it answers.
    for event in transcript.events.iter().rev() {
        let packet_type = event.packet().and_then(|decoded| decoded.packet_type);
        match (event.author, &event.what) {
            (Author::Script | Author::Setup, _) => return false,
            (Author::Cleanup, _) => {
                closed.remove(&event.connection);
            }
            (Author::Peer, What::End(_)) => {
                closed.insert(event.connection);
            }
            (Author::Peer, _) if packet_type == Some(PacketType::PingResp) => {
                answered.insert(event.connection);
            }
            (Author::Fence, _) if packet_type == Some(PacketType::PingReq) && answered.contains(&event.connection) => {
                return closed.is_empty();
            }
            _ => {}
        }
    }
    false
}

/// Whether something of the session can be left when the connection ends: the session, or a will that is delayed.
fn outlives(connect: &Connect) -> bool {
    let expiry = connect.properties.number(id::SESSION_EXPIRY_INTERVAL).unwrap_or(0);
    !connect.clean_start || expiry > 0
}

fn is_topic_name(topic: &Text) -> bool {
    let text = topic.as_str();
    text.is_some_and(|t| !t.is_empty() && !t.contains(['+', '#', '\0']))
}

/// The broker could not be visited.
#[derive(Debug)]
pub enum Lost {
    /// It takes no connection any more.
    Gone(String),
    /// It takes one and does not answer in time: it hangs, or is slow.
    Silent(String),
}

/// Removes the traces, and shows on the way that the broker is still there, if there are any. Says whether each visit was
/// answered: a broker that ends may take a connection and close it without an answer.
///
/// # Errors
/// The broker does not accept a connection, or does not answer a CONNECT within the response timeout.
pub async fn remove(
    traces: &Traces,
    address: &Address,
    version: Version,
    settings: &Settings,
    namespace: &str,
) -> Result<bool, Lost> {
    let mut answered = true;
    for client_id in &traces.client_ids {
        answered &= visit(address, version, settings, client_id, &BTreeSet::new()).await?;
    }
    if !traces.topics.is_empty() {
        answered &= visit(address, version, settings, &namespace.into(), &traces.topics).await?;
    }
    Ok(answered)
}

/// Whether the broker is still there, and answers a CONNECT.
///
/// # Errors
/// As for [`remove`].
pub async fn look_in(address: &Address, version: Version, settings: &Settings, namespace: &str) -> Result<bool, Lost> {
    visit(address, version, settings, &namespace.into(), &BTreeSet::new()).await
}

/// A clean session of this client, in which what is retained for the topics is removed.
async fn visit(
    address: &Address,
    version: Version,
    settings: &Settings,
    client_id: &Text,
    retained: &BTreeSet<Text>,
) -> Result<bool, Lost> {
    let patience = settings.patience.max(Duration::from_secs(2));
    let visited = login_and_remove(address, version, settings, client_id, retained);
    match tokio::time::timeout(patience, visited).await {
        Ok(Ok(answered)) => Ok(answered),
        Ok(Err(error)) => Err(Lost::Gone(format!(
            "the broker no longer accepts connections: {address}: {error}"
        ))),
        Err(_) => {
            let waited = seconds(patience);
            let text = format!("the broker no longer answers: {address}: no CONNACK within {waited}");
            Err(Lost::Silent(text))
        }
    }
}

async fn login_and_remove(
    address: &Address,
    version: Version,
    settings: &Settings,
    client_id: &Text,
    retained: &BTreeSet<Text>,
) -> io::Result<bool> {
    let (mut caller, answered) = login(address, version, settings, client_id).await?;
    if !retained.is_empty() {
        let remove = |topic: &Text| {
            Packet::Publish(Publish {
                retain: true,
                topic: topic.clone(),
                ..Publish::default()
            })
        };
        let packets: Vec<Packet> = retained.iter().map(remove).chain([Packet::PingReq]).collect();
        caller.send(&packets, version).await?;
        caller.read_until(PacketType::PingResp, |_| ()).await?;
    }
    leave(&mut caller, version).await;
    Ok(answered)
}

/// A connection with a clean session on which the broker has answered the CONNECT (`true`), or has closed it.
async fn login(
    address: &Address,
    version: Version,
    settings: &Settings,
    client_id: &Text,
) -> io::Result<(Caller, bool)> {
    let mut caller = Caller::open(&settings.dialer, address).await?;
    let connect = connect(version, client_id.clone(), settings.login.as_ref());
    caller.send(&[Packet::from(connect)], version).await?;
    let mut answered = false;
    caller.read_until(PacketType::ConnAck, |_| answered = true).await?;
    Ok((caller, answered))
}

/// A CONNECT with a clean session and a login.
fn connect(version: Version, client_id: Text, login: Option<&Login>) -> Connect {
    let mut connect = Connect::new(version, client_id);
    if let Some(login) = login {
        connect.username = Some(login.username.clone());
        connect.password.clone_from(&login.password);
    }
    connect
}

/// The bytes of a CONNECT with a clean session and a login.
pub fn greeting(version: Version, client_id: &str, login: Option<&Login>) -> Vec<u8> {
    encode_bytes(&Packet::from(connect(version, client_id.into(), login)), version).to_vec()
}

/// The broker may close first; what matters has been done.
async fn leave(caller: &mut Caller, version: Version) {
    let _ = caller.send(&[Packet::Disconnect(Disconnect::default())], version).await;
    caller.finish().await;
}

/// The topics of the retained messages that new subscriptions to `filters` bring. `None`: the broker lets us subscribe
/// to none of them. `client_id` is that of a clean session of our own.
///
/// # Errors
/// The broker does not accept a connection, or does not answer within the response timeout.
pub async fn retained(
    address: &Address,
    version: Version,
    settings: &Settings,
    client_id: &Text,
    filters: &[Text],
) -> io::Result<Option<BTreeSet<Text>>> {
    let patience = settings.patience.max(Duration::from_secs(2));
    let asked = async {
        let (mut caller, _) = login(address, version, settings, client_id).await?;
        let subscribe = Subscribe {
            packet_id: 1,
            subscriptions: filters.iter().map(|f| Subscription::new(f.clone(), 0)).collect(),
            ..Subscribe::default()
        };
        caller.send(&[Packet::Subscribe(subscribe)], version).await?;
        let mut topics = BTreeSet::new();
        let mut granted = false;
        let mut note = |frame: Frame| match check(&frame, version, Side::Server).packet {
            Some(Packet::SubAck(suback)) => granted = suback.reason_codes.iter().any(|code| *code < 0x80),
            Some(Packet::Publish(publish)) if publish.retain => {
                topics.insert(publish.topic);
            }
            _ => {}
        };
        caller.read_until(PacketType::SubAck, &mut note).await?;
        // What is retained may come behind the SUBACK: two rounds bring it, and the target's own time.
        for _ in 0..2 {
            caller.send(&[Packet::PingReq], version).await?;
            caller.read_until(PacketType::PingResp, &mut note).await?;
            tokio::time::sleep(settings.settle).await;
        }
        leave(&mut caller, version).await;
        io::Result::Ok(granted.then_some(topics))
    };
    tokio::time::timeout(patience, asked)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::End;
    use crate::wire::{Blob, ConnAck, Will, decode, encode_bytes};

    fn event(author: Author, packet: Packet, topic: Option<&str>) -> Event {
        let frame = Frame::loose(encode_bytes(&packet, Version::V5).to_vec()).unwrap();
        let side = match author {
            Author::Peer => Side::Server,
            _ => Side::Client,
        };
        let decoded = std::sync::Arc::new(decode(&frame, Version::V5, side));
        let raw: Blob = frame.raw;
        Event {
            at: Duration::ZERO,
            client: "c".into(),
            connection: 1,
            step: None,
            author,
            what: What::Packet {
                raw,
                decoded,
                topic: topic.map(Text::from),
            },
        }
    }

    fn of(events: Vec<Event>) -> Traces {
        traces(&transcript(events))
    }

    #[test]
    fn a_broker_that_answers_behind_all_else_was_there_at_the_end() {
        let on = |connection, event: Event| Event { connection, ..event };
        let end = |connection| Event {
            what: What::End(End::Fin),
            ..on(connection, event(Author::Peer, Packet::PingResp, None))
        };
        let script = || event(Author::Script, Packet::PingReq, None);
        let ask = || event(Author::Fence, Packet::PingReq, None);
        let answer = || event(Author::Peer, Packet::PingResp, None);
        let leave = || event(Author::Cleanup, Packet::Disconnect(Disconnect::default()), None);
        let heard = |events| heard_last(&transcript(events));
        assert!(heard(vec![script(), ask(), answer()]));
        assert!(heard(vec![script(), end(2), ask(), answer(), leave(), end(1)]));
        // Nothing was asked, or nothing answered, or it was the script's own question, or the answer is another
        // connection's.
        assert!(!heard(vec![script(), answer()]));
        assert!(!heard(vec![script(), ask()]));
        assert!(!heard(vec![ask(), script(), answer()]));
        assert!(!heard(vec![script(), ask(), on(2, answer())]));
        // What came in between may have brought it down: a packet of the script, or what closed another connection.
        assert!(!heard(vec![ask(), answer(), script()]));
        assert!(!heard(vec![script(), ask(), answer(), end(2)]));
    }

    fn transcript(events: Vec<Event>) -> Transcript {
        Transcript {
            scripted: Side::Client,
            version: Version::V5,
            namespace: "ms00abcd".to_owned(),
            events,
            local: Vec::new(),
            bindings: Vec::new(),
        }
    }

    fn connect(client_id: &str, expiry: Option<u32>) -> Connect {
        let mut connect = Connect::new(Version::V5, client_id);
        if let Some(expiry) = expiry {
            connect
                .properties
                .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(expiry));
        }
        connect
    }

    fn texts(all: &BTreeSet<Text>) -> Vec<&str> {
        all.iter().filter_map(Text::as_str).collect()
    }

    #[test]
    fn sessions_that_outlive_their_connection_are_traces() {
        let kept = Connect {
            clean_start: false,
            ..connect("kept", None)
        };
        let all = [connect("gone", None), connect("expires", Some(60)), kept];
        let events = all.into_iter().map(|c| event(Author::Script, Packet::from(c), None));
        assert_eq!(texts(&of(events.collect()).client_ids), ["expires", "kept"]);
    }

    #[test]
    fn an_assigned_identifier_is_a_trace() {
        let mut connack = ConnAck::default();
        connack
            .properties
            .push(id::ASSIGNED_CLIENT_IDENTIFIER, PropertyValue::Text("given".into()));
        for (expiry, ids) in [(Some(60), vec!["given"]), (None, vec![])] {
            let found = of(vec![
                event(Author::Script, Packet::from(connect("", expiry)), None),
                event(Author::Peer, Packet::ConnAck(connack.clone()), None),
            ]);
            assert_eq!(texts(&found.client_ids), ids);
        }
    }

    #[test]
    fn retained_messages_and_wills_of_ours_are_traces_where_their_topic_is_valid() {
        let publish = |topic: &str| Publish {
            retain: true,
            topic: topic.into(),
            ..Publish::default()
        };
        let will = Will {
            topic: "will".into(),
            retain: true,
            ..Will::default()
        };
        let with_will = Connect {
            will: Some(will),
            ..connect("c", None)
        };
        let not_kept = Publish {
            retain: false,
            ..publish("passing")
        };
        let found = of(vec![
            event(Author::Script, Packet::from(with_will), None),
            event(Author::Script, Packet::Publish(publish("ours")), Some("ours")),
            // By its alias alone.
            event(Author::Script, Packet::Publish(publish("")), Some("aliased")),
            event(Author::Script, Packet::Publish(publish("no/#")), Some("no/#")),
            event(Author::Script, Packet::Publish(not_kept), Some("passing")),
            event(Author::Peer, Packet::Publish(publish("theirs")), Some("theirs")),
        ]);
        assert_eq!(texts(&found.topics), ["aliased", "ours", "will"]);
    }
}
