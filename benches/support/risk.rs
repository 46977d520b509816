//! A run with every limit on: 300 instruments at two exchanges, positions in them, 64 orders that
//! rest, and four strategies with limits of their own.
#![allow(dead_code)] // The bench and the test of allocations each use a part.

use std::hint::black_box;
use tickwire::base::event::EVENT_LEVELS;
use tickwire::base::{
    Asset, Body, ClientId, Event, Fill, Flags, Instrument, InstrumentId, Level, Nanos, NewOrder,
    News, OrderType, Place, Px, Qty, Said, Side, Source, Span, Stamps, StrategyId, Symbol, Top,
    UnixNanos, Why,
};
use tickwire::exchange::{self, Account, AccountKey, OrderCodec};
use tickwire::market::Picture;
use tickwire::trading::limits::{RiskLimits, RiskParams, StrategyParams};
use tickwire::trading::orders::Orders;
use tickwire::trading::risk::Risk;

pub const INSTRUMENTS: u16 = 300;
pub const WORKING: u64 = 64;
/// Orders that may be admitted without time going on: they are open together.
pub const BATCH: usize = 64;
const STRATEGIES: u8 = 4;
/// The first id of orders that the rig opens by itself: risk gives larger ones.
const OWN_IDS: u64 = 1 << 40;
const RISK_IDS: u64 = 1 << 41;

pub struct Rig {
    risk: Risk,
    view: Picture,
    orders: Orders,
    now: Nanos,
    /// Orders that were opened, and fills that were made.
    opened: u64,
    fills: u64,
    steps: u64,
    /// Orders that risk admitted: so many of them are open, and so many are encoded.
    admitted: Vec<NewOrder>,
    begun: (usize, usize),
}

impl Rig {
    pub fn new() -> Self {
        let table: Vec<Instrument> = (0..INSTRUMENTS).map(instrument).collect();
        let params = params();
        let limits = RiskLimits::parse(&params, &table).unwrap();
        let mut risk = Risk::new(limits, &table, RISK_IDS);
        let mut rig = Self {
            orders: Orders::new(256, table.len(), Span::ZERO),
            view: Picture::new(&table),
            now: Nanos::from_secs(1),
            opened: 0,
            fills: 0,
            steps: 0,
            admitted: Vec::with_capacity(BATCH),
            begun: (0, 0),
            risk: {
                risk.set_clock_skew(0, 1_000_000);
                risk
            },
        };
        rig.risk.set_ready(0, true);
        for id in 0..INSTRUMENTS {
            rig.book(id);
            let strategy = StrategyId((id % u16::from(STRATEGIES)) as u8);
            rig.risk
                .restore(strategy, InstrumentId(id), 500, Some(Px(10_000)));
        }
        for n in 0..WORKING {
            // Each rests on its own side of the book, away from the touch.
            let (side, px) = [(Side::Buy, 9_900), (Side::Sell, 10_100)][n as usize % 2];
            rig.open((n * 5 % 300) as u16, side, Px(px - n as i64));
        }
        rig
    }

    /// A new book of an instrument.
    pub fn book(&mut self, id: u16) {
        self.steps += 1;
        let bid = 10_000 + (self.steps % 7) as i64;
        let level = |px| Level {
            px: Px(px),
            qty: Qty(700),
        };
        let mut top: Top<EVENT_LEVELS> = Top::EMPTY;
        top.set(Side::Buy, [level(bid)].into_iter(), 1, false);
        top.set(Side::Sell, [level(bid + 1)].into_iter(), 1, false);
        self.show(&event(self.now, InstrumentId(id), Body::Book(top)));
    }

    /// One more millisecond has gone by; books are shown again before they are old.
    pub fn tick(&mut self) {
        self.now = self.now + Span::from_millis(1);
        if self.now.0.is_multiple_of(2_000_000_000) {
            (0..INSTRUMENTS).for_each(|id| self.book(id));
            self.risk
                .handle_timeout(self.now, UnixNanos(self.now.0 as i64 * 3_600));
        }
    }

    /// Risk admits an order, which is then forgotten.
    pub fn admit(&mut self) {
        let place = self.place();
        let admitted = self.risk.admit(self.now, place, &self.view, &self.orders);
        assert!(black_box(admitted).is_ok());
    }

    /// What [`Self::admit`] does beside the admission.
    pub fn prepare(&mut self) {
        black_box(self.place());
    }

    /// An order comes, is filled, and is over.
    pub fn trade(&mut self) {
        let id = (self.steps % u64::from(INSTRUMENTS)) as u16;
        let (side, px) = [(Side::Buy, 9_800), (Side::Sell, 10_200)][self.steps as usize % 2];
        self.steps += 1;
        let client_id = self.open(id, side, Px(px));
        self.fills += 1;
        let news = News {
            client_id,
            instrument: InstrumentId(id),
            source: Source::Stream,
            said: Said::Fill(Fill::bare(self.fills, side, Px(px), Qty(100))),
        };
        self.orders.hear(self.now, &news);
        while self.orders.poll_output().is_some() {}
        self.risk.follow(&mut self.orders);
    }

    /// Time goes on for longer than a batch of orders takes of the second's rate.
    pub fn rest(&mut self) {
        (0..2 * BATCH).for_each(|_| self.tick());
    }

    /// From an intent to the bytes of its order.
    pub fn order(&mut self, codec: &mut dyn OrderCodec) {
        self.admit_next();
        self.open_next();
        self.encode_next(codec);
    }

    /// Risk admits an order, which waits for the next step.
    pub fn admit_next(&mut self) {
        let place = self.place();
        let admitted = self.risk.admit(self.now, place, &self.view, &self.orders);
        self.admitted.push(*admitted.unwrap().order());
    }

