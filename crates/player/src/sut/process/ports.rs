//! Free loopback ports for brokers.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

/// Where ports are taken from: below the range that systems use for the near end of outgoing connections, so that no
/// connection of the run can sit on a broker's port while that broker is being restarted.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A TCP port that was free when it was taken, and that no other broker of this or any other run of mqttspec on this
/// machine gets until this is dropped.
///
/// The claim is the UDP port of the same number: it is exclusive between processes, the kernel frees it however a run
/// ends, and it is not in the way of a broker that listens on TCP.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    /// Takes a free port. `None`: there is none.
    pub fn take() -> Option<Port> {
        let span = RANGE.end - RANGE.start;
        // Runs begin at different places, because the hasher's keys are random.
        let first = (RandomState::new().hash_one(std::process::id()) % u64::from(span)) as u16;
        (0..span)
            .map(|i| RANGE.start + (first + i) % span)
            .find_map(Port::claim)
    }

    fn claim(number: u16) -> Option<Port> {
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        // Looked at only under the claim: looking means to bind for a moment, which must not get into a broker's way.
        is_free(number).then_some(Port { number, _claim: claim })
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Held while a process is started, and while a port is looked at.
static QUIET: Mutex<()> = Mutex::new(());

/// Runs `start`, which starts a process, at a time when no port is looked at. A process that is being started has
/// copies of all our sockets until its program begins, and a copy of the socket that looks at a port would keep that
/// port busy.
pub(super) fn while_none_is_looked_at<T>(start: impl FnOnce() -> T) -> T {
    let _quiet = QUIET.lock().unwrap_or_else(PoisonError::into_inner);
    start()
}

/// Whether no one listens on this loopback port.
pub(super) fn is_free(port: u16) -> bool {
    let _quiet = QUIET.lock().unwrap_or_else(PoisonError::into_inner);
    let can_bind = |address: SocketAddr| match TcpListener::bind(address) {
        Ok(_) => true,
        // A machine without IPv6 cannot have anybody there.
        Err(e) => address.is_ipv6() && e.kind() != std::io::ErrorKind::AddrInUse,
    };
    can_bind((Ipv4Addr::LOCALHOST, port).into()) && can_bind((Ipv6Addr::LOCALHOST, port).into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: Vec<Port> = (0..50).map(|_| Port::take().unwrap()).collect();
        let distinct: BTreeSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(distinct.len(), 50);
        let first = ports[0].number();
        assert!(Port::claim(first).is_none());
        drop(ports);
        assert!(Port::claim(first).is_some());
    }

    #[test]
    fn a_port_with_a_listener_is_not_free() {
        let port = Port::take().unwrap();
        assert!(is_free(port.number()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
        assert!(!is_free(port.number()));
        drop(listener);
        assert!(is_free(port.number()));
    }
}
