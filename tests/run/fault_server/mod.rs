//! A fault server: an exchange that speaks the protocols of four markets over real TLS, HTTP and
//! WebSocket, keeps a reference book of its own, and does wrong what a script says. Shares no code
//! with `src`: tests run the built binary against it, and judge each order by the book as it truly
//! was when the order came.

pub mod book;
mod connection;
pub mod dialect;
pub mod engine;
pub mod ledger;
mod orders;
pub mod wire;

use book::{Book, Diff, Moment, Snapshot};
pub use dialect::{Channel, Dialect};
use ledger::Ledger;
use rustls::ServerConfig;
use std::collections::{HashMap, VecDeque};
use std::net::TcpListener;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};
use wire::Http;

/// Levels a side that a snapshot has at most.
const SNAPSHOT_LEVELS: usize = 1000;

/// Steps that are kept for streams that are late.
const RECENT_US: i64 = 12_000_000;

/// Microseconds since 1970: the clock of all records here.
pub fn now_us() -> i64 {
    UNIX_EPOCH.elapsed().unwrap().as_micros() as i64
}

/// Whether a path asks for a whole book.
pub fn is_book(path: &str) -> bool {
    path.contains("/depth") || path.contains("/order_book")
}

/// What is done wrong. Whatever a script does not say goes right.
pub trait Script: Send + Sync + 'static {
    /// What goes out in the place of this message.
    fn send(&self, _message: &Message, text: String) -> Vec<String> {
        vec![text]
    }
    /// How late market data goes out that is made so long after the start.
    fn delay_ms(&self, _elapsed_ms: i64) -> i64 {
        0
    }
    /// The whole book that answers the request number `nth` for it, from zero on.
    fn snapshot(&self, _nth: u64, book: &Book) -> Snapshot {
        book.snapshot()
    }
    /// What goes out in the place of this text of a whole book.
    fn book_text(&self, _symbol: &str, text: String) -> String {
        text
    }
    /// An answer instead of the right one to the REST request number `nth` for this path.
    fn rest(&self, _path: &str, _nth: u64) -> Option<Http> {
        None
    }
    /// An answer instead of the upgrade, for the connection number `nth` to this host.
    fn upgrade(&self, _host: &str, _nth: u64) -> Option<Http> {
        None
    }
    /// What becomes of the subscription number `nth` to this stream.
    fn subscribe(&self, _symbol: &str, _channel: Channel, _nth: u64) -> Subscribe {
        Subscribe::Grant
    }
    /// A text of its own to each connection, when so much time went by on it since the last one.
    fn interject(&self) -> Option<(Duration, String)> {
        None
    }
    /// What becomes of the request number `nth` for this method of order entry, from zero on.
    fn handle(&self, _method: &str, _nth: u64) -> Handling {
        Handling::Right
    }
    /// How late the private stream tells of an order.
    fn reports_late_ms(&self) -> i64 {
        0
    }
    /// How far the exchange's clock is from the true time.
    fn clock_ms(&self) -> i64 {
        0
    }
}

/// Does nothing wrong.
pub struct Honest;
impl Script for Honest {}

/// What becomes of a request for a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subscribe {
    Grant,
    Refuse,
    /// No answer, and no data.
    Ignore,
    /// The answer of a grant, and no data.
    Mute,
}

/// What becomes of a request of order entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handling {
    Right,
    /// It is not carried out, and nobody says so.
    Swallowed,
    /// It is carried out, and nobody says so.
    AnswerLost,
    /// It is carried out, and the connection ends within the answer.
    Cut,
}

/// A message that is about to go out.
pub struct Message {
    pub symbol: &'static str,
    pub channel: Channel,
    /// Counts the stream's messages on its connection from zero on.
    pub nth: u64,
    /// Counts the connections to the streams from zero on.
    pub connection: u64,
    /// Since the server started.
    pub elapsed_ms: i64,
}

/// An order as it arrived, or as the log tells of it.
#[derive(Clone, Debug)]
pub struct Order {
    pub at_us: i64,
    pub symbol: String,
    pub buy: bool,
    /// In cents.
    pub px: i64,
    /// The client's.
    pub id: String,
}

/// What the server is to be.
pub struct Setup {
    pub dialect: Dialect,
    pub symbols: Vec<&'static str>,
    /// Time between two steps of each book.
    pub step: Duration,
    /// Levels a side below the best one.
    pub deep: i64,
    /// Steps that a best level stays.
    pub hold: i64,
}

