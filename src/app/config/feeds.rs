//! The `[[feed]]` sections: which instruments, from where, in which shards. Refuses an instrument
//! that occurs twice, and more streams per connection than the exchange allows.

use super::read::{Reader, Section};
use super::values::{exchange, host_port, path};
use super::{Feed, Known};
use super::{keys, network};
use crate::base::instrument::NAME_MAX;
use crate::exchange::{self, DepthStream, Streams, unnamed};
use crate::venue::paper::FeesPpm;
use std::collections::HashSet;
use toml::de::DeValue;

/// With [`INSTRUMENTS_MAX`], all instruments of a run fit into an `InstrumentId`.
const FEEDS_MAX: usize = 32;
const INSTRUMENTS_MAX: usize = 1000;
/// A lane has room for one more line, which replaces another.
const LINES_MAX: u64 = 3;
const _: () = assert!((LINES_MAX as usize) < crate::wiring::lane::LINES);

/// Stands in for the stream of an unknown exchange: the reader has already noted that mistake.
static UNKNOWN_DEPTH: DepthStream = DepthStream {
    name: "",
    rule: crate::base::feed::SeqRule::STREAM,
    levels: None,
    every_ms: None,
};

const _: () = assert!(FEEDS_MAX * INSTRUMENTS_MAX < u16::MAX as usize);

pub(super) fn feeds(reader: &mut Reader, top: &mut Section, known: &[Known]) -> Vec<Feed> {
    let example = || {
        let name = unnamed().name();
        format!("write [[feed]], exchange = \"{name}\" and instruments = [\"BTCUSDT\"]")
    };
    let Some(value) = top.get("feed") else {
        reader.refuse(0..0, format!("there is no feed: {}", example()));
        return Vec::new();
    };
    let Some(items) = value.get_ref().as_array().filter(|items| !items.is_empty()) else {
        let what = "feed: write [[feed]] with two brackets, once for each feed".to_owned();
        reader.refuse(value.span(), what);
        return Vec::new();
    };
    if items.len() > FEEDS_MAX {
        let what = format!(
            "{} feeds: at most {FEEDS_MAX} fit into one run",
            items.len()
        );
        reader.refuse(value.span(), what);
    }
    let simulated = top.peek("simulate").is_some();
    let mut seen = HashSet::new();
    let mut feeds = Vec::new();
    for item in items.iter() {
        let entries = item.get_ref().as_table();
        if entries.is_none() {
            reader.refuse(item.span(), format!("feed: {}", example()));
        }
        let section = Section::new("[[feed]]", item.span(), entries);
        feeds.extend(feed(reader, section, known, &mut seen, simulated));
    }
    feeds
}

/// Who says nothing of orders that rest pays the same for them.
fn fees(reader: &mut Reader, section: &mut Section) -> FeesPpm {
    let mut ppm = |key| section.int(reader, key, 0..=100_000);
    let taker = ppm("taker_fee_ppm").unwrap_or(1_000) as u32;
    let maker = ppm("maker_fee_ppm").map_or(taker, |ppm| ppm as u32);
    FeesPpm { maker, taker }
}

