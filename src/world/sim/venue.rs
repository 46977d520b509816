//! The exchange that all sessions share: its listings, its markets or its recording, and the orders that rest.
//! Knows no connection; what it publishes waits here until the driver hands it round.

use super::flow::{Event, Flow};
use super::matching::OrderId;
use super::play::Speed;
use super::recording::Recording;
use crate::base::{InstrumentId, Nanos, Side, UnixNanos};
use crate::exchange::DepthSpeed;
use crate::exchange::binance_spot::mirror::orders::{Life, OPEN_ORDERS_MAX, Place};
use crate::exchange::binance_spot::mirror::route::Get;
use crate::exchange::binance_spot::mirror::{Fault, Listing, TimeUnit, market};
use crate::watch::audit::Truth;
use std::collections::BTreeMap;

/// Where market data comes from.
pub enum Source {
    /// One market each listing, in their order.
    Flow(Vec<Flow>),
    /// A recording at a speed.
    Play(Recording, Speed),
}

/// The exchange behind the sessions.
pub struct Venue {
    /// What is traded, in the order of the markets.
    pub listings: Vec<Listing>,
    /// Where market data comes from.
    pub source: Source,
    /// What was published since the driver last took it.
    pub events: Vec<Event>,
    /// The truth behind it, and behind each snapshot that was served.
    pub truths: Vec<Truth>,
    /// Orders that were accepted.
    pub orders: u64,
    /// The wall clock at [`Nanos::ZERO`].
    epoch: UnixNanos,
    /// Client orders that rest or did: account, client id and order id, by listing.
    open: Vec<Vec<(String, String, OrderId)>>,
    last_truth: BTreeMap<InstrumentId, u64>,
}

impl Venue {
    /// Seeded markets of the default instruments; each has dice of its own.
    pub fn flow(seed: u64, epoch: UnixNanos) -> Self {
        let market = super::market::default_market();
        let flows = market.iter().zip(1..).map(|((listing, profile), n)| {
            let seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(n);
            Flow::new(listing.instrument.clone(), *profile, seed, epoch)
        });
        let source = Source::Flow(flows.collect());
        Self::new(
            market.into_iter().map(|(listing, _)| listing).collect(),
            source,
            epoch,
        )
    }

    /// A recording, and orders that never trade.
    pub fn play(recording: Recording, speed: Speed, epoch: UnixNanos) -> Self {
        Self::new(
            recording.listings.clone(),
            Source::Play(recording, speed),
            epoch,
        )
    }

    fn new(listings: Vec<Listing>, source: Source, epoch: UnixNanos) -> Self {
        Self {
            open: vec![Vec::new(); listings.len()],
            listings,
            source,
            epoch,
            events: Vec::new(),
            truths: Vec::new(),
            orders: 0,
            last_truth: BTreeMap::new(),
        }
    }

    /// The exchange's own wall clock.
    pub fn unix(&self, now: Nanos) -> UnixNanos {
        UnixNanos(self.epoch.0.saturating_add_unsigned(now.0))
    }

    /// When the markets want to move next.
    pub fn poll_timeout(&self) -> Nanos {
        match &self.source {
            Source::Flow(flows) => flows
                .iter()
                .map(Flow::poll_timeout)
                .min()
                .unwrap_or(Nanos::NEVER),
            Source::Play(..) => Nanos::NEVER,
        }
    }

    /// Moves the markets up to `now`.
    pub fn handle_timeout(&mut self, now: Nanos) {
        if let Source::Flow(flows) = &mut self.source {
            let first = self.events.len();
            for flow in flows {
                flow.handle_timeout(now, &mut self.events);
            }
            self.tell_truth(first);
        }
    }

    /// Answers a GET with its body.
    pub fn get(&mut self, now: Nanos, request: Get) -> Result<String, Fault> {
        let unix = self.unix(now);
        match request {
            Get::Ping => Ok("{}".to_owned()),
            Get::Time => Ok(market::server_time(TimeUnit::Millis, unix).to_string()),
            Get::Depth { symbol, levels } => self.depth(now, &symbol, levels),
            Get::ExchangeInfo { symbols } => {
                let found = symbols
                    .iter()
                    .map(|symbol| Listing::find(&self.listings, symbol));
                let found = found
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(Fault::invalid_symbol)?;
                let info = if symbols.is_empty() {
                    market::exchange_info(TimeUnit::Millis, unix, self.listings.iter())
                } else {
                    let found = found.into_iter().map(|(_, listing)| listing);
                    market::exchange_info(TimeUnit::Millis, unix, found)
                };
                Ok(info.to_string())
            }
        }
    }

    fn depth(&mut self, now: Nanos, symbol: &str, levels: usize) -> Result<String, Fault> {
        // The book is as of now, not of the last time that anybody looked.
        self.handle_timeout(now);
        let (n, listing) =
            Listing::find(&self.listings, symbol).ok_or_else(Fault::invalid_symbol)?;
        match &mut self.source {
            Source::Flow(flows) => {
                let (instrument, flow) = (&listing.instrument, &flows[n]);
                let (book, update_id) = (flow.book(), flow.book().update_id());
                let side = |side| book.levels(side).take(levels);
                let body =
                    market::snapshot(instrument, update_id, side(Side::Buy), side(Side::Sell));
                let truth = Truth {
                    instrument: instrument.id,
                    update_id,
                    top: flow.top(),
                };
                self.push_truth(truth);
                Ok(body)
            }
            Source::Play(recording, _) => recording
                .take_snapshot(symbol)
                .ok_or_else(|| Fault::new(503, -1001, "no further snapshot was recorded")),
        }
    }

