//! What a seed decides: a world, and what goes wrong in it.

use std::collections::HashMap;
use std::sync::LazyLock;
use tickwire::base::feed::Chain;
use tickwire::base::{Channel, Instrument, InstrumentId, Kind, Span};
use tickwire::exchange::{ALL, Exchange};
use tickwire::venue::faults::{Asks, Dice, Fault, MarketFault, Planned, Refuses, Step};
use tickwire::wiring::plan::links;
use tickwire::world::sim::driver::{Exchanges, Markets, Trust};

/// Instruments of an exchange that a world may follow.
const FOLLOWED_MAX: usize = 3;

/// What goes wrong with market data here.
const TRIED: [MarketFault; 11] = [
    MarketFault::Gap,
    MarketFault::Duplicate,
    MarketFault::Reorder,
    MarketFault::Corrupt,
    MarketFault::Silent,
    MarketFault::Late,
    MarketFault::StaleSnapshot,
    MarketFault::TooMany,
    MarketFault::Unavailable,
    MarketFault::Cut,
    MarketFault::HalfOpen,
];

/// What each exchange lists first; where orders are taken, pairs.
static LISTED: LazyLock<HashMap<&str, Vec<Instrument>>> = LazyLock::new(|| {
    let trust = Trust::new(ALL).unwrap();
    let markets = Markets {
        assets: FOLLOWED_MAX,
        pace: Some((1, Span::from_secs(1))),
    };
    let of = |exchange: &&'static dyn Exchange| {
        let name = exchange.name();
        let mut all = Exchanges::of(&[name], markets, 0, &trust)
            .unwrap()
            .instruments();
        if exchange.mirror().accounts().is_some() {
            all.retain(|one| one.kind == Kind::Spot);
        }
        (name, all)
    };
    ALL.iter().map(of).collect()
});

/// Something that goes wrong, so long after all books were live first.
#[derive(Debug, Clone)]
pub struct Wrong {
    pub at: Span,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// With market data.
    Market(Step),
    /// With a request of the account.
    Order(Planned),
    /// Our clock is so many milliseconds ahead.
    Clock(i64),
}

/// A world by chance.
#[derive(Clone)]
pub struct Case {
    pub seed: u64,
    pub exchanges: Vec<&'static dyn Exchange>,
    pub markets: Markets,
    /// Instruments of each exchange that are followed.
    pub instruments: usize,
    pub lines: usize,
    pub channels: Vec<Channel>,
    /// Orders are sent, to the first exchange.
    pub trades: bool,
    /// In the order of time.
    pub steps: Vec<Wrong>,
    /// For so long things go wrong.
    pub chaos: Span,
    /// What happens in it is hashed.
    pub hashed: bool,
}

impl Case {
    pub fn of(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let first = ALL[dice.usize(..ALL.len())];
        let mut exchanges = vec![first];
        if dice.u8(..6) == 0 {
            let second = ALL[dice.usize(..ALL.len())];
            if second.name() != first.name() {
                exchanges.push(second);
            }
        }
        let instruments = dice.usize(1..=3);
        let pause = Span::from_millis(dice.u64(150..=1_500));
        let markets = Markets {
            assets: instruments,
            pace: Some((dice.usize(6..=40), pause)),
        };
        let two = exchanges
            .iter()
            .all(|one| links(&one.depth_streams()[0], 2) > 2);
        let lines = if two && dice.u8(..3) == 0 { 2 } else { 1 };
        let mut channels = vec![Channel::Depth];
        channels.extend(
            [Channel::Trades, Channel::Quotes]
                .into_iter()
                .filter(|_| dice.bool()),
        );
        let alone = exchanges.len() == 1;
        let trades = alone && first.mirror().accounts().is_some() && dice.u8(..4) > 0;
        let chaos = Span::from_secs(dice.u64(5..=40));
        let mut case = Self {
            seed,
            exchanges,
            markets,
            instruments,
            lines,
            channels,
            trades,
            steps: Vec::new(),
            chaos,
            hashed: false,
        };
        case.go_wrong(&mut dice);
        case
    }

    /// A minute of this exchange in which nothing goes wrong.
    pub fn healthy(exchange: &'static dyn Exchange) -> Self {
        let markets = Markets {
            assets: 2,
            pace: Some((20, Span::from_millis(300))),
        };
        Self {
            seed: 7,
            exchanges: vec![exchange],
            markets,
            instruments: 2,
            lines: 1,
            channels: Channel::ALL.to_vec(),
            trades: exchange.mirror().accounts().is_some(),
            steps: Vec::new(),
            chaos: Span::from_secs(60),
            hashed: false,
        }
    }

