//! One connection of a client: which of its ends are still there, and how far the conversation on it is. All of it goes
//! with the connection, and the next one begins again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::transcript::{Author, End};
use crate::wire::{Connect, Packet, Side, Text};

/// One connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Counts the connections of the exchange from 1, over all clients.
    pub number: u32,
    /// The side that the script plays on it.
    scripted: Side,
    /// The first CONNECT on it.
    pub connect: Option<Connect>,
    /// That CONNECT has no violation, and its step is no probe: what the broker takes back of it is believed.
    pub connect_is_plain: bool,
    /// When the last byte of an unfinished packet came.
    pub progress: Option<Duration>,
    /// A client under test has shown that it has read its CONNACK.
    pub has_heard: bool,
    /// What it is to show next: that it has read a SUBACK that no step sent, behind the fence that is under way.
    has_news: bool,
    phase: Phase,
    ends: Ends,
    /// A step took the end by the broker, or it is of our making, whenever it comes.
    settled: bool,
    /// Who asked for the PINGRESPs that are to come.
    pings: VecDeque<Author>,
}

/// How far the conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No CONNACK with code 0 has come.
    Connecting,
    Connected,
    /// Connected, one side sent AUTH, and the exchange has not ended.
    Authenticating,
    /// The broker sent DISCONNECT: nothing that we say is answered any more.
    SentAway {
        connected: bool,
    },
    /// We sent DISCONNECT.
    SaidGoodbye {
        connected: bool,
    },
}

/// Which ends of the connection are still there.
#[derive(Debug, Clone)]
enum Ends {
    /// Both.
    Open(Talk),
    /// Our FIN is out, so nothing more can be said; we go on reading.
    HalfClosed,
    /// Our FIN or RST is out, or we stopped the broker.
    Left,
    /// The broker ended it, as the index of the event; `left` if we have too.
    Ended { event: usize, left: bool },
}

/// What counts while both sides can speak.
#[derive(Debug, Clone)]
struct Talk {
    reading: bool,
    /// Our last packet is not whole.
    incomplete: bool,
    /// Topic and QoS of each message that was published, once each.
    published: Vec<(Text, u8)>,
    /// Anything at all was sent behind the CONNECT.
    spoke: bool,
    /// The last packet that was sent is one that the broker answers, whatever else it does.
    asked_last: bool,
}

impl Connection {
    /// The connection as it is opened.
    pub fn new(number: u32, scripted: Side) -> Connection {
        Connection {
            number,
            scripted,
            connect: None,
            connect_is_plain: false,
            progress: None,
            has_heard: false,
            has_news: false,
            phase: Phase::Connecting,
            ends: Ends::Open(Talk {
                reading: true,
                incomplete: false,
                published: Vec::new(),
                spoke: false,
                asked_last: false,
            }),
            settled: false,
            pings: VecDeque::new(),
        }
    }

    /// The client has read what was sent before the fence that it has acknowledged.
    pub fn heard(&mut self) {
        self.has_heard = !std::mem::take(&mut self.has_news);
    }

    /// The client gets an answer that no step sent. Before its application is told anything it has to have read that too.
    pub fn gets_news(&mut self) {
        self.has_news = !std::mem::replace(&mut self.has_heard, false);
    }

    /// Whether the last CONNACK had code 0. It stays so when the connection ends.
    pub fn is_connected(&self) -> bool {
        match self.phase {
            Phase::Connecting => false,
            Phase::Connected | Phase::Authenticating => true,
            Phase::SentAway { connected } | Phase::SaidGoodbye { connected } => connected,
        }
    }

    /// Whether a PINGREQ would be answered by a broker that keeps to the standard, and disturbs nothing.
    pub fn may_ping(&self) -> bool {
        matches!(&self.ends, Ends::Open(talk) if talk.reading && !talk.incomplete) && self.phase == Phase::Connected
    }

    /// Whether the script answers a PINGREQ of a client. A client may ping while it authenticates again, too.
    pub fn answers_pings(&self) -> bool {
        let is_open = matches!(&self.ends, Ends::Open(talk) if talk.reading && !talk.incomplete);
        is_open && matches!(self.phase, Phase::Connected | Phase::Authenticating)
    }

