//! Free loopback ports for the brokers of this run.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where ports are taken from: below the range that systems use for the near end of outgoing connections, so that no
/// connection of the run can sit on a broker's port while that broker is being restarted.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

fn taken() -> MutexGuard<'static, BTreeSet<u16>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port that was free when it was taken, and that no other broker of this run gets until this is dropped.
#[derive(Debug)]
pub(super) struct Port(u16);

impl Port {
    /// Takes a free port. `None`: there is none.
    pub(super) fn take() -> Option<Port> {
        let span = u64::from(RANGE.end - RANGE.start);
        // Other runs on this machine begin elsewhere, because the hasher's keys are random.
        let first = (RandomState::new().hash_one(std::process::id()) % span) as u16;
        let mut taken = taken();
        let port = (0..RANGE.end - RANGE.start)
            .map(|i| RANGE.start + (first + i) % (RANGE.end - RANGE.start))
            .find(|port| !taken.contains(port) && is_free(*port))?;
        taken.insert(port);
        Some(Port(port))
    }

    pub(super) fn number(&self) -> u16 {
        self.0
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        taken().remove(&self.0);
    }
}

/// Whether nobody listens on this loopback port.
pub(super) fn is_free(port: u16) -> bool {
    let can_bind = |address: SocketAddr| match TcpListener::bind(address) {
        Ok(_) => true,
        // A machine without IPv6 cannot have anybody there.
        Err(e) => address.is_ipv6() && e.kind() != std::io::ErrorKind::AddrInUse,
    };
    can_bind((Ipv4Addr::LOCALHOST, port).into()) && can_bind((Ipv6Addr::LOCALHOST, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: Vec<Port> = (0..50).map(|_| Port::take().unwrap()).collect();
        let distinct: BTreeSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(distinct.len(), 50);
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
