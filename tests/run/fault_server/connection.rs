//! One connection: a REST request, market streams, or order entry. Says what the market did, as the
//! script lets it.

use super::book::Diff;
use super::dialect::Channel;
use super::wire::{self, Http, Tls};
use super::{Message, Subscribe, World, now_us, orders};
use rustls::ServerConfig;
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use tungstenite::{Error, WebSocket};

const CHANNELS: [Channel; 3] = [Channel::Depth, Channel::Trades, Channel::Quotes];

pub fn serve(world: &World, tls: &Arc<ServerConfig>, tcp: TcpStream) -> io::Result<()> {
    let (mut tls, head) = wire::accept(tls, tcp)?;
    let Some(key) = &head.key else {
        let http = rest(world, &head.path);
        return wire::answer(&mut tls, &http, world.exchange_us(now_us()));
    };
    let nth = world.nth(&format!("upgrade {}", head.host));
    if !head.path.starts_with("/ws-api") {
        world.connects.lock().unwrap().push(now_us());
    }
    if let Some(http) = world.script.upgrade(&head.host, nth) {
        return wire::answer(&mut tls, &http, world.exchange_us(now_us()));
    }
    let socket = wire::upgrade(tls, key, world.exchange_us(now_us()))?;
    let ended = if head.path.starts_with("/ws-api") {
        orders::serve(world, socket)
    } else {
        Streams::new(world, nth).serve(socket)
    };
    ended.map_err(io::Error::other)
}

fn rest(world: &World, path: &str) -> Http {
    world
        .requests
        .lock()
        .unwrap()
        .push((now_us(), path.to_owned()));
    let place = path.split('?').next().unwrap();
    if let Some(http) = world.script.rest(path, world.nth(place)) {
        return http;
    }
    if path.starts_with("/api/v3/time") {
        let ms = world.exchange_us(now_us()) / 1000;
        return Http::ok(format!("{{\"serverTime\":{ms}}}"));
    }
    let dialect = world.dialect;
    if let Some(listing) = dialect.listing(path, &world.symbols()) {
        return Http::ok(listing);
    }
    let symbol = dialect.book_asked(path).unwrap_or_default();
    let Some(mut snapshot) = world.snapshot(symbol) else {
        let (status, headers, body) = (404, String::new(), "{}".to_owned());
        return Http {
            status,
            headers,
            body,
        };
    };
    snapshot.at_us = world.exchange_us(snapshot.at_us);
    Http::ok(world.script.book_text(symbol, dialect.book(&snapshot)))
}

/// A read that came to its time without a message.
pub fn quiet(error: &Error) -> bool {
    let waits = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
    matches!(error, Error::Io(error) if waits.contains(&error.kind()))
}

/// A connection to market streams.
struct Streams<'w> {
    world: &'w World,
    number: u64,
    /// What it is subscribed to, and how much went out of each.
    topics: Vec<(&'static str, Channel)>,
    counts: Vec<u64>,
    /// What is to go out, and when at the earliest.
    out: VecDeque<(i64, String)>,
    /// The connection's own numbers, if the market has such.
    sequence: u64,
}

impl<'w> Streams<'w> {
    fn new(world: &'w World, number: u64) -> Self {
        let (topics, counts, out) = (Vec::new(), Vec::new(), VecDeque::new());
        Self {
            world,
            number,
            topics,
            counts,
            out,
            sequence: 0,
        }
    }

    fn serve(mut self, mut socket: WebSocket<Tls>) -> Result<(), Error> {
        let (sender, news) = mpsc::channel();
        self.world.listeners.lock().unwrap().push(sender);
        let mut interjected_us = now_us();
        loop {
            match socket.read() {
                Ok(message) if message.is_text() => self.heard(message.to_text()?),
                Ok(_) => {}
                Err(error) if quiet(&error) => {}
                Err(error) => return Err(error),
            }
            while let Ok(diff) = news.try_recv() {
                self.tell(&diff);
            }
            if let Some((every, text)) = self.world.script.interject()
                && now_us() - interjected_us >= every.as_micros() as i64
            {
                interjected_us = now_us();
                self.put(now_us(), text);
            }
            while self
                .out
                .front()
                .is_some_and(|(due_us, _)| *due_us <= now_us())
            {
                let (_, text) = self.out.pop_front().unwrap();
                socket.send(text.into())?;
            }
        }
    }

