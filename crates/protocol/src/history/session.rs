//! Sessions by client id, over all their connections.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::conn::Terms;
use super::exchange::Exchanges;
use super::finding::Place;
use super::routes::Routes;
use super::stream::Streams;
use crate::wire::{Side, Text};

/// At most this many sessions without a connection are kept, those that ended last.
const AWAY: usize = 10_000;

/// What is known of one client id's session.
#[derive(Debug)]
pub struct Session {
    pub id: u64,
    pub client_id: Box<[u8]>,
    /// Its newest accepted connection.
    pub newest: u32,
    /// That one is open.
    pub live: bool,
    /// How many CONNECTs of this client id have no answer yet.
    pub connecting: u32,
    /// What its newest connection asked for and was granted; `None` before the first.
    pub terms: Option<Terms>,
    /// The CONNACK of that connection.
    pub accepted: Option<Place>,
    /// When the broker's direction of that connection ended.
    pub closed: Option<Duration>,
    /// It is seen from its beginning.
    pub known: bool,
    /// A side sent something wrong in it.
    pub wrong: [bool; 2],
    /// The client id was used under several user names, or at several brokers: there may be several sessions.
    pub ambiguous: bool,
    /// Its subscriptions are not clear.
    pub unclear: bool,
    pub subscriptions: BTreeMap<Text, Held>,
    /// Open exchanges, by who began them.
    pub exchanges: [Exchanges; 2],
    pub streams: Streams,
    /// Tells apart how often it was left.
    left: u64,
}

/// A subscription.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// `None` before its SUBACK.
    pub granted: Option<u8>,
    pub no_local: bool,
    pub shared: bool,
    /// It takes the place of an earlier one of this filter.
    pub replaces: bool,
}

impl Session {
    /// Whether something in it can be held against a side.
    pub fn judges(&self, by: Side) -> bool {
        let other = match by {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        !self.ambiguous && !self.wrong[other as usize]
    }

    /// Whether it is known what the session is owed.
    pub fn is_clear(&self) -> bool {
        self.known && !self.unclear && self.judges(Side::Server)
    }

    /// How many things are held for it.
    pub fn size(&self) -> usize {
        let exchanges: usize = self.exchanges.iter().map(Exchanges::len).sum();
        1 + self.subscriptions.len() + exchanges + self.streams.size()
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    all: HashMap<u64, Session>,
    by_client: HashMap<Box<[u8]>, u64>,
    /// Those without a connection, in the order in which they were left.
    away: VecDeque<(u64, u64)>,
    count: u64,
}

impl Sessions {
    pub fn get(&self, id: u64) -> Option<&Session> {
        self.all.get(&id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Session> {
        self.all.get_mut(&id)
    }

    pub fn of_client(&mut self, client_id: &[u8]) -> Option<&mut Session> {
        let id = self.by_client.get(client_id)?;
        self.all.get_mut(id)
    }

    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.all.values_mut()
    }

    /// The session of this client id, a new one if there is none. A client without an id has one for itself.
    pub fn open(&mut self, client_id: &[u8]) -> &mut Session {
        let known = self.by_client.get(client_id).copied();
        let id = known.filter(|_| !client_id.is_empty()).unwrap_or_else(|| {
            self.count += 1;
            if !client_id.is_empty() {
                self.by_client.insert(client_id.into(), self.count);
            }
            self.count
        });
        self.all.entry(id).or_insert_with(|| Session {
            id,
            client_id: client_id.into(),
            newest: 0,
            live: false,
            connecting: 0,
            terms: None,
            accepted: None,
            closed: None,
            known: false,
            wrong: [false; 2],
            ambiguous: false,
            unclear: false,
            subscriptions: BTreeMap::new(),
            exchanges: [Exchanges::of(Side::Client), Exchanges::of(Side::Server)],
            streams: Streams::default(),
            left: 0,
        })
    }

    /// Begins the session anew: its subscriptions, exchanges and messages are gone.
    pub fn renew(&mut self, id: u64, routes: &mut Routes) {
        if let Some(session) = self.all.get_mut(&id) {
            for filter in session.subscriptions.keys() {
                routes.remove(id, filter);
            }
            session.subscriptions.clear();
            session.exchanges.iter_mut().for_each(Exchanges::clear);
            session.streams.clear();
            session.wrong = [false; 2];
            session.unclear = false;
        }
    }

    /// The session has no connection any more. The one that has been away for longest may be forgotten.
    pub fn leave(&mut self, id: u64, routes: &mut Routes) {
        let Some(session) = self.all.get_mut(&id) else { return };
        session.live = false;
        session.left += 1;
        if session.client_id.is_empty() {
            self.forget(id, routes);
            return;
        }
        self.away.push_back((id, session.left));
        while self.away.len() > AWAY {
            let Some((id, left)) = self.away.pop_front() else {
                return;
            };
            let is_away = |s: &Session| !s.live && s.left == left && s.connecting == 0;
            if self.all.get(&id).is_some_and(is_away) {
                self.forget(id, routes);
            }
        }
    }

    fn forget(&mut self, id: u64, routes: &mut Routes) {
        self.renew(id, routes);
        if let Some(session) = self.all.remove(&id)
            && self.by_client.get(&session.client_id) == Some(&id)
        {
            self.by_client.remove(&session.client_id);
        }
    }

    /// How many things are held.
    pub fn size(&self) -> usize {
        self.all.values().map(Session::size).sum::<usize>() + self.away.len()
    }
}
