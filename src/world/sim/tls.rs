//! The simulated exchange's own certificate authority, made at start. Writes no file and trusts
//! nobody.

use crate::conn::tls::provider;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::time_provider::TimeProvider;
use std::sync::Arc;

/// A fresh authority and a server certificate that it signed.
pub struct Certificates {
    /// The authority's certificate, for clients to trust.
    pub ca_pem: String,
    /// What connections to the simulated exchange are accepted with.
    pub server: Arc<ServerConfig>,
}

/// Makes an authority and a certificate for `localhost`, `127.0.0.1`, `::1` and these names, by the
/// clock `time`.
///
/// # Errors
/// What the cryptography under TLS says, as text.
pub fn certificates(
    names: impl Iterator<Item = String>,
    time: Arc<dyn TimeProvider>,
) -> Result<Certificates, String> {
    let text = |error: rcgen::Error| error.to_string();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "Tickwire simulated exchange");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().map_err(text)?)
        .map_err(text)?;

    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let names: Vec<String> = own.into_iter().chain(names).collect();
    let key = KeyPair::generate().map_err(text)?;
    let mut leaf = CertificateParams::new(names).map_err(text)?;
    leaf.distinguished_name
        .push(DnType::CommonName, "localhost");
    let leaf = leaf.signed_by(&key, &authority).map_err(text)?;

    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut server = ServerConfig::builder_with_details(provider(), time)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![leaf.der().clone()], key)
        })
        .map_err(|error| error.to_string())?;
    // Sessions are few and long: resumption tickets would only be bytes that a reader must skip.
    server.send_tls13_tickets = 0;
    let server = Arc::new(server);
    Ok(Certificates {
        ca_pem: authority.pem(),
        server,
    })
}
