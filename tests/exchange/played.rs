//! What every exchange of the registry must do with a recording of its own that is played: with its
//! golden frames. Names no exchange.

use crate::frames::Golden;
use std::collections::BTreeSet;
use tickwire::base::{Channel, Instrument, InstrumentId, Level, Side, UnixNanos, Word};
use tickwire::exchange::Topic;
use tickwire::exchange::mirror::{Listing, Market, MirrorSession, Pace};

/// A recording that is played.
struct Played(Vec<Listing>);

impl Played {
    /// One that shows what these frames do.
    fn of(golden: &Golden) -> Self {
        let listing = |(n, seen): (u16, &Instrument)| Listing {
            instrument: Instrument {
                id: InstrumentId(n),
                ..golden.exchange.mirror().recorded(seen)
            },
            volume: 0,
        };
        Self((0..).zip(&golden.instruments).map(listing).collect())
    }

    fn instruments(&self) -> Vec<Instrument> {
        self.0.iter().map(|listing| listing.instrument).collect()
    }
}

impl Market for Played {
    fn now(&self) -> UnixNanos {
        UnixNanos(1_790_000_000_000_000_000)
    }

    fn listings(&self) -> &[Listing] {
        &self.0
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (0, 0)
    }

    fn levels(&self, _listing: usize, _side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        Box::new(std::iter::empty())
    }

    fn is_played(&self) -> bool {
        true
    }
}

/// A client that follows everything of these instruments, one connection a path; and what it is
/// told.
fn client(
    golden: &Golden,
    market: &mut Played,
    instruments: &[Instrument],
) -> (Vec<Box<dyn MirrorSession>>, Vec<String>) {
    let exchange = golden.exchange;
    let paths: BTreeSet<String> = Channel::ALL.map(|c| exchange.stream_path(c)).into();
    let (mut sessions, mut out) = (Vec::new(), Vec::new());
    for path in paths {
        let mut session = exchange.mirror().session(&path).unwrap();
        session.handle_open(market, &mut out);
        let channels = Channel::ALL.into_iter();
        let own = channels.filter(|channel| exchange.stream_path(*channel) == path);
        let own: Vec<Channel> = own.collect();
        let topics = instruments.iter().flat_map(|instrument| {
            let symbol = instrument.symbol.as_str();
            own.iter().map(move |&channel| Topic { symbol, channel })
        });
        let topics: Vec<Topic<'_>> = topics.collect();
        let asked = exchange.subscribe(&topics, golden.depth, 1);
        let asked = asked.iter().map(|request| request.text.as_str());
        for text in exchange.greeting().iter().copied().chain(asked) {
            session.handle_text(text, market, &mut out).unwrap();
        }
        sessions.push(session);
    }
    (sessions, out)
}

/// The channel and the instrument that a word tells of, if it is of the market.
fn told(word: Word<'_>) -> Option<(Channel, usize)> {
    let (channel, id) = match word {
        Word::Book(diff, ..) | Word::Diff(diff, ..) => (Channel::Depth, diff.instrument),
        Word::Trade(trade) => (Channel::Trades, trade.instrument),
        Word::Quote(quote) => (Channel::Quotes, quote.instrument),
        Word::Answer { .. }
        | Word::Subscribed { .. }
        | Word::Trading(..)
        | Word::Reply(_)
        | Word::Unfit { .. }
        | Word::Shutdown => return None,
    };
    Some((channel, id.index()))
}

#[test]
fn a_played_mirror_says_nothing_of_the_market_and_carries_what_was_recorded() {
    for mut golden in Golden::all() {
        let name = golden.exchange.name();
        let numbered = golden.depth.rule.numbered_line;
        let mut market = Played::of(&golden);
        let instruments = market.instruments();
        golden.decoder = golden.exchange.decoder(&instruments, golden.depth);
        let (all, said) = client(&golden, &mut market, &instruments);
        for frame in said {
            assert!(
                !golden.said(&frame).starts_with("refused"),
                "{name}: {frame}"
            );
            assert_eq!(golden.words.iter().find_map(told), None, "{name}: {frame}");
        }
        let (one, _) = client(&golden, &mut market, &instruments[..1]);
        let carries = |sessions: &[Box<dyn MirrorSession>], frame: &str| {
            sessions.iter().any(|session| session.carries(frame))
        };
        let mut carried = BTreeSet::new();
        for frame in golden.frames.clone() {
            golden.said(&frame);
            let words = || golden.words.iter();
            let told: BTreeSet<(Channel, usize)> = words().filter_map(told).collect();
            if carries(&all, &frame) {
                carried.extend(told.iter().map(|(channel, _)| *channel));
                let answers = words().any(|word| matches!(word, Word::Answer { .. }));
                assert!(numbered || !answers, "{name}: {frame}");
            } else {
                // Prints may come by another stream than the one that our client asks for.
                let other = told.iter().all(|(channel, _)| *channel == Channel::Trades);
                assert!(other, "{name}: {frame}");
            }
            let strange = !told.is_empty() && !told.iter().any(|(_, n)| *n == 0);
            assert!(
                numbered || !strange || !carries(&one, &frame),
                "{name}: {frame}"
            );
        }
        assert!(carried.contains(&Channel::Depth), "{name}");
        assert!(carried.contains(&Channel::Trades), "{name}");
    }
}

#[test]
fn what_a_recording_shows_is_listed_as_it_is_read_back() {
    for golden in Golden::all() {
        let (name, exchange) = (golden.exchange.name(), golden.exchange);
        let mut market = Played::of(&golden);
        let all = market.instruments();
        let symbols: Vec<&str> = all.iter().map(|one| one.symbol.as_str()).collect();
        let mut found = Vec::new();
        for request in exchange.metadata_requests(&symbols) {
            let reply = exchange.mirror().rest(request.call(), &mut market);
            found.extend(
                exchange
                    .metadata(reply.body.as_bytes())
                    .unwrap()
                    .instruments,
            );
        }
        for (seen, listed) in golden.instruments.iter().zip(&all) {
            let same = found.iter().find(|one| one.symbol == listed.symbol);
            let same = same.unwrap_or_else(|| panic!("{name}: {} is not listed", listed.symbol));
            let same = Instrument {
                id: listed.id,
                ..*same
            };
            assert_eq!(same, *listed, "{name}");
            assert!(listed.px_scale >= seen.px_scale, "{name}: {listed:?}");
            assert!(listed.qty_scale >= seen.qty_scale, "{name}: {listed:?}");
            let assets = [listed.base, listed.quote, listed.settle];
            assert!(
                assets.iter().all(|asset| !asset.is_empty()),
                "{name}: {listed:?}"
            );
        }
    }
}