    /// Whether DISCONNECT can still be said.
    pub fn may_say_goodbye(&self) -> bool {
        let said = matches!(self.phase, Phase::SaidGoodbye { .. });
        matches!(&self.ends, Ends::Open(talk) if !talk.incomplete) && self.is_connected() && !said
    }

    /// Whether we have ended both directions, or the broker's process.
    pub fn has_left(&self) -> bool {
        matches!(self.ends, Ends::Left | Ends::Ended { left: true, .. })
    }

    /// Whether we have ended it and the broker has not yet.
    pub fn awaits_end(&self) -> bool {
        matches!(self.ends, Ends::Left)
    }

    /// How the broker ended it, as the index of the event.
    pub fn ended(&self) -> Option<usize> {
        match self.ends {
            Ends::Ended { event, .. } => Some(event),
            Ends::Open(_) | Ends::HalfClosed | Ends::Left => None,
        }
    }

    /// The broker's end if no step took it, and we did not cause it.
    pub fn unsettled_end(&self) -> Option<usize> {
        self.ended().filter(|_| !self.settled)
    }

    /// Whether a PINGREQ of a fence can still be answered, and is not yet.
    pub fn awaits_fence_ping(&self) -> bool {
        matches!(self.ends, Ends::Open(_) | Ends::HalfClosed) && self.pings.contains(&Author::Fence)
    }

    /// Whether anything is still to be answered among the PINGREQs.
    pub fn awaits_pings(&self) -> bool {
        !self.pings.is_empty()
    }

    /// How many PINGREQs are not answered.
    pub fn open_pings(&self) -> usize {
        self.pings.len()
    }

    /// Whether the last packet that was sent, while both sides could speak, is one that the broker answers.
    pub fn asked_last(&self) -> bool {
        matches!(&self.ends, Ends::Open(talk) if talk.asked_last)
    }

    /// Whether anything was sent behind the CONNECT, while both sides could speak.
    pub fn spoke(&self) -> bool {
        matches!(&self.ends, Ends::Open(talk) if talk.spoke)
    }

    /// Topic and QoS of each message that was published on it, once each; none if it has ended.
    pub fn published(&self) -> &[(Text, u8)] {
        match &self.ends {
            Ends::Open(talk) => &talk.published,
            Ends::HalfClosed | Ends::Left | Ends::Ended { .. } => &[],
        }
    }

    /// A PINGREQ is on its way, or will be.
    pub fn ping(&mut self, author: Author) {
        self.pings.push_back(author);
    }

    /// A PINGRESP came: who asked for it.
    pub fn pinged(&mut self) -> Option<Author> {
        self.pings.pop_front()
    }

    /// The end by the broker is taken, or will be of our making.
    pub fn settle(&mut self) {
        self.settled = true;
    }

    pub fn set_reading(&mut self, on: bool) {
        if let Ends::Open(talk) = &mut self.ends {
            talk.reading = on;
        }
    }

    /// A write is done; `whole` if its last packet is.
    pub fn written(&mut self, whole: bool) {
        if let Ends::Open(talk) = &mut self.ends {
            talk.incomplete = !whole;
        }
    }

    /// Takes note of bytes of ours that are no packet.
    pub fn sent_bytes(&mut self) {
        if let Ends::Open(talk) = &mut self.ends {
            talk.asked_last = false;
        }
    }

    /// Takes note of what we sent.
    pub fn sent(&mut self, packet: &Packet, author: Author) {
        if let Ends::Open(talk) = &mut self.ends {
            talk.sent(packet, author);
        }
        match packet {
            // A second one on a connection is a fault (3.1.0-2), and changes nothing.
            Packet::Connect(connect) if self.connect.is_none() => self.connect = Some(Connect::clone(connect)),
            Packet::ConnAck(_) if self.scripted == Side::Server => self.answered(packet),
            // A fence's was noted when it was asked for.
            Packet::PingReq if author != Author::Fence => self.ping(author),
            Packet::Disconnect(_) => {
                let connected = self.is_connected();
                self.phase = Phase::SaidGoodbye { connected };
            }
            // Until the broker answers, the exchange is open (5.0, 4.12 and 4.12.1). Before the CONNACK, that ends it.
            Packet::Auth(_) if self.phase == Phase::Connected => self.phase = Phase::Authenticating,
            _ => {}
        }
    }

