//! Whether the books of each feed can ever have the levels that a strategy reads. Refuses nothing:
//! a shallow feed may be there for its trades, or to be recorded.

use super::{Config, Feed, Strategy};
use crate::exchange::{self, DepthStream};

impl Config {
    /// One sentence per strategy and feed on whose books it can never act, because the depth stream
    /// has fewer levels than the strategy reads. It says what to write instead.
    pub(crate) fn too_shallow(&self) -> Vec<String> {
        let strategies = self.strategies.iter();
        let pairs = strategies.flat_map(|strategy| {
            let sees = |feed: &&Feed| strategy.may_see(feed);
            self.feeds
                .iter()
                .filter(sees)
                .map(move |feed| (strategy, feed))
        });
        pairs
            .filter_map(|(strategy, feed)| too_shallow(strategy, feed))
            .collect()
    }
}

impl Strategy {
    /// Whether some instrument of the feed may be one of its own: only the exchange knows what a
    /// pattern matches.
    fn may_see(&self, feed: &Feed) -> bool {
        let means = |entry: &String| match entry.split_once(':') {
            Some((exchange, _)) => exchange == feed.exchange || exchange.contains('*'),
            None => {
                let open = |entry: &String| entry.contains('*') || entry.contains(':');
                open(entry) || feed.instruments.iter().any(|one| open(one) || one == entry)
            }
        };
        self.instruments.is_empty() || self.instruments.iter().any(means)
    }
}

fn too_shallow(strategy: &Strategy, feed: &Feed) -> Option<String> {
    let key = strategy.kind.levels?;
    let wanted = strategy.values.int(key);
    let suffices = |stream: &DepthStream| stream.levels.is_none_or(|all| u64::from(all) >= wanted);
    let depth = feed.streams.depth;
    let levels = depth.levels.filter(|_| !suffices(depth))?;
    let all = exchange::by_name(&feed.exchange).map_or(&[][..], |known| known.depth_streams());
    let deeper = all.iter().find(|stream| suffices(stream));
    let instead = deeper.map_or(String::new(), |stream| {
        let has = stream
            .levels
            .map_or("all levels".to_owned(), |n| format!("{n} levels"));
        format!(
            "depth_stream = \"{}\" ({has}) in its [[feed]], or ",
            stream.name
        )
    });
    Some(format!(
        "{}: depth_stream \"{}\" has {levels} levels per side and strategy {} looks at {wanted}: \
         it never acts on these books; write {instead}{} = {levels}",
        feed.exchange, depth.name, strategy.name, key.name
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::*;
    use std::path::Path;

    fn config(exchange: &str, stream: &str, strategy: &str) -> Config {
        let text = format!(
            "[[feed]]\nexchange = \"{exchange}\"\ninstruments = [\"A\"]\n\
             depth_stream = \"{stream}\"\n[strategy]\n{strategy}\n[simulate]\n"
        );
        Config::parse(Path::new("c.toml"), &text, &Known::all()).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn every_stream_with_fewer_levels_than_the_strategy_looks_at_is_named_with_a_remedy() {
        let mut named = Vec::new();
        for exchange in exchange::ALL {
            for stream in exchange.depth_streams() {
                for depth in 1..=10 {
                    let strategy = format!("depth = {depth}");
                    let said = config(exchange.name(), stream.name, &strategy).too_shallow();
                    let few = stream
                        .levels
                        .is_some_and(|levels| usize::from(levels) < depth);
                    assert_eq!(said.len(), usize::from(few), "{} {depth}", stream.name);
                    if few && depth == 10 {
                        named.push((exchange.name(), stream.name));
                        // The remedy is one: what it says to write instead is not complained of.
                        let (_, instead) = said[0].split_once("depth_stream = \"").unwrap();
                        let (instead, _) = instead.split_once('"').unwrap();
                        let other = config(exchange.name(), instead, &strategy);
                        assert_eq!(other.too_shallow(), [""; 0]);
                    }
                }
            }
        }
        assert_eq!(
            named,
            [
                ("bybit", "orderbook.1"),
                ("bybit-linear", "orderbook.1"),
                ("hyperliquid", "fast"),
                ("okx", "books5"),
            ]
        );
    }

    #[test]
    fn the_sentence_says_what_to_write_instead() {
        let said = config("hyperliquid", "fast", "depth = 6").too_shallow();
        assert_eq!(
            said,
            [
                "hyperliquid: depth_stream \"fast\" has 5 levels per side and strategy imbalance \
                 looks at 6: it never acts on these books; write depth_stream = \"l2Book\" (20 \
                 levels) in its [[feed]], or depth = 5"
            ]
        );
    }

    #[test]
    fn a_strategy_is_warned_of_the_feeds_that_it_may_see_alone() {
        for (instruments, warned) in [
            ("[\"binance:*\"]", 0),
            ("[\"B\"]", 0),
            ("[\"A\"]", 1),
            ("[\"*\"]", 1),
            ("[\"hyperliquid:A-USD\", \"B\"]", 1),
        ] {
            let strategy = format!("depth = 10\ninstruments = {instruments}");
            let said = config("hyperliquid", "fast", &strategy).too_shallow();
            assert_eq!(said.len(), warned, "{instruments}");
        }
    }

    #[test]
    fn arbitrage_looks_at_the_best_level_alone() {
        let shallow = config("bybit", "orderbook.1", "name = \"arbitrage\"").too_shallow();
        assert_eq!(shallow, [""; 0]);
    }
}
