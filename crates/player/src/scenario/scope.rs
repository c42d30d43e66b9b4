//! What the variables of a script stand for while a case is played.
//!
//! A [`Scope`] is cheap to clone: an alternative that is tried and not taken is undone by dropping its clone.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::Var;
use crate::wire::property::id;
use crate::wire::{ConnAck, Connect, Side, Text, Value};

/// The variables that are bound, and what the connections and the target say of themselves.
#[derive(Debug, Clone)]
pub struct Scope {
    namespace: Arc<str>,
    scripted: Side,
    login: Option<Arc<Login>>,
    auth: Option<Arc<EnhancedAuth>>,
    users: Arc<BTreeMap<String, Login>>,
    bound: Arc<BTreeMap<String, Value>>,
    facts: Arc<BTreeMap<String, Facts>>,
    history: History,
}

/// The login of the target's profile, which every client uses unless the scenario says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub username: Text,
    pub password: Option<Bytes>,
}

/// The profile's `auth`: what is needed to play enhanced authentication (5.0, section 4.12) with this target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnhancedAuth {
    pub method: String,
    /// The client's data for an exchange that succeeds, one a packet; `$auth.good.1` is the first.
    pub good: Vec<Bytes>,
    /// The client's data for one that fails.
    pub bad: Vec<Bytes>,
}

/// What the CONNACK of a connection says, with the standard's defaults filled in (5.0, section 3.2.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub session_present: bool,
    /// At most this many QoS 1 and 2 messages towards the broker at a time; 65 535 if it names none.
    pub receive_maximum: u16,
    /// In bytes, for a whole packet; `None` if it names none.
    pub maximum_packet_size: Option<u32>,
    pub maximum_qos: u8,
    pub retain_available: bool,
    pub topic_alias_maximum: u16,
    pub wildcard_subscription_available: bool,
    pub subscription_identifier_available: bool,
    pub shared_subscription_available: bool,
    /// In seconds: the broker's, else that of the CONNECT.
    pub server_keep_alive: u16,
    /// In seconds: the broker's, else that of the CONNECT.
    pub session_expiry_interval: u32,
    /// The identifier in use: the assigned one, else that of the CONNECT.
    pub assigned_client_id: Text,
}

/// The names after `$c.` that stand for what the CONNACK of client `c` says.
pub const FACT_NAMES: [&str; 12] = [
    "assigned_client_id",
    "maximum_packet_size",
    "maximum_qos",
    "receive_maximum",
    "retain_available",
    "server_keep_alive",
    "session_expiry_interval",
    "session_present",
    "shared_subscription_available",
    "subscription_identifier_available",
    "topic_alias_maximum",
    "wildcard_subscription_available",
];

impl Facts {
    /// Reads them from a CONNACK and the CONNECT that it answers. `connect` is `None` if that did not decode; its
    /// defaults then apply.
    pub fn new(connect: Option<&Connect>, connack: &ConnAck) -> Facts {
        let number = |id| connack.properties.number(id);
        let small = |id, default: u16| number(id).map_or(default, |n| u16::try_from(n).unwrap_or(u16::MAX));
        let available = |id| number(id) != Some(0);
        Facts {
            session_present: connack.session_present,
            receive_maximum: small(id::RECEIVE_MAXIMUM, u16::MAX),
            maximum_packet_size: number(id::MAXIMUM_PACKET_SIZE),
            maximum_qos: number(id::MAXIMUM_QOS).map_or(2, |n| n.min(2) as u8),
            retain_available: available(id::RETAIN_AVAILABLE),
            topic_alias_maximum: small(id::TOPIC_ALIAS_MAXIMUM, 0),
            wildcard_subscription_available: available(id::WILDCARD_SUBSCRIPTION_AVAILABLE),
            subscription_identifier_available: available(id::SUBSCRIPTION_IDENTIFIER_AVAILABLE),
            shared_subscription_available: available(id::SHARED_SUBSCRIPTION_AVAILABLE),
            server_keep_alive: small(id::SERVER_KEEP_ALIVE, connect.map_or(0, |c| c.keep_alive)),
            session_expiry_interval: number(id::SESSION_EXPIRY_INTERVAL)
                .or_else(|| connect.and_then(|c| c.properties.number(id::SESSION_EXPIRY_INTERVAL)))
                .unwrap_or(0),
            assigned_client_id: match connack.properties.get(id::ASSIGNED_CLIENT_IDENTIFIER) {
                Some(crate::wire::PropertyValue::Text(text)) => text.clone(),
                _ => connect.map(|c| c.client_id.clone()).unwrap_or_default(),
            },
        }
    }

