//! Lines to records. Believes no line that is not as it was written, and skips none.

use super::amounts::{Scaled, finer, instrument, nanos};
use super::line::{Begun, Body, ChangeWord, Head, KINDS, OrderText, SourceWord};
use super::{ASSET_SCALE, VERSION};
use crate::base::signed::units;
use crate::base::{
    Asset, Change, ClientId, DayGain, Deed, Instrument, InstrumentId, KeyName, KeyValue, NewOrder,
    News, OpenOrder, Position, Resting, Source, StrategyId, UnixNanos, VALUE_SCALE, Working,
};
use crate::journal::sealed::unseal;

/// What the ids of the records that are read stand for: the journal's own tables.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// By instrument id, at scales at which every amount of the journal is exact. Of what an
    /// exchange says of an instrument, they have what amounts depend on.
    pub(crate) instruments: Vec<Instrument>,
    /// By strategy id.
    pub(crate) strategies: Vec<String>,
}

/// Reads a journal, one record at a time. Times in its records are since 1970.
#[derive(Debug)]
pub(crate) struct Reader<'b> {
    /// The file's name, for errors.
    name: &'b str,
    rest: &'b [u8],
    /// Lines that were read.
    lines: u64,
    /// The number of the last one.
    number: Option<u64>,
    tables: Tables,
    begun: Option<Begun>,
    ended: bool,
    torn: usize,
}

impl<'b> Reader<'b> {
    /// The journal in the file of this name.
    ///
    /// # Errors
    /// In words, if a line is not as it was written, or of a later version.
    pub(crate) fn new(name: &'b str, bytes: &'b [u8]) -> Result<Self, String> {
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let begin = |tables| Self {
            name,
            rest: &bytes[..whole],
            lines: 0,
            number: None,
            tables,
            begun: None,
            ended: false,
            torn: bytes.len() - whole,
        };
        // Scales may change between runs: amounts are kept at the finest that there was.
        let mut first = begin(Tables::default());
        while first.next_line()?.is_some() {}
        Ok(begin(first.tables))
    }

    /// What ids stand for.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The same, once everything was read.
    pub(crate) fn into_tables(self) -> Tables {
        self.tables
    }

    /// How the last run that was read so far began.
    pub(crate) fn begun(&self) -> Option<&Begun> {
        self.begun.as_ref()
    }

    /// Whether the last run that was read so far ended in order.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Bytes at the end that are no whole line: somebody was killed while writing them.
    pub(crate) fn torn(&self) -> usize {
        self.torn
    }

    /// The number of the line after the last one that was read.
    pub(crate) fn next_number(&self) -> u64 {
        self.number.map_or(1, |number| number + 1)
    }

    /// The next record, and when it was; `None` at the end.
    ///
    /// # Errors
    /// In words, as [`Self::new`].
    pub(crate) fn next_deed(&mut self) -> Result<Option<(UnixNanos, Deed)>, String> {
        while let Some((at, body)) = self.next_line()? {
            if let Some(deed) = self.deed(at, body)? {
                return Ok(Some((at, deed)));
            }
        }
        Ok(None)
    }

    /// The line that was read last is one that nobody can go on from.
    pub(crate) fn bad(&self, why: &str) -> String {
        format!(
            "{} line {}: {why}. The orders of this account are not known from it: look at them at \
             the exchange, cancel what is not to stay, and move the file away",
            self.name, self.lines
        )
    }

    fn next_line(&mut self) -> Result<Option<(UnixNanos, Body)>, String> {
        let Some(at) = self.rest.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let (line, rest) = (&self.rest[..at], &self.rest[at + 1..]);
        (self.rest, self.lines) = (rest, self.lines + 1);
        let line = std::str::from_utf8(line).ok().and_then(unseal);
        let line = line.ok_or_else(|| self.bad("its checksum is not that of what it says"))?;
        let head: Head<'_> = self.parse(&line)?;
        let expected = self.next_number();
        if self.number.is_some() && head.n != expected {
            let why = format!(
                "it has the number {}, and not {expected}: lines are missing",
                head.n
            );
            return Err(self.bad(&why));
        }
        self.number = Some(head.n);
        if !KINDS.contains(&&*head.kind) {
            return Err(self.later(&format!(
                "lines of the kind \"{}\"",
                head.kind.escape_debug()
            )));
        }
        let body: Body = self.parse(&line)?;
        self.take_in(&body)?;
        Ok(Some((UnixNanos(head.ts_ns), body)))
    }

