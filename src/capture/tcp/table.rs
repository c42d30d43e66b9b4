//! The connections that are open, and those closed of late.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Way;
use super::pair::{Item, Pair};
use crate::capture::link::Segment;

/// This many closed connections are remembered, so that a packet of theirs that comes late begins no new one.
const CLOSED: usize = 4096;
/// From this many open connections on, those that never sent anything are dropped ...
const SWEEP: usize = 65_536;
/// ... if they have been silent for so long.
const SILENT: Duration = Duration::from_secs(60);

/// One connection, with what its user keeps for it.
struct Connection<T> {
    id: u32,
    pair: Pair,
    of_user: T,
    last: Duration,
    silent: bool,
}

/// What uses a table.
pub trait User {
    /// What it keeps for a connection.
    type Kept;
    /// The first packet of a connection. `id` counts the connections of the capture from 0, in this order; `ends` are
    /// where [`Way::There`] comes from, and where it goes to.
    fn begin(&mut self, id: u32, ends: [SocketAddr; 2], at: Duration) -> Self::Kept;
    /// What came.
    fn item(&mut self, kept: &mut Self::Kept, opener: Option<Way>, item: Item<'_>);
    /// The connection is over, or the capture.
    fn end(&mut self, kept: Self::Kept, opener: Option<Way>, at: Duration);
}

/// All connections of a capture.
pub struct Table<T> {
    open: HashMap<Key, Connection<T>>,
    closed: HashMap<Key, Pair>,
    /// The keys of `closed`, oldest first; one that was used again is here more than once.
    closing: VecDeque<Key>,
    sweep_at: usize,
    count: u32,
}

/// Both ends, the lower one first.
type Key = (u128, u128, u32);

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            open: HashMap::new(),
            closed: HashMap::new(),
            closing: VecDeque::new(),
            sweep_at: SWEEP,
            count: 0,
        }
    }
}

impl<T> Table<T> {
    /// How many connections there were.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes the next segment of the capture.
    pub fn take<U: User<Kept = T>>(&mut self, segment: &Segment, frame: u64, at: Duration, user: &mut U) {
        let (key, way) = key(segment);
        if segment.syn
            && let Some(connection) = self.open.get(&key)
            && connection.pair.is_another(way, segment)
            && let Some(old) = self.open.remove(&key)
        {
            finish(old, frame, at, user);
        }
        if !self.open.contains_key(&key) {
            if !self.is_worth_it(key, way, segment) {
                return;
            }
            self.begin(key, way, segment, at, user);
        }
        let Some(connection) = self.open.get_mut(&key) else {
            return;
        };
        connection.last = at;
        connection.silent &= segment.payload.is_empty();
        let Connection { pair, of_user, .. } = connection;
        let opener = pair.opener().or_else(|| Pair::opener_by(way, segment));
        pair.take(way, segment, frame, at, &mut |item| user.item(of_user, opener, item));
        if connection.pair.is_closed()
            && let Some(old) = self.open.remove(&key)
        {
            user.end(old.of_user, old.pair.opener(), at);
            self.remember(key, old.pair);
        }
    }

    /// The capture is over.
    pub fn finish<U: User<Kept = T>>(mut self, frame: u64, at: Duration, user: &mut U) {
        let mut open: Vec<Connection<T>> = self.open.drain().map(|(_, c)| c).collect();
        open.sort_by_key(|c| c.id);
        for connection in open {
            finish(connection, frame, at, user);
        }
    }

    /// Whether a segment that belongs to no open connection begins one.
    fn is_worth_it(&self, key: Key, way: Way, segment: &Segment) -> bool {
        if segment.syn {
            return true;
        }
        let has_data = !segment.payload.is_empty() || segment.cut > 0;
        has_data && !self.closed.get(&key).is_some_and(|pair| pair.is_old(way, segment))
    }

    fn begin<U: User<Kept = T>>(&mut self, key: Key, way: Way, segment: &Segment, at: Duration, user: &mut U) {
        if self.open.len() >= self.sweep_at {
            self.open.retain(|_, c| !c.silent || at.saturating_sub(c.last) < SILENT);
            self.sweep_at = SWEEP.max(2 * self.open.len());
        }
        self.closed.remove(&key);
        let ends = match way {
            Way::There => [segment.from, segment.to],
            Way::Back => [segment.to, segment.from],
        };
        let connection = Connection {
            id: self.count,
            pair: Pair::default(),
            of_user: user.begin(self.count, ends, at),
            last: at,
            silent: true,
        };
        self.count += 1;
        self.open.insert(key, connection);
    }

    fn remember(&mut self, key: Key, pair: Pair) {
        self.closed.insert(key, pair);
        self.closing.push_back(key);
        if self.closing.len() > CLOSED
            && let Some(oldest) = self.closing.pop_front()
        {
            self.closed.remove(&oldest);
        }
    }
}

fn finish<U: User>(mut connection: Connection<U::Kept>, frame: u64, at: Duration, user: &mut U) {
    let opener = connection.pair.opener();
    let Connection {
        pair, of_user, last, ..
    } = &mut connection;
    // What is given out at the end was shown missing by the end, not by a packet.
    pair.finish(frame, (*last).min(at), &mut |item| user.item(of_user, opener, item));
    user.end(connection.of_user, opener, connection.last);
}

fn key(segment: &Segment) -> (Key, Way) {
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let from = (number(segment.from.ip()), segment.from.port());
    let to = (number(segment.to.ip()), segment.to.port());
    let ports = |a: u16, b: u16| u32::from(a) << 16 | u32::from(b);
    if from <= to {
        ((from.0, to.0, ports(from.1, to.1)), Way::There)
    } else {
        ((to.0, from.0, ports(to.1, from.1)), Way::Back)
    }
}
