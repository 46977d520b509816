//! What every exchange of the registry must do in a conversation with its own mirror. Names no
//! exchange; golden frames are tried in `tests/exchange/golden.rs`.

mod answers;
mod fake;
mod naive;

use super::mirror::{Call, Content, Happened, Market as _, Method, Refusal};
use super::{ALL, Decoder, Topic, Words};
use crate::base::feed::SnapshotFrom;
use crate::base::{Channel, Instrument, Side, Word};
use fake::Fake;
use naive::Naive;
use std::collections::HashSet;

/// One market connection to a mirror.
struct Client {
    session: Box<dyn super::mirror::MirrorSession>,
    decoder: Box<dyn Decoder>,
    words: Words,
    /// Requests by id, with their topics.
    asked: Vec<(u64, Vec<(usize, Channel)>)>,
    confirmed: HashSet<(usize, Channel)>,
    said: Vec<usize>,
}

#[test]
fn every_exchange_understands_its_own_mirror() {
    for exchange in ALL {
        let name = exchange.name();
        let mirror = exchange.mirror();
        let depth = &exchange.depth_streams()[0];
        let mut market = Fake::new(mirror);
        let instruments: Vec<Instrument> = market.listings().iter().map(|l| l.instrument).collect();
        let mut paths: Vec<String> = Channel::ALL
            .map(|channel| exchange.stream_path(channel))
            .into();
        paths.sort();
        paths.dedup();
        let mut books: Vec<Naive> = instruments
            .iter()
            .map(|i| Naive::new(depth.rule, *i))
            .collect();
        let (mut trades, mut quotes, mut diffs) = (0, 0, 0);
        let mut clients: Vec<Client> = Vec::new();
        for path in &paths {
            let session = mirror
                .session(path)
                .unwrap_or_else(|| panic!("{name}: nothing at {path}"));
            let decoder = exchange.decoder(&instruments, depth);
            let mut client = Client {
                session,
                decoder,
                words: Words::new(),
                asked: Vec::new(),
                confirmed: HashSet::new(),
                said: vec![0; instruments.len()],
            };
            let mut out = Vec::new();
            client.session.handle_open(&mut market, &mut out);
            for text in exchange.greeting() {
                client
                    .session
                    .handle_text(text, &mut market, &mut out)
                    .unwrap();
            }
            let wanted: Vec<(usize, Channel)> = (0..instruments.len())
                .flat_map(|n| Channel::ALL.map(|channel| (n, channel)))
                .filter(|(_, channel)| exchange.stream_path(*channel) == *path)
                .collect();
            let topics: Vec<Topic<'_>> = wanted
                .iter()
                .map(|&(n, channel)| Topic {
                    symbol: instruments[n].symbol.as_str(),
                    channel,
                })
                .collect();
            let mut left = &wanted[..];
            for (request, id) in exchange.subscribe(&topics, depth, 1).into_iter().zip(1..) {
                let (mine, rest) = left.split_at(request.topics);
                client.asked.push((id, mine.to_vec()));
                left = rest;
                let done = client
                    .session
                    .handle_text(&request.text, &mut market, &mut out);
                assert_eq!(done, Ok(()), "{name}: {}", request.text);
            }
            assert!(
                left.is_empty(),
                "{name}: topics without a request: {left:?}"
            );
            clients.push(client);
            let client = clients.last_mut().unwrap();
            for frame in out {
                client.take(
                    name,
                    &frame,
                    &mut books,
                    (&mut trades, &mut quotes, &mut diffs),
                );
            }
        }
        if depth.rule.snapshot == SnapshotFrom::Rest {
            for (n, instrument) in instruments.iter().enumerate() {
                let levels = exchange.limits().snapshot_levels_max.max(1);
                let request = exchange
                    .snapshot_request(&instrument.symbol, levels)
                    .unwrap();
                let reply = mirror.rest(request.call(), &mut market);
                assert_eq!(reply.status, 200, "{name}: {}", reply.body);
                let snapshot = exchange
                    .snapshot(reply.body.into_bytes(), instrument, levels)
                    .unwrap();
                books[n].load(&snapshot);
            }
        }
        // A stream that speaks less often than the market is right when it speaks.
        let pauses = depth.every_ms.is_some_and(|every_ms| every_ms > 100);
        for step in 0..200 {
            for client in &mut clients {
                client.said.fill(0);
            }
            let mut events = market.step(step);
            events.append(&mut market.pending);
            for event in &events {
                for client in &mut clients {
                    let mut out = Vec::new();
                    client.session.handle_event(event, &market, &mut out);
                    for frame in out {
                        client.take(
                            name,
                            &frame,
                            &mut books,
                            (&mut trades, &mut quotes, &mut diffs),
                        );
                    }
                }
            }
            if events
                .iter()
                .any(|event| matches!(event, Happened::Depth { .. }))
            {
                for (n, book) in books.iter().enumerate() {
                    if pauses && clients.iter().all(|client| client.said[n] == 0) {
                        continue;
                    }
                    for side in [Side::Buy, Side::Sell] {
                        let truth: Vec<_> = market.levels(n, side).collect();
                        book.check(side, &truth, &format!("{name}, step {step}, listing {n}"));
                    }
                }
            }
        }
        assert!(diffs > 20, "{name}: {diffs} book messages");
        assert!(trades > 5, "{name}: {trades} trades");
        for client in &clients {
            for (_, topics) in &client.asked {
                for topic in topics {
                    // A stream that an exchange does not have is confirmed by nobody.
                    let known = client.confirmed.contains(topic) || topic.1 == Channel::Quotes;
                    assert!(known, "{name}: {topic:?} was never confirmed");
                }
            }
        }
    }
}

