//! A way through a proxy, before TLS: HTTP `CONNECT` and SOCKS5 (RFC 1928, 1929). The proxy
//! resolves the name. Holds no stream of its own and never waits: the deadline is its owner's.

use super::http::Head;
use crate::base::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Which protocol the proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Socks5,
}

/// A proxy and how to log on to it. Its credentials are shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    scheme: Scheme,
    /// `host:port`.
    host_port: String,
    /// User and password.
    login: Option<Arc<(Secret, Secret)>>,
}

impl Proxy {
    /// `http://host:port` or `socks5://host:port`, with `user:password@` before the host if the
    /// proxy wants it.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or(HOW)?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            // The second form says that the proxy resolves names, which it always does here.
            "socks5" | "socks5h" => Scheme::Socks5,
            _ => return Err(HOW),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, host_port) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((login, host_port)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                let plain = |text| percent_decoded(text).ok_or(LOGIN);
                (Some((plain(user)?, plain(password)?)), host_port)
            }
        };
        let (host, port) = host_port.rsplit_once(':').ok_or(HOW)?;
        let clean = |c: char| c.is_ascii_alphanumeric() || "-.[]:_".contains(c);
        if host.is_empty() || !host.chars().all(clean) || !port.parse().is_ok_and(|p: u16| p > 0) {
            return Err(HOW);
        }
        let fits = |text: &str| (1..=255).contains(&text.len()) && !text.contains(['\r', '\n']);
        if let (Scheme::Socks5, Some((user, password))) = (scheme, &login)
            && !(fits(user.expose()) && fits(password.expose()))
        {
            return Err(LOGIN);
        }
        Ok(Self {
            scheme,
            host_port: host_port.to_owned(),
            login: login.map(Arc::new),
        })
    }

    /// User and password. They go to another process of ours, and nowhere else.
    pub(crate) fn login(&self) -> Option<(&str, &str)> {
        let login = self.login.as_ref()?;
        Some((login.0.expose(), login.1.expose()))
    }

    /// As [`Self::parse`], with a login that the URL does not have.
    pub(crate) fn with_login(
        url: &str,
        login: Option<Arc<(Secret, Secret)>>,
    ) -> Result<Self, &'static str> {
        Ok(Self {
            login,
            ..Self::parse(url)?
        })
    }

    /// The proxy's own address.
    pub(crate) fn host_port(&self) -> &str {
        &self.host_port
    }

    fn first_words(&self, target: &Target) -> Zeroizing<Vec<u8>> {
        match (self.scheme, &self.login) {
            (Scheme::Http, login) => {
                let login = login.as_ref().map_or(String::new(), |login| {
                    let (user, password) = (login.0.expose(), login.1.expose());
                    let both = Zeroizing::new(format!("{user}:{password}"));
                    format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(&*both))
                });
                let login = Zeroizing::new(login);
                let request = format!(
                    "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{}User-Agent: tickwire\r\n\r\n",
                    *login
                );
                Zeroizing::new(request.into_bytes())
            }
            (Scheme::Socks5, None) => Zeroizing::new(vec![5, 1, NO_LOGIN]),
            (Scheme::Socks5, Some(_)) => Zeroizing::new(vec![5, 2, NO_LOGIN, PASSWORD]),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}", self.host_port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const HOW: &str = "write \"http://host:port\" or \"socks5://host:port\"";
const LOGIN: &str =
    "user and password have 1 to 255 bytes each, with % before what a URL cannot hold";

/// The address to which the proxy connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What the proxy is asked, and so how its answer is read.
#[derive(Debug, Clone, Copy)]
enum Step {
    Connect,
    Method,
    Login,
    Request,
}

/// The conversation with a proxy over the stream `T`, until the stream is the target's.
pub(crate) struct Tunnel<T> {
    stream: T,
    proxy: Proxy,
    target: Target,
    step: Step,
    words: Zeroizing<Vec<u8>>,
    /// How many bytes of `words` were sent.
    sent: usize,
    answer: Vec<u8>,
}

impl<T> Tunnel<T> {
    /// Nothing is said yet.
    pub(crate) fn new(stream: T, proxy: Proxy, target: Target) -> Self {
        Self {
            stream,
            step: match proxy.scheme {
                Scheme::Http => Step::Connect,
                Scheme::Socks5 => Step::Method,
            },
            words: proxy.first_words(&target),
            sent: 0,
            answer: Vec::new(),
            proxy,
            target,
        }
    }

    /// The stream to the proxy.
    pub(crate) fn get_ref(&self) -> &T {
        &self.stream
    }

