//! Orders over Binance's WebSocket API: logon, `order.place`, and the answers to them. Keeps no
//! order's state: an answer names its order, and what that means is for others to decide.

use super::keys;
use crate::base::note::NOTE_TEXT_MAX;
use crate::base::{
    ClientId, Instrument, InstrumentId, NewOrder, Px, Qty, Secret, Side, Symbol, TimeInForce,
    UnixNanos, decimal,
};
use crate::exchange::binance_spot::unix_time;
use crate::exchange::kit::Value;
use crate::exchange::kit::tape::Scratch;
use crate::exchange::{Account, Answer, DecodeError, End, OrderCodec};
use arrayvec::ArrayString;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

/// How old an order may be when it reaches the exchange's engine, in milliseconds. One that is late
/// was decided on a book that is gone, and is better refused.
const ORDER_WINDOW_MS: u64 = 1_000;
/// The same for the logon, which nothing depends on being fresh.
const LOGON_WINDOW_MS: u64 = 5_000;
/// The id of our logon request. Orders have their client ids as request ids.
const LOGON_ID: &str = "logon";
/// The id of our question for the time.
const TIME_ID: &str = "time";
/// The time in a request is too old, or too far ahead.
const OUTSIDE_WINDOW: i32 = -1021;
/// Room for the longest frame: some 300 bytes, and a symbol of which every byte is escaped.
const FRAME_BYTES: usize = 640;
/// Prices that one order may trade at before a list must grow.
const FILLS: usize = 64;

/// The codec of one order connection. Has no `Debug`: it holds the account's key, wiped when
/// dropped.
pub(crate) struct SpotOrders {
    api_key: Secret,
    key: SigningKey,
    /// Sorted by id.
    listed: Vec<Listed>,
    frame: Vec<u8>,
    fills: Vec<(Px, Qty)>,
    scratch: Scratch,
    last_error: ErrorText,
}

type ErrorText = ArrayString<NOTE_TEXT_MAX>;

/// An instrument as orders need it.
struct Listed {
    id: InstrumentId,
    px_scale: u8,
    qty_scale: u8,
    /// A JSON string, quotes included.
    symbol: String,
    /// As answers spell it.
    plain: Symbol,
}

impl SpotOrders {
    /// A codec for this account. The error says what is wrong with the keys, without showing them.
    pub(crate) fn new(account: Account, instruments: &[Instrument]) -> Result<Self, String> {
        let Account { api_key, key } = account;
        keys::check_api_key(api_key.expose())?;
        let key = keys::signing_key(&key)?;
        let mut listed: Vec<Listed> = instruments.iter().map(Listed::of).collect();
        listed.sort_by_key(|listed| listed.id);
        // An answer of the shape that comes, with a dozen fills.
        let fill = r#"{"price":"64250.01000000","qty":"0.12345000","commission":"0.00000000","commissionAsset":"BNB","tradeId":12345678901}"#;
        let sample = format!(
            r#"{{"id":"tw00000000000000000000","status":200,"result":{{"symbol":"BTCUSDT","orderId":12569099453,"orderListId":-1,"clientOrderId":"tw00000000000000000000","transactTime":1750000000123456,"price":"64250.01000000","origQty":"1.50000000","executedQty":"1.50000000","origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"96375.01500000","status":"FILLED","timeInForce":"IOC","type":"LIMIT","side":"BUY","workingTime":1750000000123456,"fills":[{fill}{}],"selfTradePreventionMode":"EXPIRE_MAKER"}}}}"#,
            format!(",{fill}").repeat(11)
        );
        Ok(Self {
            api_key,
            key,
            listed,
            frame: Vec::with_capacity(FRAME_BYTES),
            fills: Vec::with_capacity(FILLS),
            scratch: Scratch::warmed(sample.as_bytes()),
            last_error: ErrorText::new(),
        })
    }

    fn sign(&self, payload: &[u8]) -> String {
        keys::sign(&self.key, payload)
    }
}

impl Listed {
    fn of(instrument: &Instrument) -> Self {
        Self {
            id: instrument.id,
            px_scale: instrument.px_scale,
            qty_scale: instrument.qty_scale,
            plain: instrument.symbol,
            symbol: serde_json::Value::from(instrument.symbol.as_str()).to_string(),
        }
    }
}

impl OrderCodec for SpotOrders {
    fn path(&self) -> String {
        "/ws-api/v3?returnRateLimits=false&timeUnit=MICROSECOND".to_owned()
    }

