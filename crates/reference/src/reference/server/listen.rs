//! The broker's listeners, and what a connection does before it carries MQTT.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use crate::reference::config::{Config, Listen};
use crate::reference::duty::Duty;
use crate::transport::websocket::{self, MQTT, Side};
use crate::transport::{Link, Stream, Transport};

/// The open listeners: that of plain MQTT, and the others in the order of the configuration.
pub(super) struct Listeners(Vec<Listener>);

enum Listener {
    At(Transport, TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // If the file is gone already, there is nothing to do.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Listeners {
    /// Opens them all.
    ///
    /// # Errors
    /// An address is not a loopback one or cannot be bound, or one with TLS has no certificate.
    pub(super) async fn bind(config: &Config) -> io::Result<Listeners> {
        let plain = Listen::At(Transport::Mqtt, config.address);
        let mut listeners = Vec::new();
        for listen in std::iter::once(&plain).chain(&config.listeners) {
            listeners.push(match listen {
                Listen::At(transport, address) => {
                    let wrong = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                    if !address.ip().is_loopback() {
                        return wrong(format!(
                            "{address} is no loopback address: the reference broker is not made for networks"
                        ));
                    }
                    if transport.is_encrypted() && config.tls.is_none() {
                        return wrong(format!("{transport} needs a certificate"));
                    }
                    Listener::At(*transport, TcpListener::bind(address).await?)
                }
                Listen::Unix(path) => Listener::Unix(UnixListener::bind(path)?, path.clone()),
            });
        }
        Ok(Listeners(listeners))
    }

    /// The address for plain MQTT.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        match &self.0[0] {
            Listener::At(_, listener) => listener.local_addr(),
            Listener::Unix(..) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The addresses of the further listeners that have one.
    pub(super) fn further(&self) -> io::Result<Vec<(Transport, SocketAddr)>> {
        let with_address = |listener: &Listener| match listener {
            Listener::At(transport, listener) => Some(listener.local_addr().map(|a| (*transport, a))),
            Listener::Unix(..) => None,
        };
        self.0[1..].iter().filter_map(with_address).collect()
    }

    /// The next connection at any of them.
    pub(super) async fn accept(&self) -> io::Result<(Transport, Stream)> {
        std::future::poll_fn(|cx| {
            let ready = self.0.iter().find_map(|listener| match listener.poll_accept(cx) {
                Poll::Ready(accepted) => Some(accepted),
                Poll::Pending => None,
            });
            ready.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl Listener {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Transport, Stream)>> {
        match self {
            Listener::At(transport, listener) => listener.poll_accept(cx).map_ok(|(stream, _)| {
                // Without this, small packets wait for the acknowledgement of earlier ones, 40 ms a round.
                let _ = stream.set_nodelay(true);
                (*transport, Stream::Tcp(stream))
            }),
            Listener::Unix(listener, _) => listener
                .poll_accept(cx)
                .map_ok(|(stream, _)| (Transport::Unix, Stream::Unix(stream))),
        }
    }
}

/// TLS and the upgrade to WebSocket, as far as the transport has them.
///
/// The client does not complete them, or not in time.
/// The client does not go through with them, or not in time.
pub(super) async fn handshake(transport: Transport, stream: Stream, config: Arc<Config>) -> io::Result<Link> {
    let limit = config.limits.connect_timeout;
    tokio::time::timeout(limit, shake_hands(transport, stream, &config))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn shake_hands(transport: Transport, stream: Stream, config: &Config) -> io::Result<Link> {
    let mut stream = match (stream, &config.tls) {
        (Stream::Tcp(tcp), Some(tls)) if transport.is_encrypted() => {
            let accepted = TlsAcceptor::from(tls.clone()).accept(tcp).await?;
            Stream::Tls(Box::new(accepted.into()))
        }
        (stream, _) => stream,
    };
    if !transport.is_websocket() {
        return Ok(Link::over(stream));
    }
    // v3.1.1:MQTT-6.0.0-4, v5:MQTT-6.0.0-4.
    let chooses_mqtt = config.disobey.obeys(Duty::ChooseMqtt);
    let choose = |offered: &[&str]| {
        if chooses_mqtt {
            offered.contains(&MQTT).then(|| MQTT.to_owned())
        } else {
            offered.first().map(|first| (*first).to_owned())
        }
    };
    let (_, rest) = websocket::accept(&mut stream, choose).await.map_err(io::Error::other)?;
    Ok(Link::websocket(stream, Side::Server, rest))
}