    /// The stream to the proxy, for registration.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// The stream, which leads to the target once [`Self::advance`] has returned `Ok`.
    pub(crate) fn into_inner(self) -> T {
        self.stream
    }
}

impl<T: Read + Write> Tunnel<T> {
    /// Talks as far as the stream lets it. `Ok` when the stream leads to the target, `WouldBlock`
    /// while we wait for the proxy.
    pub(crate) fn advance(&mut self) -> io::Result<()> {
        loop {
            while self.sent < self.words.len() {
                self.sent += self.stream.write(&self.words[self.sent..])?;
            }
            match self.stream.flush() {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) | Ok(()) => {}
            }
            if self.understand()? {
                return Ok(());
            }
        }
    }

    /// Reads one answer. True if it was the last one; else what to say next is in `words`.
    fn understand(&mut self) -> io::Result<bool> {
        if let Step::Connect = self.step {
            return self.connected();
        }
        match self.step {
            Step::Connect => {}
            Step::Method => {
                self.fill(2)?;
                match (self.answer[1], &self.proxy.login) {
                    _ if self.answer[0] != 5 => return Err(refused("it does not speak SOCKS5")),
                    (NO_LOGIN, _) => self.ask(),
                    (PASSWORD, Some(login)) => {
                        let (user, password) = (login.0.expose(), login.1.expose());
                        let mut words = Zeroizing::new(vec![1, user.len() as u8]);
                        words.extend_from_slice(user.as_bytes());
                        words.push(password.len() as u8);
                        words.extend_from_slice(password.as_bytes());
                        self.say(Step::Login, words);
                    }
                    (_, None) => return Err(refused("it wants a user and a password")),
                    (_, Some(_)) => return Err(refused("it takes no user and password")),
                }
            }
            Step::Login => {
                self.fill(2)?;
                if self.answer[1] != 0 {
                    return Err(refused("it refuses the user or the password"));
                }
                self.ask();
            }
            Step::Request => {
                self.fill(5)?;
                let (reply, kind, first) = (self.answer[1], self.answer[3], self.answer[4]);
                if reply != 0 {
                    let why = REPLIES
                        .get(usize::from(reply))
                        .unwrap_or(&"unknown failure");
                    return Err(refused(&format!("it cannot reach {}: {why}", self.target)));
                }
                let address = match kind {
                    1 => 4,
                    3 => 1 + usize::from(first),
                    4 => 16,
                    _ => return Err(refused("it answers with an unknown sort of address")),
                };
                self.fill(4 + address + 2)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The answer to `CONNECT`.
    fn connected(&mut self) -> io::Result<bool> {
        loop {
            let head = Head::parse(&self.answer).map_err(|why| refused(&why))?;
            match head {
                Some(head) if (100..200).contains(&head.status) => {
                    self.answer.drain(..head.bytes);
                }
                Some(head) if (200..300).contains(&head.status) => return Ok(true),
                Some(head) => return Err(refused(&format!("HTTP {}", head.status))),
                // The target speaks only after us: one byte at a time loses nothing that is its
                // own.
                None => self.fill(self.answer.len() + 1)?,
            }
        }
    }

    /// Reads until the answer has this many bytes, and no more.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        while self.answer.len() < bytes {
            let mut piece = [0; 1];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(refused("it hung up")),
                Ok(_) => self.answer.push(piece[0]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Asks SOCKS5 for the target.
    fn ask(&mut self) {
        let mut words = vec![5, 1, 0];
        match self.target.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                words.push(1);
                words.extend(address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                words.push(4);
                words.extend(address.octets());
            }
            Err(_) => {
                let name = self.target.host.as_bytes();
                let name = &name[..name.len().min(255)];
                words.extend([3, name.len() as u8]);
                words.extend(name);
            }
        }
        words.extend(self.target.port.to_be_bytes());
        self.say(Step::Request, Zeroizing::new(words));
    }

    fn say(&mut self, step: Step, words: Zeroizing<Vec<u8>>) {
        (self.step, self.words, self.sent) = (step, words, 0);
        self.answer.clear();
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(ErrorKind::ConnectionRefused, why.to_owned())
}

/// A part of a URL as it is meant.
fn percent_decoded(text: &str) -> Option<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'%' => (digit(rest.next())? * 16 + digit(rest.next())?) as u8,
            byte => byte,
        });
    }
    Some(Secret::from(std::str::from_utf8(&bytes).ok()?.to_owned()))
}

