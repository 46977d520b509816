//! A request made beforehand, with holes for what differs from one to the next: it costs the digits
//! of its numbers and some copies. Knows no key and no instrument.

use super::sign::{Signature, Signer};
use crate::base::decimal::ENCODED_MAX;
use crate::exchange::kit::ids::{DIGITS, PLACE_DIGITS};
use crate::exchange::kit::template::Text;
use arrayvec::ArrayVec;
use zeroize::Zeroizing;

/// Room for the longest frame: some 800 bytes, and a symbol of which every byte is escaped.
pub(super) const FRAME_BYTES: usize = 1536;

/// A number as text.
pub(super) type Number = ArrayVec<u8, ENCODED_MAX>;

/// What differs between two requests of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    /// The place of the instrument in the run's table.
    Instrument,
    /// The digits of the order's name.
    Order,
    /// The digits of the name of the order that it replaces.
    Replaced,
    /// A number of the exchange's own, or a time.
    Number,
    Px,
    Qty,
    /// As it is.
    Symbol,
    /// As a JSON string.
    Quoted,
    Now,
    Signature,
}

/// What goes into the holes. What a form has no hole for may be anything.
pub(super) struct Values<'v> {
    pub(super) instrument: [u8; PLACE_DIGITS],
    pub(super) order: [u8; DIGITS],
    pub(super) replaced: [u8; DIGITS],
    pub(super) number: Number,
    pub(super) px: Number,
    pub(super) qty: Number,
    pub(super) symbol: &'v [u8],
    pub(super) quoted: &'v [u8],
    pub(super) now: Number,
}

impl Values<'_> {
    fn of<'s>(&'s self, hole: Hole, signature: &'s Signature) -> &'s [u8] {
        match hole {
            Hole::Instrument => &self.instrument,
            Hole::Order => &self.order,
            Hole::Replaced => &self.replaced,
            Hole::Number => &self.number,
            Hole::Px => &self.px,
            Hole::Qty => &self.qty,
            Hole::Symbol => self.symbol,
            Hole::Quoted => self.quoted,
            Hole::Now => &self.now,
            Hole::Signature => signature,
        }
    }
}

/// The value of a parameter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Param<'p> {
    /// A string.
    Text(&'p str),
    /// A number, or a truth.
    Bare(&'p str),
    /// A string of a prefix and digits: the name of an order.
    Name(&'static str, Hole),
    /// A decimal, as a string.
    Decimal(Hole),
    /// A whole number.
    Whole(Hole),
    Symbol,
}

/// One sort of request.
pub(super) struct Form {
    frame: Text<Hole>,
    /// What is signed; `None` if the request is not.
    payload: Option<Text<Hole>>,
}

impl Form {
    /// `api_key` is that of a request that is signed by itself.
    pub(super) fn new(
        (letter, holes): (char, &[Hole]),
        method: &str,
        params: &[(&str, Param<'_>)],
        api_key: Option<&str>,
    ) -> Self {
        let mut params = params.to_vec();
        params.extend(api_key.map(|key| ("apiKey", Param::Text(key))));
        params.sort_by_key(|(name, _)| *name);
        let mut frame = Text::new();
        frame.push(&format!("{{\"id\":\"{letter}"));
        holes.iter().for_each(|hole| frame.hole(*hole));
        frame.push(&format!("\",\"method\":\"{method}\",\"params\":{{"));
        let mut payload = Text::new();
        for (n, &(name, param)) in params.iter().enumerate() {
            frame.push(if n == 0 { "\"" } else { ",\"" });
            frame.push(&format!("{name}\":"));
            payload.push(if n == 0 { "" } else { "&" });
            payload.push(&format!("{name}="));
            push_value(&mut frame, &mut payload, param);
        }
        if api_key.is_some() {
            frame.push(",\"signature\":\"");
            frame.hole(Hole::Signature);
            frame.push("\"");
        }
        frame.push("}}");
        Self {
            frame,
            payload: api_key.map(|_| payload),
        }
    }
}

fn push_value(frame: &mut Text<Hole>, payload: &mut Text<Hole>, param: Param<'_>) {
    let quote = match param {
        Param::Text(_) | Param::Name(..) | Param::Decimal(_) => "\"",
        Param::Bare(_) | Param::Whole(_) | Param::Symbol => "",
    };
    frame.push(quote);
    for text in [&mut *frame, payload] {
        match param {
            Param::Text(value) | Param::Bare(value) => text.push(value),
            Param::Name(prefix, hole) => {
                text.push(prefix);
                text.hole(hole);
            }
            Param::Decimal(hole) | Param::Whole(hole) => text.hole(hole),
            Param::Symbol => {}
        }
    }
    if let Param::Symbol = param {
        frame.hole(Hole::Quoted);
        payload.hole(Hole::Symbol);
    }
    frame.push(quote);
}

/// Fills forms, and signs what is to be signed, in buffers that are kept.
pub(super) struct Pen {
    signer: Signer,
    frame: Zeroizing<Vec<u8>>,
    payload: Zeroizing<Vec<u8>>,
}

impl Pen {
    pub(super) fn new(signer: Signer) -> Self {
        let room = || Zeroizing::new(Vec::with_capacity(FRAME_BYTES));
        Self {
            signer,
            frame: room(),
            payload: room(),
        }
    }

    /// Whether there is a session to log on to.
    pub(super) fn logs_on(&self) -> bool {
        self.signer.logs_on()
    }

    /// The frame. Good until the next one.
    pub(super) fn write(&mut self, form: &Form, values: &Values<'_>) -> &[u8] {
        let mut signature = Signature::new();
        if let Some(payload) = &form.payload {
            payload.fill(|hole| values.of(hole, &signature), &mut self.payload);
            signature = self.signer.sign(&self.payload);
        }
        form.frame
            .fill(|hole| values.of(hole, &signature), &mut self.frame);
        &self.frame
    }

    /// A frame that is not to be sent.
    pub(super) fn nothing(&mut self) -> &[u8] {
        self.frame.clear();
        &self.frame
    }
}