    /// What is followed, with the ids of the run's table.
    pub fn followed(&self) -> Vec<Instrument> {
        let of = |exchange: &&'static dyn Exchange| &LISTED[exchange.name()][..self.instruments];
        let all = self.exchanges.iter().flat_map(of);
        let numbered = all.zip(0..).map(|(one, id)| Instrument {
            id: InstrumentId(id),
            ..*one
        });
        numbered.collect()
    }

    /// With these of its steps only.
    pub fn only(mut self, kept: &[usize]) -> Self {
        let steps = self.steps.into_iter().enumerate();
        let kept = steps.filter(|(n, _)| kept.contains(n));
        self.steps = kept.map(|(_, step)| step).collect();
        self
    }

    pub fn headline(&self) -> String {
        let names: Vec<&str> = self.exchanges.iter().map(|one| one.name()).collect();
        format!(
            "{}: {} instruments, {:?}, {} lines, {:?}, {}chaos for {:?}",
            names.join(" and "),
            self.instruments,
            self.markets.pace,
            self.lines,
            self.channels,
            if self.trades { "orders, " } else { "" },
            self.chaos,
        )
    }

    fn go_wrong(&mut self, dice: &mut fastrand::Rng) {
        let mean = Span::from_millis(dice.u64(1_000..=10_000));
        for exchange in self.exchanges.clone() {
            let listed = LISTED[exchange.name()][..self.instruments].iter();
            let symbols: Vec<&str> = listed.map(|one| one.symbol.as_str()).collect();
            let by_chance = Dice::new(dice.u64(..), exchange, &symbols, mean);
            let chaos = self.chaos;
            let in_time = by_chance.take_while(|step| step.at.0 < chaos.0);
            let tried = in_time.filter(|step| TRIED.contains(&step.fault));
            let shows = tried.filter(|step| !is_hidden(step.fault, exchange));
            self.steps.extend(shows.take(24).map(|step| Wrong {
                at: step.at,
                what: What::Market(step.after(Span::ZERO)),
            }));
        }
        if dice.u8(..4) == 0 {
            for _ in 0..dice.u8(1..=3) {
                let at = Span(dice.u64(..self.chaos.0));
                let what = What::Clock(dice.i64(-4_000..=4_000));
                self.steps.push(Wrong { at, what });
            }
        }
        if self.trades {
            for _ in 0..dice.u8(..12) {
                let at = Span(dice.u64(..self.chaos.0));
                let what = What::Order(order_fault(dice));
                self.steps.push(Wrong { at, what });
            }
        }
        self.steps.sort_by_key(|step| step.at.0);
    }
}

/// Whether the exchange's protocol does not show each message that is missing: it has no numbers,
/// and a checksum is of the best levels only. An audit finds the rest later.
pub fn is_hidden(fault: MarketFault, exchange: &'static dyn Exchange) -> bool {
    let rule = exchange.depth_streams()[0].rule;
    let shows = matches!(rule.chain, Chain::Dense | Chain::Previous) || rule.numbered_line;
    !shows && matches!(fault, MarketFault::Gap | MarketFault::Reorder)
}

fn order_fault(dice: &mut fastrand::Rng) -> Planned {
    let refuses = [
        Refuses::Clock,
        Refuses::Orders,
        Refuses::Weight,
        Refuses::Rejected,
        Refuses::Unknown,
        Refuses::Strange,
    ];
    let refuses = refuses[dice.usize(..refuses.len())];
    let late = Span::from_millis(dice.u64(1..=4_000));
    let faults = [
        Fault::Swallowed,
        Fault::Refused(refuses),
        Fault::Answered(Refuses::Unknown),
        Fault::AnswerLost,
        Fault::AnswerLate(late),
        Fault::AnswerTwice,
        Fault::ReportsFirst,
        Fault::ReportsLate(late),
        Fault::ReportsTwice,
        Fault::Replayed(dice.usize(1..=5)),
        Fault::FilledFirst,
        Fault::HalfFilledFirst,
        Fault::Cut(dice.usize(..200)),
    ];
    let asks = [Some(Asks::Place), Some(Asks::Cancel), None];
    Planned {
        asks: asks[dice.usize(..asks.len())],
        after: dice.u32(..3),
        fault: faults[dice.usize(..faults.len())],
    }
}
