//! Where a run gets its brokers from: a [`Launcher`] gives an [`Instance`] for each time that one is needed.
//!
//! Three kinds exist: a profile's process (a fresh broker each time), an address (a foreign broker, the same one each
//! time), and whatever the caller implements, such as a broker inside this process.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::adapter::Adapters;
use super::process::{Broker, StartError};
use super::profile::Profile;
use super::template::Words;
use crate::statements::Version;
use crate::transport::Address;

/// A future that can be moved between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives instances of one target.
pub trait Launcher: Send + Sync {
    /// Whether each launch starts a broker of its own, which may then be restarted, killed and lost.
    fn starts_its_own(&self) -> bool;

    /// Starts a broker, or names the one that is there.
    ///
    /// # Errors
    /// The future's result is an error if no broker could be started.
    fn launch(&self) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>>;

    /// The same for one case alone, which may be one about WebSocket.
    ///
    /// # Errors
    /// As those of [`Launcher::launch`].
    fn launch_alone(&self, _websocket: bool) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        self.launch()
    }
}

/// A broker that is there. Dropping a started one kills it.
pub trait Instance: Send + Sync {
    /// Where this version is spoken. `None`: the target has no address for it.
    fn address(&self, version: Version) -> Option<Address>;

    /// Where this version is spoken over WebSocket, for cases that are about that. `None`: the target has no such
    /// address.
    fn websocket_address(&self, version: Version) -> Option<Address> {
        self.address(version)
            .filter(|address| address.transport().is_websocket())
    }

    /// Ends the broker gracefully and starts it again with its state. Every connection to it ends.
    ///
    /// # Errors
    /// [`StartError::NotOurs`] if it is not ours; else it could not be started again and is down.
    fn restart(&self) -> BoxFuture<'_, Result<(), StartError>>;

    /// Ends the broker at once, without a chance to save anything, and starts it again.
    ///
    /// # Errors
    /// As those of [`Instance::restart`].
    fn kill(&self) -> BoxFuture<'_, Result<(), StartError>>;

    /// Ends the broker for good, gracefully. A broker that mqttspec does not own is left alone.
    fn stop(&self) -> BoxFuture<'_, ()>;

    /// Whether the broker is running as far as can be seen from here: `false` only if it is known to be down. An
    /// address can be judged by connecting to it alone.
    fn alive(&self) -> bool;

    /// The adapters of the clients under test; `None` if a broker is under test.
    fn adapters(&self) -> Option<&Adapters> {
        None
    }

    /// Whether the broker is the run's own and passes away with it, and with whatever cases have left there.
    fn is_ours(&self) -> bool {
        false
    }

    /// Waits until the broker ends without having been asked to, and says how it ended. For a broker that cannot be
    /// seen from here this waits for ever.
    fn died(&self) -> BoxFuture<'_, String>;

    /// Waits at most this long for a broker that may be ending, and says how it ended. `None`: it has not ended, or that
    /// cannot be seen from here.
    fn ended(&self, _at_most: Duration) -> BoxFuture<'_, Option<String>> {
        Box::pin(async { None })
    }

    /// The last lines that the broker wrote to its output, at most `limit` bytes. `None` if it is not ours to read.
    fn log_tail(&self, limit: usize) -> Option<String>;
}

/// Starts a broker from a profile, each time a new one.
#[derive(Debug, Clone)]
pub struct ProcessLauncher {
    profile: Arc<Profile>,
    /// The same without what only cases about WebSocket need.
    plain: Arc<Profile>,
    keep: bool,
}

impl ProcessLauncher {
    /// A launcher for a profile with a `process`. With `keep` the brokers' folders stay after their end.
    pub fn new(profile: Arc<Profile>, keep: bool) -> ProcessLauncher {
        let mut plain = Profile::clone(&profile);
        plain.transports = plain.transports.without_aside();
        ProcessLauncher {
            profile,
            plain: Arc::new(plain),
            keep,
        }
    }

    fn start(&self, profile: &Arc<Profile>) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        let profile = Arc::clone(profile);
        Box::pin(async move {
            let broker = Broker::start(profile, self.keep).await?;
            Ok(Box::new(broker) as Box<dyn Instance>)
        })
    }
}

impl Launcher for ProcessLauncher {
    fn starts_its_own(&self) -> bool {
        true
    }

    fn launch(&self) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        self.start(&self.profile)
    }

    fn launch_alone(&self, websocket: bool) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        if websocket {
            self.launch()
        } else {
            self.start(&self.plain)
        }
    }
}

impl Instance for Broker {
    fn address(&self, version: Version) -> Option<Address> {
        Broker::address(self, version).cloned()
    }

    fn websocket_address(&self, version: Version) -> Option<Address> {
        Broker::websocket_address(self, version).cloned()
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(Broker::restart(self))
    }

    fn kill(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(Broker::kill(self))
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(Broker::discard(self))
    }

    fn alive(&self) -> bool {
        Broker::alive(self)
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn died(&self) -> BoxFuture<'_, String> {
        Box::pin(async { Broker::died(self).await.to_string() })
    }

    fn ended(&self, at_most: Duration) -> BoxFuture<'_, Option<String>> {
        Box::pin(async move { Broker::ended(self, at_most).await.map(|exit| exit.to_string()) })
    }

    fn log_tail(&self, limit: usize) -> Option<String> {
        Some(Broker::log_tail(self, limit))
    }
}

/// A broker that is not ours: only its addresses are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    addresses: BTreeMap<Version, Address>,
    websocket: BTreeMap<Version, Address>,
}

impl Fixed {
    /// One address for these versions.
    pub fn new(address: &Address, versions: &[Version]) -> Fixed {
        let addresses: BTreeMap<Version, Address> =
            versions.iter().map(|version| (*version, address.clone())).collect();
        Fixed {
            websocket: if address.transport().is_websocket() {
                addresses.clone()
            } else {
                BTreeMap::new()
            },
            addresses,
        }
    }

    /// The addresses of a profile without a process, for all versions that it does not exclude.
    ///
    /// # Errors
    /// An address that cannot be read, which a profile that was read does not have.
    pub fn of_profile(profile: &Profile) -> Result<Fixed, StartError> {
        let words = Words::default();
        Ok(Fixed {
            addresses: profile.addresses(&words)?,
            websocket: profile.websocket_addresses(&words)?,
        })
    }
}

impl Launcher for Fixed {
    fn starts_its_own(&self) -> bool {
        false
    }

    fn launch(&self) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        Box::pin(async { Ok(Box::new(self.clone()) as Box<dyn Instance>) })
    }
}

impl Instance for Fixed {
    fn address(&self, version: Version) -> Option<Address> {
        self.addresses.get(&version).cloned()
    }

    fn websocket_address(&self, version: Version) -> Option<Address> {
        self.websocket.get(&version).cloned()
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async { Err(StartError::NotOurs) })
    }

    fn kill(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async { Err(StartError::NotOurs) })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn alive(&self) -> bool {
        true
    }

    fn died(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    fn log_tail(&self, _limit: usize) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn somebody_elses_broker_is_only_an_address() {
        let address = Address::new("127.0.0.1", 1883);
        let fixed = Fixed::new(&address, &[Version::V5]);
        let instance = fixed.launch().await.unwrap();
        assert_eq!(instance.address(Version::V5), Some(address));
        assert_eq!(instance.address(Version::V3_1), None);
        assert!(matches!(instance.restart().await, Err(StartError::NotOurs)));
        assert!(matches!(instance.kill().await, Err(StartError::NotOurs)));
        assert!(instance.alive() && instance.log_tail(10).is_none());
    }
}
