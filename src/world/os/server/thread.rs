//! The loop of `tickwire-sim`: waits in epoll until a socket or a timer is due, and hands bytes and
//! time on. Decides nothing about the exchange.

use super::SimProgress;
use crate::base::Nanos;
use crate::venue::directory::Venues;
use crate::venue::faults::{Planned, Step, Struck};
use crate::venue::limits::{self, Exceeded};
use crate::venue::simulated::{Source, Venue};
use crate::watch::audit::Truth;
use crate::world::sim::connection::{Connection, Cut};
use crate::world::sim::tls::Servers;
use crossbeam_channel::{Sender, TrySendError};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Connections at once; further ones are closed as they come.
const SESSIONS_MAX: usize = 1_024;
/// Faults that struck and wait for a reader, at most.
const STRUCK_MAX: usize = 4_096;
/// The longest park.
const PARK_MAX: Duration = Duration::from_millis(500);
const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// What the thread and its owner both see.
pub(crate) struct Shared {
    pub(crate) stop: AtomicBool,
    pub(crate) waker: Waker,
    frames_sent: AtomicU64,
    played_out: AtomicBool,
    orders: AtomicU64,
    sessions: AtomicU64,
    sessions_open: AtomicU64,
    slow_cuts: AtomicU64,
    truths_dropped: AtomicU64,
    exceeded: Mutex<Exceeded>,
    /// What is to go wrong, by the exchange's name, until the thread has taken it.
    planned: Mutex<Vec<(String, Planned)>>,
    /// The same, with market data.
    steps: Mutex<Vec<Step>>,
    /// What struck, until somebody reads it.
    struck: Mutex<VecDeque<Struck>>,
}

impl Shared {
    /// Plans a fault of this exchange.
    pub(crate) fn plan(&self, exchange: &str, planned: Planned) {
        let mut all = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((exchange.to_owned(), planned));
    }

    /// Plans a fault of market data.
    pub(crate) fn plan_market(&self, step: Step) {
        let mut all = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(step);
        // It begins within the longest park also when the waker fails.
        let _ = self.waker.wake();
    }

    /// The faults of market data that struck since the last call.
    pub(crate) fn take_struck(&self) -> Vec<Struck> {
        let mut all = self.struck.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain(..).collect()
    }

    pub(crate) fn progress(&self) -> SimProgress {
        // Whoever panicked while holding it left whole numbers behind.
        let exceeded = *self.exceeded.lock().unwrap_or_else(PoisonError::into_inner);
        SimProgress {
            exceeded,
            frames_sent: self.frames_sent.load(Relaxed),
            played_out: self.played_out.load(Relaxed),
            orders: self.orders.load(Relaxed),
            sessions: self.sessions.load(Relaxed),
            sessions_open: self.sessions_open.load(Relaxed),
            slow_cuts: self.slow_cuts.load(Relaxed),
            truths_dropped: self.truths_dropped.load(Relaxed),
        }
    }
}

struct Client {
    socket: TcpStream,
    connection: Connection,
    /// The socket may have bytes, or room: edges are remembered until they are used up.
    readable: bool,
    writable: bool,
    gone: bool,
}

