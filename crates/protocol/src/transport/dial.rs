//! Opens connections to a broker's addresses, over whatever transport they name.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::tls::{self, TlsError, TlsOptions};
use super::websocket::{self, MQTT, Side, Upgrade, UpgradeError};
use super::{Link, Stream, Transport};

/// How large the receive buffer of a client is that is to stop reading, in bytes: the broker must feel it soon.
const SMALL_BUFFER: u32 = 4096;

/// Opens connections. One serves a whole run; copies share what is costly to make.
#[derive(Debug, Clone, Default)]
pub struct Dialer(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    options: TlsOptions,
    // Made at the first need: a run without TLS does not read the system's certificates.
    config: OnceLock<Result<Arc<rustls::ClientConfig>, TlsError>>,
}

/// How one connection is opened.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// With a small receive buffer, for a client that stops reading.
    pub small_buffer: bool,
    /// The subprotocols that a WebSocket client offers.
    pub subprotocols: &'a [&'a str],
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Ask {
            small_buffer: false,
            subprotocols: &[MQTT],
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Dialled {
    pub link: Link,
    /// Over WebSocket: what the upgrade came to.
    pub upgrade: Option<Upgrade>,
}

impl Dialer {
    /// A dialer with these certificates. Their files are read when TLS is first needed.
    pub fn new(options: TlsOptions) -> Dialer {
        Dialer(Arc::new(Inner {
            options,
            config: OnceLock::new(),
        }))
    }

    /// What it was made from.
    pub fn options(&self) -> &TlsOptions {
        &self.0.options
    }

    /// Reads what TLS needs, so that a wrong file is reported before anything is dialled.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it is to hold.
    pub fn prepare(&self) -> Result<(), TlsError> {
        self.config().map(|_| ())
    }

    fn config(&self) -> Result<Arc<rustls::ClientConfig>, TlsError> {
        self.0.config.get_or_init(|| tls::client(&self.0.options)).clone()
    }

    /// Opens a connection: TCP, then TLS, then the upgrade to WebSocket, as far as the address asks for them.
    ///
    /// # Errors
    /// Any of them failed. [`refused_upgrade`] tells a server that answered the upgrade with something else.
    pub async fn dial(&self, address: &Address, ask: Ask<'_>) -> io::Result<Dialled> {
        let mut stream = match address.transport() {
            Transport::Unix => Stream::Unix(UnixStream::connect(address.path()).await?),
            Transport::Mqtt | Transport::Ws => Stream::Tcp(tcp(address, ask.small_buffer).await?),
            Transport::Mqtts | Transport::Wss => {
                let tcp = tcp(address, ask.small_buffer).await?;
                Stream::Tls(Box::new(self.encrypt(address, tcp).await?))
            }
        };
        if !address.transport().is_websocket() {
            return Ok(Dialled {
                link: Link::over(stream),
                upgrade: None,
            });
        }
        let (upgrade, rest) = websocket::request(&mut stream, &address.authority(), address.path(), ask.subprotocols)
            .await
            .map_err(|error| match error {
                UpgradeError::Io(error) => error,
                error => io::Error::other(error),
            })?;
        Ok(Dialled {
            link: Link::websocket(stream, Side::Client, rest),
            upgrade: Some(upgrade),
        })
    }

    async fn encrypt(&self, address: &Address, tcp: TcpStream) -> io::Result<tokio_rustls::TlsStream<TcpStream>> {
        let config = self.config().map_err(io::Error::other)?;
        let name = self.0.options.server_name.as_deref().unwrap_or(address.host());
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(config).connect(name, tcp).await.map_err(explained)?;
        Ok(stream.into())
    }
}

/// Tries every address of the host, one after the other. The error is that of the last.
async fn tcp(address: &Address, small_buffer: bool) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for target in address.resolve().await? {
        match tcp_to(target, small_buffer).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn tcp_to(target: SocketAddr, small_buffer: bool) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if small_buffer {
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
    }
    let stream = socket.connect(target).await?;
    // Nagle's algorithm would hold small packets back, 40 ms a round.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An error of TLS in words that say what to do.
fn explained(error: io::Error) -> io::Error {
    let kind = error.kind();
    let cause = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    let more = match cause {
        Some(rustls::Error::InvalidCertificate(_)) => {
            "; --ca names a file with the certificates to trust, --insecure skips verification"
        }
        Some(rustls::Error::InvalidMessage(_)) => "; is this a port with TLS?",
        _ if kind == io::ErrorKind::UnexpectedEof => "; is this a port with TLS?",
        _ => return error,
    };
    io::Error::new(kind, format!("TLS: {error}{more}"))
}

/// Whether dialling failed since the server answered the upgrade with HTTP, but not with a WebSocket.
pub fn refused_upgrade(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|e| e.downcast_ref::<UpgradeError>());
    matches!(cause, Some(UpgradeError::Refused(_) | UpgradeError::OtherHttp(_)))
}

/// Whether dialling failed for a reason that another try will not mend: no TLS, another certificate, no WebSocket.
pub fn is_final(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|e| e.downcast_ref::<UpgradeError>());
    error.kind() == io::ErrorKind::InvalidData || matches!(cause, Some(UpgradeError::NotHttp(_)))
}