    /// Nobody follows this stream any more: a client that comes back is played it from its beginning.
    pub fn abandon(&mut self, stream: &str) {
        if let (Source::Play(recording, _), Some((symbol, kind))) =
            (&mut self.source, stream.split_once('@'))
            && kind.starts_with("depth")
        {
            recording.rewind(&symbol.to_uppercase());
        }
    }

    /// Puts a client's order into its market. In a recording it is acknowledged and never trades.
    pub fn place(&mut self, now: Nanos, account: &str, order: &Place) -> Result<OrderId, Fault> {
        self.handle_timeout(now);
        let Self {
            source,
            open,
            events,
            ..
        } = self;
        let open = &mut open[order.listing];
        if let Source::Flow(flows) = source {
            open.retain(|(_, _, id)| flows[order.listing].book().rests(*id));
        }
        let mine = open.iter().filter(|(owner, ..)| owner == account);
        if !order.client_id.is_empty() && mine.clone().any(|(_, name, _)| *name == order.client_id)
        {
            return Err(Fault::new(400, -2010, "Duplicate order sent."));
        }
        let rest = order.life == Life::GoodTillCancel;
        if rest && mine.count() >= OPEN_ORDERS_MAX {
            return Err(Fault::new(400, -1013, "Filter failure: MAX_NUM_ORDERS"));
        }
        let first = events.len();
        let id = match source {
            Source::Flow(flows) => {
                let limit = (order.side, order.px, order.qty);
                flows[order.listing].place(now, limit, rest, events)
            }
            Source::Play(..) => self.orders + 1,
        };
        if rest {
            open.push((account.to_owned(), order.client_id.clone(), id));
        }
        self.orders += 1;
        self.tell_truth(first);
        Ok(id)
    }

    /// Keeps the truth behind each diff among the events from `first` on.
    fn tell_truth(&mut self, first: usize) {
        for n in first..self.events.len() {
            if let Event::Depth { diff, top, .. } = &self.events[n] {
                let (instrument, update_id) = (diff.instrument, diff.last_id);
                let truth = Truth {
                    instrument,
                    update_id,
                    top: **top,
                };
                self.push_truth(truth);
            }
        }
    }

    /// Two diff streams often end at the same id: its truth is told once.
    fn push_truth(&mut self, truth: Truth) {
        if self.last_truth.insert(truth.instrument, truth.update_id) != Some(truth.update_id) {
            self.truths.push(truth);
        }
    }

    /// The listing of an event, and the name of the stream that carries it.
    pub fn stream_of(&self, event: &Event) -> (&Listing, String) {
        let (instrument, kind) = match event {
            Event::Depth {
                diff,
                speed: DepthSpeed::Ms100,
                ..
            } => (diff.instrument, "depth@100ms"),
            Event::Depth {
                diff,
                speed: DepthSpeed::Ms1000,
                ..
            } => (diff.instrument, "depth"),
            Event::Trade(trade) => (trade.instrument, "trade"),
            Event::Quote(quote) => (quote.instrument, "bookTicker"),
        };
        let listing = &self.listings[instrument.index()];
        let name = format!("{}@{kind}", listing.instrument.symbol.to_lowercase());
        (listing, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Px, Qty};

    fn order(life: Life, client_id: &str) -> Place {
        // Far below the market, so that it rests.
        let (px, qty) = (Px(100_000_000), Qty(100_000_000));
        Place {
            listing: 0,
            side: Side::Buy,
            px,
            qty,
            life,
            client_id: client_id.to_owned(),
        }
    }

    #[test]
    fn a_client_id_is_unique_among_the_accounts_open_orders_only() {
        let mut venue = Venue::flow(1, UnixNanos(0));
        let mut place =
            |account, life, id| venue.place(Nanos(1), account, &order(life, id)).map(|_| ());
        assert_eq!(place("a", Life::ImmediateOrCancel, "x"), Ok(()));
        assert_eq!(place("a", Life::GoodTillCancel, "x"), Ok(()));
        assert_eq!(
            place("a", Life::GoodTillCancel, "x").unwrap_err().msg,
            "Duplicate order sent."
        );
        assert_eq!(place("b", Life::GoodTillCancel, "x"), Ok(()));
    }

    #[test]
    fn an_account_may_not_have_more_open_orders_than_the_filter_says() {
        let mut venue = Venue::flow(1, UnixNanos(0));
        for n in 0..OPEN_ORDERS_MAX {
            venue
                .place(
                    Nanos(1),
                    "a",
                    &order(Life::GoodTillCancel, &format!("c{n}")),
                )
                .unwrap();
        }
        let fault = venue
            .place(Nanos(1), "a", &order(Life::GoodTillCancel, "more"))
            .unwrap_err();
        assert_eq!(fault.code, -1013);
    }

    #[test]
    fn the_truth_is_told_for_each_published_id_once() {
        let mut venue = Venue::flow(1, UnixNanos(0));
        venue.handle_timeout(Nanos::from_secs(2));
        let told: Vec<_> = venue
            .truths
            .iter()
            .map(|truth| (truth.instrument, truth.update_id))
            .collect();
        let mut once = told.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), told.len());
        for event in &venue.events {
            if let Event::Depth { diff, .. } = event {
                assert!(told.contains(&(diff.instrument, diff.last_id)));
            }
        }
    }
}
