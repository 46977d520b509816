use super::twin::{self, Said};
use super::*;
use crate::base::{InstrumentId, Quote, Word};
use crate::exchange::binance_spot::rest::test_instrument;
use crate::exchange::binance_spot::{BINANCE, DEPTHS, SBE};
use crate::exchange::kit::words::WORDS_MAX;
use crate::exchange::mirror::still::Still;
use crate::exchange::mirror::{Call, Happened, MirrorSession, Pace};
use crate::exchange::{Binary, Exchange as _, Survey, Topic};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use zeroize::Zeroizing;

/// The golden frames: hexadecimal, with words for the reader behind `#`.
fn golden() -> Vec<Vec<u8>> {
    let text = include_str!("../../golden/binance.sbe.frames");
    let byte = |pair: &str| u8::from_str_radix(pair, 16).unwrap();
    let bytes = |block: &str| -> Vec<u8> {
        let lines = block.lines().map(|line| line.split('#').next().unwrap());
        lines.flat_map(str::split_whitespace).map(byte).collect()
    };
    let frames = text.split("\n\n").map(bytes);
    frames.filter(|frame| !frame.is_empty()).collect()
}

fn instruments() -> Vec<Instrument> {
    ["BTCUSDT", "ETHUSDT", "币USDT"]
        .into_iter()
        .zip(0..)
        .map(|(symbol, id)| test_instrument(id, symbol))
        .collect()
}

fn said(decoder: &mut dyn Decoder, words: &mut Words, frame: &[u8]) -> String {
    match decoder.decode(frame, words) {
        Err(why) => format!("refused: {why:?}"),
        Ok(()) => {
            let all: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
            all.join("; ")
        }
    }
}

#[test]
fn a_frame_cut_anywhere_is_refused_and_so_is_one_that_goes_on() {
    let (mut decoder, mut words) = (decoder(&instruments()), Words::new());
    for frame in golden() {
        let is_known = frame[2..4] != 10_009_u16.to_le_bytes();
        let is_ours = frame[6..8] == [0, 0];
        for end in 0..frame.len() {
            let cut = decoder.decode(&frame[..end], &mut words);
            // Of a version that we do not know, only the symbol's own length tells where it ends.
            let must = end < 8 || (is_known && is_ours);
            assert!(cut.is_err() || !must, "{frame:?} cut at {end}");
        }
        let longer = [&frame[..], b"x"].concat();
        let refused = decoder.decode(&longer, &mut words).is_err();
        assert_eq!(refused, is_known && is_ours, "{frame:?}");
    }
}

/// What the decoder says, as the twin would.
fn of_decoder(
    decoder: &mut dyn Decoder,
    words: &mut Words,
    frame: &[u8],
) -> Result<(Vec<Said>, u32), ()> {
    decoder.decode(frame, words).map_err(|_| ())?;
    let dropped = words.dropped();
    let one = |word: Word<'_>| match word {
        Word::Diff(diff, bids, asks) => Said::Diff(diff, bids.to_vec(), asks.to_vec()),
        Word::Book(diff, bids, asks) => Said::Book(diff, bids.to_vec(), asks.to_vec()),
        Word::Trade(trade) => Said::Trade(trade),
        Word::Quote(quote) => Said::Quote(quote),
        Word::Unfit {
            instrument,
            channel,
            why,
        } => Said::Unfit(instrument.0, channel, why),
        other => panic!("{other:?} is nothing that a binary frame says"),
    };
    let all = dropped.levels + dropped.trades + dropped.quotes;
    Ok((words.iter().map(one).collect(), all))
}

/// A number as wide as its field, mostly one that may be.
fn mantissa(rng: &mut Rng) -> i64 {
    match rng.u8(0..12) {
        0 => 0,
        1 => rng.i64(..),
        2 => -rng.i64(0..1_000),
        3 => i64::MAX - rng.i64(0..3),
        4 => i64::MIN + rng.i64(0..3),
        5..8 => rng.i64(0..1_000) * 10_i64.pow(rng.u32(0..15)),
        _ => rng.i64(0..100_000_000_000),
    }
}

fn exponent(rng: &mut Rng) -> u8 {
    match rng.u8(0..10) {
        0 => rng.u8(..),
        1 => (-rng.i8(0..20)) as u8,
        _ => (-rng.i8(6..10)) as u8,
    }
}