    /// The next one takes its place among the open orders.
    pub fn open_next(&mut self) {
        let order = &self.admitted[self.begun.0];
        self.begun.0 += 1;
        self.orders.open(self.now, order, 0);
        self.risk.follow(&mut self.orders);
    }

    /// The next one becomes a frame.
    pub fn encode_next(&mut self, codec: &mut dyn OrderCodec) {
        let order = &self.admitted[self.begun.1];
        self.begun.1 += 1;
        let unix = UnixNanos(1_750_000_000_000_000_000 + self.now.0 as i64);
        let frame = codec.place(black_box(order), unix);
        assert!(!black_box(frame).is_empty());
    }

    /// The exchange refuses what was opened.
    pub fn refuse_all(&mut self) {
        for order in &self.admitted {
            let news = News {
                client_id: order.client_id,
                instrument: order.instrument,
                source: Source::Answer,
                said: Said::Rejected { code: -1 },
            };
            self.orders.hear(self.now, &news);
        }
        self.admitted.clear();
        self.begun = (0, 0);
        while self.orders.poll_output().is_some() {}
        self.risk.follow(&mut self.orders);
    }

    pub fn working(&self) -> usize {
        self.orders.len()
    }

    fn place(&mut self) -> Place {
        self.steps += 1;
        let id = InstrumentId((self.steps % u64::from(INSTRUMENTS)) as u16);
        let side = [Side::Buy, Side::Sell][self.steps as usize / 2 % 2];
        Place {
            strategy: StrategyId((self.steps % u64::from(STRATEGIES)) as u8),
            instrument: id,
            side,
            px: Px([9_990, 10_020][usize::from(side == Side::Sell)]),
            qty: Qty(600),
            order_type: OrderType::PostOnly,
            tag: 0,
            why: Why {
                signal: "bench",
                value: 1.0,
                threshold: 0.5,
                update_id: 1,
                epoch: 1,
                bid: Level::default(),
                ask: Level::default(),
            },
        }
    }

    fn open(&mut self, id: u16, side: Side, px: Px) -> ClientId {
        let client_id = ClientId(OWN_IDS + self.opened);
        self.opened += 1;
        let order = NewOrder {
            client_id,
            strategy: StrategyId((id % u16::from(STRATEGIES)) as u8),
            instrument: InstrumentId(id),
            side,
            px,
            qty: Qty(100),
            order_type: OrderType::Limit,
        };
        self.orders.open(self.now, &order, 0);
        self.risk.follow(&mut self.orders);
        client_id
    }

    fn show(&mut self, event: &Event) {
        self.view.handle_event(self.now, event);
        self.risk.handle_event(event);
    }
}

/// Binance's order entry for the rig's instruments: on a session that is logged on, or with a
/// signature in each request.
pub fn codec(signs_each: bool) -> Box<dyn OrderCodec> {
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
        -----END PRIVATE KEY-----\n";
    let key = match signs_each {
        false => AccountKey::Ed25519Pem(pem.to_owned().into()),
        true => AccountKey::Hmac("a".repeat(64).into()),
    };
    let account = Account {
        api_key: "b".repeat(64).into(),
        key,
    };
    let table: Vec<Instrument> = (0..INSTRUMENTS).map(instrument).collect();
    let exchange = exchange::by_name("binance").unwrap();
    let mut codec = exchange.order_codec(account, &table).unwrap();
    black_box(codec.logon(UnixNanos(1_750_000_000_000_000_000)));
    codec
}

fn instrument(id: u16) -> Instrument {
    let half = INSTRUMENTS / 2;
    let asset = |text: &str| Asset::from(text).unwrap();
    let exchange = ["here", "there"][usize::from(id / half)];
    let base = format!("C{}", id % half);
    Instrument {
        id: InstrumentId(id),
        base: asset(&base),
        quote: asset("USDT"),
        settle: asset("USDT"),
        notional_min: 1,
        ..Instrument::bare(exchange, Symbol::from(&base).unwrap(), (2, 5))
    }
}

fn params() -> RiskParams {
    let text = |text: &str| text.to_owned();
    let own = StrategyParams {
        position_max: Some(text("5")),
        gross_notional_max: Some(text("500000")),
        net_notional_max: Some(text("500000")),
        daily_loss_max: Some(text("50000")),
        drawdown_max: Some(text("50000")),
        orders_per_s: Some(1_000),
        cancels_per_s: Some(100),
        orders_per_trade_max: Some(1_000_000),
        open_orders_max: Some(100),
    };
    RiskParams {
        qty_max: text("1"),
        notional_max: text("1000"),
        collar_bps: 100,
        orders_per_s: 1_000,
        open_orders_max: 256,
        position_max: text("10"),
        gross_notional_max: text("1000000"),
        net_notional_max: text("1000000"),
        exchange_gross_notional_max: text("900000"),
        exchange_net_notional_max: text("900000"),
        daily_loss_max: text("100000"),
        drawdown_max: text("100000"),
        cancels_per_s: 100,
        orders_per_trade_max: 1_000_000,
        instrument_open_orders_max: 16,
        identical_orders_max: 2,
        reference_bps: 200,
        clock_skew_max_ms: 500,
        strategies: vec![own; usize::from(STRATEGIES)],
    }
}

fn event(at: Nanos, instrument: InstrumentId, body: Body) -> Event {
    Event {
        stamps: Stamps {
            book: at,
            ..Stamps::default()
        },
        exch_time: UnixNanos(0),
        as_of: at,
        update_id: 1,
        epoch: 1,
        instrument,
        flags: Flags::default(),
        body,
    }
}