/// The exchanges' time, which counts from their start.
pub(super) fn now(started: Instant) -> Nanos {
    Nanos(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Everything that lives on the thread.
pub(crate) struct Thread {
    poll: Poll,
    listener: TcpListener,
    venues: Venues,
    tls: Arc<Servers>,
    clients: BTreeMap<usize, Client>,
    next_token: usize,
    /// Connections may wait that no further edge will announce.
    accepts: bool,
    /// None once nobody listens.
    truths: Option<Sender<Truth>>,
    started: Instant,
    shared: Arc<Shared>,
    buffer: Box<[u8]>,
}

impl Thread {
    pub(crate) fn new(
        mut listener: TcpListener,
        venues: Venues,
        tls: Arc<Servers>,
        truths: Sender<Truth>,
        started: Instant,
    ) -> io::Result<(Self, Arc<Shared>)> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            waker: Waker::new(poll.registry(), WAKER)?,
            frames_sent: AtomicU64::new(0),
            played_out: AtomicBool::new(false),
            orders: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            sessions_open: AtomicU64::new(0),
            slow_cuts: AtomicU64::new(0),
            truths_dropped: AtomicU64::new(0),
            exceeded: Mutex::default(),
            planned: Mutex::default(),
            steps: Mutex::default(),
            struck: Mutex::default(),
        });
        let thread = Self {
            poll,
            listener,
            venues,
            tls,
            clients: BTreeMap::new(),
            next_token: 0,
            accepts: false,
            truths: Some(truths),
            started,
            shared: Arc::clone(&shared),
            buffer: vec![0; 16 * 1024].into_boxed_slice(),
        };
        Ok((thread, shared))
    }

    /// Serves until it is told to stop.
    pub(crate) fn run(&mut self) {
        let mut events = Events::with_capacity(256);
        while !self.shared.stop.load(Relaxed) {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accepts = true,
                    WAKER => (),
                    Token(token) => {
                        if let Some(client) = self.clients.get_mut(&token) {
                            client.readable |= event.is_readable() || event.is_read_closed();
                            client.writable |= event.is_writable();
                        }
                    }
                }
            }
            if self.accepts {
                self.accept();
            }
            self.turn();
        }
    }

    fn now(&self) -> Nanos {
        now(self.started)
    }

    fn timeout(&self) -> Duration {
        let clients = self.clients.values();
        let clients = clients.map(|client| client.connection.poll_timeout(&self.venues));
        let markets = self.venues.all.iter().map(|venue| venue.poll_timeout());
        let due = clients.chain(markets).min().unwrap_or(Nanos::NEVER);
        Duration::from_nanos(due.since(self.now()).0).min(PARK_MAX)
    }

    fn accept(&mut self) {
        loop {
            let (mut socket, from) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return self.accepts = false,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => continue,
                    // Out of descriptors or memory: asked again in the next turn.
                    _ => return,
                },
            };
            let token = self.next_token;
            let interest = Interest::READABLE | Interest::WRITABLE;
            let ready = self.clients.len() < SESSIONS_MAX
                && socket.set_nodelay(true).is_ok()
                && self
                    .poll
                    .registry()
                    .register(&mut socket, Token(token), interest)
                    .is_ok();
            if ready {
                let connection = Connection::new(self.now(), from.ip(), Arc::clone(&self.tls));
                self.next_token += 1;
                self.shared.sessions.fetch_add(1, Relaxed);
                let client = Client {
                    socket,
                    connection,
                    readable: true,
                    writable: true,
                    gone: false,
                };
                self.clients.insert(token, client);
            }
        }
    }

    /// One turn: the markets, then input, then timers, then the truth, and only then output.
    fn turn(&mut self) {
        let now = self.now();
        self.plan(now);
        let mut frames = self.advance(now);
        let Self {
            clients,
            venues,
            shared,
            buffer,
            ..
        } = self;
        let readable = clients.iter().filter(|(_, client)| client.readable);
        let readable: Vec<usize> = readable.map(|(token, _)| *token).collect();
        for token in readable {
            let Some(client) = clients.get_mut(&token) else {
                continue;
            };
            client.read(now, buffer, venues);
            // A request by REST may have caused something too, at whichever exchange. Also to the
            // connection that caused it: what it has shown already it knows by its ids.
            for (at, venue) in venues.all.iter_mut().enumerate() {
                let news = venue.take_news();
                if news.is_empty() {
                    continue;
                }
                let all = clients.values_mut().map(|client| &mut client.connection);
                for connection in all.filter(|connection| connection.venue() == Some(at)) {
                    frames += connection.handle_news(venue, &news);
                }
            }
        }
        for client in clients.values_mut() {
            frames += client.connection.handle_timeout(now, venues);
        }
        shared.frames_sent.fetch_add(frames, Relaxed);
        let orders = venues.all.iter().map(|venue| venue.orders).sum();
        shared.orders.store(orders, Relaxed);
        *shared
            .exceeded
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = limits::total(venues.all.iter());
        self.tell();
        self.tell_struck();
        self.write(now);
    }

    /// Takes over what is to go wrong.
    fn plan(&mut self, now: Nanos) {
        let mut steps = self
            .shared
            .steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for step in steps.drain(..) {
            // Whoever planned it has been told what does not fit.
            let _ = self.venues.plan(now, &step);
        }
        let mut planned = self
            .shared
            .planned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (name, planned) in planned.drain(..) {
            let of = |venue: &&mut Venue| venue.exchange.name() == name;
            if let Some(venue) = self.venues.all.iter_mut().find(of) {
                venue.faults.get_mut().plan(planned);
            }
        }
    }

    /// Moves the markets up to `now`, one event at a time: whoever looks at a book while it is told
    /// of an event sees it as of that event. Gives the frames sent.
    fn advance(&mut self, now: Nanos) -> u64 {
        let mut frames = 0;
        let mut connections: Vec<Vec<&mut Connection>> = Vec::new();
        connections.resize_with(self.venues.all.len(), Vec::new);
        for client in self.clients.values_mut() {
            if let Some(at) = client.connection.venue() {
                connections[at].push(&mut client.connection);
            }
        }
        for (venue, connections) in self.venues.all.iter_mut().zip(&mut connections) {
            while venue.step(now) {
                let news = venue.take_news();
                for connection in connections.iter_mut() {
                    frames += connection.handle_news(venue, &news);
                }
            }
        }
        frames
    }

    /// Sends the truth, ahead of the bytes that it is about.
    fn tell(&mut self) {
        let venues = self.venues.all.iter_mut();
        for truth in venues.flat_map(|venue| venue.take_truths()) {
            let Some(sender) = &self.truths else { continue };
            match sender.try_send(truth) {
                Ok(()) => (),
                Err(TrySendError::Full(_)) => {
                    self.shared.truths_dropped.fetch_add(1, Relaxed);
                }
                Err(TrySendError::Disconnected(_)) => self.truths = None,
            }
        }
    }

    /// Hands over what struck; the oldest give way if nobody reads them.
    fn tell_struck(&mut self) {
        let struck = self.venues.take_struck();
        if struck.is_empty() {
            return;
        }
        let told = self.shared.struck.lock();
        let mut told = told.unwrap_or_else(PoisonError::into_inner);
        told.extend(struck);
        let over = told.len().saturating_sub(STRUCK_MAX);
        told.drain(..over);
    }

    fn write(&mut self, now: Nanos) {
        for client in self.clients.values_mut().filter(|client| client.writable) {
            client.write();
        }
        let mut venues = self.venues.all.iter();
        if venues.any(|venue| matches!(venue.source, Source::Play(..))) {
            let mut ends = self
                .clients
                .values()
                .filter_map(|client| client.connection.played_out());
            if let Some(first) = ends.next() {
                self.shared
                    .played_out
                    .store(first && ends.all(|end| end), Relaxed);
            }
        }
        let Self {
            clients,
            shared,
            poll,
            venues,
            ..
        } = self;
        let mut left: Vec<(usize, usize)> = Vec::new();
        clients.retain(|_, client| {
            let over = client.connection.over(now);
            let keep = !client.gone && over.is_none();
            if !keep {
                if let Some(at) = client.connection.venue() {
                    let awaited = venues.all[at].listings.iter().enumerate();
                    let awaited = awaited.filter(|(_, listing)| {
                        client.connection.awaits(&listing.instrument.symbol)
                    });
                    left.extend(awaited.map(|(n, _)| (at, n)));
                }
                shared
                    .slow_cuts
                    .fetch_add(u64::from(over == Some(Cut::SlowConsumer)), Relaxed);
                let _ = poll.registry().deregister(&mut client.socket);
            }
            keep
        });
        for (at, listing) in left {
            let symbol = venues.all[at].listings[listing].instrument.symbol;
            let others = clients.values().map(|client| &client.connection);
            let mut others = others.filter(|other| other.venue() == Some(at));
            if !others.any(|other| other.awaits(&symbol)) {
                venues.all[at].abandon(listing);
            }
        }
        shared.sessions_open.store(clients.len() as u64, Relaxed);
    }
}

impl Client {
    /// Reads until the socket has nothing more; answers as it goes.
    fn read(&mut self, now: Nanos, buffer: &mut [u8], venues: &mut Venues) {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => self.gone = true,
                Ok(n) => {
                    self.connection.handle_input(now, &buffer[..n], venues);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                Err(_) => self.gone = true,
            }
            self.readable = false;
            return;
        }
    }

    /// Writes until there is nothing more, or no room.
    fn write(&mut self) {
        while !self.connection.output().is_empty() {
            match self.socket.write(self.connection.output()) {
                Ok(n) => self.connection.consume(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => {
                    self.gone |= error.kind() != io::ErrorKind::WouldBlock;
                    self.writable = false;
                    return;
                }
            }
        }
    }
}