    /// Takes note of what the peer sent.
    pub fn received(&mut self, packet: &Packet) {
        match packet {
            Packet::Connect(connect) if self.scripted == Side::Server => {
                if self.connect.is_none() {
                    self.connect = Some(Connect::clone(connect));
                }
            }
            Packet::ConnAck(_) if self.scripted == Side::Server => {}
            _ => self.answered(packet),
        }
    }

    /// How far the conversation is after a CONNACK, an AUTH of the peer or its DISCONNECT.
    fn answered(&mut self, packet: &Packet) {
        self.phase = match (packet, self.phase) {
            (Packet::ConnAck(connack), phase) => {
                let connected = connack.reason_code == 0;
                match phase {
                    Phase::SentAway { .. } => Phase::SentAway { connected },
                    Phase::SaidGoodbye { .. } => Phase::SaidGoodbye { connected },
                    _ if connected => Phase::Connected,
                    _ => Phase::Connecting,
                }
            }
            // Who has said goodbye need not hear one.
            (Packet::Disconnect(_), Phase::SaidGoodbye { connected }) => Phase::SaidGoodbye { connected },
            (Packet::Disconnect(_), _) => Phase::SentAway {
                connected: self.is_connected(),
            },
            (Packet::Auth(auth), Phase::Connected | Phase::Authenticating) => match auth.reason_code {
                0x18 => Phase::Authenticating,
                _ => Phase::Connected,
            },
            (_, phase) => phase,
        };
    }

    /// We ended our direction, or both. A broker may close when it sees our FIN, also while we go on reading.
    pub fn close(&mut self, end: End) {
        self.settled = true;
        self.ends = match (&self.ends, end) {
            (Ends::Ended { event, .. }, end) => Ends::Ended {
                event: *event,
                left: end != End::HalfClose,
            },
            (_, End::HalfClose) => Ends::HalfClosed,
            (_, End::Fin | End::Reset) => Ends::Left,
        };
    }

    /// The broker ended it, with the event of this index.
    pub fn end(&mut self, event: usize) {
        let left = self.has_left();
        self.ends = Ends::Ended { event, left };
        self.progress = None;
    }
}

