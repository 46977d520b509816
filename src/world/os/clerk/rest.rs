//! Requests to one REST host. Blocks: only the clerk's threads, and a run's start, call it.

use super::plan::Plan;
use crate::base::{InstrumentId, ServerTime, Span, UnixNanos};
use crate::conn::http_date;
use crate::conn::proxy::{Proxy, Target, Tunnel};
use crate::conn::retry_after::retry_after;
use crate::conn::tls::{self, TlsSetupError};
use crate::exchange::{Exchange, Rate, RestRequest, SignedRequest};
use crate::world::os::clock::monotonic;
use crate::world::os::recorder::BodyTap;
use crate::world::os::sys;
use std::io::Read as _;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use ureq::config::Config;
use ureq::http::{HeaderValue, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, DefaultConnector, NextTimeout, RustlsConnector, TcpConnector,
    Transport, TransportAdapter,
};

/// A whole request, connect to last byte, takes at most this long.
pub(super) const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// How long a request waits for the host's budget.
const PATIENCE: Span = Span::from_secs(10);
/// The largest answer that is read (exchangeInfo of a whole exchange is about 10 MB).
const BODY_MAX_BYTES: u64 = 32 << 20;
/// How much of a refusal's body is read, so that the connection can be used again, and how much is
/// kept.
const REFUSAL_BYTES_MAX: u64 = 64 << 10;
const REFUSAL_CHARS_MAX: usize = 200;

/// Why a fetch failed, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// The exchange answered, but not with 200.
    Status(u16, String),
    /// As before, and it asked us to stay away for a while.
    SentAway(u16, String),
    /// No answer: connect, TLS, time-out, too long.
    Transport(String),
    /// An answer that could not be decoded.
    Decode(&'static str),
    /// Metadata that could not be read: the exchange's own words for it, or ours.
    Metadata(String),
    /// Our own budget for this host is spent, or the host has asked us to stay away.
    Limited,
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status, body) | Self::SentAway(status, body) => {
                write!(f, "HTTP {status}: {}", body.escape_debug())
            }
            Self::Transport(error) => write!(f, "{error}"),
            Self::Metadata(why) => write!(f, "{why}"),
            Self::Decode(why) => write!(f, "the answer could not be decoded: {why}"),
            Self::Limited => write!(f, "the request budget of this host is spent for now"),
        }
    }
}

/// One REST host, with its connection kept alive and the plan of what is asked of it.
pub struct Rest {
    agent: ureq::Agent,
    base: String,
    via: Option<String>,
    proxy: Option<Proxy>,
    /// What it takes from us, and what waits for that.
    pub(super) plan: Plan,
    /// Copies every body as it came, if a recording is made.
    tap: Option<BodyTap>,
    /// What the newest answer said about the host's clock.
    time: Option<ServerTime>,
}