    /// The fact with one of [`FACT_NAMES`]. A Maximum Packet Size that is not limited counts as the largest packet that
    /// there can be, 268 435 460 bytes.
    pub fn get(&self, name: &str) -> Option<Value> {
        let int = |n: u32| Value::Int(n.into());
        Some(match name {
            "assigned_client_id" => Value::Text(self.assigned_client_id.clone()),
            "maximum_packet_size" => int(self.maximum_packet_size.unwrap_or(crate::wire::VARIABLE_MAX + 5)),
            "maximum_qos" => int(self.maximum_qos.into()),
            "receive_maximum" => int(self.receive_maximum.into()),
            "retain_available" => int(self.retain_available.into()),
            "server_keep_alive" => int(self.server_keep_alive.into()),
            "session_expiry_interval" => int(self.session_expiry_interval),
            "session_present" => Value::Bool(self.session_present),
            "shared_subscription_available" => int(self.shared_subscription_available.into()),
            "subscription_identifier_available" => int(self.subscription_identifier_available.into()),
            "topic_alias_maximum" => int(self.topic_alias_maximum.into()),
            "wildcard_subscription_available" => int(self.wildcard_subscription_available.into()),
            _ => return None,
        })
    }
}

/// Why a variable has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unbound {
    /// Nothing was bound to it yet.
    #[error("`${0}` has no value yet")]
    NotYet(String),
    /// The client has had no CONNACK.
    #[error("`${0}.{1}` is not known: `{0}` has had no CONNACK")]
    NoConnAck(String, String),
    /// The target's profile does not give it: the case is to be skipped.
    #[error("the target's profile does not give `${0}`")]
    NotInProfile(String),
}

impl Scope {
    /// The scope at the beginning of a case, or of its control, which has one of its own.
    pub fn new(namespace: &str) -> Scope {
        Scope {
            namespace: namespace.into(),
            scripted: Side::Client,
            login: None,
            auth: None,
            users: Arc::default(),
            bound: Arc::default(),
            facts: Arc::default(),
            history: History::default(),
        }
    }

    /// For a script that plays this side.
    pub fn with_scripted(mut self, scripted: Side) -> Scope {
        self.scripted = scripted;
        self
    }

    /// The arrow of what the script sends, and of what it waits for.
    pub fn arrows(&self) -> (&'static str, &'static str) {
        match self.scripted {
            Side::Client => ("->", "<-"),
            Side::Server => ("<-", "->"),
        }
    }

    /// With the login of the target's profile.
    pub fn with_login(mut self, login: Option<Login>) -> Scope {
        self.login = login.map(Arc::new);
        self
    }

    /// With what the profile says of enhanced authentication.
    pub fn with_auth(mut self, auth: Option<EnhancedAuth>) -> Scope {
        self.auth = auth.map(Arc::new);
        self
    }

    /// With the further logins of the profile.
    pub fn with_users(mut self, users: BTreeMap<String, Login>) -> Scope {
        self.users = Arc::new(users);
        self
    }

