//! The setups of the embedded reference broker: one that knows users and denies topics, one with low limits, ...

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::play::{Limits, Settings};
use crate::reference::Limits as Reference;
use crate::reference::{AuthMethod, Config, User};
use crate::scenario::{EnhancedAuth, Login};
use crate::suite::Setup;
use crate::sut::{Dialer, Supports};
use crate::transport::Transport;
use crate::transport::tls::TlsOptions;

use super::Embedded;

/// What the reference broker has in every setup.
pub const ALWAYS: [&str; 5] = ["restart", "persistence", "durable", "websocket", "tls"];

/// Brokers that break and freely choose what `base` says, each equipped for the cases that need it so.
pub fn setups(base: &Config, transport: Transport) -> Vec<Setup> {
    let all = [
        users(base),
        limited(base),
        at_most_once(base),
        brisk(base),
        challenge(base),
    ];
    all.into_iter()
        .map(|equipped| Setup {
            name: equipped.name.to_owned(),
            launcher: Arc::new(Embedded::new(equipped.config, transport)),
            supports: equipped.supports,
            settings: equipped.settings,
        })
        .collect()
}

/// A setup before it is known what it is reached over.
struct Equipped {
    name: &'static str,
    config: Config,
    supports: Supports,
    settings: Settings,
}

fn setup(name: &'static str, config: Config, supports: Supports, settings: Settings) -> Equipped {
    Equipped {
        name,
        config,
        supports,
        settings: Settings {
            dialer: dialer(),
            ..settings
        },
    }
}

/// Opens connections to the brokers of this process, whose certificates are made here.
pub fn dialer() -> Dialer {
    Dialer::new(TlsOptions {
        made: true,
        ..TlsOptions::default()
    })
}

/// What the reference broker always has, and more.
fn with(features: &[&str], limits: &[(&str, u64)]) -> Supports {
    let features: Vec<&str> = ALWAYS.iter().chain(features).copied().collect();
    Supports::of(&features, limits)
}

/// No client is accepted without a login, and none may use `$ns/denied` and the topics below it.
fn users(base: &Config) -> Equipped {
    let config = Config {
        users: vec![User::new("tester", "of brokers"), User::new("other", "another")],
        anonymous: false,
        denied: vec!["+/denied/#".into()],
        ..base.clone()
    };
    let login = |user: &User| Login {
        username: user.name.clone(),
        password: Some(user.password.clone()),
    };
    let settings = Settings {
        login: Some(login(&config.users[0])),
        users: BTreeMap::from([("other".to_owned(), login(&config.users[1]))]),
        ..Settings::default()
    };
    setup("users", config, with(&["auth", "acl"], &[]), settings)
}

/// Everything that a server may leave out is left out, and every limit is low.
fn limited(base: &Config) -> Equipped {
    let limits = Reference {
        receive_maximum: 2,
        maximum_packet_size: Some(1000),
        maximum_qos: 1,
        retain_available: false,
        topic_alias_maximum: 0,
        session_expiry_maximum: 2,
        wildcards: false,
        shared_subscriptions: false,
        subscription_ids: false,
        ..Reference::default()
    };
    let supports = with(
        &[],
        &[
            ("max_qos", 1),
            ("max_packet", 1000),
            ("receive_maximum", 2),
            ("topic_alias_maximum", 0),
            ("max_session_expiry", 2),
        ],
    );
    let settings = Settings {
        limits: Limits {
            maximum_qos: Some(1),
            maximum_packet_size: Some(1000),
            retain_available: Some(false),
            wildcard_subscription_available: Some(false),
            shared_subscription_available: Some(false),
            ..Limits::default()
        },
        ..Settings::default()
    };
    let missing = ["retain", "wildcard", "shared", "subscription_ids"];
    setup("limited", of(limits, base), supports.without(&missing), settings)
}

/// No QoS but 0.
fn at_most_once(base: &Config) -> Equipped {
    let limits = Reference {
        maximum_qos: 0,
        ..Reference::default()
    };
    let settings = Settings {
        limits: Limits {
            maximum_qos: Some(0),
            ..Limits::default()
        },
        ..Settings::default()
    };
    setup("at-most-once", of(limits, base), with(&[], &[("max_qos", 0)]), settings)
}

/// Every client has to be heard once a second.
fn brisk(base: &Config) -> Equipped {
    let limits = Reference {
        server_keep_alive: Some(1),
        ..Reference::default()
    };
    let supports = with(&[], &[("max_keep_alive", 1)]);
    setup("brisk", of(limits, base), supports, Settings::default())
}

/// A method of enhanced authentication, in which the client is asked once.
fn challenge(base: &Config) -> Equipped {
    let answers = ["who I am", "what I know"].map(|text| Bytes::from_static(text.as_bytes()));
    let method = "one-question";
    let config = Config {
        auth: Some(AuthMethod {
            method: method.into(),
            answers: answers.to_vec(),
        }),
        ..base.clone()
    };
    let settings = Settings {
        auth: Some(EnhancedAuth {
            method: method.to_owned(),
            good: answers.to_vec(),
            bad: vec![answers[0].clone(), Bytes::from_static(b"what I guess")],
        }),
        ..Settings::default()
    };
    setup("challenge", config, with(&["auth_method"], &[]), settings)
}

fn of(limits: Reference, base: &Config) -> Config {
    Config { limits, ..base.clone() }
}