    fn parse<'l, T: serde::Deserialize<'l>>(&self, line: &'l str) -> Result<T, String> {
        serde_json::from_str(line).map_err(|error| self.bad(&error.to_string()))
    }

    fn later(&self, what: &str) -> String {
        let by = self
            .begun
            .as_ref()
            .map_or("another", |begun| &begun.tickwire);
        format!(
            "{} line {}: {what} are not known to tickwire {}; the file was written by version \
             {by}: use that one, or a later one",
            self.name,
            self.lines,
            env!("CARGO_PKG_VERSION")
        )
    }

    fn take_in(&mut self, body: &Body) -> Result<(), String> {
        match body {
            Body::Begun(begun) => {
                let version = begun.journal;
                (self.begun, self.ended) = (Some(begun.clone()), false);
                if version > VERSION {
                    return Err(self.later(&format!("journals of version {version}")));
                }
            }
            Body::Ended => self.ended = true,
            Body::Instrument { .. } => self.list(body)?,
            _ => {}
        }
        Ok(())
    }

    fn list(&mut self, body: &Body) -> Result<(), String> {
        let Some(new) = instrument(body) else {
            return Err(self.bad("its numbers are not an instrument's"));
        };
        let mut known = self.tables.instruments.iter_mut();
        match known.find(|known| known.symbol == new.symbol) {
            Some(known) => {
                known.px_scale = known.px_scale.max(new.px_scale);
                known.qty_scale = known.qty_scale.max(new.qty_scale);
                known.contract = finer(known.contract, new.contract);
                (known.base, known.quote) = (new.base, new.quote);
            }
            None => {
                let id = u16::try_from(self.tables.instruments.len()).ok();
                let id = id.filter(|id| InstrumentId(*id) != InstrumentId::NONE);
                let id = id.ok_or_else(|| self.bad("there are too many instruments"))?;
                self.tables.instruments.push(Instrument {
                    id: InstrumentId(id),
                    ..new
                });
            }
        }
        Ok(())
    }