impl Setup {
    pub fn new(dialect: Dialect, symbols: &[&'static str]) -> Self {
        let (symbols, step) = (symbols.to_vec(), Duration::from_millis(50));
        Self {
            dialect,
            symbols,
            step,
            deep: 60,
            hold: 1,
        }
    }
}

/// The running server; it ends with the process.
pub struct Server {
    pub addr: String,
    pub ca_pem: String,
    pub world: Arc<World>,
}

/// What all its threads share.
pub struct World {
    pub dialect: Dialect,
    pub script: Box<dyn Script>,
    pub began_us: i64,
    books: Mutex<Vec<Book>>,
    listeners: Mutex<Vec<Sender<Arc<Diff>>>>,
    /// The newest steps of all books, oldest first: what a stream that is late is at.
    recent: Mutex<VecDeque<Arc<Diff>>>,
    orders: Mutex<Vec<Order>>,
    pub ledger: Mutex<Ledger>,
    refused: Mutex<u64>,
    counts: Mutex<HashMap<String, u64>>,
    /// When a connection to the streams began.
    connects: Mutex<Vec<i64>>,
    /// When which path was asked for.
    requests: Mutex<Vec<(i64, String)>>,
}

impl Server {
    pub fn start(setup: Setup, script: impl Script) -> Self {
        let names: Vec<&str> = setup
            .dialect
            .hosts()
            .into_iter()
            .chain(["127.0.0.1"])
            .collect();
        let (ca_pem, tls) = wire::certificates(&names);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let now = now_us();
        let book = |(n, &symbol)| Book::new(symbol, 3_000_000 + 100_000 * n as i64, &setup, now);
        let world = Arc::new(World {
            dialect: setup.dialect,
            script: Box::new(script),
            began_us: now,
            books: Mutex::new(setup.symbols.iter().enumerate().map(book).collect()),
            listeners: Mutex::default(),
            recent: Mutex::default(),
            orders: Mutex::default(),
            ledger: Mutex::new(Ledger::new(&setup.symbols)),
            refused: Mutex::default(),
            counts: Mutex::default(),
            connects: Mutex::default(),
            requests: Mutex::default(),
        });
        let (market, step) = (world.clone(), setup.step);
        thread::spawn(move || market.run(step));
        let door = world.clone();
        thread::spawn(move || door.listen(&listener, &tls));
        Self {
            addr,
            ca_pem,
            world,
        }
    }
}

impl World {
    /// Moves the books until the process ends.
    fn run(&self, step: Duration) {
        loop {
            thread::sleep(step);
            let mut books = self.books.lock().unwrap();
            let diffs: Vec<_> = books
                .iter_mut()
                .map(|book| Arc::new(book.step(now_us())))
                .collect();
            let mut ledger = self.ledger.lock().unwrap();
            for diff in &diffs {
                let at_ms = self.exchange_us(diff.at_us) / 1000;
                ledger.step(diff.symbol, (diff.bid, diff.ask), at_ms);
            }
            drop(ledger);
            let mut listeners = self.listeners.lock().unwrap();
            let mut recent = self.recent.lock().unwrap();
            for diff in diffs {
                listeners.retain(|listener| listener.send(diff.clone()).is_ok());
                recent.push_back(diff);
            }
            let old_us = now_us() - RECENT_US;
            while recent.front().is_some_and(|diff| diff.at_us < old_us) {
                recent.pop_front();
            }
        }
    }

    fn listen(self: Arc<Self>, listener: &TcpListener, tls: &Arc<ServerConfig>) {
        for tcp in listener.incoming().flatten() {
            let (world, tls) = (self.clone(), tls.clone());
            // A client that goes away is no fault of this test.
            thread::spawn(move || drop(connection::serve(&world, &tls, tcp)));
        }
    }

    /// How often this was counted before.
    fn nth(&self, what: &str) -> u64 {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(what.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    pub fn symbols(&self) -> Vec<&'static str> {
        self.books
            .lock()
            .unwrap()
            .iter()
            .map(|book| book.symbol)
            .collect()
    }

    fn snapshot(&self, symbol: &str) -> Option<Snapshot> {
        let nth = self.nth(&format!("book {symbol}"));
        let books = self.books.lock().unwrap();
        let book = books.iter().find(|book| book.symbol == symbol)?;
        let mut snapshot = self.script.snapshot(nth, book);
        snapshot.bids.truncate(SNAPSHOT_LEVELS);
        snapshot.asks.truncate(SNAPSHOT_LEVELS);
        Some(snapshot)
    }

    /// The exchange's own time of this moment.
    pub fn exchange_us(&self, us: i64) -> i64 {
        us + self.script.clock_ms() * 1000
    }

    /// Orders that came over the order connection, and how many of them were refused.
    pub fn orders(&self) -> (Vec<Order>, u64) {
        let orders = self.orders.lock().unwrap().clone();
        (orders, *self.refused.lock().unwrap())
    }

    pub fn connects_us(&self) -> Vec<i64> {
        self.connects.lock().unwrap().clone()
    }

    pub fn requests(&self, path: &str) -> Vec<i64> {
        let requests = self.requests.lock().unwrap();
        let of = requests.iter().filter(|(_, asked)| asked.contains(path));
        of.map(|(at_us, _)| *at_us).collect()
    }

    fn moment(&self, order: &Order) -> Option<Moment> {
        let books = self.books.lock().unwrap();
        let book = books
            .iter()
            .find(|book| book.symbol == order.symbol)
            .unwrap();
        book.moment(order.buy, order.px, order.at_us)
    }

    /// Compares orders with the truth. `age_ms_max`: how old a book may be that an order is made
    /// from.
    pub fn tally(&self, orders: &[Order], age_ms_max: i64) -> Tally {
        let mut tally = Tally {
            orders: orders.len(),
            ..Tally::default()
        };
        let mut newest: HashMap<&str, usize> = HashMap::new();
        for order in orders {
            let Some(Moment { step, age_ms }) = self.moment(order) else {
                tally.never += 1;
                tally.wrong += 1;
                continue;
            };
            let newest = newest.entry(&order.symbol).or_default();
            let (back, old) = (step < *newest, age_ms > age_ms_max);
            tally.back += usize::from(back);
            tally.old += usize::from(old);
            tally.wrong += usize::from(back || old);
            tally.age_ms_max = tally.age_ms_max.max(age_ms);
            *newest = step.max(*newest);
        }
        tally
    }
}

/// What many orders were, compared with the truth.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub orders: usize,
    /// That a true book would not have made: any of the next three.
    pub wrong: usize,
    /// At a price that was never the best.
    pub never: usize,
    /// At a best price from before one that an earlier order was made at: of a level that is gone.
    pub back: usize,
    /// Made from a book that was true for the last time longer ago than the limit.
    pub old: usize,
    pub age_ms_max: i64,
}
