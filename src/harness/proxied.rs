//! Any target with a proxy in front of it that breaks statements on purpose, or makes use of freedoms.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use crate::reference::{Disobey, Free, Proxy};
use crate::statements::Version;
use crate::suite::{Setup, Target};
use crate::sut::{Address, BoxFuture, Instance, Launcher, StartError};

/// The same target behind a proxy that changes packets and closes. Other faults in `disobey` are left out.
pub fn disobeying(target: &Target, disobey: &Disobey) -> Target {
    through_proxy(target, disobey, &Free::default())
}

/// The same target, whose packets, bytes and closes are changed in transit. What else `disobey` and `free` contain is left
/// out.
pub fn through_proxy(target: &Target, disobey: &Disobey, free: &Free) -> Target {
    let behind = |inner: &Arc<dyn Launcher>| -> Arc<dyn Launcher> {
        Arc::new(Proxied {
            inner: Arc::clone(inner),
            disobey: disobey.clone(),
            free: free.clone(),
        })
    };
    let setups = target.setups.iter().map(|setup| Setup {
        launcher: behind(&setup.launcher),
        ..setup.clone()
    });
    Target {
        launcher: behind(&target.launcher),
        setups: setups.collect(),
        ..target.clone()
    }
}

struct Proxied {
    inner: Arc<dyn Launcher>,
    disobey: Disobey,
    free: Free,
}

impl Launcher for Proxied {
    fn starts_its_own(&self) -> bool {
        self.inner.starts_its_own()
    }

    fn launch(&self) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        Box::pin(async move {
            let inner = self.inner.launch().await?;
            let mut proxies: BTreeMap<String, Proxy> = BTreeMap::new();
            for address in Version::ALL.into_iter().filter_map(|v| inner.address(v)) {
                if let Entry::Vacant(place) = proxies.entry(host_and_port(&address)) {
                    let proxy = Proxy::start(place.key().clone(), &self.disobey, &self.free).await;
                    place.insert(proxy.map_err(|_| StartError::NoPort)?);
                }
            }
            Ok(Box::new(Behind { inner, proxies }) as Box<dyn Instance>)
        })
    }
}

/// A broker behind a proxy. It has the same address after a restart, and so has the proxy.
struct Behind {
    inner: Box<dyn Instance>,
    /// By the address of the broker.
    proxies: BTreeMap<String, Proxy>,
}

impl Instance for Behind {
    fn address(&self, version: Version) -> Option<Address> {
        let broker = host_and_port(&self.inner.address(version)?);
        let proxy = self.proxies.get(&broker)?.address();
        Some(Address::new(proxy.ip().to_string(), proxy.port()))
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), StartError>> {
        self.inner.restart()
    }

    fn kill(&self) -> BoxFuture<'_, Result<(), StartError>> {
        self.inner.kill()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.inner.stop()
    }

    fn is_ours(&self) -> bool {
        self.inner.is_ours()
    }

    fn alive(&self) -> bool {
        self.inner.alive()
    }

    fn died(&self) -> BoxFuture<'_, String> {
        self.inner.died()
    }

    fn ended(&self, at_most: Duration) -> BoxFuture<'_, Option<String>> {
        self.inner.ended(at_most)
    }

    fn log_tail(&self, limit: usize) -> Option<String> {
        self.inner.log_tail(limit)
    }
}

fn host_and_port(address: &Address) -> String {
    format!("{}:{}", address.host(), address.port())
}
