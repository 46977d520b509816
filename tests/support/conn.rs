//! What the connection tests share: an authority of their own, and a pipe in memory with faults.
#![allow(dead_code)] // Each test binary uses its own part.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ServerConfig};
use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};
use tickwire::base::{Clock, Nanos, RxStamps, UnixNanos};
use tickwire::conn::{Transport, TxMark, TxStamp, tls};
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
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = CertificateDer::from(params.signed_by(&key, &self.issuer).unwrap());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
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

    pub fn advance(&self, span: Nanos) {
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

#[derive(Default)]
struct Channel {
    bytes: VecDeque<u8>,
    closed: bool,
}

/// One end of a pipe in memory that holds `capacity` bytes a direction.
pub struct End {
    inbox: Arc<Mutex<Channel>>,
    outbox: Arc<Mutex<Channel>>,
    capacity: usize,
    /// Dice for faults: short reads and writes, and blocking without need.
    dice: Option<fastrand::Rng>,
    tx: TxMark,
}

/// A pipe. With a seed it hands over few bytes at a time, and blocks every other call or so.
pub fn pipe(capacity: usize, seed: Option<u64>) -> (End, End) {
    let (a, b) = (
        Arc::<Mutex<Channel>>::default(),
        Arc::<Mutex<Channel>>::default(),
    );
    let end = |inbox: &Arc<_>, outbox: &Arc<_>, salt: u64| End {
        inbox: Arc::clone(inbox),
        outbox: Arc::clone(outbox),
        capacity,
        dice: seed.map(|seed| fastrand::Rng::with_seed(seed ^ salt)),
        tx: TxMark::default(),
    };
    (end(&a, &b, 0), end(&b, &a, 1 << 40))
}

impl End {
    /// How many bytes this call moves at most, or that it blocks.
    fn share(&mut self, wanted: usize) -> io::Result<usize> {
        let Some(dice) = &mut self.dice else {
            return Ok(wanted);
        };
        match dice.u8(0..4) {
            0 | 1 => Err(ErrorKind::WouldBlock.into()),
            2 => Ok(wanted.min(1)),
            _ => Ok(wanted.min(dice.usize(1..3_000))),
        }
    }

    /// Puts bytes on the wire that did not come from the stream's owner.
    pub fn inject(&mut self, bytes: &[u8]) {
        self.outbox.lock().unwrap().bytes.extend(bytes);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.outbox.lock().unwrap().closed = true;
        self.inbox.lock().unwrap().closed = true;
    }
}

impl Read for End {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let share = self.share(out.len())?;
        let mut inbox = self.inbox.lock().unwrap();
        if inbox.bytes.is_empty() && !inbox.closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = share.min(inbox.bytes.len());
        for (to, from) in out.iter_mut().zip(inbox.bytes.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }
}

impl Write for End {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let share = self.share(data.len())?;
        let mut outbox = self.outbox.lock().unwrap();
        if outbox.closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let n = share.min(self.capacity.saturating_sub(outbox.bytes.len()));
        if n == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        outbox.bytes.extend(&data[..n]);
        self.tx.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for End {
    fn rx(&self) -> RxStamps {
        RxStamps::default()
    }

    fn tx(&self) -> TxMark {
        self.tx
    }

    fn poll_tx_stamp(&mut self) -> Option<TxStamp> {
        None
    }
}
