//! Enhanced authentication (5.0, section 4.12): the AUTH packets before CONNACK, and those of a re-authentication.
//!
//! The broker knows one method at most. Its exchange is a list of data that the client must send in turn, the first in
//! CONNECT; between them the broker asks for more.

use super::connection::{Exchange, Phase};
use super::offence::Offence;
use super::reason;
use super::{Broker, Cause, ConnectionId};
use crate::reference::duty::Duty;
use crate::wire::property::id;
use crate::wire::{Auth, Connect, Packet, Properties, PropertyValue, Text};

/// The result of checking the client's data.
enum Step {
    Wrong,
    More,
    Done,
}

impl Broker {
    /// A valid CONNECT that names the method of the broker.
    pub(super) fn begin_authentication(&mut self, id: ConnectionId, client: Text, connect: Connect) {
        let step = self.weigh(0, &connect.properties);
        let exchange = Exchange {
            answered: 1,
            connect: Some(Box::new((client, connect))),
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.phase = Phase::Authenticating;
        }
        self.go_on(id, exchange, step);
    }

    /// A packet between CONNECT and CONNACK.
    pub(super) fn authenticating(&mut self, id: ConnectionId, packet: Option<Packet>) {
        match packet {
            Some(Packet::Auth(auth)) => {
                if self.is_of_another_method(id, &auth, Offence::AuthMethodChanged) {
                    return;
                }
                // A code that is in no table arrives here only if it was let through.
                if matches!(auth.reason_code, reason::SUCCESS | reason::RE_AUTHENTICATE) {
                    return self.refuse_authentication(id, reason::PROTOCOL_ERROR, "AUTH that does not go on");
                }
                let Some(exchange) = self.connections.get(&id).and_then(|c| c.exchange.clone()) else {
                    return;
                };
                let step = self.weigh(exchange.answered, &auth.properties);
                let exchange = Exchange {
                    answered: exchange.answered + 1,
                    ..exchange
                };
                self.go_on(id, exchange, step);
            }
            Some(Packet::Disconnect(_)) => self.end(id, Cause::Disconnected, None),
            _ => self.refuse_authentication(id, reason::PROTOCOL_ERROR, "only AUTH and DISCONNECT may come here"),
        }
    }

    /// AUTH on an accepted connection.
    pub(super) fn re_authenticate(&mut self, id: ConnectionId, auth: Auth) {
        if self.connections[&id].method.is_none() {
            // v5:MQTT-4.12.0-7.
            self.punish(id, Offence::AuthWithoutMethod);
            return;
        }
        // v5:MQTT-4.12.1-1.
        if self.is_of_another_method(id, &auth, Offence::OtherMethod) {
            return;
        }
        let going_on = self.connections[&id].exchange.clone();
        let answered = match (auth.reason_code, going_on) {
            (reason::RE_AUTHENTICATE, _) => 0,
            (reason::CONTINUE_AUTHENTICATION, Some(exchange)) => exchange.answered,
            _ => {
                self.punish(id, Offence::AuthOutOfTurn);
                return;
            }
        };
        let step = self.weigh(answered, &auth.properties);
        let exchange = Exchange {
            answered: answered + 1,
            connect: None,
        };
        self.go_on(id, exchange, step);
    }

    /// Whether the data is what the method expects at this step.
    fn weigh(&self, place: usize, properties: &Properties) -> Step {
        let Some(method) = &self.config.auth else {
            return Step::Wrong;
        };
        let sent = match properties.get(id::AUTHENTICATION_DATA) {
            Some(PropertyValue::Binary(data)) => data.clone(),
            _ => Default::default(),
        };
        // v5:MQTT-4.12.0-4 and v5:MQTT-4.12.1-2. Under the fault, any data is accepted.
        if method.answers.get(place) != Some(&sent) && self.must(Duty::CheckAuthenticationData) {
            return Step::Wrong;
        }
        if place + 1 < method.answers.len() {
            Step::More
        } else {
            Step::Done
        }
    }

    fn go_on(&mut self, id: ConnectionId, exchange: Exchange, step: Step) {
        let before_connack = exchange.connect.is_some();
        match step {
            Step::Wrong if before_connack => {
                self.refuse_authentication(id, reason::NOT_AUTHORIZED, "the authentication has failed");
            }
            // v5:MQTT-4.12.1-2.
            Step::Wrong => {
                self.punish(id, Offence::AuthenticationFailed);
            }
            // v5:MQTT-4.12.0-2.
            Step::More => {
                let challenge = format!("challenge {}", exchange.answered);
                self.send_auth(id, reason::CONTINUE_AUTHENTICATION, Some(challenge));
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.exchange = Some(exchange);
                }
            }
            Step::Done => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.exchange = None;
                }
                match exchange.connect {
                    Some(accepted) => {
                        let (client, connect) = *accepted;
                        self.accept(id, crate::wire::Version::V5, client, connect);
                    }
                    None => self.send_auth(id, reason::SUCCESS, None),
                }
            }
        }
    }

    /// v5:MQTT-4.12.0-4: refused by CONNACK, because before that no DISCONNECT may be sent (v5:MQTT-3.14.0-1).
    pub(super) fn refuse_authentication(&mut self, id: ConnectionId, code: u8, why: &str) {
        self.refuse_with(id, code, why);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.exchange = None;
        }
    }

    /// An AUTH must name the method of the CONNECT; another one ends the connection unless that is let through.
    fn is_of_another_method(&mut self, id: ConnectionId, auth: &Auth, offence: Offence) -> bool {
        let method = self.config.auth.as_ref().map(|m| PropertyValue::Text(m.method.clone()));
        let named = auth.properties.get(id::AUTHENTICATION_METHOD);
        // One that names none arrives here only if that was let through.
        if named.is_none() || named == method.as_ref() {
            return false;
        }
        let fault = offence.fault(crate::wire::Version::V5);
        if self.lets_through(&fault) {
            return false;
        }
        if self.connections[&id].phase == Phase::Authenticating {
            self.refuse_authentication(id, fault.reason, &fault.text);
            return true;
        }
        self.punish(id, offence)
    }

    /// v5:MQTT-4.12.0-5: it names the method of the CONNECT.
    fn send_auth(&mut self, id: ConnectionId, reason_code: u8, data: Option<String>) {
        let Some(method) = &self.config.auth else { return };
        let mut auth = Auth {
            reason_code,
            ..Auth::default()
        };
        auth.properties
            .push(id::AUTHENTICATION_METHOD, PropertyValue::Text(method.method.clone()));
        if let Some(data) = data {
            auth.properties
                .push(id::AUTHENTICATION_DATA, PropertyValue::Binary(data.into_bytes().into()));
        }
        self.send(id, Packet::Auth(auth));
    }
}