    /// `$ns`
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The profile's login.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_deref()
    }

    /// Takes down what the CONNACK of `client` says; a later one of the same client replaces it.
    pub fn connected(&mut self, client: &str, connect: Option<&Connect>, connack: &ConnAck) {
        Arc::make_mut(&mut self.facts).insert(client.to_owned(), Facts::new(connect, connack));
    }

    /// What the last CONNACK of `client` said.
    pub fn facts(&self, client: &str) -> Option<&Facts> {
        self.facts.get(client)
    }

    /// What the last CONNACK of each client said.
    pub fn all_facts(&self) -> impl Iterator<Item = &Facts> {
        self.facts.values()
    }

    /// The value of a variable.
    ///
    /// # Errors
    /// If it has none.
    pub fn get(&self, var: &Var) -> Result<Value, Unbound> {
        let name = var.0.as_str();
        if name == "ns" {
            return Ok(Value::Text((*self.namespace).into()));
        }
        let Some((owner, fact)) = name.split_once('.') else {
            return self
                .bound
                .get(name)
                .cloned()
                .ok_or_else(|| Unbound::NotYet(name.to_owned()));
        };
        match owner {
            "login" => self.login_part(fact),
            "auth" => self.auth_part(fact),
            "users" => self.users_part(fact),
            _ => self
                .facts
                .get(owner)
                .and_then(|facts| facts.get(fact))
                .ok_or_else(|| Unbound::NoConnAck(owner.to_owned(), fact.to_owned())),
        }
    }

    fn login_part(&self, part: &str) -> Result<Value, Unbound> {
        part_of_login(self.login.as_deref(), part).ok_or_else(|| Unbound::NotInProfile(format!("login.{part}")))
    }

    /// `other.username`
    fn users_part(&self, part: &str) -> Result<Value, Unbound> {
        part.split_once('.')
            .and_then(|(user, part)| part_of_login(self.users.get(user), part))
            .ok_or_else(|| Unbound::NotInProfile(format!("users.{part}")))
    }

    fn auth_part(&self, part: &str) -> Result<Value, Unbound> {
        let auth = self.auth.as_deref();
        let nth = |list: &Vec<Bytes>, n: &str| {
            let index = n.parse::<usize>().ok()?.checked_sub(1)?;
            list.get(index).cloned().map(Value::Binary)
        };
        match part.split_once('.') {
            None if part == "method" => auth.map(|a| Value::Text(a.method.clone().into())),
            Some(("good", n)) => auth.and_then(|a| nth(&a.good, n)),
            Some(("bad", n)) => auth.and_then(|a| nth(&a.bad, n)),
            _ => None,
        }
        .ok_or_else(|| Unbound::NotInProfile(format!("auth.{part}")))
    }

    /// Whether the variable has a value.
    pub fn is_bound(&self, var: &Var) -> bool {
        self.get(var).is_ok()
    }

    /// Gives a variable its value.
    pub fn bind(&mut self, name: &str, value: Value) {
        let shown = match &value {
            // Text without quotes, so that a snapshot finds it again.
            Value::Text(text) => text.as_str().map_or_else(|| text.to_string(), str::to_owned),
            other => other.to_string(),
        };
        self.history.push(name.to_owned(), shown);
        Arc::make_mut(&mut self.bound).insert(name.to_owned(), value);
    }

    /// Marks the beginning of a `repeat`: to be handed to [`Scope::turn`] before each turn.
    pub fn enter_repeat(&self) -> Outside {
        Outside(Arc::clone(&self.bound))
    }

    /// Begins turn `turn` (from 1) of a `repeat`: sets `$i`, and forgets what was bound in the turn before.
    pub fn turn(&mut self, outside: &Outside, turn: u32) {
        self.bound = Arc::clone(&outside.0);
        Arc::make_mut(&mut self.bound).insert("i".to_owned(), Value::Int(turn.into()));
    }

    /// Ends a `repeat`: `$i` is again what it was outside; what the last turn bound stays.
    pub fn leave_repeat(&mut self, outside: &Outside) {
        let bound = Arc::make_mut(&mut self.bound);
        match outside.0.get("i") {
            Some(i) => bound.insert("i".to_owned(), i.clone()),
            None => bound.remove("i"),
        };
    }

    /// Takes the bindings back to what they were at that point. [`Scope::bindings`] goes on naming those made since.
    pub fn rewind(&mut self, outside: &Outside) {
        self.bound = Arc::clone(&outside.0);
    }

    /// Every binding that was ever made, with its value as text, in the order of binding; `$ns` and `$i` are not among
    /// them.
    pub fn bindings(&self) -> Vec<(String, String)> {
        self.history.list()
    }
}

fn part_of_login(login: Option<&Login>, part: &str) -> Option<Value> {
    match part {
        "username" => login.map(|l| Value::Text(l.username.clone())),
        "password" => login.and_then(|l| l.password.clone()).map(Value::Binary),
        _ => None,
    }
}

/// The bindings outside a `repeat`.
#[derive(Debug, Clone)]
pub struct Outside(Arc<BTreeMap<String, Value>>);

/// The bindings that were made, newest first, sharing their tails so that a clone costs nothing.
#[derive(Debug, Clone, Default)]
struct History(Option<Arc<Binding>>);

#[derive(Debug)]
struct Binding {
    name: String,
    value: String,
    before: History,
}