const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
/// RFC 1928 §6.
const REPLIES: [&str; 9] = [
    "",
    "general failure",
    "not allowed",
    "network unreachable",
    "host unreachable",
    "connection refused",
    "too slow",
    "command not supported",
    "address type not supported",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_understood_and_its_credentials_are_never_shown() {
        let proxy = Proxy::parse("socks5://me:s%40cret@proxy.test:1080").unwrap();
        assert_eq!(proxy.host_port(), "proxy.test:1080");
        let (user, password) = &**proxy.login.as_ref().unwrap();
        assert_eq!((user.expose(), password.expose()), ("me", "s@cret"));
        assert_eq!(
            format!("{proxy} {proxy:?}"),
            "socks5://proxy.test:1080 socks5://proxy.test:1080"
        );
        assert!(Proxy::parse("http://10.0.0.1:3128/").is_ok());
        assert!(Proxy::parse("http://[::1]:3128").is_ok());
        for wrong in [
            "",
            "proxy.test:1080",
            "ftp://a:1",
            "https://a:1",
            "http://a",
            "http://:1",
            "http://a:0",
            "http://a:99999",
            "http://a b:1",
            "http://a:1/x",
            "socks5://me:@a:1",
            "http://%zz:x@a:1",
        ] {
            assert!(Proxy::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    /// A proxy of few words, one for each turn.
    struct Scripted {
        answers: Vec<&'static [u8]>,
        said: Vec<Vec<u8>>,
        ready: Vec<u8>,
    }

    impl Read for Scripted {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.ready.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            out[0] = self.ready.remove(0);
            Ok(1)
        }
    }

    impl Write for Scripted {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.said.push(data.to_vec());
            self.ready.extend(self.answers.remove(0));
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn through(url: &str, answers: &[&'static [u8]]) -> (io::Result<()>, Vec<Vec<u8>>, Vec<u8>) {
        let scripted = Scripted {
            answers: answers.to_vec(),
            said: Vec::new(),
            ready: Vec::new(),
        };
        let target = Target {
            host: "exchange.test".into(),
            port: 443,
        };
        let mut tunnel = Tunnel::new(scripted, Proxy::parse(url).unwrap(), target);
        let done = tunnel.advance();
        let scripted = tunnel.into_inner();
        (done, scripted.said, scripted.ready)
    }

    #[test]
    fn both_protocols_are_spoken_to_the_byte_and_nothing_of_the_target_is_taken() {
        let answer = b"HTTP/1.1 100 x\r\n\r\nHTTP/1.0 200 Established\r\nVia: x\r\n\r\nTLS";
        let (done, said, behind) = through("http://me:pw@a:1", &[answer]);
        assert!(done.is_ok());
        let asked = String::from_utf8(said.concat()).unwrap();
        assert!(
            asked.starts_with("CONNECT exchange.test:443 HTTP/1.1\r\nHost: exchange.test:443\r\n")
        );
        assert!(asked.contains("Proxy-Authorization: Basic bWU6cHc=\r\n"));
        assert_eq!(behind, b"TLS");

        let answers: [&[u8]; 3] = [
            &[5, 2],
            &[1, 0],
            b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x09TLS",
        ];
        let (done, said, behind) = through("socks5://me:pw@a:1", &answers);
        assert!(done.is_ok());
        let request = b"\x05\x01\x00\x03\x0dexchange.test\x01\xbb".to_vec();
        assert_eq!(
            said,
            [vec![5, 2, 0, 2], b"\x01\x02me\x02pw".to_vec(), request]
        );
        assert_eq!(behind, b"TLS");
    }

    #[test]
    fn a_refusal_says_why_and_never_the_password() {
        for (url, answers, why) in [
            (
                "http://a:1",
                &[&b"HTTP/1.1 407 Auth\r\n\r\n"[..]][..],
                "HTTP 407",
            ),
            ("http://a:1", &[b"SSH-2.0\r\n\r\n"], "is no HTTP"),
            ("socks5://a:1", &[&[5, 255]], "wants a user"),
            ("socks5://u:pw@a:1", &[&[5, 255]], "takes no user"),
            ("socks5://u:pw@a:1", &[&[5, 2], &[1, 1]], "refuses the user"),
            ("socks5://a:1", &[b"HT"], "does not speak SOCKS5"),
            (
                "socks5://a:1",
                &[&[5, 0], &[5, 5, 0, 1, 0]],
                "exchange.test:443: connection refused",
            ),
        ] {
            let error = through(url, answers).0.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains("pw"), "{error}");
        }
    }
}
