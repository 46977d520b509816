mod played;

use super::*;
use crate::base::{
    Channel, Diff, InstrumentId, Level, Px, Qty, Quote, Side, Trade, UnixNanos, Word,
};
use crate::exchange::mirror::still::Still as Moving;
use crate::exchange::mirror::{Happened, Listing, Pace};
use crate::exchange::okx::{DEPTHS, Okx};
use crate::exchange::{Decoder, DepthStream, Topic, Words};
use serde_json::{Value, json};

const NOW: UnixNanos = UnixNanos(1_790_000_000_000_000_000);

/// A market of one instrument whose book is what was put in.
struct Still {
    listings: Vec<Listing>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    id: u64,
}

impl Market for Still {
    fn now(&self) -> UnixNanos {
        NOW
    }
    fn listings(&self) -> &[Listing] {
        &self.listings
    }
    fn flush(&mut self, _listing: usize, _pace: Pace) {}
    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (self.id, 1)
    }
    fn levels(&self, _listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let levels = match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        };
        Box::new(levels.iter().copied())
    }
}

fn level(px: i64, qty: u64) -> Level {
    let (px, qty) = (Px(px), Qty(qty));
    Level { px, qty }
}

fn still() -> Still {
    let instrument = OkxMirror.list("BTC", "USDT", 1, 4);
    let volume = 97_001_500; // A thousand at the middle of the book.
    Still {
        listings: vec![Listing { instrument, volume }],
        bids: vec![level(970_015, 10_000), level(970_000, 5)],
        asks: vec![level(970_016, 20_000)],
        id: 41,
    }
}

fn changed(market: &Still) -> Happened {
    let diff = Diff {
        instrument: InstrumentId(0),
        first_id: market.id,
        last_id: market.id,
        prev_id: None,
        checksum: None,
        exch_time: NOW,
    };
    Happened::Depth {
        pace: Pace::Fast,
        diff,
        number: 2,
        bids: vec![],
        asks: vec![],
    }
}

/// A session that is asked for all channels, and what our own decoder makes of its frames.
struct Talk {
    session: Box<dyn MirrorSession>,
    market: Still,
    decoder: Box<dyn Decoder>,
    out: Vec<String>,
}

impl Talk {
    fn new(depth: &'static DepthStream) -> Self {
        let market = still();
        let instruments = [market.listings[0].instrument];
        Self {
            session: OkxMirror.session("/ws/v5/public").unwrap(),
            market,
            decoder: Okx.decoder(&instruments, depth),
            out: Vec::new(),
        }
    }

    fn send(&mut self, text: &str) {
        let sent = self
            .session
            .handle_text(text, &mut self.market, &mut self.out);
        assert_eq!(sent, Ok(()));
    }

    fn ask(&mut self, symbol: &str, depth: &'static DepthStream) {
        let topics = Channel::ALL.map(|channel| Topic { symbol, channel });
        for request in Okx.subscribe(&topics, depth, 1) {
            self.send(&request.text);
        }
    }

    fn happen(&mut self, event: &Happened) {
        self.session
            .handle_event(event, &self.market, &mut self.out);
    }

    fn heard(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for frame in self.out.drain(..) {
            let mut words = Words::new();
            let decoded = self.decoder.decode(frame.as_bytes(), &mut words);
            assert_eq!(decoded, Ok(()), "{frame}");
            all.extend(words.iter().map(|word| short(&word)));
        }
        all
    }
}

fn short(word: &Word<'_>) -> String {
    let side = |levels: &[Level]| -> Vec<String> {
        let texts = levels.iter().map(|l| format!("{}x{}", l.px.0, l.qty.0));
        texts.collect()
    };
    match word {
        Word::Book(diff, bids, asks) => {
            format!("book {} {:?} {:?}", diff.last_id, side(bids), side(asks))
        }
        Word::Diff(diff, bids, asks) => {
            let (prev, last) = (diff.prev_id, diff.last_id);
            format!("diff {prev:?} {last} {:?} {:?}", side(bids), side(asks))
        }
        Word::Subscribed {
            channel, refused, ..
        } => format!("{} {refused:?}", channel.name()),
        Word::Answer { id, refused } => format!("answer {id} {refused:?}"),
        Word::Trade(_)
        | Word::Quote(_)
        | Word::Trading(..)
        | Word::Reply(_)
        | Word::Unfit { .. }
        | Word::Shutdown => {
            format!("{word:?}")
        }
    }
}