impl Client {
    fn take(
        &mut self,
        name: &str,
        frame: &str,
        books: &mut [Naive],
        (trades, quotes, diffs): (&mut u32, &mut u32, &mut u32),
    ) {
        let decoded = self.decoder.decode(frame.as_bytes(), &mut self.words);
        assert_eq!(decoded, Ok(()), "{name}: {frame}");
        for word in self.words.iter() {
            match word {
                Word::Book(diff, bids, asks) | Word::Diff(diff, bids, asks) => {
                    let n = diff.instrument.index();
                    self.confirmed.insert((n, Channel::Depth));
                    self.said[n] += 1;
                    *diffs += 1;
                    let whole = matches!(word, Word::Book(..));
                    books[n].apply(whole, &diff, bids, asks, &format!("{name}: {frame}"));
                }
                Word::Trade(trade) => {
                    self.confirmed
                        .insert((trade.instrument.index(), Channel::Trades));
                    *trades += 1;
                }
                Word::Quote(quote) => {
                    self.confirmed
                        .insert((quote.instrument.index(), Channel::Quotes));
                    *quotes += 1;
                }
                Word::Answer { id, refused } => {
                    assert_eq!(refused, None, "{name}: {frame}");
                    let asked = self.asked.iter().find(|(asked, _)| *asked == id);
                    self.confirmed
                        .extend(asked.iter().flat_map(|(_, topics)| topics));
                }
                Word::Subscribed {
                    instrument,
                    channel,
                    refused,
                } => {
                    assert_eq!(refused, None, "{name}: {frame}");
                    self.confirmed.insert((instrument.index(), channel));
                }
                Word::Trading(..) | Word::Reply(_) => {}
                Word::Unfit { .. } | Word::Shutdown => panic!("{name}: {frame}"),
            }
        }
    }
}

