//! Asks a bare address what it speaks: one CONNECT a version, each on a connection of its own.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use super::greet::{self, Stranger};
use super::profile::Login;
use crate::conversation::{Reply, Wait};
use crate::statements::Version;
use crate::transport::Address;
use crate::transport::Dialer;
use crate::wire::{PacketType, reason_name};

/// What an address said to a CONNECT of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Accepted. The CONNACK as it came.
    Offered { connack: Vec<u8> },
    /// A CONNACK that says that the version is not spoken: return code 1 (3.x), reason code 0x84 (5.0).
    NotOffered { code: u8 },
    /// A CONNACK that refuses for another reason: the version is spoken, yet this client is not let in.
    Refused { code: u8 },
    /// The connection was closed without a CONNACK.
    Closed,
    /// No whole CONNACK came in time.
    Silent,
}

impl Answer {
    /// In words that follow the name of the version: "is refused: 0x05 not authorized".
    pub fn words(&self, version: Version) -> String {
        match self {
            Answer::Offered { .. } => "is served".to_owned(),
            Answer::NotOffered { code } => format!("is not served: {}", named(*code, version)),
            Answer::Refused { code } => format!("is refused: {}", named(*code, version)),
            Answer::Closed => "gets no CONNACK: the connection is closed".to_owned(),
            Answer::Silent => "gets no answer".to_owned(),
        }
    }
}

/// The code of a CONNACK with its name.
fn named(code: u8, version: Version) -> String {
    match reason_name(code, PacketType::ConnAck, version) {
        Some(name) => format!("{code:#04x} {name}"),
        None => format!("{code:#04x}"),
    }
}

/// What an address said to all versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The answer to each version, oldest version first.
    pub answers: Vec<(Version, Answer)>,
}

impl Spoken {
    /// The versions that are offered, oldest first.
    pub fn offered(&self) -> Vec<Version> {
        let is_offered = |answer: &Answer| matches!(answer, Answer::Offered { .. });
        self.answers
            .iter()
            .filter(|(_, answer)| is_offered(answer))
            .map(|(version, _)| *version)
            .collect()
    }

    /// The answer to one version.
    pub fn answer(&self, version: Version) -> Option<&Answer> {
        self.answers
            .iter()
            .find(|(v, _)| *v == version)
            .map(|(_, answer)| answer)
    }

    /// The CONNACK that 5.0 was accepted with, as it came.
    pub fn v5_connack(&self) -> Option<&[u8]> {
        match self.answer(Version::V5) {
            Some(Answer::Offered { connack }) => Some(connack),
            _ => None,
        }
    }
}

/// An address where no MQTT broker can be met.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("cannot reach {address}: {error}")]
    Unreachable { address: Address, error: std::io::Error },
    #[error("{address} is an HTTP server, not an MQTT broker: it answers a CONNECT with {answer}")]
    Http { address: Address, answer: String },
    #[error("{address} requires TLS, but {}: is unencrypted: it answers a CONNECT with {answer}", address.transport())]
    Tls { address: Address, answer: String },
    #[error("{address} is not an MQTT broker: it answers a CONNECT with {answer}")]
    NotMqtt { address: Address, answer: String },
    #[error("{address} accepts connections and never answers a CONNECT (waited {waited:?})")]
    NeverAnswers { address: Address, waited: Duration },
    #[error("{address} closes every connection without a CONNACK, so it speaks no version of MQTT that we know")]
    ClosesAll { address: Address },
    #[error("{address} refuses every version of MQTT: {said}{}", login_hint(*.with_login))]
    RefusesAll {
        address: Address,
        said: String,
        with_login: bool,
    },
}

fn login_hint(with_login: bool) -> &'static str {
    if with_login {
        ""
    } else {
        "; a profile can give it a login, under `login`"
    }
}

/// Asks the address for every version, in parallel. Each answer is waited for as long as `patience`, again after each
/// byte and five times as long in all.
///
/// # Errors
/// The address cannot be reached, does not speak MQTT, never answers, or lets the client into no version at all.
pub async fn probe(
    dialer: &Dialer,
    address: &Address,
    login: Option<&Login>,
    patience: Duration,
) -> Result<Spoken, ProbeError> {
    let wait = Wait {
        patience,
        deadline: Instant::now() + patience * 5,
    };
    let (v3_1, v3_1_1, v5) = tokio::join!(
        ask_with(dialer, address, Version::V3_1, login, wait),
        ask_with(dialer, address, Version::V3_1_1, login, wait),
        ask_with(dialer, address, Version::V5, login, wait),
    );
    let mut answers = Vec::new();
    for (version, reply) in Version::ALL.into_iter().zip([v3_1, v3_1_1, v5]) {
        answers.push((version, answer(address, reply)?));
    }
    let spoken = Spoken { answers };
    if !spoken.offered().is_empty() {
        return Ok(spoken);
    }
    Err(no_version(address, &spoken, patience, login.is_some()))
}

/// Sends one CONNECT, whatever its version and login, and reads the answer. `patience` is as for [`probe`].
///
/// # Errors
/// The address cannot be reached, or does not speak MQTT.
pub async fn ask(dialer: &Dialer, address: &Address, connect: &[u8], patience: Duration) -> Result<Answer, ProbeError> {
    let wait = Wait {
        patience,
        deadline: Instant::now() + patience * 5,
    };
    answer(address, greet::greet(dialer, address, connect, wait).await)
}

/// What a reply to a CONNECT says.
fn answer(address: &Address, reply: std::io::Result<Reply>) -> Result<Answer, ProbeError> {
    let address = address.clone();
    Ok(match reply {
        Err(error) => return Err(ProbeError::Unreachable { address, error }),
        Ok(Reply::Foreign(bytes)) => {
            let answer = greet::describe(&bytes);
            return Err(match greet::stranger(&bytes) {
                Some(Stranger::Http) => ProbeError::Http { address, answer },
                Some(Stranger::Tls) => ProbeError::Tls { address, answer },
                None => ProbeError::NotMqtt { address, answer },
            });
        }
        Ok(Reply::Connack { raw, code: 0 }) => Answer::Offered { connack: raw },
        Ok(Reply::Connack {
            code: code @ (0x01 | 0x84),
            ..
        }) => Answer::NotOffered { code },
        Ok(Reply::Connack { code, .. }) => Answer::Refused { code },
        Ok(Reply::Closed) => Answer::Closed,
        Ok(Reply::Silent) => Answer::Silent,
    })
}

async fn ask_with(
    dialer: &Dialer,
    address: &Address,
    version: Version,
    login: Option<&Login>,
    wait: Wait,
) -> std::io::Result<Reply> {
    // A client id of its own, so that two runs that ask the same broker do not take each other's session over.
    let client_id = format!("mqttspec{:08x}", RandomState::new().hash_one(version) as u32);
    greet::greet(dialer, address, &greet::connect(version, &client_id, login), wait).await
}

/// Why a target that offers nothing is no target.
fn no_version(address: &Address, spoken: &Spoken, waited: Duration, with_login: bool) -> ProbeError {
    let address = address.clone();
    let all = |wanted: &Answer| spoken.answers.iter().all(|(_, answer)| answer == wanted);
    if all(&Answer::Silent) {
        return ProbeError::NeverAnswers { address, waited };
    }
    if all(&Answer::Closed) {
        return ProbeError::ClosesAll { address };
    }
    let said: Vec<String> = spoken
        .answers
        .iter()
        .map(|(version, answer)| format!("{version} {}", answer.words(*version)))
        .collect();
    ProbeError::RefusesAll {
        address,
        said: said.join(", "),
        with_login,
    }
}