    fn heard(&mut self, text: &str) {
        let (world, dialect) = (self.world, self.world.dialect);
        let request: Value = serde_json::from_str(text).unwrap();
        let (topics, wants) = dialect.asked(&request);
        let (mut granted, mut answers) = (Vec::new(), true);
        for (symbol, channel) in topics {
            let Some(symbol) = world.symbols().into_iter().find(|known| *known == symbol) else {
                return self.put(now_us(), dialect.refused(&request));
            };
            let nth = world.nth(&format!("subscribe {symbol} {channel:?}"));
            match world.script.subscribe(symbol, channel, nth) {
                Subscribe::Grant => granted.push((symbol, channel)),
                // One bad stream refuses the whole request.
                Subscribe::Refuse => return self.put(now_us(), dialect.refused(&request)),
                Subscribe::Ignore => answers = false,
                Subscribe::Mute => {}
            }
        }
        let begins = wants && self.topics.is_empty();
        self.topics.retain(|topic| !granted.contains(topic));
        self.counts.clear();
        if wants {
            self.topics.extend(&granted);
        }
        self.counts.resize(self.topics.len(), 0);
        for &(symbol, channel) in granted.iter().filter(|_| wants) {
            let snapshot = (channel == Channel::Depth)
                .then(|| world.snapshot(symbol))
                .flatten();
            let text = snapshot.and_then(|snapshot| dialect.streamed_book(symbol, &snapshot));
            if let Some(text) = text {
                self.put(now_us(), world.script.book_text(symbol, text));
            }
        }
        if answers {
            self.put(now_us(), dialect.granted(&request, &self.topics));
        }
        if begins {
            self.begin_late();
        }
    }

    /// A stream that is late begins with what is on its way.
    fn begin_late(&mut self) {
        let world = self.world;
        let on_its_way = |diff: &&Arc<Diff>| {
            let made_ms = (diff.at_us - world.began_us) / 1000;
            diff.at_us + world.script.delay_ms(made_ms) * 1000 > now_us()
        };
        let recent = world.recent.lock().unwrap();
        let past: Vec<Arc<Diff>> = recent.iter().filter(on_its_way).cloned().collect();
        drop(recent);
        past.iter().for_each(|diff| self.tell(diff));
    }

    /// Queues what the streams of this connection say of a step.
    fn tell(&mut self, diff: &Diff) {
        let world = self.world;
        for channel in CHANNELS {
            let topic = (diff.symbol, channel);
            let Some(at) = self.topics.iter().position(|each| *each == topic) else {
                continue;
            };
            let us = world.exchange_us(diff.at_us);
            let Some(text) = world.dialect.news(channel, diff, us) else {
                continue;
            };
            let message = Message {
                symbol: diff.symbol,
                channel,
                nth: self.counts[at],
                connection: self.number,
                elapsed_ms: (diff.at_us - world.began_us) / 1000,
            };
            self.counts[at] += 1;
            let delay_ms = world.script.delay_ms(message.elapsed_ms);
            for text in world.script.send(&message, text) {
                self.put(diff.at_us + delay_ms * 1000, text);
            }
        }
    }

    /// Queues a text that goes out at `due_us` at the earliest.
    fn put(&mut self, due_us: i64, mut text: String) {
        if text.starts_with("{\"channel\"") {
            // Advanced Trade numbers all messages of a connection.
            text.insert_str(1, &format!("\"sequence_num\":{},", self.sequence));
            self.sequence += 1;
        }
        self.out.push_back((due_us, text));
    }
}
