//! The words for a connection's life: its phases, and why it ended. Holds no state.

use std::io::ErrorKind;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not connected; the next attempt starts when the timer fires.
    Waiting,
    /// The host's addresses were asked for.
    Resolving,
    /// TCP is being opened.
    Connecting,
    /// A proxy is asked for the way.
    Tunnelling,
    /// TLS is being agreed.
    Securing,
    /// The HTTP upgrade to WebSocket is on its way.
    Upgrading,
    /// Frames flow.
    Live,
}

impl Phase {
    /// A static word for logs and counters.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Resolving => "resolving",
            Self::Connecting => "connecting",
            Self::Tunnelling => "tunnelling",
            Self::Securing => "securing",
            Self::Upgrading => "upgrading",
            Self::Live => "live",
        }
    }
}

/// Why a connection ended, or never came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The name has no address, and none is remembered.
    Unresolved,
    /// The peer's host refused the TCP connection.
    Refused,
    /// The proxy did not let us through.
    Proxy,
    /// This phase took longer than it may.
    Deadline(Phase),
    /// TLS failed; the word says on what (`unknown issuer`, `wrong name`, …).
    Tls(&'static str),
    /// The upgrade was answered by this HTTP status instead of 101.
    HttpStatus(u16),
    /// The peer broke the rules of HTTP or WebSocket.
    Protocol,
    /// The peer sent more than a message may have.
    TooLong,
    /// The peer closed with this code (RFC 6455 §7.4; 1005 if it gave none).
    PeerClosed(u16),
    /// Nothing at all arrived for too long, our ping's answer included.
    Idle,
    /// The stream ended without a closing frame.
    Eof,
    /// The operating system says.
    Io(ErrorKind),
    /// The connection reached the age at which we replace it.
    Expired,
    /// The owner asked for a new connection.
    Restarted,
    /// The owner ended it; no attempt follows.
    Shutdown,
}

impl Close {
    /// A static word for logs and counters.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Refused => "refused",
            Self::Proxy => "proxy",
            Self::Deadline(_) => "deadline",
            Self::Tls(_) => "tls",
            Self::HttpStatus(_) => "http_status",
            Self::Protocol => "protocol",
            Self::TooLong => "too_long",
            Self::PeerClosed(_) => "peer_closed",
            Self::Idle => "idle",
            Self::Eof => "eof",
            Self::Io(_) => "io",
            Self::Expired => "expired",
            Self::Restarted => "restarted",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether we closed it on purpose: nothing failed.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Expired | Self::Restarted | Self::Shutdown)
    }

    /// What a person can do about connections that end so again and again.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::Unresolved => "check the host's name and the name server",
            Self::Proxy => "check the proxy of [network] or of the feed, and its user and password",
            Self::Refused | Self::Deadline(_) => "check host, port, firewall and proxy",
            Self::Tls(_) => "check the host's name, this host's clock, and ca_file",
            Self::HttpStatus(_) => "the exchange refuses this host: check the path and its limits",
            Self::Protocol => "what answers speaks no WebSocket: check host and proxy",
            Self::TooLong => "follow fewer products, or a narrower depth stream",
            Self::PeerClosed(_) => "the exchange's code says why: check its limits and its status",
            Self::Idle | Self::Eof | Self::Io(_) => "check the network, and the exchange's status",
            Self::Expired | Self::Restarted | Self::Shutdown => "nothing",
        }
    }
}