/// A frame of one of the templates, with a little more at times than this build knows.
fn invented(rng: &mut Rng) -> Vec<u8> {
    let template = *rng
        .choice(&[10_000_u16, 10_001, 10_003, 10_003, 10_003, 10_002, 9])
        .unwrap();
    let version = rng.u16(0..2) * rng.u16(0..2);
    let more = if version > 0 { rng.usize(0..4) } else { 0 };
    let mut block = Vec::new();
    let time = |rng: &mut Rng| match rng.u8(0..20) {
        0 => rng.i64(..),
        _ => rng.i64(1_700_000_000_000_000..1_900_000_000_000_000),
    };
    block.extend(time(rng).to_le_bytes());
    let id = match rng.u8(0..20) {
        0 => rng.i64(..),
        _ => rng.i64(0..1 << 40),
    };
    match template {
        10_000 => block.extend(time(rng).to_le_bytes()),
        _ => block.extend(id.to_le_bytes()),
    }
    if template == 10_003 {
        block.extend((id.wrapping_add(rng.i64(-1..20))).to_le_bytes());
    }
    block.extend([exponent(rng), exponent(rng)]);
    if template == 10_001 {
        (0..4).for_each(|_| block.extend(mantissa(rng).to_le_bytes()));
    }
    block.extend(vec![7; more]);
    let mut frame = Vec::new();
    for part in [block.len() as u16, template, 1, version] {
        frame.extend(part.to_le_bytes());
    }
    frame.extend(block);
    let longer = match version {
        0 => 0,
        _ => *rng.choice(&[0_u16, 1, 2, 16]).unwrap(),
    };
    match template {
        10_000 => {
            let count = rng.u32(0..4);
            frame.extend((25 + longer).to_le_bytes());
            frame.extend(count.to_le_bytes());
            for _ in 0..count {
                frame.extend(rng.i64(0..1_000).to_le_bytes());
                (0..2).for_each(|_| frame.extend(mantissa(rng).to_le_bytes()));
                frame.push(rng.u8(0..20) % 3);
                frame.extend(vec![7; longer.into()]);
            }
        }
        10_002 | 10_003 => {
            for _ in 0..2 {
                let count = rng.u16(0..6);
                frame.extend((16 + longer).to_le_bytes());
                frame.extend(count.to_le_bytes());
                for _ in 0..count {
                    (0..2).for_each(|_| frame.extend(mantissa(rng).to_le_bytes()));
                    frame.extend(vec![7; longer.into()]);
                }
            }
        }
        _ => {}
    }
    let symbol = *rng
        .choice(&["BTCUSDT", "ETHUSDT", "币USDT", "NONE"])
        .unwrap();
    frame.push(symbol.len() as u8);
    frame.extend(symbol.bytes());
    frame
}

#[test]
fn a_naive_twin_reads_the_same_of_every_frame_whole_or_damaged() {
    let seed = 7;
    let mut rng = Rng::with_seed(seed);
    let instruments = instruments();
    let (mut decoder, mut words) = (decoder(&instruments), Words::new());
    let mut read = 0;
    let golden = golden();
    for step in 0..40_000 {
        let mut frame = match rng.u8(0..8) {
            0 => rng.choice(&golden).unwrap().clone(),
            _ => invented(&mut rng),
        };
        for _ in 0..rng.u8(0..8).saturating_sub(5) {
            let at = rng.usize(0..frame.len());
            match rng.u8(0..3) {
                0 => frame.truncate(at),
                1 => frame[at] = rng.u8(..),
                _ => frame.insert(at, rng.u8(..)),
            }
            if frame.is_empty() {
                frame.push(0);
            }
        }
        if frame.starts_with(b"{\"") {
            continue;
        }
        let want = twin::read(&frame, &instruments);
        let got = of_decoder(&mut *decoder, &mut words, &frame);
        read += usize::from(want.as_ref().is_ok_and(|(said, _)| !said.is_empty()));
        assert_eq!(got, want, "seed {seed}, step {step}: {frame:?}");
    }
    assert!(read > 15_000, "{read} frames said something");
}

#[test]
fn a_frame_says_at_most_as_many_words_as_any_other() {
    let count = WORDS_MAX as u32 + 1;
    let mut frame = Vec::new();
    for part in [18_u16, 10_000, 1, 0] {
        frame.extend(part.to_le_bytes());
    }
    frame.extend([0; 18]);
    frame.extend(25_u16.to_le_bytes());
    frame.extend(count.to_le_bytes());
    for id in 1..=u64::from(count) {
        frame.extend(id.to_le_bytes());
        (0..2).for_each(|_| frame.extend(1_u64.to_le_bytes()));
        frame.push(0);
    }
    frame.extend(b"\x07BTCUSDT");
    let (mut decoder, mut words) = (decoder(&instruments()), Words::new());
    let refused = decoder.decode(&frame, &mut words);
    assert_eq!(refused, Err(DecodeError::TooManyLevels));
}