    fn strategy(&mut self, name: Option<&str>) -> Result<StrategyId, String> {
        let Some(name) = name else {
            return Ok(StrategyId::NONE);
        };
        let all = &mut self.tables.strategies;
        let at = all
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                all.push(name.to_owned());
                all.len() - 1
            });
        let id = u8::try_from(at).ok().map(StrategyId);
        let id = id.filter(|id| *id != StrategyId::NONE);
        id.ok_or_else(|| self.bad("there are too many strategies"))
    }

    fn of(&self, symbol: &str) -> Result<Scaled<'_>, String> {
        let mut all = self.tables.instruments.iter();
        let known = all.find(|known| known.symbol.as_str() == symbol);
        known
            .map(Scaled)
            .ok_or_else(|| self.bad("no line before it lists its instrument"))
    }

    fn amount(&self, text: &str) -> Result<i128, String> {
        units(text, ASSET_SCALE).ok_or_else(|| self.bad("an amount is no number"))
    }

    fn asset(&self, name: &str) -> Result<Asset, String> {
        Asset::from(name).map_err(|_| self.bad("an asset's name is too long"))
    }

    /// `None` if the line is none of a record.
    fn deed(&mut self, at: UnixNanos, body: Body) -> Result<Option<Deed>, String> {
        let wrong = |me: &Self| me.bad("an amount does not fit its instrument");
        Ok(Some(match body {
            Body::Begun(_) | Body::Instrument { .. } | Body::Ended => return Ok(None),
            Body::Admitted { order, replaces } => Deed::Admitted {
                tag: order.tag,
                order: self.order(&order)?,
                replaces: replaces.map(ClientId),
            },
            Body::Asked {
                order,
                symbol,
                change,
                qty,
            } => {
                let of = self.of(&symbol)?;
                let change = match (change, qty) {
                    (ChangeWord::Cancel, _) => Change::Cancel,
                    (ChangeWord::Replace, _) => Change::Replace,
                    (ChangeWord::Reduce, qty) => {
                        let qty = qty.and_then(|qty| of.qty(&qty));
                        Change::Reduce(qty.ok_or_else(|| wrong(self))?)
                    }
                };
                Deed::Asked {
                    client_id: ClientId(order),
                    instrument: of.0.id,
                    change,
                }
            }
            Body::Heard {
                order,
                symbol,
                source,
                asked_ns,
                said,
            } => {
                let of = self.of(&symbol)?;
                let source = match source {
                    SourceWord::Answer => Source::Answer,
                    SourceWord::Stream => Source::Stream,
                    SourceWord::Query => Source::Query {
                        asked: nanos(asked_ns.unwrap_or(0)),
                    },
                };
                Deed::Heard(News {
                    client_id: ClientId(order),
                    instrument: of.0.id,
                    source,
                    said: of.said(said).ok_or_else(|| wrong(self))?,
                })
            }
            Body::Listed {
                symbol,
                asked_ns,
                to,
            } => Deed::Listed {
                instrument: self.of(&symbol)?.0.id,
                asked: nanos(asked_ns),
                to,
            },
            Body::Unlisted { symbol, since_ns } => Deed::Unlisted {
                instrument: self.of(&symbol)?.0.id,
                age: nanos(at.0).since(nanos(since_ns)),
            },
            Body::Adopted { .. } => self.adopted(&body).ok_or_else(|| wrong(self))?,
            Body::Open { .. } => self.open(at, &body)?.ok_or_else(|| wrong(self))?,
            Body::Position {
                strategy,
                symbol,
                qty,
                cash,
                cost,
                taken,
            } => {
                let strategy = self.strategy(strategy.as_deref())?;
                let Scaled(of) = self.of(&symbol)?;
                let qty = units(&qty, of.qty_scale);
                let cash = units(&cash, of.cash_scale());
                let cost = match cost {
                    Some(cost) => units(&cost, of.cash_scale()),
                    // Nothing was gained yet, as far as is known.
                    None => cash.and_then(i128::checked_neg),
                };
                let taken = taken.map_or(Some(0), |taken| units(&taken, ASSET_SCALE));
                let position = qty.zip(cash).zip(cost.zip(taken));
                let ((qty, cash), (cost, taken)) = position.ok_or_else(|| wrong(self))?;
                Deed::Position {
                    strategy,
                    instrument: of.id,
                    position: Position {
                        qty,
                        cash,
                        cost,
                        taken,
                    },
                }
            }
            Body::Seen { symbol, trade_id } => Deed::Seen {
                instrument: self.of(&symbol)?.0.id,
                trade_id,
            },
            Body::SeenTo { symbol, trade_id } => Deed::SeenTo {
                instrument: self.of(&symbol)?.0.id,
                trade_id,
            },
            Body::UsedTo { order } => Deed::UsedTo {
                client_id: ClientId(order),
            },
            Body::Holds { asset, amount } => Deed::Holds {
                asset: self.asset(&asset)?,
                units: self.amount(&amount)?,
            },
            Body::HoldsNoOther => Deed::HoldsNoOther,
            Body::Differs {
                entry,
                asset,
                expected,
                found,
            } => Deed::Differs {
                entry,
                asset: self.asset(&asset)?,
                expected: self.amount(&expected)?,
                found: self.amount(&found)?,
            },
            Body::Accepted { entry, by } => Deed::Accepted {
                entry,
                by: by.into(),
            },
            Body::AcceptedSoFar { asset, amount } => Deed::AcceptedSoFar {
                asset: self.asset(&asset)?,
                units: self.amount(&amount)?,
            },
            Body::Held { symbol, on } => Deed::Held {
                instrument: self.of(&symbol)?.0.id,
                on,
            },
            Body::Day {
                strategy,
                quote,
                gained,
                best,
            } => {
                let value = |text: &str| units(text, VALUE_SCALE);
                let (gained, best) = value(&gained)
                    .zip(value(&best))
                    .ok_or_else(|| wrong(self))?;
                Deed::Day(DayGain {
                    strategy: self.strategy(strategy.as_deref())?,
                    quote: self.asset(&quote)?,
                    gained,
                    best,
                })
            }
            Body::Marked { symbol, bid, ask } => {
                let of = self.of(&symbol)?;
                let (bid, ask) = of.px(&bid).zip(of.px(&ask)).ok_or_else(|| wrong(self))?;
                let instrument = of.0.id;
                Deed::Marked {
                    instrument,
                    bid,
                    ask,
                }
            }
            Body::Set {
                strategy,
                key,
                value,
            } => {
                let text = KeyName::from(&key).ok().zip(KeyValue::from(&value).ok());
                let (key, value) = text.ok_or_else(|| self.bad("a key's value is too long"))?;
                let strategy = self.strategy(Some(&strategy))?;
                Deed::Set {
                    strategy,
                    key,
                    value,
                }
            }
            Body::Mode { strategy, mode } => Deed::Mode {
                strategy: self.strategy(strategy.as_deref())?,
                mode: mode.into(),
            },
        }))
    }

    fn order(&mut self, text: &OrderText) -> Result<NewOrder, String> {
        let strategy = self.strategy(text.strategy.as_deref())?;
        let of = self.of(&text.symbol)?;
        let (px, qty) = of
            .px(&text.px)
            .zip(of.qty(&text.qty))
            .ok_or_else(|| self.bad("an amount does not fit its instrument"))?;
        Ok(NewOrder {
            client_id: ClientId(text.order),
            strategy,
            instrument: of.0.id,
            side: text.side.into(),
            px,
            qty,
            order_type: text.order_type.into(),
        })
    }

    fn adopted(&self, body: &Body) -> Option<Deed> {
        let Body::Adopted {
            order,
            exchange_id,
            symbol,
            side,
            px,
            qty,
            traded,
        } = body
        else {
            return None;
        };
        let of = self.of(symbol).ok()?;
        Some(Deed::Adopted(Resting {
            client_id: Some(ClientId(*order)),
            exchange_id: *exchange_id,
            instrument: Some(of.0.id),
            side: (*side).into(),
            px: of.px(px)?,
            qty: of.qty(qty)?,
            traded: of.qty(traded)?,
        }))
    }

    fn open(&mut self, at: UnixNanos, body: &Body) -> Result<Option<Deed>, String> {
        let Body::Open {
            order,
            filled,
            told,
            exchange_id,
            acked,
            in_doubt,
            changing,
            contradicted,
            changed,
            over,
            total,
            sent_ns,
        } = body
        else {
            return Ok(None);
        };
        let tag = order.tag;
        let order = self.order(order)?;
        let of = Scaled(&self.tables.instruments[order.instrument.index()]);
        let Some((filled, told)) = of.qty(filled).zip(of.qty(told)) else {
            return Ok(None);
        };
        let total = total.as_ref().map(|total| of.qty(total));
        Ok(Some(Deed::Open(OpenOrder {
            working: Working {
                client_id: order.client_id,
                strategy: order.strategy,
                tag,
                instrument: order.instrument,
                side: order.side,
                px: order.px,
                qty: order.qty,
                filled,
                order_type: order.order_type,
                acked: *acked,
                in_doubt: *in_doubt,
                changing: *changing,
            },
            exchange_id: *exchange_id,
            told,
            over: over.map(|end| (end.into(), total.flatten())),
            contradicted: *contradicted,
            changed: *changed,
            age: nanos(at.0).since(nanos(*sent_ns)),
        })))
    }
}
