//! What the connection tests share: an authority of their own, and a clock that they set.
#![allow(dead_code)] // Each test binary uses its own part.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use std::cell::Cell;
use std::sync::Arc;
use tickwire::base::{Clock, Nanos, Span, UnixNanos};
use tickwire::conn::tls;
use tickwire::world::os::clock::OsClock;

/// A certificate authority, and what it signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        // A name of its own: with the same one, only the signature would tell two apart.
        let name = format!("test authority {}", fastrand::u64(..));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A client's configuration that trusts this authority.
    pub fn client(&self) -> Arc<ClientConfig> {
        tls::client_config(Some(self.pem.as_bytes()), Arc::new(OsClock)).unwrap()
    }

    /// A server's configuration with a certificate for `name`, valid until the year `until`.
    pub fn server(&self, name: &str, until: i32) -> Arc<ServerConfig> {
        self.server_with(name, until, tls::provider(), rustls::DEFAULT_VERSIONS)
    }

    /// As [`Self::server`], for these suites and versions only, and so that its secrets can be had.
    pub fn server_with(
        &self,
        name: &str,
        until: i32,
        provider: Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = CertificateDer::from(params.signed_by(&key, &self.issuer).unwrap());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
        config.enable_secret_extraction = true;
        Arc::new(config)
    }
}

/// A clock that the test sets.
#[derive(Default)]
pub struct TestClock(Cell<u64>);

impl TestClock {
    pub fn at(now: Nanos) -> Self {
        Self(Cell::new(now.0))
    }

    pub fn set(&self, now: Nanos) {
        self.0.set(now.0);
    }

    pub fn advance(&self, span: Span) {
        self.0.set(self.0.get() + span.0);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Nanos {
        Nanos(self.0.get())
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(self.0.get() as i64)
    }
}
