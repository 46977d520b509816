//! What a line says of amounts, at its instrument's scales. Believes no number that does not fit
//! exactly.

use super::line::{Body, SaidText};
use crate::base::decimal::rescaled;
use crate::base::signed::units;
use crate::base::{
    Asset, Contract, Decimal, Fee, Fill, Instrument, Nanos, Px, Qty, Said, Symbol, UnixNanos,
};

/// Times since 1970 take the place of a monotonic clock's.
pub(super) fn nanos(unix: i64) -> Nanos {
    Nanos(u64::try_from(unix).unwrap_or(0))
}

/// Reads amounts at an instrument's scales.
pub(super) struct Scaled<'i>(pub(super) &'i Instrument);

impl Scaled<'_> {
    pub(super) fn px(&self, text: &str) -> Option<Px> {
        let units = units(text, self.0.px_scale)?;
        i64::try_from(units).ok().map(Px)
    }

    pub(super) fn qty(&self, text: &str) -> Option<Qty> {
        let units = units(text, self.0.qty_scale)?;
        u64::try_from(units).ok().map(Qty)
    }

    pub(super) fn said(&self, said: SaidText) -> Option<Said> {
        Some(match said {
            SaidText::NotSent => Said::NotSent,
            SaidText::Taken { exchange_id } => Said::Taken { exchange_id },
            SaidText::Fill {
                trade_id,
                side,
                px,
                qty,
                fee,
                maker,
                at_ns,
            } => {
                let fee = match fee {
                    None => None,
                    Some(fee) => Some(Fee {
                        asset: Asset::from(&fee.asset).ok()?,
                        amount: decimal(&fee.amount)?,
                        rebate: fee.rebate,
                    }),
                };
                Said::Fill(Fill {
                    trade_id,
                    side: side.into(),
                    px: self.px(&px)?,
                    qty: self.qty(&qty)?,
                    fee,
                    maker,
                    at: UnixNanos(at_ns),
                })
            }
            SaidText::Traded { qty } => Said::Traded(self.qty(&qty)?),
            SaidText::Ended { end, traded } => {
                let traded = match traded {
                    None => None,
                    Some(traded) => Some(self.qty(&traded)?),
                };
                Said::Ended(end.into(), traded)
            }
            SaidText::Reduced { qty } => Said::Reduced(self.qty(&qty)?),
            SaidText::Rejected { code } => Said::Rejected { code },
            SaidText::ChangeRefused { code } => Said::ChangeRefused { code },
            SaidText::Absent => Said::Absent,
            SaidText::Unanswered => Said::Unanswered,
        })
    }
}

/// A decimal above or at zero, at as many decimals as are written.
fn decimal(text: &str) -> Option<Decimal> {
    let scale = text.split_once('.').map_or(0, |(_, part)| part.len());
    let scale = u8::try_from(scale).ok()?;
    let units = u128::try_from(units(text, scale)?).ok()?;
    Some(Decimal { units, scale })
}

pub(super) fn instrument(body: &Body) -> Option<Instrument> {
    let Body::Instrument {
        symbol,
        base,
        quote,
        px_scale,
        qty_scale,
        contract,
        inverse,
    } = body
    else {
        return None;
    };
    let size = decimal(contract)?;
    let contract = Contract {
        size: u64::try_from(size.units).ok().filter(|size| *size > 0)?,
        scale: size.scale,
        inverse: *inverse,
    };
    let fits = |scale: u8| scale <= crate::base::decimal::SCALE_MAX;
    if ![*px_scale, *qty_scale, size.scale].into_iter().all(fits) {
        return None;
    }
    Some(Instrument {
        base: Asset::from(base).ok()?,
        quote: Asset::from(quote).ok()?,
        contract,
        ..Instrument::bare("", Symbol::from(symbol).ok()?, (*px_scale, *qty_scale))
    })
}

/// The newer contract, at a scale that is no coarser than the older one's.
pub(super) fn finer(old: Contract, new: Contract) -> Contract {
    let scale = old.scale.max(new.scale);
    let size = rescaled(new.size.into(), new.scale, scale);
    match size.and_then(|size| u64::try_from(size).ok()) {
        Some(size) => Contract { size, scale, ..new },
        None => new,
    }
}
