//! The simulated exchange's own certificate authority, made at start. Writes no file and trusts
//! nobody.

use crate::conn::tls::provider;
use crate::venue::faults::MarketFault;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
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
    pub server: Arc<Servers>,
}

/// What connections are accepted with: the right certificate, or a wrong one if a fault wants it.
pub struct Servers {
    right: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    of_other: Arc<ServerConfig>,
    unknown: Arc<ServerConfig>,
}

impl Servers {
    /// The right certificate.
    pub fn right(&self) -> &Arc<ServerConfig> {
        &self.right
    }

    /// The certificate that is shown while this fault is on.
    pub(crate) fn shown(&self, fault: Option<MarketFault>) -> Arc<ServerConfig> {
        Arc::clone(match fault {
            Some(MarketFault::CertificateExpired) => &self.expired,
            Some(MarketFault::CertificateOfOther) => &self.of_other,
            Some(MarketFault::CertificateUnknown) => &self.unknown,
            Some(_) | None => &self.right,
        })
    }
}

/// Who signs certificates.
type Authority = CertifiedIssuer<'static, KeyPair>;

/// Makes an authority and a certificate for `localhost`, `127.0.0.1`, `::1` and these names, by the
/// clock `time`.
///
/// # Errors
/// What the cryptography under TLS says, as text.
pub fn certificates(
    names: impl Iterator<Item = String>,
    time: Arc<dyn TimeProvider>,
) -> Result<Certificates, String> {
    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let names: Vec<String> = own.into_iter().chain(names).collect();
    let ours = authority("Tickwire simulated exchange")?;
    let nobodys = authority("Somebody else")?;
    let leaf = |names: Vec<String>| {
        let mut leaf = CertificateParams::new(names).map_err(text)?;
        leaf.distinguished_name
            .push(DnType::CommonName, "localhost");
        Ok::<_, String>(leaf)
    };
    let mut expired = leaf(names.clone())?;
    (expired.not_before, expired.not_after) =
        (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let of_other = leaf(vec!["other.invalid".to_owned()])?;
    let serve = |leaf, authority| server(leaf, authority, time.clone());
    let servers = Servers {
        right: serve(leaf(names.clone())?, &ours)?,
        expired: serve(expired, &ours)?,
        of_other: serve(of_other, &ours)?,
        unknown: serve(leaf(names)?, &nobodys)?,
    };
    Ok(Certificates {
        ca_pem: ours.pem(),
        server: Arc::new(servers),
    })
}

fn authority(name: &str) -> Result<Authority, String> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().map_err(text)?;
    CertifiedIssuer::self_signed(authority, key).map_err(text)
}

/// Accepts connections with a certificate that this authority signs.
fn server(
    leaf: CertificateParams,
    authority: &Authority,
    time: Arc<dyn TimeProvider>,
) -> Result<Arc<ServerConfig>, String> {
    let key = KeyPair::generate().map_err(text)?;
    let leaf = leaf.signed_by(&key, authority).map_err(text)?;
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
    Ok(Arc::new(server))
}

fn text(error: rcgen::Error) -> String {
    error.to_string()
}
