//! Certificates for the brokers that a run starts: an authority, a server's and a client's, made in memory once a
//! process.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The names that the server's certificate is good for.
const SERVER_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// The files that [`Certificates::write`] makes, and whether only the owner may read them.
const FILES: [(&str, bool); 5] = [
    ("ca.pem", false),
    ("server.pem", false),
    ("server.key", true),
    ("client.pem", false),
    ("client.key", true),
];

/// An authority with the two certificates that it signed, all as PEM.
pub struct Certificates {
    ca: String,
    server: Pair,
    client: Pair,
}

/// A certificate and its private key.
struct Pair {
    certificate: String,
    key: String,
}

// The keys are secret.
impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl Certificates {
    /// Those of this process.
    pub fn shared() -> &'static Certificates {
        static SHARED: OnceLock<Certificates> = OnceLock::new();
        SHARED.get_or_init(Certificates::make)
    }

    /// An authority of its own, and what it signed.
    ///
    /// # Panics
    /// If the system gives no random numbers.
    pub fn make() -> Certificates {
        Certificates::try_make().expect("the parameters are right, and the system gives random numbers")
    }

    fn try_make() -> Result<Certificates, rcgen::Error> {
        let mut params = named("mqttspec test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let ca = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let names: Vec<String> = SERVER_NAMES.map(str::to_owned).to_vec();
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut client = named("mqttspec");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(Certificates {
            ca,
            server: signed(server, &issuer)?,
            client: signed(client, &issuer)?,
        })
    }

    /// Writes `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key` into `folder`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let texts = [
            &self.ca,
            &self.server.certificate,
            &self.server.key,
            &self.client.certificate,
            &self.client.key,
        ];
        fs::create_dir_all(folder)?;
        for ((name, is_secret), text) in FILES.into_iter().zip(texts) {
            let file = folder.join(name);
            fs::write(&file, text)?;
            if is_secret {
                hide(&file)?;
            }
        }
        Ok(())
    }

    /// The authority.
    pub(super) fn ca(&self) -> CertificateDer<'static> {
        certificate(&self.ca)
    }

    pub(super) fn server_identity(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        self.server.identity()
    }

    pub(super) fn client_identity(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        self.client.identity()
    }
}

impl Pair {
    fn identity(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key that was made here is PEM");
        (vec![certificate(&self.certificate)], key)
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate that was made here is PEM")
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn signed(params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<Pair, rcgen::Error> {
    let key = KeyPair::generate()?;
    Ok(Pair {
        certificate: params.signed_by(&key, issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

#[cfg(unix)]
fn hide(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn hide(_file: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_there_and_keys_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        Certificates::shared().write(folder.path()).expect("five files");
        for (name, is_secret) in FILES {
            let text = fs::read_to_string(folder.path().join(name)).expect(name);
            assert!(text.starts_with("-----BEGIN "), "{name}");
            assert_eq!(text.contains("PRIVATE KEY"), is_secret, "{name}");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = fs::metadata(folder.path().join(name)).expect(name).permissions().mode();
                assert_eq!(mode & 0o077 == 0, is_secret, "{name}: {mode:o}");
            }
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        assert!(!format!("{:?}", Certificates::shared()).contains("PRIVATE"));
    }
}
