//! The exchange of a bench: real TLS and WebSocket on loopback, with books that a script moves.
//! What is measured is encrypted beforehand and sent by a schedule; everything else is the
//! simulated exchange's own. Runs on the thread of its owner, and starts nobody.

mod hot;
pub(crate) mod process;

use super::clock::OsClock;
use super::sys;
use crate::base::{Nanos, UnixNanos};
use crate::exchange::Exchange;
use crate::exchange::mirror::orders::{Change, News as Told};
use crate::venue::directory::{Venues, host_names};
use crate::venue::script::{self, Act, Script, Wanted};
use crate::venue::simulated::News;
use crate::world::sim::connection::Connection;
use crate::world::sim::tls::{self, Certificates, Servers};
pub(crate) use hot::Plan;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Triggers come on the first pairs only, so many at most: an exchange lets an account place few
/// orders, and each of these books must have answered before anything is measured.
const TRIGGERED_MAX: usize = 3;
/// Messages of a turn while the client starts.
const CALM_BATCH: usize = 20;
const CALM_PERIOD: Duration = Duration::from_millis(20);
/// How often a book that has not answered is asked again while the client starts.
const ASK_PERIOD: Duration = Duration::from_millis(400);
/// What a thread without work waits.
const PAUSE: Duration = Duration::from_micros(200);
/// How often a loop looks after its client.
const WATCH_PERIOD: Duration = Duration::from_millis(2);
const READ_BYTES: usize = 16 * 1024;
/// Connections at once; further ones are closed as they come. A client has two or three.
const CLIENTS_MAX: usize = 64;