impl Rest {
    /// A client for `host:port`; `extra_ca_pem` is trusted beside the public authorities. `budget`
    /// is what the exchange takes from one address. With `via`, also a `host:port`, connections go
    /// there, and names and certificates stay the host's own. With `proxy` they go there, and on
    /// from there.
    pub fn new(
        host_port: &str,
        via: Option<&str>,
        proxy: Option<Proxy>,
        extra_ca_pem: Option<&[u8]>,
        budget: Rate,
    ) -> Result<Self, TlsSetupError> {
        let roots = tls::root_certs(extra_ca_pem)?
            .iter()
            .map(|cert| ureq::tls::Certificate::from_der(cert).to_owned())
            .collect::<Vec<_>>();
        let tls = ureq::tls::TlsConfig::builder()
            .provider(ureq::tls::TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(tls::provider())
            .root_certs(ureq::tls::RootCerts::new_with_certs(&roots))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            // Never what the environment says by accident.
            .proxy(None)
            .timeout_global(Some(REQUEST_DEADLINE))
            .user_agent(concat!("tickwire/", env!("CARGO_PKG_VERSION")))
            .build();
        let via = via.map(str::to_owned);
        let reached_at = proxy.as_ref().map(|proxy| proxy.host_port().to_owned());
        let looks_up = LooksUp {
            via: reached_at.or_else(|| via.clone()),
        };
        let agent = match &proxy {
            None => ureq::Agent::with_parts(config, DefaultConnector::default(), looks_up),
            Some(proxy) => {
                let through = Through {
                    proxy: proxy.clone(),
                    target: target(via.as_deref().unwrap_or(host_port)),
                };
                let connector = ().chain(TcpConnector::default()).chain(through);
                let connector = connector.chain(RustlsConnector::default());
                ureq::Agent::with_parts(config, connector, looks_up)
            }
        };
        Ok(Self {
            agent,
            base: format!("https://{host_port}"),
            via,
            proxy,
            plan: Plan::new(budget),
            tap: None,
            time: None,
        })
    }

    /// From now on copies every body that is kept.
    pub(crate) fn tapped(self, tap: Option<BodyTap>) -> Self {
        Self { tap, ..self }
    }

    /// Keeps a body for the recording, if one is made.
    pub(crate) fn keep(&self, exchange: &dyn Exchange, request: &RestRequest, body: &[u8]) {
        self.keep_copy(exchange, request, self.copy(body), None);
    }

    /// A copy to keep of a body that is about to be decoded, if a recording is made.
    pub(super) fn copy(&self, body: &[u8]) -> Option<Vec<u8>> {
        self.tap.as_ref().map(|_| body.to_vec())
    }

    /// Keeps a copy; `snapshot` names the instrument of a snapshot that goes to its lane.
    pub(super) fn keep_copy(
        &self,
        exchange: &dyn Exchange,
        request: &RestRequest,
        copy: Option<Vec<u8>>,
        snapshot: Option<InstrumentId>,
    ) {
        if let (Some(tap), Some(copy)) = (&self.tap, copy) {
            tap.keep(exchange, request, copy, snapshot);
        }
    }

    /// Whether the two are one host: a host counts our requests by address, not by feed.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.base == other.base && self.via == other.via && self.proxy == other.proxy
    }

    /// What the newest answer said about the host's clock, once.
    pub(crate) fn take_time(&mut self) -> Option<ServerTime> {
        self.time.take()
    }

    /// How long the host's budget needs from now for requests of these weights.
    pub(crate) fn time_needed(&self, weights: impl Iterator<Item = u32>) -> Span {
        self.plan.time_needed(monotonic(), weights)
    }

    /// The body of the answer. Spends of the host's budget, and waits a little while for it, or for
    /// a host that asks to be left alone so long; refuses if either takes longer.
    pub fn fetch(&mut self, request: &RestRequest) -> Result<Vec<u8>, FetchError> {
        self.fetch_as(request, None)
    }

    /// As [`Self::fetch`], of a request that a key signed.
    pub fn fetch_signed(&mut self, signed: &SignedRequest) -> Result<Vec<u8>, FetchError> {
        let Some((name, value)) = &signed.header else {
            return self.fetch_as(&signed.request, None);
        };
        let unfit = |_| FetchError::Transport(format!("the value of {name} fits into no header"));
        let mut value = HeaderValue::from_str(value.expose()).map_err(unfit)?;
        value.set_sensitive(true); // No `Debug` of the library's shows it.
        self.fetch_as(&signed.request, Some((name, &value)))
    }

    fn fetch_as(
        &mut self,
        request: &RestRequest,
        header: Option<(&str, &HeaderValue)>,
    ) -> Result<Vec<u8>, FetchError> {
        let latest = monotonic() + PATIENCE;
        loop {
            let now = monotonic();
            match self.plan.spend(now, request.weight) {
                Ok(()) => match self.fetch_admitted(request, header) {
                    Err(FetchError::SentAway(..)) if self.plan.banned_until() <= latest => {}
                    done => return done,
                },
                Err(until) if until > latest => return Err(FetchError::Limited),
                Err(until) => std::thread::sleep(Duration::from_nanos(until.since(now).0)),
            }
        }
    }

