//! TLS with rustls: whom a client trusts and what it shows, and a server with the certificates made here.
//!
//! The provider of the cryptography is named wherever a configuration is built. Were two of them in the program, rustls
//! could not choose by itself.

mod certificates;
mod insecure;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::Stream;

pub use certificates::Certificates;
pub use rustls::ServerConfig as TlsServer;

/// What a client trusts, and what it shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// A PEM file with the certificates that are trusted, in place of the system's.
    pub ca: Option<PathBuf>,
    /// A PEM file with the client's certificate, and those between it and the root.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the client's private key.
    pub key: Option<PathBuf>,
    /// The name that the server has to have, in place of the address's host.
    pub server_name: Option<String>,
    /// Skips certificate verification, for brokers whose certificates cannot be verified.
    pub insecure: bool,
    /// Trusts the certificates that this program makes for the brokers that it starts, and shows its own.
    pub made: bool,
}

impl TlsOptions {
    /// These options, overridden by those that `over` sets.
    pub fn with(self, over: TlsOptions) -> TlsOptions {
        TlsOptions {
            ca: over.ca.or(self.ca),
            certificate: over.certificate.or(self.certificate),
            key: over.key.or(self.key),
            server_name: over.server_name.or(self.server_name),
            insecure: over.insecure || self.insecure,
            made: over.made || self.made,
        }
    }
}

/// Why TLS cannot be used as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The configuration of a client.
///
/// # Errors
/// A file that cannot be read or holds no certificate or key, and a certificate without its key.
pub fn client(options: &TlsOptions) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsError(e.to_string()))?;
    let builder = if options.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(insecure::Anybody::new(provider()))
    } else {
        builder.with_root_certificates(roots(options)?)
    };
    let config = match identity(options)? {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|e| {
            let file = options.certificate.as_deref().unwrap_or(Path::new("")).display();
            TlsError(format!("the client certificate {file} and its key do not fit: {e}"))
        })?,
    };
    Ok(Arc::new(config))
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut add = |certificate, file: &dyn fmt::Display| {
        roots
            .add(certificate)
            .map_err(|e| TlsError(format!("a certificate in {file} cannot be trusted: {e}")))
    };
    if let Some(file) = &options.ca {
        for certificate in certificates_in(file)? {
            add(certificate, &file.display())?;
        }
    } else if options.made {
        add(Certificates::shared().ca(), &"memory")?;
    } else {
        // System certificates that cannot be read are left out, as elsewhere: the handshake then fails with an error.
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
    }
    Ok(roots)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What the client shows if a server asks for it.
fn identity(options: &TlsOptions) -> Result<Option<Identity>, TlsError> {
    match (&options.certificate, &options.key) {
        (None, None) if options.made => Ok(Some(Certificates::shared().client_identity())),
        (None, None) => Ok(None),
        (Some(_), None) => Err(TlsError("a client certificate needs its key".to_owned())),
        (None, Some(_)) => Err(TlsError("a client key needs its certificate".to_owned())),
        (Some(chain), Some(key)) => {
            let file = key.display();
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|e| TlsError(format!("no private key can be read from {file}: {e}")))?;
            Ok(Some((certificates_in(chain)?, key)))
        }
    }
}

fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |why: &dyn fmt::Display| TlsError(format!("no certificate can be read from {}: {why}", file.display()));
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|e| wrong(&e))?;
    if found.is_empty() {
        Err(wrong(&"it holds none"))
    } else {
        Ok(found)
    }
}

/// Has a client that has connected go through with TLS.
///
/// # Errors
/// It does not: it trusts another authority, or speaks no TLS.
pub async fn accept(server: &Arc<TlsServer>, tcp: TcpStream) -> std::io::Result<Stream> {
    let accepted = TlsAcceptor::from(Arc::clone(server)).accept(tcp).await?;
    Ok(Stream::Tls(Box::new(accepted.into())))
}

/// The configuration of a server with the certificates made here. With `asks`, only clients with a certificate of
/// theirs are let in.
pub fn server(certificates: &Certificates, asks: bool) -> Arc<TlsServer> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions of TLS");
    let builder = if !asks {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        roots
            .add(certificates.ca())
            .expect("a certificate that was made here is well-formed");
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        builder.with_client_cert_verifier(verifier.expect("there is a root"))
    };
    let (chain, key) = certificates.server_identity();
    Arc::new(
        builder
            .with_single_cert(chain, key)
            .expect("a certificate that was made here fits its key"),
    )
}