/// Why a run of a client came to nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The exchange could not start, or a socket of it failed.
    Io(io::Error),
    /// TLS could not start.
    Certificates(String),
    /// The client never asked for market data.
    NotConnected,
    /// It follows market data, and never answered a trigger.
    NotAnswered,
    /// It stopped answering.
    Silent,
    /// It does not read what it is sent.
    NotReading,
    /// It is gone: what its end looked like.
    Died(String),
    /// A person asked the bench to end.
    Stopped,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the bench's exchange failed: {error}"),
            Self::Certificates(why) => write!(f, "cannot make certificates: {why}"),
            Self::NotConnected => write!(
                f,
                "it never followed the books: let it connect to wss://{{addr}}/stream, trust \
                 {{ca}}, and subscribe to each pair of {{pairs}}"
            ),
            Self::NotAnswered => write!(
                f,
                "it followed the books and never answered a trigger: let it answer a depthUpdate \
                 whose first bid has the quantity {}.00000000 with a LIMIT IOC BUY at the price of \
                 the first ask (`tickwire bench --help`)",
                script::TRIGGER_UNITS
            ),
            Self::Silent => write!(
                f,
                "it answered while it started, and then nothing: see whether an order was refused \
                 (an account may place 100 in ten seconds), or whether it fell behind"
            ),
            Self::NotReading => write!(f, "it does not read what it is sent"),
            Self::Died(how) => write!(f, "it ended before the run was over: {how}"),
            Self::Stopped => write!(f, "a signal ended the bench"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Looks after the client and the person: an error ends the run.
pub(crate) type Watch<'w> = &'w mut dyn FnMut() -> Result<(), Trouble>;

/// A connection and its socket.
struct Client {
    socket: TcpStream,
    connection: Connection,
    /// Bytes written since stamps were asked for.
    written: u64,
    /// Measured frames that have no stamp yet: the count of bytes at their end, and their place.
    unstamped: VecDeque<(u64, usize)>,
    gone: bool,
}

/// An order that answers a trigger.
#[derive(Debug, Clone, Copy)]
struct Answer {
    wanted: Wanted,
    /// When its last bytes were received.
    at: UnixNanos,
    /// The kernel said so.
    by_kernel: bool,
}

/// The exchange.
///
/// Invariant: `venues` holds one exchange, whose books only `script` moves.
pub(crate) struct Stage {
    listener: TcpListener,
    addr: SocketAddr,
    ca_pem: String,
    tls: Arc<Servers>,
    venues: Venues,
    script: Script,
    pairs: usize,
    clients: Vec<Client>,
    started: Instant,
    /// Answers that nobody took yet.
    answers: Vec<Answer>,
    /// Which book speaks next.
    turn: usize,
    buffer: Box<[u8]>,
}

impl Stage {
    /// Listens on a free port of loopback.
    pub(crate) fn open(
        exchange: &'static dyn Exchange,
        pairs: usize,
        seed: u64,
    ) -> Result<Self, Trouble> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        listener.set_nonblocking(true)?;
        let (epoch, started) = (sys::realtime(), Instant::now());
        let (venue, script) = Script::open(exchange, pairs, seed, epoch);
        let names = host_names(exchange);
        let Certificates { ca_pem, server } =
            tls::certificates(names, Arc::new(OsClock)).map_err(Trouble::Certificates)?;
        Ok(Self {
            addr: listener.local_addr()?,
            listener,
            ca_pem,
            tls: server,
            venues: Venues::new(vec![venue]),
            script,
            pairs,
            clients: Vec::new(),
            started,
            answers: Vec::new(),
            turn: 0,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate authority that a client must trust.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What it lists.
    pub(crate) fn symbols(&self) -> Vec<String> {
        script::symbols(&self.venues.all[0])
    }

    /// The instruments, as it lists them.
    pub(crate) fn instruments(&self) -> Vec<crate::base::Instrument> {
        let listings = self.venues.all[0].listings.iter();
        listings.map(|listing| listing.instrument).collect()
    }

    /// Serves until each of the books that ask has been answered once, or `patience` is over.
    pub(crate) fn until_ready(
        &mut self,
        patience: Duration,
        watch: Watch<'_>,
    ) -> Result<(), Trouble> {
        let began = Instant::now();
        let mut waits: Vec<(bool, Instant)> = vec![(true, began); self.triggered()];
        let mut open: BTreeMap<Wanted, ()> = BTreeMap::new();
        let (mut calm_at, mut watch_at, mut followed) = (began, began, false);
        loop {
            let now = Instant::now();
            if now >= watch_at {
                watch()?;
                watch_at = now + WATCH_PERIOD;
            }
            if now >= calm_at {
                calm_at = now + CALM_PERIOD;
                for _ in 0..CALM_BATCH.min(self.pairs) {
                    self.turn = (self.turn + 1) % self.pairs;
                    followed |= self.say(self.turn, Act::Calm)?.0;
                }
            }
            for (listing, (waiting, ask_at)) in waits.iter_mut().enumerate() {
                if followed && *waiting && now >= *ask_at {
                    *ask_at = now + ASK_PERIOD;
                    open.extend(
                        self.say(listing, Act::Trigger)?
                            .1
                            .map(|wanted| (wanted, ())),
                    );
                }
            }
            let busy = self.serve()?;
            for answer in self.answers.drain(..) {
                if open.contains_key(&answer.wanted) {
                    waits[answer.wanted.0].0 = false;
                }
            }
            if !waits.iter().any(|(waiting, _)| *waiting) {
                return Ok(());
            }
            if began.elapsed() > patience {
                return Err(match followed {
                    true => Trouble::NotAnswered,
                    false => Trouble::NotConnected,
                });
            }
            if !busy {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Serves until `done` says so, or `limit` is over. Gives whether it was done.
    pub(crate) fn serve_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut() -> bool,
    ) -> Result<bool, Trouble> {
        let began = Instant::now();
        loop {
            if done() {
                return Ok(true);
            }
            if began.elapsed() > limit {
                return Ok(false);
            }
            if !self.serve()? {
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn triggered(&self) -> usize {
        self.pairs.min(TRIGGERED_MAX)
    }

    fn now(&self) -> Nanos {
        Nanos(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Lets a book speak at once. Gives whether anybody follows it, and what it asks for.
    fn say(&mut self, listing: usize, act: Act) -> Result<(bool, Option<Wanted>), Trouble> {
        let now = self.now();
        let venue = &mut self.venues.all[0];
        let (events, wanted) = self.script.step(venue, listing, act, now);
        let news = News {
            events,
            ..News::default()
        };
        let mut followed = false;
        for client in &mut self.clients {
            followed |= client.connection.handle_news(&self.venues.all[0], &news) > 0;
            client.connection.handle_timeout(now, &self.venues);
            client.write()?;
        }
        Ok((followed, wanted))
    }

    /// Accepts, reads, answers and writes what there is. Gives whether there was anything.
    fn serve(&mut self) -> Result<bool, Trouble> {
        let now = self.now();
        let mut busy = self.accept(now)?;
        for n in 0..self.clients.len() {
            busy |= self.read(n)?;
        }
        for client in &mut self.clients {
            client.connection.handle_timeout(now, &self.venues);
            client.write()?;
            while client.take_stamp().is_some() {}
            client.gone |= client.connection.over(now).is_some();
        }
        self.clients.retain(|client| !client.gone);
        Ok(busy)
    }

    fn accept(&mut self, now: Nanos) -> Result<bool, Trouble> {
        let (socket, from) = match self.listener.accept() {
            Ok(accepted) => accepted,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionAborted => return Ok(false),
                _ => return Err(error.into()),
            },
        };
        if self.clients.len() >= CLIENTS_MAX {
            return Ok(true);
        }
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        // A kernel without send stamps gives those of what it receives; one without both leaves
        // this process's own clock.
        if sys::enable_stamps(socket.as_fd(), true).is_err() {
            let _ = sys::enable_stamps(socket.as_fd(), false);
        }
        let connection = Connection::new(now, from.ip(), Arc::clone(&self.tls));
        self.clients.push(Client {
            socket,
            connection,
            written: 0,
            unstamped: VecDeque::new(),
            gone: false,
        });
        Ok(true)
    }

    /// Reads what a client sent and answers it; orders are noted with the stamp of their bytes.
    fn read(&mut self, n: usize) -> Result<bool, Trouble> {
        let client = &mut self.clients[n];
        let (bytes, stamp) = match sys::recv_stamped(client.socket.as_fd(), &mut self.buffer) {
            Ok((0, _)) => {
                client.gone = true;
                return Ok(true);
            }
            Ok(read) => read,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => return Ok(false),
                _ => {
                    client.gone = true;
                    return Ok(true);
                }
            },
        };
        let by_kernel = stamp.is_some();
        let at = stamp.unwrap_or_else(sys::realtime);
        let now = self.now();
        self.venues.all[0].stand(now);
        let client = &mut self.clients[n];
        client
            .connection
            .handle_input(now, &self.buffer[..bytes], &mut self.venues);
        client.write()?;
        let mut news = self.venues.all[0].take_news();
        news.events.clear();
        for report in &news.reports {
            if let Told::Order(order, Change::Placed) = &report.news {
                self.answers.push(Answer {
                    wanted: (order.asked.listing, order.asked.px),
                    at,
                    by_kernel,
                });
            }
        }
        if !news.reports.is_empty() {
            for client in &mut self.clients {
                client.connection.handle_news(&self.venues.all[0], &news);
                if client.connection.is_account() {
                    client.connection.handle_timeout(now, &self.venues);
                    client.write()?;
                }
            }
        }
        Ok(true)
    }
}

impl Client {
    /// Writes until there is nothing more, or no room.
    fn write(&mut self) -> Result<(), Trouble> {
        while !self.connection.output().is_empty() && !self.gone {
            match self.socket.write(self.connection.output()) {
                Ok(n) => {
                    self.connection.consume(n);
                    self.written += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.gone = true,
            }
        }
        Ok(())
    }

    /// The next stamp of the kernel for what was sent: for which measured frame, if for one.
    fn take_stamp(&mut self) -> Option<(Option<usize>, UnixNanos)> {
        let (id, at) = sys::recv_send_stamp(self.socket.as_fd()).ok()??;
        while let Some(&(end, frame)) = self.unstamped.front() {
            // The kernel counts modulo 2^32, and names the last byte rather than the count.
            let ahead = (end as u32).wrapping_sub(id.wrapping_add(1)) as i32;
            if ahead > 0 {
                break;
            }
            self.unstamped.pop_front();
            if ahead == 0 {
                return Some((Some(frame), at));
            }
        }
        Some((None, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_connection_too_many_is_closed_and_the_others_stay() {
        let mut stage = Stage::open(crate::exchange::unnamed(), 1, 1).unwrap();
        let connect = |_| TcpStream::connect(stage.addr()).unwrap();
        let mut all: Vec<TcpStream> = (0..=CLIENTS_MAX).map(connect).collect();
        while stage.accept(Nanos::ZERO).unwrap() {}
        assert_eq!(stage.clients.len(), CLIENTS_MAX);
        let mut last = all.pop().unwrap();
        assert_eq!(last.read(&mut [0]).unwrap(), 0, "it is closed");
    }
}