#[test]
fn metadata_and_volumes_of_a_mirror_are_read_back() {
    for exchange in ALL {
        let name = exchange.name();
        let mut market = Fake::new(exchange.mirror());
        let mut found = Vec::new();
        let symbols: Vec<String> = market
            .listings()
            .iter()
            .map(|l| l.instrument.symbol.to_string())
            .collect();
        let names: Vec<&str> = symbols.iter().map(String::as_str).collect();
        for asked in [&names[..], &[]] {
            found.clear();
            for request in exchange.metadata_requests(asked) {
                let mut next = Some(request);
                while let Some(request) = next {
                    let reply = exchange.mirror().rest(request.call(), &mut market);
                    assert_eq!(reply.status, 200, "{name}: {} {}", request.path, reply.body);
                    next = exchange.metadata_next(reply.body.as_bytes());
                    let listed = exchange.metadata(reply.body.as_bytes()).unwrap();
                    assert_eq!(listed.left_out, [], "{name}");
                    found.extend(listed.instruments);
                }
            }
            for listing in market.listings() {
                let listed = listing.instrument;
                let same = found.iter().find(|i| i.symbol == listed.symbol);
                let same =
                    same.unwrap_or_else(|| panic!("{name}: {} is not listed", listed.symbol));
                assert_eq!(
                    Instrument {
                        id: listed.id,
                        ..*same
                    },
                    listed,
                    "{name}"
                );
                assert!(same.name.starts_with(&format!("{name}:")), "{}", same.name);
            }
        }
        let mut volumes = Vec::new();
        for request in exchange.volume_requests() {
            let reply = exchange.mirror().rest(request.call(), &mut market);
            assert_eq!(reply.status, 200, "{name}: {} {}", request.path, reply.body);
            volumes.extend(exchange.volumes(reply.body.as_bytes()).unwrap());
        }
        volumes.sort_by(|a, b| b.1.total_cmp(&a.1));
        let ranked: Vec<&str> = volumes.iter().map(|(symbol, _)| symbol.as_str()).collect();
        assert_eq!(
            ranked, names,
            "{name}: the fake market lists the largest first"
        );
    }
}

#[test]
fn every_mirror_refuses_in_a_shape_of_its_own_what_it_does_not_serve() {
    let retry_after_s = 5;
    for exchange in ALL {
        let (name, mirror) = (exchange.name(), exchange.mirror());
        let mut market = Fake::new(mirror);
        for (why, statuses) in [
            (Refusal::TooMany { retry_after_s }, &[400, 403, 429][..]),
            (Refusal::Banned { retry_after_s }, &[400, 403, 418, 429]),
            (Refusal::NoPath, &[404]),
            (Refusal::NoMethod, &[404, 405]),
        ] {
            let reply = mirror.refuse(why, Call::get("/nowhere"));
            assert!(statuses.contains(&reply.status), "{name}: {reply:?}");
            if reply.content == Content::Json {
                let body = serde_json::from_str::<serde_json::Value>(&reply.body);
                assert!(body.is_ok(), "{name}: {reply:?}");
            }
        }
        let nowhere = Call::get("/nowhere?symbol=A");
        let reply = mirror.rest(nowhere, &mut market);
        assert_eq!(reply, mirror.refuse(Refusal::NoPath, nowhere), "{name}");
        for method in [Method::Put, Method::Delete, Method::Other] {
            for request in exchange.metadata_requests(&[]) {
                let call = Call {
                    method,
                    ..request.call()
                };
                let reply = mirror.rest(call, &mut market);
                assert_eq!(reply, mirror.refuse(Refusal::NoMethod, call), "{name}");
            }
        }
    }
}

#[test]
fn names_are_unique_and_limits_are_set() {
    let mut seen = HashSet::new();
    for exchange in ALL {
        assert!(
            seen.insert(exchange.name()),
            "{} is there twice",
            exchange.name()
        );
        assert!(!exchange.depth_streams().is_empty());
        for stream in exchange.depth_streams() {
            // Who keeps a window says how many levels that is, and tells of no more.
            assert_eq!(stream.levels.is_some(), stream.rule.window.is_some());
            assert!(stream.levels <= stream.rule.window, "{}", stream.name);
        }
        let limits = exchange.limits();
        assert!(limits.streams_per_connection > 0 && limits.messages.count > 0);
        assert!(limits.connects.count > 0 && limits.rest_weight.count > 0);
        let endpoints = exchange.endpoints();
        for (service, at) in [("wss", &endpoints.stream), ("https", &endpoints.rest)] {
            let url = format!("{service}://{at}{}", exchange.stream_path(Channel::Depth));
            let owners = ALL.iter().filter(|other| other.owns(&url));
            let owners: Vec<&str> = owners.map(|other| other.name()).collect();
            assert!(
                owners.contains(&exchange.name()),
                "{url} belongs to {owners:?}"
            );
            assert!(
                service == "https" || owners.len() == 1,
                "{url} belongs to {owners:?}"
            );
        }
    }
}
