//! What clients under test connect to: plain TCP, TLS, WebSocket or both.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::transcript::WebSocket;
use crate::transport::tls::{self, Certificates, TlsServer};
use crate::transport::websocket::{self, MQTT, Side, Upgrade};
use crate::transport::{Link, Stream, Transport};

/// How long a client may take for TLS and the upgrade to WebSocket.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The path of the WebSocket.
pub(super) const PATH: &str = "/mqtt";

/// What clients connect to.
#[derive(Debug, Clone, Default)]
pub struct Front {
    transport: Transport,
    certified: Option<Arc<Certified>>,
}

#[derive(Debug)]
struct Certified {
    server: Arc<TlsServer>,
    /// Where the certificate of the authority is.
    folder: TempDir,
}

/// What a connection has become.
pub(super) enum Opened {
    /// It carries MQTT now. Over WebSocket with what the upgrade came to.
    Link(Box<Link>, Option<WebSocket>),
    /// The client asked for a WebSocket and offered no subprotocol that could be chosen, or asked for none at all.
    Refused(WebSocket),
    /// The client did not go through with it: why.
    Failed(String),
}

impl Front {
    /// Clients connect over this transport. With TLS, a certificate is made for 127.0.0.1 and `localhost`.
    ///
    /// # Errors
    /// The certificate cannot be written, or clients cannot be served over a Unix socket.
    pub fn over(transport: Transport) -> io::Result<Front> {
        if transport == Transport::Unix {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "clients are served over mqtt, mqtts, ws and wss",
            ));
        }
        let certified = if transport.is_encrypted() {
            let folder = tempfile::Builder::new().prefix("mqttspec-").tempdir()?;
            Certificates::shared().write(folder.path())?;
            let server = tls::server(Certificates::shared(), false);
            Some(Arc::new(Certified { server, folder }))
        } else {
            None
        };
        Ok(Front { transport, certified })
    }

    /// What carries MQTT.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The same over WebSocket, for cases that are about it.
    pub(super) fn with_websocket(&self) -> Front {
        Front {
            transport: match self.transport {
                Transport::Mqtts | Transport::Wss => Transport::Wss,
                _ => Transport::Ws,
            },
            certified: self.certified.clone(),
        }
    }

    /// The file with the certificate that clients have to trust.
    pub fn ca(&self) -> Option<PathBuf> {
        let certified = self.certified.as_ref()?;
        Some(certified.folder.path().join("ca.pem"))
    }

    /// Makes a connection ready for MQTT.
    pub(super) async fn open(self, tcp: TcpStream) -> Opened {
        let shaken = tokio::time::timeout(HANDSHAKE, self.shake_hands(tcp)).await;
        match shaken {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => Opened::Failed(error.to_string()),
            Err(_) => Opened::Failed(format!("the handshake took longer than {HANDSHAKE:?}")),
        }
    }

    async fn shake_hands(&self, tcp: TcpStream) -> io::Result<Opened> {
        let mut stream = match &self.certified {
            Some(certified) => tls::accept(&certified.server, tcp).await?,
            None => Stream::Tcp(tcp),
        };
        if !self.transport.is_websocket() {
            return Ok(Opened::Link(Box::new(Link::over(stream)), None));
        }
        let offers = Mutex::new(Vec::new());
        let choose = |offered: &[&str]| {
            *offers.lock().unwrap_or_else(PoisonError::into_inner) =
                offered.iter().map(|offer| (*offer).to_owned()).collect();
            // One that does not offer `mqtt` gets what it offers: what it then does is to be seen too.
            let chosen = offered.iter().find(|offer| **offer == MQTT).or(offered.first());
            chosen.map(|chosen| (*chosen).to_owned())
        };
        let accepted = websocket::accept(&mut stream, choose).await;
        Ok(match accepted {
            Ok((Upgrade { offered, chosen }, rest)) => Opened::Link(
                Box::new(Link::websocket(stream, Side::Server, rest)),
                Some(WebSocket::Upgraded { offered, chosen }),
            ),
            Err(websocket::UpgradeError::Refused(_)) => Opened::Refused(WebSocket::Upgraded {
                offered: offers.into_inner().unwrap_or_else(PoisonError::into_inner),
                chosen: None,
            }),
            Err(error) => Opened::Failed(error.to_string()),
        })
    }
}