    /// As [`Self::fetch`], of a request whose weight was spent already.
    pub(super) fn fetch_admitted(
        &mut self,
        request: &RestRequest,
        signed: Option<(&str, &HeaderValue)>,
    ) -> Result<Vec<u8>, FetchError> {
        let proxy = self.proxy.clone();
        let transport = |error: ureq::Error| match &proxy {
            None => FetchError::Transport(error.to_string()),
            Some(proxy) => FetchError::Transport(format!("by way of the proxy {proxy}: {error}")),
        };
        let url = format!("{}{}", self.base, request.path);
        let asked = monotonic();
        let send = || match &request.body {
            None => {
                let get = self.agent.get(url);
                match signed {
                    None => get.call(),
                    Some((name, value)) => get.header(name, value).call(),
                }
            }
            Some(body) => {
                let post = self
                    .agent
                    .post(url)
                    .header("content-type", "application/json");
                match signed {
                    None => post.send(body.as_str()),
                    Some((name, value)) => post.header(name, value).send(body.as_str()),
                }
            }
        };
        let sent = without_panic(send);
        let answered = monotonic();
        self.plan.redate(answered, request.weight);
        let mut response = sent?.map_err(transport)?;
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
        self.time = header("date")
            .and_then(http_date::parse)
            .map(|date| http_date::told(date, asked, answered));
        let asked = header("retry-after")
            .and_then(|asked| retry_after(asked, header("date"), sys::realtime()));
        let sent_away = self.plan.answered(monotonic(), status, asked);
        if status != 200 {
            let text = refusal_text(response.body_mut().as_reader());
            return Err(match sent_away {
                true => FetchError::SentAway(status, text),
                false => FetchError::Status(status, text),
            });
        }
        let body = response.body_mut().with_config().limit(BODY_MAX_BYTES);
        body.read_to_vec().map_err(transport)
    }
}

/// The beginning of a refusal's body, also of one that is cut.
fn refusal_text(body: impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    // What came before a failure says why we were refused.
    let _ = body.take(REFUSAL_BYTES_MAX).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    text.chars().take(REFUSAL_CHARS_MAX).collect()
}

/// If the library panics for what a host does (it gives no thread, its clock is before 1970),
/// that is an error of this request, and not the end of the thread that asked.
fn without_panic<T>(call: impl FnOnce() -> T) -> Result<T, FetchError> {
    if sys::realtime() < UnixNanos(0) {
        let why = "the wall clock is before 1970: no certificate is valid yet";
        return Err(FetchError::Transport(why.to_owned()));
    }
    // The agent keeps connections behind locks that get over a panic.
    std::panic::catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| FetchError::Transport("the request panicked".to_owned()))
}

/// The way through a proxy, for one host.
#[derive(Debug)]
struct Through {
    proxy: Proxy,
    target: Target,
}

impl<In: Transport> Connector<In> for Through {
    type Out = In;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<In>, ureq::Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        let mut stream = TransportAdapter::new(transport, details.current_time.clone());
        stream.set_timeout(details.timeout);
        let mut tunnel = Tunnel::new(stream, self.proxy.clone(), self.target.clone());
        tunnel.advance()?;
        Ok(Some(tunnel.into_inner().into_inner()))
    }
}

/// A `host:port` in the form that a proxy takes.
pub(crate) fn target(host_port: &str) -> Target {
    let (host, port) = host_port.rsplit_once(':').unwrap_or((host_port, ""));
    Target {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: port.parse().unwrap_or(443),
    }
}

/// Looks names up on the thread that asks: the library would start a thread for each name. Or gives
/// one address, whatever the name is.
#[derive(Debug)]
struct LooksUp {
    via: Option<String>,
}

impl Resolver for LooksUp {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = DefaultResolver::default().empty();
        let own = || {
            let host = uri.host()?.trim_matches(['[', ']']);
            Some((host, uri.port_u16().unwrap_or(HTTPS_PORT)).to_socket_addrs())
        };
        let addresses: Vec<SocketAddr> = match &self.via {
            Some(at) => at.to_socket_addrs()?.collect(),
            None => own().ok_or(ureq::Error::HostNotFound)??.collect(),
        };
        // There is room for sixteen.
        for address in addresses.into_iter().take(16) {
            found.push(address);
        }
        match found.is_empty() {
            true => Err(ureq::Error::HostNotFound),
            false => Ok(found),
        }
    }
}

const HTTPS_PORT: u16 = 443;