impl Talk {
    fn sent(&mut self, packet: &Packet, author: Author) {
        self.spoke |= !matches!(packet, Packet::Connect(_));
        self.asked_last = matches!(
            packet,
            Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq
        );
        if let Packet::Publish(publish) = packet {
            let key = (publish.topic.clone(), publish.qos);
            if author != Author::Fence && !key.0.is_empty() && !self.published.contains(&key) {
                self.published.push(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;
    use crate::transcript::{Author, End};
    use crate::wire::{Auth, ConnAck, Disconnect, Packet, Side};

    fn connack(reason_code: u8) -> Packet {
        Packet::ConnAck(ConnAck {
            reason_code,
            ..ConnAck::default()
        })
    }

    fn auth(reason_code: u8) -> Packet {
        Packet::Auth(Auth {
            reason_code,
            ..Auth::default()
        })
    }

    fn connected() -> Connection {
        let mut connection = Connection::new(1, Side::Client);
        connection.received(&connack(0));
        connection
    }

    #[test]
    fn a_client_that_gets_an_answer_meanwhile_has_to_show_twice_that_it_reads() {
        let mut connection = connected();
        // The answer goes out behind the fence that is under way.
        connection.gets_news();
        connection.heard();
        assert!(!connection.has_heard);
        connection.heard();
        assert!(connection.has_heard);
        // Between two commands there is no fence under way.
        connection.gets_news();
        assert!(!connection.has_heard);
        connection.heard();
        assert!(connection.has_heard);
    }

    #[test]
    fn only_a_connack_with_code_0_lets_it_ping_and_say_goodbye() {
        for (code, connected) in [(0, true), (0x87, false)] {
            let mut connection = Connection::new(1, Side::Client);
            assert!(!connection.may_ping() && !connection.may_say_goodbye());
            connection.received(&connack(code));
            assert_eq!(connection.is_connected(), connected);
            assert_eq!(connection.may_ping(), connected);
            assert_eq!(connection.may_say_goodbye(), connected);
        }
    }

    #[test]
    fn an_exchange_of_auth_holds_pings_back_until_it_ends() {
        let mut connection = connected();
        connection.sent(&auth(0x19), Author::Script);
        assert!(!connection.may_ping() && connection.may_say_goodbye());
        connection.received(&auth(0x18));
        assert!(!connection.may_ping());
        connection.received(&auth(0));
        assert!(connection.may_ping());
    }

    #[test]
    fn an_exchange_of_auth_before_the_connack_ends_with_it() {
        let mut connection = Connection::new(1, Side::Client);
        connection.received(&auth(0x18));
        connection.sent(&auth(0x18), Author::Script);
        assert!(!connection.may_ping());
        connection.received(&connack(0));
        assert!(connection.may_ping());
    }

    #[test]
    fn a_client_that_is_sent_away_may_still_say_goodbye_but_once() {
        let mut connection = connected();
        connection.received(&Packet::Disconnect(Disconnect::default()));
        assert!(connection.is_connected() && !connection.may_ping() && connection.may_say_goodbye());
        connection.sent(&Packet::Disconnect(Disconnect::default()), Author::Script);
        connection.received(&Packet::Disconnect(Disconnect::default()));
        assert!(connection.is_connected() && !connection.may_say_goodbye());
    }

    #[test]
    fn a_goodbye_before_the_connack_outlasts_it() {
        let mut connection = Connection::new(1, Side::Client);
        connection.sent(&Packet::Disconnect(Disconnect::default()), Author::Script);
        connection.received(&connack(0));
        assert!(connection.is_connected() && !connection.may_ping() && !connection.may_say_goodbye());
    }

    #[test]
    fn a_packet_that_is_not_whole_and_a_pause_in_reading_hold_pings_back() {
        let mut connection = connected();
        connection.set_reading(false);
        assert!(!connection.may_ping() && connection.may_say_goodbye());
        connection.set_reading(true);
        connection.written(false);
        assert!(!connection.may_ping() && !connection.may_say_goodbye());
        connection.written(true);
        assert!(connection.may_ping() && connection.may_say_goodbye());
    }

    #[test]
    fn after_a_half_close_nothing_is_said_and_answers_still_come() {
        let mut connection = connected();
        connection.ping(Author::Fence);
        connection.close(End::HalfClose);
        assert!(!connection.may_ping() && !connection.may_say_goodbye());
        assert!(connection.awaits_fence_ping() && !connection.has_left() && !connection.awaits_end());
        connection.end(7);
        assert!(!connection.awaits_fence_ping() && !connection.has_left());
        assert_eq!((connection.ended(), connection.unsettled_end()), (Some(7), None));
    }

    #[test]
    fn both_sides_end_it_in_either_order() {
        for broker_first in [true, false] {
            let mut connection = connected();
            if broker_first {
                connection.end(7);
                assert_eq!(connection.unsettled_end(), Some(7));
                assert!(!connection.has_left());
            }
            connection.close(End::Reset);
            assert_eq!(connection.awaits_end(), !broker_first);
            if !broker_first {
                connection.end(7);
            }
            assert!(connection.has_left() && !connection.awaits_end());
            assert_eq!((connection.ended(), connection.unsettled_end()), (Some(7), None));
            assert!(connection.is_connected());
        }
    }

    #[test]
    fn a_scripted_server_is_connected_by_its_own_connack() {
        let mut connection = Connection::new(1, Side::Server);
        // What only a server may send says nothing if a client sends it.
        connection.received(&connack(0));
        assert!(!connection.is_connected());
        connection.received(&Packet::from(crate::wire::Connect::default()));
        assert!(connection.connect.is_some());
        connection.sent(&connack(0), Author::Script);
        assert!(connection.is_connected() && connection.may_ping());
    }
}