#[test]
fn a_client_hears_the_window_and_then_its_changes() {
    let mut talk = Talk::new(&DEPTHS[0]);
    talk.ask("BTC-USDT", &DEPTHS[0]);
    let first = r#"book 41 ["970015x10000", "970000x5"] ["970016x20000"]"#;
    let answers = ["depth None", first, "trades None", "quotes None"];
    assert_eq!(talk.heard(), answers);
    assert_eq!(talk.session.streams(), 3);
    talk.market.bids.remove(0);
    talk.market.id = 44;
    let event = changed(&talk.market);
    talk.happen(&event);
    talk.happen(&event); // Once is enough.
    assert_eq!(
        talk.heard(),
        [r#"diff Some(41) 44 ["970015x0"] []"#.to_owned()]
    );
    let topics = [Topic {
        symbol: "BTC-USDT",
        channel: Channel::Depth,
    }];
    let end = Okx.unsubscribe(&topics, &DEPTHS[0], 9);
    talk.send(&end[0].text);
    talk.market.id = 45;
    let event = changed(&talk.market);
    talk.happen(&event);
    assert_eq!(talk.heard(), ["depth None"]);
}

#[test]
fn five_levels_come_whole() {
    let mut talk = Talk::new(&DEPTHS[3]);
    talk.ask("BTC-USDT", &DEPTHS[3]);
    talk.heard();
    talk.market.asks.push(level(970_020, 1));
    talk.market.id = 42;
    let event = changed(&talk.market);
    talk.happen(&event);
    let whole = r#"book 42 ["970015x10000", "970000x5"] ["970016x20000", "970020x1"]"#;
    assert_eq!(talk.heard(), [whole]);
}

#[test]
fn prints_and_best_levels_come_back_as_they_were() {
    let mut talk = Talk::new(&DEPTHS[0]);
    talk.ask("BTC-USDT", &DEPTHS[0]);
    talk.heard();
    let trade = Trade {
        instrument: InstrumentId(0),
        id: 7,
        px: Px(970_016),
        qty: Qty(3),
        taker: Side::Buy,
        exch_time: NOW,
    };
    let quote = Quote {
        instrument: InstrumentId(0),
        update_id: 41,
        bid: level(970_015, 10_000),
        ask: level(970_016, 19_997),
    };
    talk.happen(&Happened::Trade(trade));
    talk.happen(&Happened::Quote(quote));
    let expected = [
        format!("{:?}", Word::Trade(trade)),
        format!("{:?}", Word::Quote(quote)),
    ];
    assert_eq!(talk.heard(), expected);
}

#[test]
fn bad_requests_are_refused_by_their_id_and_too_many_of_them_all() {
    let mut talk = Talk::new(&DEPTHS[0]);
    talk.ask("NOT-LISTED", &DEPTHS[0]);
    talk.send(r#"{"id":"4","op":"order","args":[{}]}"#);
    talk.send("nonsense");
    let refused = [
        "answer 1 Some(60018)",
        "answer 2 Some(60018)",
        "answer 3 Some(60018)",
        "answer 4 Some(60012)",
        "answer 0 Some(60012)",
    ];
    assert_eq!(talk.heard(), refused);
    for _ in 0..159 {
        talk.ask("BTC-USDT", &DEPTHS[0]);
    }
    talk.out.clear();
    talk.ask("BTC-USDT", &DEPTHS[0]);
    let refused = [1, 2, 3].map(|id| format!("answer {id} Some(60014)"));
    assert_eq!(talk.heard(), refused);
}

#[test]
fn a_client_that_does_not_ping_is_cut_and_a_quiet_book_says_so() {
    let mut talk = Talk::new(&DEPTHS[0]);
    talk.session.handle_open(&mut talk.market, &mut talk.out);
    talk.ask("BTC-USDT", &DEPTHS[0]);
    talk.heard();
    let at = |seconds: i64| UnixNanos(NOW.0 + seconds * 1_000_000_000);
    assert_eq!(talk.session.poll_timeout(), Some(at(30)));
    let early = talk.session.handle_timeout(at(29), &mut talk.out);
    assert_eq!(early, Ok(()));
    let cut = talk.session.handle_timeout(at(30), &mut talk.out);
    assert_eq!(cut.unwrap_err().code, 4004);
    talk.send("ping");
    assert_eq!(talk.out, ["pong"]);
    // Only the book's own silence: the connection was heard of just now.
    let mut session = session::OkxSession::default();
    let mut out = Vec::new();
    let ask = r#"{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}"#;
    let mut market = still();
    assert_eq!(session.handle_text(ask, &mut market, &mut out), Ok(()));
    session.heard(at(59));
    assert_eq!(session.handle_timeout(at(60), &mut talk.out), Ok(()));
    assert_eq!(talk.heard(), ["diff Some(41) 41 [] []"]);
}

#[test]
fn its_lists_are_read_back() {
    let mut market = still();
    let mut reply = |target: &str| {
        let call = Call::get(target);
        OkxMirror.rest(call, &mut market)
    };
    let mut listed = Vec::new();
    for request in Okx.metadata_requests(&[]) {
        let body = reply(&request.path).body;
        listed.extend(Okx.metadata(body.as_bytes()).unwrap().instruments);
    }
    let volumes = reply(&Okx.volume_requests()[0].path).body;
    let volumes = Okx.volumes(volumes.as_bytes()).unwrap();
    assert_eq!((volumes.len(), volumes[0].1), (1, 97_001_500.0));
    assert_eq!(reply("/api/v5/nothing").status, 404);
    assert_eq!(reply("/api/v5/public/instruments").status, 400);
    assert_eq!(listed, [still().listings[0].instrument]);
}

/// What a client hears of a channel of SOL: whatever is said at once, then after the book moved.
fn follow(channel: &str) -> (Vec<Value>, Vec<Value>) {
    let mut session = OkxMirror.session("/ws/v5/public").unwrap();
    let (mut market, mut out) = (Moving::of(&OkxMirror, &["BTC", "SOL"]), Vec::new());
    let arg = json!({"channel": channel, "instId": "SOL-USDT"});
    let text = json!({"op": "subscribe", "args": [arg]}).to_string();
    session.handle_text(&text, &mut market, &mut out).unwrap();
    let read = |out: &mut Vec<String>| -> Vec<Value> {
        let read = |text: String| serde_json::from_str(&text).unwrap();
        out.drain(..).map(read).collect()
    };
    let mut first = read(&mut out);
    let ack = first.remove(0);
    assert_eq!((&ack["event"], &ack["arg"]), (&"subscribe".into(), &arg));
    session.handle_event(&market.step(0, 100), &market, &mut out);
    assert_eq!(out, [""; 0], "another instrument's news is not told");
    let event = market.step(1, 100);
    session.handle_event(&event, &market, &mut out);
    session.handle_event(&event, &market, &mut out);
    let next = read(&mut out);
    for push in first.iter().chain(&next) {
        assert_eq!(push["arg"], arg);
    }
    (first, next)
}

#[test]
fn a_ticker_is_told_at_once_and_whenever_it_changed() {
    let (first, next) = follow("tickers");
    assert_eq!((first.len(), next.len()), (1, 1));
    let of =
        |push: &Value| ["instId", "last", "bidPx", "askPx"].map(|key| push["data"][0][key].clone());
    assert_eq!(of(&first[0]), ["SOL-USDT", "20", "19.99", "20.01"]);
    assert_eq!(of(&next[0]), ["SOL-USDT", "20.02", "20.01", "20.03"]);
    assert_eq!(first[0]["action"], Value::Null);
}

#[test]
fn five_levels_come_whole_and_four_hundred_as_changes() {
    let (first, next) = follow("books5");
    assert_eq!(first[0]["action"], Value::Null);
    for push in [&first[0], &next[0]] {
        assert_eq!(push["data"][0]["bids"].as_array().unwrap().len(), 5);
        assert_eq!(push["data"][0]["prevSeqId"], Value::Null);
    }
    let (first, next) = follow("books");
    assert_eq!(
        (&first[0]["action"], &next[0]["action"]),
        (&"snapshot".into(), &"update".into())
    );
    assert_eq!(first[0]["data"][0]["prevSeqId"], -1);
    assert_eq!(
        next[0]["data"][0]["prevSeqId"],
        first[0]["data"][0]["seqId"]
    );
}
