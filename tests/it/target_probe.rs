//! The probe of a bare address, for every kind of peer that may listen there.

use std::time::{Duration, Instant};

use crate::support::peers::{Kind, Peer};
use mqttspec::statements::Version;
use mqttspec::sut::{Address, Answer, Dialer, ProbeError, Spoken, probe};

async fn ask(kind: Kind, patience: Duration) -> (Result<Spoken, ProbeError>, String) {
    let peer = Peer::start(kind);
    let address: Address = peer.url().parse().unwrap();
    (probe(&Dialer::default(), &address, None, patience).await, peer.url())
}

/// The error for a peer, with its address replaced.
async fn message(kind: Kind) -> String {
    let (result, url) = ask(kind, Duration::from_millis(500)).await;
    match result {
        Ok(spoken) => panic!("{kind:?} is taken for a broker: {spoken:?}"),
        Err(e) => e.to_string().replace(&url, "ADDRESS"),
    }
}

#[tokio::test]
async fn a_broker_answers_with_its_versions() {
    for kind in [Kind::Mute, Kind::Polite, Kind::YesMan] {
        let (spoken, _) = ask(kind, Duration::from_secs(5)).await;
        let spoken = spoken.unwrap();
        assert_eq!(spoken.offered(), Version::ALL);
        assert_eq!(spoken.v5_connack(), Some(&[0x20, 3, 0, 0, 0][..]));
        let v3 = Answer::Offered {
            connack: vec![0x20, 2, 0, 0],
        };
        assert_eq!(spoken.answer(Version::V3_1), Some(&v3));
    }
}

#[tokio::test]
async fn a_connack_that_dribbles_in_counts() {
    let (spoken, _) = ask(Kind::OneByteASecond, Duration::from_secs(3)).await;
    assert_eq!(spoken.unwrap().offered(), Version::ALL);
}

#[tokio::test]
async fn a_peer_that_is_no_broker_gives_one_clear_error() {
    for (kind, expected) in [
        (
            Kind::Http,
            "ADDRESS is an HTTP server, not an MQTT broker: it answers a CONNECT with HTTP (HTTP/1.1 400 Bad)",
        ),
        (
            Kind::TlsAlert,
            "ADDRESS requires TLS, but mqtt: is unencrypted: it answers a CONNECT with a TLS alert or record (15 03 03 00 02 02 0a)",
        ),
        (
            Kind::NeverAnswers,
            "ADDRESS accepts connections and never answers a CONNECT (waited 500ms)",
        ),
        (
            Kind::ClosesAtAccept,
            "ADDRESS closes every connection without a CONNACK, so it speaks no version of MQTT that we know",
        ),
        (
            Kind::Closing,
            "ADDRESS closes every connection without a CONNACK, so it speaks no version of MQTT that we know",
        ),
        (
            Kind::Garbage,
            "ADDRESS is not an MQTT broker: it answers a CONNECT with the bytes 55 55 55 55 55 55 55 55 55 55 55 55 55 55 55 55 ..",
        ),
        (
            Kind::HugeLength,
            "ADDRESS is not an MQTT broker: it answers a CONNECT with the bytes 20 ff ff ff 7f",
        ),
    ] {
        let message = message(kind).await;
        assert!(message.starts_with(expected), "{kind:?}: {message}");
    }
}

#[tokio::test]
async fn nothing_there_is_unreachable() {
    let address = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        Address::new("127.0.0.1", listener.local_addr().unwrap().port())
    };
    let begin = Instant::now();
    let error = probe(&Dialer::default(), &address, None, Duration::from_secs(5))
        .await
        .unwrap_err();
    assert!(matches!(error, ProbeError::Unreachable { .. }), "{error}");
    assert!(
        error.to_string().starts_with(&format!("cannot reach {address}: ")),
        "{error}"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "a refused connection is reported without a wait"
    );
}
