//! What is to go wrong with market data, and when: steps that somebody wrote, or that a seed
//! decides. Holds no exchange.

use super::market::MarketFault;
use crate::base::{Nanos, Span, Symbol};
use crate::exchange::Exchange;

/// One fault of a plan. Steps may overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What goes wrong.
    pub fault: MarketFault,
    /// So long after the plan is given.
    pub at: Span,
    /// For how long, from then on: everything that it can strike is struck. If it is zero, the next
    /// thing that it can strike is, and nothing after it.
    pub lasts: Span,
    /// A name from the registry; `None` is every exchange.
    pub exchange: Option<String>,
    /// A symbol as the exchange writes it; `None` is each of its instruments. Only for kinds that
    /// may be of one, see [`MarketFault::is_of_one`].
    pub instrument: Option<String>,
    /// The number that the fault takes, see [`MarketFault::amount`].
    pub amount: u64,
}

impl Step {
    /// This happens once, as soon as it can, everywhere.
    pub fn now(fault: MarketFault) -> Self {
        Self {
            fault,
            at: Span::ZERO,
            lasts: Span::ZERO,
            exchange: None,
            instrument: None,
            amount: fault.amount().map_or(0, |amount| amount.default),
        }
    }

    /// The same, for so long.
    pub fn lasting(self, lasts: Span) -> Self {
        Self { lasts, ..self }
    }

    /// The same, so much later.
    pub fn after(self, at: Span) -> Self {
        Self { at, ..self }
    }

    /// The same, at this exchange only.
    pub fn of(self, exchange: &str) -> Self {
        Self {
            exchange: Some(exchange.to_owned()),
            ..self
        }
    }

    /// The same, with this instrument only.
    pub fn on(self, symbol: &str) -> Self {
        Self {
            instrument: Some(symbol.to_owned()),
            ..self
        }
    }

    /// The same, with this number.
    pub fn with(self, amount: u64) -> Self {
        Self { amount, ..self }
    }

    /// Whether it is about this instrument of this exchange.
    pub(crate) fn is_about(&self, exchange: &str, symbol: &Symbol) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        is(&self.exchange, exchange) && is(&self.instrument, symbol)
    }

    /// What is wrong with it, in words, where these exchanges list these symbols.
    pub(crate) fn fits<'l>(
        &self,
        mut listed: impl Iterator<Item = (&'l str, Vec<Symbol>)>,
    ) -> Result<(), String> {
        let fault = self.fault;
        if self.instrument.is_some() && !fault.is_of_one() {
            return Err(format!(
                "{fault} is of a whole exchange: leave the instrument out"
            ));
        }
        let about = |(name, symbols): (&str, Vec<Symbol>)| {
            symbols.iter().any(|symbol| self.is_about(name, symbol))
        };
        match listed.any(about) {
            true => Ok(()),
            false => {
                let exchange = self.exchange.as_deref().unwrap_or("every exchange");
                let instrument = self.instrument.as_deref().unwrap_or("any instrument");
                Err(format!(
                    "{fault}: {instrument} of {exchange} is not simulated here"
                ))
            }
        }
    }
}

/// Steps by chance, the same for a seed, without an end and in the order of time. Of the kinds, the
/// seed leaves some out altogether, so that others meet each other more often.
#[derive(Debug, Clone)]
pub struct Dice {
    dice: fastrand::Rng,
    kinds: Vec<MarketFault>,
    exchange: String,
    symbols: Vec<String>,
    /// Between two faults, on average.
    mean: Span,
    at: Span,
    /// What makes the last one show.
    beside: Option<Step>,
}

impl Dice {
    /// Faults of this exchange, which has these symbols, so long apart on average.
    pub fn new(seed: u64, exchange: &dyn Exchange, symbols: &[&str], mean: Span) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let applies = |kind: &MarketFault| kind.applies(exchange) && dice.u8(..3) > 0;
        let kinds = MarketFault::ALL.iter().copied();
        let mut kinds: Vec<MarketFault> = kinds.filter(applies).collect();
        if kinds.is_empty() {
            kinds.push(MarketFault::Gap);
        }
        Self {
            dice,
            kinds,
            exchange: exchange.name().to_owned(),
            symbols: symbols.iter().map(|&symbol| symbol.to_owned()).collect(),
            mean,
            at: Span::ZERO,
            beside: None,
        }
    }

    fn draw(&mut self) -> Step {
        self.at = self.at + Span(self.dice.u64(1..=2 * self.mean.0.max(1)));
        let kinds = self.kinds.iter().copied();
        let sum: u32 = kinds.clone().map(MarketFault::weight).sum();
        let mut roll = self.dice.u32(..sum);
        let mut drawn = kinds.skip_while(|kind| {
            let weight = kind.weight();
            let passed = roll >= weight;
            roll = roll.saturating_sub(weight);
            passed
        });
        let fault = drawn.next().unwrap_or(MarketFault::Gap);
        let (least_ms, most_ms) = fault.lasts_ms();
        let lasts = Span::from_millis(self.dice.u64(least_ms..=most_ms));
        let step = Step::now(fault).lasting(lasts).after(self.at);
        let step = step.of(&self.exchange);
        if fault.shown_by().is_some() {
            // It is the next one in the order of time.
            self.at = self.at + Span::from_millis(1);
            let (at, name) = (self.at, &self.exchange);
            self.beside = fault
                .shown_by()
                .map(|kind| Step::now(kind).after(at).of(name));
        }
        match self.dice.choice(&self.symbols) {
            Some(symbol) if fault.is_of_one() => step.on(symbol),
            Some(_) | None => step,
        }
    }
}

impl Iterator for Dice {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let beside = self.beside.take();
        beside.or_else(|| Some(self.draw()))
    }
}

/// A fault that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Struck {
    /// What went wrong.
    pub fault: MarketFault,
    /// Where.
    pub exchange: &'static str,
    /// With which instrument; `None` if it was no single one.
    pub instrument: Option<Symbol>,
    /// When it first struck something.
    pub at: Nanos,
    /// When it was to end; the same moment, if it was of one thing only.
    pub until: Nanos,
}