impl History {
    fn push(&mut self, name: String, value: String) {
        let before = History(self.0.take());
        self.0 = Some(Arc::new(Binding { name, value, before }));
    }

    fn list(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut next = &self.0;
        while let Some(binding) = next {
            all.push((binding.name.clone(), binding.value.clone()));
            next = &binding.before.0;
        }
        all.reverse();
        all
    }
}

impl Drop for History {
    /// One after the other: the default would recurse once a binding, and a `repeat` can make a hundred thousand.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut binding) = next.and_then(Arc::into_inner) {
            next = binding.before.0.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PropertyValue;

    fn var(name: &str) -> Var {
        Var(name.to_owned())
    }

    #[test]
    fn a_clone_that_is_dropped_undoes_its_bindings() {
        let mut scope = Scope::new("ms000001");
        scope.bind("m", Value::Int(7));
        let mut branch = scope.clone();
        branch.bind("k", Value::Int(8));
        assert_eq!(branch.get(&var("k")), Ok(Value::Int(8)));
        drop(branch);
        assert_eq!(scope.get(&var("k")), Err(Unbound::NotYet("k".to_owned())));
        assert_eq!(scope.bindings(), [("m".to_owned(), "7".to_owned())]);
        assert_eq!(scope.get(&var("ns")), Ok(Value::Text("ms000001".into())));
    }

    #[test]
    fn a_repeat_binds_anew_each_turn() {
        let mut scope = Scope::new("ms000001");
        scope.bind("m", Value::Int(1));
        let outside = scope.enter_repeat();
        for i in 1..=2 {
            scope.turn(&outside, i);
            assert_eq!(scope.get(&var("i")), Ok(Value::Int(i.into())));
            assert!(!scope.is_bound(&var("k")));
            scope.bind("k", Value::Int(10 + u64::from(i)));
        }
        scope.leave_repeat(&outside);
        assert!(!scope.is_bound(&var("i")));
        assert_eq!(scope.get(&var("k")), Ok(Value::Int(12)));
        let names: Vec<_> = scope.bindings().into_iter().map(|(n, v)| n + &v).collect();
        assert_eq!(names, ["m1", "k11", "k12"]);
    }

    #[test]
    fn a_long_history_is_dropped_without_recursion() {
        let mut scope = Scope::new("ms000001");
        for n in 0..200_000 {
            scope.bind("m", Value::Int(n));
        }
        drop(scope);
    }

    #[test]
    fn facts_are_the_connacks_or_the_standards_defaults() {
        let mut connect = Connect::new(crate::wire::Version::V5, "me");
        connect.keep_alive = 30;
        let mut scope = Scope::new("ms000001");
        assert!(scope.get(&var("c.receive_maximum")).is_err());
        scope.connected("c", Some(&connect), &ConnAck::default());
        assert_eq!(scope.get(&var("c.receive_maximum")), Ok(Value::Int(65_535)));
        assert_eq!(scope.get(&var("c.server_keep_alive")), Ok(Value::Int(30)));
        assert_eq!(scope.get(&var("c.assigned_client_id")), Ok(Value::Text("me".into())));
        assert_eq!(scope.get(&var("c.maximum_packet_size")), Ok(Value::Int(268_435_460)));

        let mut connack = ConnAck::default();
        connack.properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(10));
        connack.properties.push(id::MAXIMUM_QOS, PropertyValue::Byte(1));
        scope.connected("c", Some(&connect), &connack);
        assert_eq!(scope.get(&var("c.receive_maximum")), Ok(Value::Int(10)));
        assert_eq!(scope.facts("c").unwrap().maximum_qos, 1);
        for name in FACT_NAMES {
            assert!(scope.facts("c").unwrap().get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_the_profile_does_not_give_is_said() {
        let scope = Scope::new("ms000001");
        assert_eq!(
            scope.get(&var("auth.good.1")),
            Err(Unbound::NotInProfile("auth.good.1".to_owned()))
        );
        let scope = scope.with_auth(Some(EnhancedAuth {
            method: "X".to_owned(),
            good: vec![Bytes::from_static(b"one")],
            bad: vec![],
        }));
        assert_eq!(
            scope.get(&var("auth.good.1")),
            Ok(Value::Binary(Bytes::from_static(b"one")))
        );
        assert!(scope.get(&var("auth.good.2")).is_err());
        assert!(scope.get(&var("auth.good.0")).is_err());
    }
}