    fn logon(&mut self, now: UnixNanos) -> String {
        let (api_key, timestamp) = (self.api_key.expose(), now.as_micros());
        let payload = Zeroizing::new(format!(
            "apiKey={api_key}&recvWindow={LOGON_WINDOW_MS}&timestamp={timestamp}"
        ));
        let signature = self.sign(payload.as_bytes());
        format!(
            r#"{{"id":"{LOGON_ID}","method":"session.logon","params":{{"apiKey":"{api_key}","recvWindow":{LOGON_WINDOW_MS},"signature":"{signature}","timestamp":{timestamp}}}}}"#
        )
    }

    fn ask_time(&self) -> &'static str {
        r#"{"id":"time","method":"time"}"#
    }

    fn blames_clock(&self, code: i32) -> bool {
        code == OUTSIDE_WINDOW
    }

    fn encode(&mut self, order: &NewOrder, now: UnixNanos) -> &[u8] {
        self.frame.clear();
        let found = self
            .listed
            .binary_search_by_key(&order.instrument, |listed| listed.id);
        let (Ok(at), Ok(px)) = (found, u64::try_from(order.px.0)) else {
            return &self.frame;
        };
        let listed = &self.listed[at];
        let id = wire_id(order.client_id);
        let parts: [&[u8]; 15] = [
            br#"{"id":""#,
            &id,
            br#"","method":"order.place","params":{"newClientOrderId":""#,
            &id,
            br#"","newOrderRespType":"FULL","price":""#,
            &decimal::encode(px, listed.px_scale),
            br#"","quantity":""#,
            &decimal::encode(order.qty.0, listed.qty_scale),
            br#"","recvWindow":"#,
            &decimal::encode(ORDER_WINDOW_MS, 0),
            order_words(order),
            listed.symbol.as_bytes(),
            br#","timestamp":"#,
            &decimal::encode(now.as_micros().unsigned_abs(), 0),
            b"}}",
        ];
        for part in parts {
            self.frame.extend_from_slice(part);
        }
        &self.frame
    }

    fn decode(&mut self, frame: &[u8]) -> Result<Answer, DecodeError> {
        let Self {
            scratch,
            last_error,
            fills,
            listed,
            ..
        } = self;
        scratch.read(frame, |root| {
            last_error.clear();
            fills.clear();
            answer(root, last_error, listed, fills)
        })
    }

    fn fills(&self) -> &[(Px, Qty)] {
        &self.fills
    }

    fn last_error(&self) -> &str {
        &self.last_error
    }
}

/// What is the same in all orders of a side and a time in force, up to the symbol.
fn order_words(order: &NewOrder) -> &'static [u8] {
    match (order.side, order.tif) {
        (Side::Buy, TimeInForce::ImmediateOrCancel) => {
            br#","type":"LIMIT","timeInForce":"IOC","side":"BUY","symbol":"#
        }
        (Side::Sell, TimeInForce::ImmediateOrCancel) => {
            br#","type":"LIMIT","timeInForce":"IOC","side":"SELL","symbol":"#
        }
    }
}

/// `tw` and twenty decimal digits, the most that a `u64` has. No letters but these two: digits
/// above nine would sooner or later spell an SQL word, and the exchange's firewall refuses such
/// orders.
const WIRE_ID_LEN: usize = 22;

fn wire_id(ClientId(mut number): ClientId) -> [u8; WIRE_ID_LEN] {
    let mut text = *b"tw00000000000000000000";
    for place in text[2..].iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text
}

/// The inverse of [`wire_id`]; `None` for every text that it does not make.
fn parse_wire_id(text: &str) -> Option<ClientId> {
    let digits = text
        .strip_prefix("tw")
        .filter(|digits| digits.len() == WIRE_ID_LEN - 2)?;
    // `str::parse` alone would take a sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(ClientId))?
}

/// An answer.
struct Reply<'t> {
    /// Absent if it is none of success.
    result: Value<'t>,
    status: u64,
    /// The exchange's error code; zero if it gave none.
    code: i32,
}

