//! Waits until a started broker is ready: it is alive, and answers a CONNECT with a CONNACK at each of its addresses,
//! which are its own. A connection that is merely accepted proves nothing, because some brokers listen long before they
//! serve.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::super::greet;
use super::super::profile::{Process, Profile};
use super::group::GroupId;
use super::log::Log;
use super::spawn::Spawned;
use super::{LOG_IN_ERROR, StartError, blocking, owner};
use crate::conversation::{Reply, Wait};
use crate::statements::Version;
use crate::transport::Address;
use crate::transport::is_final;

/// How long one try waits for its CONNACK before the next connection is opened.
const ONE_TRY: Duration = Duration::from_secs(1);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn wait(
    started: &Spawned,
    process: &Process,
    profile: &Profile,
    addresses: &[&BTreeMap<Version, Address>],
    log: &Log,
) -> Result<(), StartError> {
    let deadline = Instant::now() + process.ready_timeout;
    let program = process.command[0].clone();
    let tail = || log.tail(LOG_IN_ERROR);
    for (version, address) in addresses.iter().flat_map(|addresses| whom_to_greet(addresses)) {
        let connect = greet::connect(version, "mqttspecready", profile.login.as_ref());
        loop {
            let one_try = Wait {
                patience: ONE_TRY,
                deadline,
            };
            let mut exit = started.watch();
            let reply = tokio::select! {
                biased;
                _ = exit.wait_for(Option::is_some) => None,
                reply = greet::greet(&profile.dialer, address, &connect, one_try) => Some(reply),
            };
            // Asked again after an answer too: a broker that died meanwhile is not the one that answered.
            if let Some(exit) = started.exit() {
                return Err(StartError::Died {
                    program,
                    exit,
                    log: tail(),
                });
            }
            let last = match reply {
                None => continue,
                Some(Ok(Reply::Connack { code, .. })) if is_unavailable(version, code) => {
                    format!("it answers a CONNECT with code {code:#04x}, not available")
                }
                Some(Ok(Reply::Connack { .. })) => {
                    // Of a container the engine has the port.
                    let is_visible = !process.container && is_loopback(address);
                    if is_visible && is_strangers(started.group(), address.port()).await {
                        return Err(StartError::PortTaken {
                            address: address.clone(),
                        });
                    }
                    break;
                }
                Some(Ok(Reply::Foreign(bytes))) => {
                    let (address, answer) = (address.clone(), greet::describe(&bytes));
                    return Err(StartError::NotMqtt {
                        program,
                        address,
                        answer,
                        log: tail(),
                    });
                }
                Some(Ok(Reply::Closed)) => format!("{address} closes without a CONNACK"),
                Some(Ok(Reply::Silent)) => format!("{address} accepts connections and does not answer a CONNECT"),
                Some(Err(error)) if is_final(&error) => {
                    return Err(StartError::WrongTransport {
                        program,
                        address: address.clone(),
                        error,
                        log: tail(),
                    });
                }
                Some(Err(e)) => format!("{address}: {e}"),
            };
            if Instant::now() + PAUSE >= deadline {
                let within = process.ready_timeout;
                return Err(StartError::NotReady {
                    program,
                    within,
                    last,
                    log: tail(),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Whether someone else than this group is known to listen on the port.
async fn is_strangers(group: GroupId, port: u16) -> bool {
    blocking(move || owner::listens(group, port)).await == Some(false)
}

/// Each address once, with a version that is spoken there: 3.1.1 if it can be, because every broker knows it.
fn whom_to_greet(addresses: &BTreeMap<Version, Address>) -> Vec<(Version, &Address)> {
    let mut chosen: Vec<(Version, &Address)> = Vec::new();
    for (version, address) in addresses {
        match chosen.iter_mut().find(|(_, other)| *other == address) {
            Some((first, _)) if *version == Version::V3_1_1 => *first = *version,
            Some(_) => {}
            None => chosen.push((*version, address)),
        }
    }
    chosen
}

/// Whether the code says that the broker is there and cannot serve yet: server unavailable (3.1.1, section 3.2.2.3),
/// server unavailable and server busy (5.0, section 3.2.2.2).
fn is_unavailable(version: Version, code: u8) -> bool {
    match version {
        Version::V3_1 | Version::V3_1_1 => code == 3,
        Version::V5 => code == 0x88 || code == 0x89,
    }
}

/// Whether the address is on this machine, if its port can be looked at.
pub(super) fn is_loopback(address: &Address) -> bool {
    match address.host().parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => address.host() == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_greeted_once() {
        let one = Address::new("127.0.0.1", 1);
        let two = Address::new("127.0.0.1", 2);
        let same = BTreeMap::from([
            (Version::V3_1, one.clone()),
            (Version::V3_1_1, one.clone()),
            (Version::V5, one.clone()),
        ]);
        assert_eq!(whom_to_greet(&same), [(Version::V3_1_1, &one)]);
        let apart = BTreeMap::from([(Version::V3_1_1, one.clone()), (Version::V5, two.clone())]);
        assert_eq!(whom_to_greet(&apart), [(Version::V3_1_1, &one), (Version::V5, &two)]);
    }
}
