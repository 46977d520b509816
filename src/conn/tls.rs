//! TLS as every connection uses it: version, roots and cryptography, named once. Certificates are
//! always verified. Nothing switches that off; one can only add a CA.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use std::fmt;
use std::sync::Arc;

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("TLS needs cryptography: enable the feature `ring` or `aws-lc-rs`");

/// The cryptography that this build was made with. Never the process default, which another
/// library may have set.
#[cfg(feature = "ring")]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The cryptography that this build was made with. Never the process default, which another
/// library may have set.
#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Why a TLS configuration could not be made.
#[derive(Debug)]
pub enum TlsSetupError {
    /// The extra CA is not PEM.
    Pem(rustls::pki_types::pem::Error),
    /// The extra CA's file has no certificate in it.
    NoCertificate,
    /// A certificate in it cannot be a trust anchor, or the provider lacks TLS 1.2 or 1.3.
    Rustls(Error),
}

impl fmt::Display for TlsSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(error) => write!(f, "the CA file is not PEM: {error}"),
            Self::NoCertificate => write!(f, "the CA file holds no certificate"),
            Self::Rustls(error) => write!(f, "the CA or the TLS provider is unusable: {error}"),
        }
    }
}

impl std::error::Error for TlsSetupError {}

/// What is trusted: the public authorities that are compiled in, and those in `extra_ca_pem`.
pub(crate) fn root_certs(
    extra_ca_pem: Option<&[u8]>,
) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let mut certs = webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
    if let Some(pem) = extra_ca_pem {
        let public = certs.len();
        for cert in CertificateDer::pem_slice_iter(pem) {
            certs.push(cert.map_err(TlsSetupError::Pem)?);
        }
        if certs.len() == public {
            return Err(TlsSetupError::NoCertificate);
        }
    }
    Ok(certs)
}

/// A client that trusts `root_certs`, and judges certificates by the clock `time`. TLS 1.2 or
/// 1.3, no client certificate.
pub fn client_config(
    extra_ca_pem: Option<&[u8]>,
    time: Arc<dyn TimeProvider>,
) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    for cert in root_certs(extra_ca_pem)? {
        roots.add(cert).map_err(TlsSetupError::Rustls)?;
    }
    let mut config = ClientConfig::builder_with_details(provider(), time)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsSetupError::Rustls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true; // For the record layer, `records.rs`.
    Ok(Arc::new(config))
}

/// A static word for what TLS failed on.
pub(super) fn failure_name(error: &Error) -> &'static str {
    use CertificateError as Cert;
    match error {
        Error::InvalidCertificate(cert) => match cert {
            Cert::Expired | Cert::ExpiredContext { .. } => "certificate expired",
            Cert::NotValidYet | Cert::NotValidYetContext { .. } => "certificate not valid yet",
            Cert::NotValidForName | Cert::NotValidForNameContext { .. } => "wrong name",
            Cert::BadSignature => "bad signature",
            Cert::UnknownIssuer => "unknown issuer",
            Cert::Revoked => "certificate revoked",
            _ => "bad certificate",
        },
        Error::AlertReceived(_) => "alert from the peer",
        Error::PeerIncompatible(_) => "incompatible peer",
        _ => "broken TLS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(extra_ca_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, TlsSetupError> {
        client_config(
            extra_ca_pem,
            Arc::new(rustls::time_provider::DefaultTimeProvider),
        )
    }

    #[test]
    fn a_ca_file_must_hold_a_certificate() {
        assert!(client(None).is_ok());
        assert!(matches!(
            client(Some(b"")),
            Err(TlsSetupError::NoCertificate)
        ));
        assert!(matches!(
            client(Some(b"hello")),
            Err(TlsSetupError::NoCertificate)
        ));
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(client(Some(cut)), Err(TlsSetupError::Pem(_))));
        let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(client(Some(junk)), Err(TlsSetupError::Rustls(_))));
    }
}