/// `seen` holds the instruments of the feeds before this one, under their exchange.
fn feed<'a>(
    reader: &mut Reader,
    mut section: Section<'a>,
    known: &[Known],
    seen: &mut HashSet<(&'static str, &'a str)>,
    simulated: bool,
) -> Option<Feed> {
    let exchange = exchange(reader, &mut section, known);
    let instruments = instruments(reader, &mut section, exchange, seen);
    let streams = exchange.map_or(&[][..], |known| known.depth_streams);
    let depths: Vec<(&'static str, &'static DepthStream)> =
        streams.iter().map(|stream| (stream.name, stream)).collect();
    let default = depths.first().map_or(&UNKNOWN_DEPTH, |(_, stream)| stream);
    let example = unnamed().endpoints();
    let mut feed = Feed {
        exchange: String::new(),
        stream: host_port(reader, &mut section, "stream", &example.stream),
        rest: host_port(reader, &mut section, "rest", &example.rest),
        via: host_port(reader, &mut section, "via", "127.0.0.1:9443"),
        proxy: network::proxy(reader, &mut section),
        ca_file: path(reader, &mut section, "ca_file"),
        instruments,
        top: section
            .int(reader, "top", 1..=INSTRUMENTS_MAX as u64)
            .map(|top| top as usize),
        fees_ppm: fees(reader, &mut section),
        streams: Streams {
            depth: section.choice(reader, "depth_stream", &depths, default),
            trades: section.flag(reader, "trades", true),
            quotes: section.flag(reader, "quotes", true),
        },
        snapshot_levels: 0,
        instruments_per_connection: 0,
        lines: 1,
        api_key: None,
        key: None,
    };
    let binary = exchange.and_then(|known| {
        let depth = feed.streams.depth;
        let binary = exchange::by_name(known.name)?.binary(depth)?;
        Some((depth.name, binary.key_sort))
    });
    let simulated = simulated && feed.is_simulated();
    feed.api_key = keys::feed_key(reader, &mut section, binary, simulated);
    let exchange = exchange.inspect(|known| feed.exchange = known.name.to_owned());
    let levels_max = exchange.map_or(5000, |known| known.limits.snapshot_levels_max.into());
    let levels = section.int(reader, "snapshot_levels", 100..=levels_max);
    feed.snapshot_levels = levels.unwrap_or(levels_max.min(1000)) as u16;
    let streams_max = exchange.map_or(1000, |known| known.limits.streams_per_connection);
    let shard_max = (streams_max / feed.streams_per_instrument()).clamp(1, INSTRUMENTS_MAX) as u64;
    let books_max = exchange.map_or(1000, |known| known.limits.books_per_connection);
    let shard_max = shard_max.min(books_max as u64);
    let shard = section.int(reader, "instruments_per_connection", 1..=shard_max);
    feed.instruments_per_connection = shard.unwrap_or(shard_max.min(50)) as usize;
    feed.lines = lines(reader, &mut section, feed.streams.depth);
    section.finish(reader);
    exchange.map(|_| feed)
}

fn lines(reader: &mut Reader, section: &mut Section, depth: &DepthStream) -> usize {
    let asked = section.get("lines");
    let lines = section.int(reader, "lines", 1..=LINES_MAX).unwrap_or(1);
    if lines > 1
        && !depth.rule.merges()
        && let Some(value) = asked
    {
        let what = format!(
            "lines = {lines}: the messages of depth_stream \"{}\" have no numbers of their own by \
             which those of two lines could be joined: write lines = 1",
            depth.name
        );
        reader.refuse(value.span(), what);
    }
    lines as usize
}

fn instruments<'a>(
    reader: &mut Reader,
    section: &mut Section<'a>,
    exchange: Option<&Known>,
    seen: &mut HashSet<(&'static str, &'a str)>,
) -> Vec<String> {
    const EXAMPLE: &str = "[\"BTCUSDT\", \"ETHUSDT\"]";
    let Some(value) = section.get("instruments") else {
        section.missing(reader, "instruments", EXAMPLE);
        return Vec::new();
    };
    let Some(items) = value.get_ref().as_array() else {
        let instead = format!("write a list, like instruments = {EXAMPLE}");
        section.wrong(reader, "instruments", value, &instead);
        return Vec::new();
    };
    if items.is_empty() || items.len() > INSTRUMENTS_MAX {
        let what = format!(
            "{} instruments: write 1 to {INSTRUMENTS_MAX} a feed",
            items.len()
        );
        reader.refuse(value.span(), what);
    }
    let mut symbols = Vec::with_capacity(items.len());
    for item in items.iter() {
        let name = exchange.map_or("", |known| known.name);
        match symbol(item.get_ref()) {
            Err(instead) => {
                let what = format!("{} in instruments: {instead}", reader.echo(item.span()));
                reader.refuse(item.span(), what);
            }
            Ok(symbol) if !seen.insert((name, symbol)) => {
                let what =
                    format!("\"{symbol}\" is there twice: an exchange's instrument has one book");
                reader.refuse(item.span(), what);
            }
            Ok(symbol) => symbols.push(symbol.to_owned()),
        }
    }
    symbols
}

fn symbol<'a>(value: &'a DeValue) -> Result<&'a str, String> {
    let symbol = value.as_str().ok_or("write a text, like \"BTCUSDT\"")?;
    if symbol.is_empty() || symbol.len() > NAME_MAX {
        return Err(format!("a name has 1 to {NAME_MAX} bytes"));
    }
    // Exchanges do list non-ASCII symbols; blanks and control characters are slips of the keyboard,
    // and the rest would change the meaning of a URL or a JSON text.
    let foreign = |c: char| c.is_whitespace() || c.is_control() || "\"\\&?#%,[]{}".contains(c);
    if symbol.contains(foreign) {
        return Err("write the symbol as the exchange does, without blanks or quotes".to_owned());
    }
    Ok(symbol)
}
