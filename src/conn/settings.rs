//! A link's settings for its peer, checked before the first attempt. Decides nothing later.

use super::proxy::{Proxy, Target};
use crate::base::{Secret, Span};
use rustls::pki_types::ServerName;
use std::fmt;
use std::sync::Arc;

/// A header of the upgrade that names a key. The key is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHeader {
    /// What the peer calls the header.
    pub name: &'static str,
    /// The key.
    pub key: Arc<Secret>,
}

impl fmt::Debug for KeyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// How long each phase of a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadlines {
    /// Name resolution.
    pub(crate) resolve: Span,
    /// TCP, for each address.
    pub(crate) connect: Span,
    /// The way through a proxy.
    pub(crate) tunnel: Span,
    /// The TLS handshake.
    pub(crate) secure: Span,
    /// The HTTP upgrade.
    pub(crate) upgrade: Span,
}

impl Deadlines {
    /// The default: 5 s.
    pub(crate) const RESOLVE: Span = Span::from_secs(5);
    /// The default: 3 s.
    pub(crate) const CONNECT: Span = Span::from_secs(3);
    /// The default: 5 s.
    pub(crate) const TUNNEL: Span = Span::from_secs(5);
    /// The default: 5 s.
    pub(crate) const SECURE: Span = Span::from_secs(5);
    /// The default: 5 s.
    pub(crate) const UPGRADE: Span = Span::from_secs(5);
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            resolve: Self::RESOLVE,
            connect: Self::CONNECT,
            tunnel: Self::TUNNEL,
            secure: Self::SECURE,
            upgrade: Self::UPGRADE,
        }
    }
}

/// One WebSocket endpoint, and how to live with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// The name that is resolved, that the certificate must be for, and that the Host header has.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// Path and query of the upgrade, from its `/` on.
    pub(crate) path: String,
    /// The deadline of each phase.
    pub(crate) deadlines: Deadlines,
    /// After half of this without any frame the link pings; after all of it the link connects
    /// again.
    pub idle_after: Span,
    /// The age at which the link replaces a connection, before the peer cuts it. A random part, up
    /// to a tenth, is taken off, so that connections opened together do not end together.
    pub life_max: Span,
    /// How many messages, pings and pongs included, the peer takes from us in any span of this
    /// length.
    pub messages: Option<(u32, Span)>,
    /// Bytes that one message of the peer may have; a longer one is dropped, and said.
    pub message_bytes_max: usize,
    /// The way there: a proxy, and what it is to connect to.
    pub(crate) proxy: Option<(Proxy, Target)>,
    /// Binary messages are read beside texts; otherwise they are counted and dropped.
    pub binary: bool,
    /// What the upgrade says of us.
    pub key: Option<KeyHeader>,
}

impl LinkConfig {
    /// Twice the usual time between an exchange's own pings: a peer this quiet is gone.
    pub(crate) const IDLE_AFTER: Span = Span::from_secs(40);
    /// Exchanges cut connections after 24 h.
    pub(crate) const LIFE_MAX: Span = Span::from_secs(23 * 3600);

    /// For a peer that sends small messages only, such as answers about orders.
    pub(crate) const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

    /// An endpoint with the default deadlines, idle time and life, and no message limit.
    pub fn new(host: impl Into<String>, port: u16, path: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port,
            path: path.into(),
            deadlines: Deadlines::default(),
            idle_after: Self::IDLE_AFTER,
            life_max: Self::LIFE_MAX,
            messages: None,
            message_bytes_max: Self::MESSAGE_BYTES_MAX,
            proxy: None,
            binary: false,
            key: None,
        }
    }

    /// The name as TLS checks it. Refuses what would break the request line or its headers.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, LinkError> {
        let clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.path.starts_with('/') || !clean(&self.path) {
            return Err(LinkError::Path);
        }
        if !self.key.iter().all(|header| clean(header.key.expose())) {
            return Err(LinkError::Key);
        }
        ServerName::try_from(self.host.clone()).map_err(|_| LinkError::Host)
    }

    /// The Host header. It names the port unless that is HTTPS's own.
    pub(super) fn host_header(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        if self.port == 443 {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

/// Why a link cannot be made from its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// Neither a DNS name nor an IP address.
    Host,
    /// Does not start with `/`, or has characters that a request line must not have.
    Path,
    /// The key has characters that a header must not have.
    Key,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "the host is neither a DNS name nor an IP address",
            Self::Path => "the path must start with `/` and hold no space or control character",
            Self::Key => "the API key must hold no space or control character",
        })
    }
}

impl std::error::Error for LinkError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_or_host_that_would_break_the_request_is_refused() {
        let name = |host: &str, path: &str| LinkConfig::new(host, 443, path).server_name();
        assert!(name("stream.example.com", "/stream?streams=a@depth").is_ok());
        assert!(name("127.0.0.1", "/").is_ok());
        assert_eq!(
            name("stream.example.com", "stream").err(),
            Some(LinkError::Path)
        );
        assert_eq!(
            name("stream.example.com", "/a\r\nX: y").err(),
            Some(LinkError::Path)
        );
        assert_eq!(name("bad host", "/").err(), Some(LinkError::Host));
        assert_eq!(name("", "/").err(), Some(LinkError::Host));
        let keyed = |key: &str| LinkConfig {
            key: Some(KeyHeader {
                name: "X-KEY",
                key: Arc::new(Secret::from(key.to_owned())),
            }),
            ..LinkConfig::new("a.com", 443, "/")
        };
        assert!(keyed("Cb9xkQ2mVn").server_name().is_ok());
        let broken = keyed("Cb9xkQ2mVn\r\nX: y");
        assert_eq!(broken.server_name().err(), Some(LinkError::Key));
        assert!(!format!("{broken:?}").contains("Cb9xkQ2mVn"));
    }

    #[test]
    fn the_host_header_names_unusual_ports() {
        assert_eq!(LinkConfig::new("a.com", 443, "/").host_header(), "a.com");
        assert_eq!(
            LinkConfig::new("a.com", 9443, "/").host_header(),
            "a.com:9443"
        );
        assert_eq!(
            LinkConfig::new("::1", 9443, "/").host_header(),
            "[::1]:9443"
        );
    }
}