#[test]
fn another_schema_is_refused_and_another_template_passed_over() {
    let (mut decoder, mut words) = (decoder(&instruments()), Words::new());
    let mut frame = golden().swap_remove(0);
    frame[4] = 2;
    assert_eq!(decoder.decode(&frame, &mut words), Err(DecodeError::Schema));
    frame[4] = 1;
    assert_eq!(decoder.decode(&frame, &mut words), Ok(()));
    assert_eq!((words.iter().count(), words.strange()), (1, None));
    // What a later version has more stands behind what is known.
    frame[6] = 3;
    assert_eq!(decoder.decode(&frame, &mut words), Ok(()));
    let told = (words.iter().count(), words.strange());
    assert_eq!(told, (1, Some(Strange::Version(3))));
    frame[6] = 0;
    frame[2..4].copy_from_slice(&10_009_u16.to_le_bytes());
    assert_eq!(decoder.decode(&frame, &mut words), Ok(()));
    let told = (words.iter().count(), words.strange());
    assert_eq!(told, (0, Some(Strange::Template(10_009))));
}

#[test]
fn a_person_is_told_of_a_schemas_end_months_before_it() {
    const DAY: i64 = 86_400_000_000_000;
    let ends = UnixNanos(1_798_761_600_000_000_000);
    let announced = Binary {
        schema_ends: Some(ends),
        ..SBE
    };
    let warning = |days: i64| announced.warning(&DEPTHS[2], UnixNanos(ends.0 - days * DAY));
    assert_eq!(warning(181), None);
    let told = warning(180).unwrap();
    let want = "the schema of depth_stream \"sbe\" ends in 180 days, on 2027-01-01: install";
    assert!(told.starts_with(want), "{told}");
    assert!(warning(-1).unwrap().contains("ended on 2027-01-01"));
    assert_eq!(SBE.warning(&DEPTHS[2], UnixNanos(i64::MAX)), None);
}

