//! The mosquitto profiles with the real broker.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mqttspec::statements::Version;
use mqttspec::sut::{Address, Broker, Profile, ask_version};

/// The profile, whose broker must be installed.
async fn profile(file: &str) -> Arc<Profile> {
    let profile = Profile::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_else(|e| panic!("{e}"));
    let version = ask_version(&profile).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(
        version.is_some_and(|v| v >= "2.0".parse().unwrap()),
        "{file}: no version of it"
    );
    Arc::new(profile)
}

/// Sends the bytes and reads until `enough` bytes have arrived.
fn exchange(address: &Address, send: &str, enough: usize) -> String {
    let mut stream = TcpStream::connect((address.host(), address.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(&hex::decode(send.replace(' ', "")).unwrap()).unwrap();
    let mut answer = vec![0; enough];
    stream.read_exact(&mut answer).unwrap();
    hex::encode(answer)
}

/// CONNECT with client id `a`, then a retained QoS 1 PUBLISH `x` to `t`.
const STORE: &str = "100d 0004 4d515454 04 02 003c 0001 61  33 06 0001 74 0001 78";
/// CONNECT with client id `b`, then a SUBSCRIBE to `t` with QoS 0.
const FETCH: &str = "100d 0004 4d515454 04 02 003c 0001 62  82 06 0001 0001 74 00";
const STORED: &str = "2002000040020001";
const FETCHED: &str = "20020000900300010031040001 7478";

async fn starts_restarts_and_ends(file: &str) {
    let profile = profile(file).await;
    let broker = Broker::start(profile, false).await.unwrap();
    let folder = broker.folder();
    let address = broker.address(Version::V3_1_1).unwrap().clone();
    assert_eq!(exchange(&address, STORE, 8), STORED);
    let first = broker.process_id().await.unwrap();

    broker.restart().await.unwrap();
    let second = broker.process_id().await.unwrap();
    assert_ne!(first, second);
    assert!(broker.alive());
    assert_eq!(
        exchange(&address, FETCH, 15),
        FETCHED.replace(' ', ""),
        "after a restart"
    );

    broker.kill().await.unwrap();
    assert_eq!(exchange(&address, FETCH, 15), FETCHED.replace(' ', ""), "after a kill");
    assert!(broker.log_tail(100_000).contains("kill: SIGKILL"));
    let third = broker.process_id().await.unwrap();

    broker.stop().await;
    assert!(!broker.alive());
    for id in [first, second, third] {
        assert!(
            !Path::new(&format!("/proc/{id}")).exists(),
            "process {id} is still there"
        );
    }
    drop(broker);
    assert!(!folder.exists());
}

#[tokio::test]
#[ignore = "needs mosquitto: ci/install-brokers.sh mosquitto"]
async fn mosquitto_of_debian() {
    starts_restarts_and_ends("ci/brokers/mosquitto.yaml").await;
}

#[tokio::test]
#[ignore = "needs the backports' mosquitto: ci/install-brokers.sh mosquitto-bpo"]
async fn mosquitto_of_the_backports() {
    starts_restarts_and_ends("ci/brokers/mosquitto-bpo.yaml").await;
}
