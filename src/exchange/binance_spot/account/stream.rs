//! The account's private stream, as words. It has no numbers of its own: what it says may come
//! twice, late or never, and is joined with the orders elsewhere.

use super::answers::time_of;
use super::lists::balance;
use super::orders::Reader;
use super::standing::{Status, rejected};
use crate::base::{ClientId, End, Fill, Said};
use crate::exchange::binance_spot::unix_time;
use crate::exchange::kit::account::{append, fee, px, unknown};
use crate::exchange::kit::{Listed, Value, ids, keys};
use crate::exchange::{AccountWord, DecodeError};
use DecodeError::Shape;

/// Says an event. What is none of the engine's business says nothing.
pub(super) fn event(
    reader: &mut Reader,
    event: Value<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    match event.find(b"e").text()? {
        "executionReport" => report(reader, event, words),
        "outboundAccountPosition" => {
            words.extend(time_of(event, b"u").map(AccountWord::At));
            for asset in event.find(b"B").array()? {
                words.push(balance([b"a", b"f", b"l"].map(|key| asset.find(key)))?);
            }
            Ok(())
        }
        "eventStreamTerminated" => {
            words.push(AccountWord::StreamEnded);
            Ok(())
        }
        "serverShutdown" => {
            words.push(AccountWord::Shutdown);
            Ok(())
        }
        _ => Ok(()),
    }
}

keys! {
    struct Report {
        symbol = "s",
        name = "c",
        original = "C",
        side = "S",
        ordered = "q",
        execution = "x",
        status = "X",
        reason = "r",
        number = "i",
        last_qty = "l",
        last_px = "L",
        traded = "z",
        fee = "n",
        fee_asset = "N",
        time = "T",
        trade = "t",
        maker = "m",
    }
}

/// Says what a report says of an order of ours.
fn report(
    reader: &mut Reader,
    event: Value<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let report = Report::of(event);
    let ours = |name: Value<'_>| name.string().and_then(ids::client_id);
    let listed = report
        .symbol
        .string()
        .and_then(|symbol| reader.symbols.find(symbol));
    let (Some(id), Some(&listed)) = (ours(report.original).or(ours(report.name)), listed) else {
        return Ok(());
    };
    reader.otherwise.push(unknown(id, listed.id));
    if let Some(reason) = report.reason.string().filter(|reason| *reason != "NONE") {
        append(&mut reader.last_error, reason);
    }
    let at = report.time.unsigned().ok().and_then(unix_time);
    words.extend(at.map(AccountWord::At));
    report.say(id, &listed, words)
}

impl Report<'_> {
    fn say(
        &self,
        id: ClientId,
        listed: &Listed,
        words: &mut Vec<AccountWord>,
    ) -> Result<(), DecodeError> {
        let mut say = |said| words.push(AccountWord::Order(id, listed.id, said));
        let execution = self.execution.text()?;
        let status = Status::of(self.status.text()?);
        let status = match execution {
            "CANCELED" => Status::Over(End::Cancelled),
            "EXPIRED" => Status::Over(End::Expired),
            "REJECTED" => Status::Rejected,
            "NEW" | "REPLACED" | "TRADE" | "TRADE_PREVENTION" => status.unwrap_or(Status::Live),
            _ => match status {
                Some(status) => status,
                None => {
                    say(Said::Unanswered);
                    return Ok(());
                }
            },
        };
        if status == Status::Rejected {
            say(rejected());
            return Ok(());
        }
        let exchange_id = self.number.unsigned()?;
        let (ordered, traded) = (self.ordered.qty(listed)?, self.traded.qty(listed)?);
        say(Said::Taken { exchange_id });
        match execution {
            "TRADE" => say(Said::Fill(self.fill(listed)?)),
            "REPLACED" => say(Said::Reduced(ordered)),
            _ => {}
        }
        if let Some(said) = status.said(ordered, traded) {
            say(said);
        }
        Ok(())
    }

    fn fill(&self, listed: &Listed) -> Result<Fill, DecodeError> {
        Ok(Fill {
            trade_id: self.trade.unsigned()?,
            side: self.side.side(["BUY", "SELL"])?,
            px: px(self.last_px, listed)?,
            qty: self.last_qty.qty(listed)?,
            fee: fee(self.fee, self.fee_asset)?,
            maker: Some(self.maker.boolean()?),
            at: self.time.unsigned().ok().and_then(unix_time).ok_or(Shape)?,
        })
    }
}