#[test]
fn answers_and_the_announced_end_are_texts() {
    let (mut decoder, mut words) = (decoder(&instruments()), Words::new());
    for (text, word) in [
        (r#"{"result":null,"id":1}"#, "Answer"),
        (r#"{"code":2,"msg":"x","id":7}"#, "Answer"),
        (r#"{"e":"serverShutdown","E":1770000000000}"#, "Shutdown"),
    ] {
        let got = said(&mut *decoder, &mut words, text.as_bytes());
        assert!(got.starts_with(word), "{text}: {got}");
    }
}

/// A client of the mirror, with what the decoder makes of what it is told.
struct Client {
    session: Box<dyn MirrorSession>,
    decoder: Box<dyn Decoder>,
    words: Words,
}

impl Client {
    fn of(depth: &'static DepthStream, market: &mut Still) -> Self {
        let mirror = BINANCE.mirror();
        let path = BINANCE.stream_path(Channel::Depth);
        let account = mirror.accounts().unwrap();
        let account = account.account(&Zeroizing::new([7; 32])).unwrap();
        let session = match BINANCE.binary(depth) {
            None => mirror.session(&path).unwrap(),
            Some(binary) => {
                let headers = [(binary.key_header, account.api_key.expose())];
                let call = Call {
                    headers: &headers,
                    ..Call::get(&path)
                };
                mirror.binary_session(call).unwrap().unwrap()
            }
        };
        let listed: Vec<Instrument> = market.listings.iter().map(|l| l.instrument).collect();
        let mut client = Self {
            session,
            decoder: BINANCE.decoder(&listed, depth),
            words: Words::new(),
        };
        let all = |i: &Instrument| Channel::ALL.map(|channel| (i.symbol, channel));
        let all: Vec<_> = listed.iter().flat_map(all).collect();
        let topics = all.iter().map(|(symbol, channel)| Topic {
            symbol,
            channel: *channel,
        });
        let topics: Vec<Topic<'_>> = topics.collect();
        let mut out = Vec::new();
        client.session.handle_open(market, &mut out);
        for request in BINANCE.subscribe(&topics, depth, 1) {
            let done = client.session.handle_text(&request.text, market, &mut out);
            assert_eq!(done, Ok(()));
        }
        client
    }

    fn hears(&mut self, event: &Happened, market: &Still) -> Vec<String> {
        let mut out = Vec::new();
        self.session.handle_event(event, market, &mut out);
        let texts = out.into_iter().map(String::into_bytes);
        let session = &mut self.session;
        let binary = std::iter::from_fn(|| session.poll_binary());
        let frames: Vec<Vec<u8>> = texts.chain(binary).collect();
        let (decoder, words) = (&mut *self.decoder, &mut self.words);
        frames
            .iter()
            .map(|frame| said(decoder, words, frame))
            .collect()
    }
}

#[test]
fn the_same_market_says_the_same_in_json_and_in_sbe() {
    let mut market = Still::of(BINANCE.mirror(), &["BTC", "ETH"]);
    let mut clients = [&DEPTHS[0], &DEPTHS[2]].map(|depth| Client::of(depth, &mut market));
    let mut rng = Rng::with_seed(7);
    let mut last_id = 100;
    for step in 0..3_000_u64 {
        let listing = rng.usize(0..2);
        let i = market.listings[listing].instrument;
        let level = |rng: &mut Rng| {
            let (px, qty) = (1 << rng.u8(2..60), 1 << rng.u8(1..60));
            Level {
                px: Px(rng.i64(0..px) + 1),
                qty: Qty(rng.u64(0..qty)),
            }
        };
        let instrument = InstrumentId(listing as u16);
        // Binance writes microseconds.
        let at = UnixNanos(rng.i64(1_700_000_000_000_000..1_900_000_000_000_000) * 1_000);
        let event = match rng.u8(0..3) {
            0 => {
                let count = |rng: &mut Rng| rng.usize(0..40);
                let side =
                    |rng: &mut Rng| -> Vec<Level> { (0..count(rng)).map(|_| level(rng)).collect() };
                let first_id = last_id + 1;
                last_id += rng.u64(1..50);
                Happened::Depth {
                    pace: Pace::Fast,
                    diff: Diff {
                        instrument,
                        first_id,
                        last_id,
                        prev_id: None,
                        checksum: None,
                        exch_time: at,
                    },
                    number: step,
                    bids: side(&mut rng),
                    asks: side(&mut rng),
                }
            }
            1 => {
                let Level { px, qty } = level(&mut rng);
                Happened::Trade(Trade {
                    instrument,
                    id: step + 1,
                    px,
                    qty,
                    taker: if rng.bool() { Side::Buy } else { Side::Sell },
                    exch_time: at,
                })
            }
            _ => Happened::Quote(Quote {
                instrument,
                update_id: step,
                bid: level(&mut rng),
                ask: level(&mut rng),
            }),
        };
        let [json, sbe] = clients
            .each_mut()
            .map(|client| client.hears(&event, &market));
        assert_eq!(json, sbe, "step {step}, {}: {event:?}", i.symbol);
        assert_eq!(json.len(), 1);
        assert!(!json[0].starts_with("refused"), "{json:?}");
    }
}

#[test]
fn a_key_of_another_sort_or_none_is_refused() {
    let mirror = BINANCE.mirror();
    let of = |headers: &[(&str, &str)]| {
        let call = Call {
            headers,
            ..Call::get("/stream")
        };
        let session = mirror.binary_session(call)?;
        Some(
            session
                .map(drop)
                .map_err(|reply| (reply.status, reply.body)),
        )
    };
    let host = ("Host", "stream-sbe.binance.com:9443");
    assert_eq!(of(&[("host", "stream.binance.com:9443")]), None);
    let refused = of(&[host]).unwrap().unwrap_err();
    assert_eq!(refused.0, 401);
    assert!(refused.1.contains("-2015"), "{}", refused.1);
    let hmac = ("X-MBX-APIKEY", "a-key-that-signs-by-hmac");
    assert!(of(&[host, hmac]).unwrap().is_err());
    let account = mirror
        .accounts()
        .unwrap()
        .account(&Zeroizing::new([9; 32]))
        .unwrap();
    let key = ("x-mbx-apikey", account.api_key.expose());
    assert_eq!(of(&[host, key]), Some(Ok(())));
    // By an address the host is not named.
    assert_eq!(of(&[("host", "127.0.0.1:9443"), key]), Some(Ok(())));
}

#[test]
fn a_recorded_frame_tells_its_symbol_its_stream_and_its_decimals() {
    let told: Vec<Option<(String, &str)>> = golden()
        .iter()
        .map(|frame| {
            let read = read(&STANDARD.encode(frame))?;
            Some((read.symbol, read.stream))
        })
        .collect();
    let of = |stream| Some(("ETHUSDT".to_owned(), stream));
    assert_eq!(told[..7], ["depth"; 7].map(of));
    let rest = [
        of("trade"),
        of("trade"),
        of("bestBidAsk"),
        of("depth20"),
        None,
    ];
    assert_eq!(told[7..], rest);
    let mut survey = Survey::default();
    for frame in golden() {
        BINANCE.survey(&STANDARD.encode(frame), &mut survey);
    }
    BINANCE.survey("no Base64", &mut survey);
    let found = survey.instruments("binance");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].symbol.as_str(), "ETHUSDT");
    assert_eq!(survey.recorded_depth(&BINANCE), Some(&DEPTHS[2]));
}