fn answer(
    root: Value<'_>,
    last_error: &mut ErrorText,
    listed: &[Listed],
    fills: &mut Vec<(Px, Qty)>,
) -> Result<Answer, DecodeError> {
    if let Some(event) = root.find(b"event").some() {
        return Ok(match event.find(b"e").string() {
            Some("serverShutdown") => Answer::Shutdown,
            _ => Answer::Ignored,
        });
    }
    let id = root.find(b"id").some().ok_or(DecodeError::Shape)?;
    let mut reply = Reply {
        result: root.find(b"result"),
        status: root.find(b"status").unsigned()?,
        code: 0,
    };
    if let Some(error) = root.find(b"error").some() {
        let code = error.find(b"code").signed().ok();
        reply.code = code.and_then(|code| i32::try_from(code).ok()).unwrap_or(0);
        let message = error.find(b"msg").string().unwrap_or("");
        let fits = |character: char| last_error.try_push(character).is_ok();
        let _cut = message.chars().all(fits);
    }
    let Reply { status, code, .. } = reply;
    Ok(match id.string() {
        Some(LOGON_ID) if status == 200 => Answer::LoggedOn,
        Some(LOGON_ID) => Answer::LogonRefused { code },
        Some(TIME_ID) => reply.server_time().map_or(Answer::Ignored, Answer::Time),
        Some(id) => match parse_wire_id(id) {
            Some(client_id) => reply.of_order(client_id, last_error, listed, fills),
            None => Answer::Ignored,
        },
        None if id.is_null() && status == 401 => Answer::LoggedOff { code },
        None => Answer::Ignored,
    })
}

impl Reply<'_> {
    /// What became of an order. An answer that says neither yes nor no leaves it unknown.
    fn of_order(
        &self,
        client_id: ClientId,
        message: &str,
        listed: &[Listed],
        fills: &mut Vec<(Px, Qty)>,
    ) -> Answer {
        let code = self.code;
        match self.status {
            200 => self
                .acked(client_id, listed, fills)
                .unwrap_or(Answer::Unknown { client_id, code }),
            400..500 if !leaves_unknown(code, message) => Answer::Rejected { client_id, code },
            _ => Answer::Unknown { client_id, code },
        }
    }

    fn server_time(&self) -> Option<UnixNanos> {
        time_of(self.result, b"serverTime")
    }

    fn acked(
        &self,
        client_id: ClientId,
        listed: &[Listed],
        fills: &mut Vec<(Px, Qty)>,
    ) -> Option<Answer> {
        let exchange_id = self.result.find(b"orderId").unsigned().ok()?;
        let end = self.ended(listed, fills);
        if end.is_none() {
            fills.clear();
        }
        Some(Answer::Acked {
            client_id,
            exchange_id,
            exch_time: time_of(self.result, b"transactTime").unwrap_or_default(),
            end,
        })
    }

    /// How the order ended, and what it traded: one fill a price, in order. `None` if the answer
    /// does not say all of it, or contradicts itself.
    fn ended(&self, listed: &[Listed], fills: &mut Vec<(Px, Qty)>) -> Option<End> {
        let end = match self.result.find(b"status").string()? {
            "FILLED" => End::Filled,
            "CANCELED" => End::Cancelled,
            "EXPIRED" | "EXPIRED_IN_MATCH" => End::Expired,
            _ => return None,
        };
        let symbol = self.result.find(b"symbol").string()?;
        let listed = listed
            .iter()
            .find(|listed| listed.plain.as_str() == symbol)?;
        let units = |object: Value<'_>, key: &[u8], scale| {
            decimal::parse(object.find(key).string()?.as_bytes(), scale).ok()
        };
        let executed = units(self.result, b"executedQty", listed.qty_scale)?;
        let mut sum = 0u64;
        for fill in self.result.find(b"fills").some()?.items() {
            let px = units(fill, b"price", listed.px_scale)?;
            let qty = units(fill, b"qty", listed.qty_scale)?;
            let px = Px(i64::try_from(px).ok()?);
            sum = sum.checked_add(qty)?;
            match fills.last_mut() {
                Some((last, sum)) if *last == px => sum.0 += qty,
                _ => fills.push((px, Qty(qty))),
            }
        }
        (sum == executed).then_some(end)
    }
}

/// Refusals that do not say that there is no such order: unknown errors and time-outs behind the
/// exchange's door, and a duplicate, which means that one under this id was taken before.
fn leaves_unknown(code: i32, message: &str) -> bool {
    match code {
        -1000 | -1006 | -1007 => true,
        -2010 => message.starts_with("Duplicate order"),
        _ => false,
    }
}

fn time_of(object: Value<'_>, key: &[u8]) -> Option<UnixNanos> {
    unix_time(object.find(key).unsigned().ok()?)
}

#[cfg(test)]
mod tests;
