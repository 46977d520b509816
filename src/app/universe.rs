//! What a run trades, and where: the configured feeds, joined with the exchanges' own metadata.
//! Decides nothing about threads.

mod select;

use super::config::{self, Config, Feed};
use crate::base::{Instrument, InstrumentId, Symbol};
use crate::conn::Proxy;
use crate::exchange::{self, Exchange, LeftOut, Listings};
use crate::venue::paper::FeesPpm;
use crate::world::os::clerk::{self, FetchError, Rest};
use crate::world::os::recorder::BodyTap;
use select::Selection;
pub(crate) use select::fits;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::thread::ScopedJoinHandle;

/// A feed whose instruments are known.
pub(crate) struct Source {
    /// Its protocol.
    pub(crate) exchange: &'static dyn Exchange,
    /// Its configuration.
    pub(crate) config: Feed,
    /// `host:port` of the market streams.
    pub(crate) stream: String,
    /// Its REST host, by its place in [`Universe::hosts`].
    pub(crate) host: usize,
    /// The proxy on the way to its streams.
    pub(crate) proxy: Option<Proxy>,
    /// PEM of the extra certificate authority.
    pub(crate) ca_pem: Option<Vec<u8>>,
    /// Its instruments in the run's table, in the order of the configuration.
    pub(crate) instruments: Vec<InstrumentId>,
    /// What its patterns chose, for a person to read; nothing if it has none.
    pub(crate) chosen: Option<String>,
}

/// All instruments of a run, with the feeds that carry them and the REST host of each feed.
pub(crate) struct Universe {
    /// Indexed by [`InstrumentId`].
    pub(crate) instruments: Vec<Instrument>,
    /// The feeds, in the order of the configuration.
    pub(crate) sources: Vec<Source>,
    /// Each host once, because a host counts our requests by address, not by feed.
    pub(crate) hosts: Vec<Rest>,
    /// Feeds whose exchange could not be reached, and instruments that cannot be represented, and
    /// why: they are not followed in this run.
    pub(crate) left_out: Vec<String>,
    /// Those feeds of which nothing is followed, and why: their exchange counts as down.
    pub(crate) absent: Vec<String>,
}

impl Universe {
    /// Asks every exchange for its metadata, all at once; `tap` gets all bodies for a recording. An
    /// exchange that cannot be reached is left out, and the others run. A name that an exchange
    /// does not list is an error, which names the feed.
    pub(crate) fn fetch(config: &Config, tap: Option<BodyTap>) -> Result<Self, String> {
        let ask = |feed: &Feed, tap| Asked::of(config, feed, tap);
        let asked: Vec<_> = std::thread::scope(|scope| {
            let threads = config
                .feeds
                .iter()
                .map(|feed| (feed, tap.clone()))
                .map(|(feed, tap)| {
                    let named = std::thread::Builder::new().name("tickwire-ask".into());
                    named.spawn_scoped(scope, move || ask(feed, tap))
                });
            let threads: Vec<_> = threads.collect();
            let join = |thread: std::io::Result<ScopedJoinHandle<'_, _>>| match thread {
                Ok(thread) => thread
                    .join()
                    .unwrap_or_else(|_| Err(Fault::Mistake("its start panicked".into()))),
                Err(error) => Err(Fault::Unreachable(format!(
                    "cannot start a thread: {error}"
                ))),
            };
            threads.into_iter().map(join).collect()
        });
        let mut universe = Self {
            instruments: Vec::new(),
            sources: Vec::new(),
            hosts: Vec::new(),
            left_out: Vec::new(),
            absent: Vec::new(),
        };
        for (feed, asked) in config.feeds.iter().zip(asked) {
            let at = |why: String| format!("{}: {why}", feed.exchange);
            match asked {
                Ok(asked) => universe.add(feed, asked).map_err(at)?,
                Err(Fault::Mistake(why)) => return Err(at(why)),
                Err(Fault::Unreachable(why)) => {
                    universe.absent.push(at(why.clone()));
                    universe.left_out.push(at(why));
                }
            }
        }
        if universe.sources.is_empty() {
            return Err(universe.left_out.join("; "));
        }
        Ok(universe)
    }

    /// What each instrument's exchange takes, by id.
    pub(crate) fn fees_ppm(&self) -> Vec<FeesPpm> {
        let mut fees = vec![FeesPpm::default(); self.instruments.len()];
        for source in &self.sources {
            for id in &source.instruments {
                fees[id.index()] = source.config.fees_ppm;
            }
        }
        fees
    }

    /// The part of it that strategies know: of an order that trades at once.
    pub(crate) fn taker_fees_ppm(&self) -> Vec<u32> {
        self.fees_ppm().iter().map(|fees| fees.taker).collect()
    }

    fn add(&mut self, feed: &Feed, asked: Asked) -> Result<(), String> {
        let Asked {
            exchange,
            rest,
            stream_proxy,
            ca_pem,
            listed,
            volumes,
        } = asked;
        let taken = &self.instruments;
        let free = |instrument: &Instrument| {
            !taken.iter().any(|other| {
                other.exchange == instrument.exchange && other.symbol == instrument.symbol
            })
        };
        let Listings {
            instruments: mut listed,
            left_out,
        } = listed;
        listed.retain(free);
        let selection = Selection::new(&feed.instruments);
        let meant = selection.left_out(&left_out);
        for LeftOut { symbol, why } in meant.iter().take(LEFT_OUT_NAMED) {
            self.left_out
                .push(format!("{}: {symbol}: {why}", feed.exchange));
        }
        if meant.len() > LEFT_OUT_NAMED {
            let more = meant.len() - LEFT_OUT_NAMED;
            self.left_out
                .push(format!("{}: {more} more of its instruments", feed.exchange));
        }
        let (chosen, told) = selection.choose(&listed, &left_out, volumes.as_deref(), feed.top)?;
        if chosen.is_empty() {
            // What is left out of it is named above.
            let why = "none of its instruments can be represented";
            self.absent.push(format!("{}: {why}", feed.exchange));
            return Ok(());
        }
        let first = self.instruments.len();
        for (index, instrument) in chosen.into_iter().enumerate() {
            let id = u16::try_from(first + index)
                .ok()
                .filter(|id| *id < u16::MAX);
            let id = InstrumentId(id.ok_or("too many instruments")?);
            self.instruments.push(Instrument { id, ..instrument });
        }
        let ids = first..self.instruments.len();
        let (own, host) = (exchange.stream_host(feed.streams.depth), self.host(rest));
        self.sources.push(Source {
            exchange,
            config: feed.clone(),
            stream: feed.stream.clone().unwrap_or(own),
            host,
            proxy: stream_proxy,
            ca_pem,
            instruments: ids.map(|id| InstrumentId(id as u16)).collect(),
            chosen: told,
        });
        Ok(())
    }

    /// The place of this host: an earlier feed's, if the host is the same.
    fn host(&mut self, rest: Rest) -> usize {
        if let Some(known) = self.hosts.iter().position(|host| host.is(&rest)) {
            return known;
        }
        self.hosts.push(rest);
        self.hosts.len() - 1
    }
}

/// How many left-out instruments of a feed are named one by one; the others are counted.
const LEFT_OUT_NAMED: usize = 10;

/// Why a feed has no instruments.
enum Fault {
    /// The configuration is wrong.
    Mistake(String),
    /// The exchange does not answer, or not sensibly.
    Unreachable(String),
}

/// What an exchange said at the start.
struct Asked {
    exchange: &'static dyn Exchange,
    rest: Rest,
    stream_proxy: Option<Proxy>,
    ca_pem: Option<Vec<u8>>,
    listed: Listings,
    volumes: Option<Vec<(Symbol, f64)>>,
}

impl Asked {
    fn of(config: &Config, feed: &Feed, tap: Option<BodyTap>) -> Result<Self, Fault> {
        let mistake = |why: String| Fault::Mistake(why);
        let exchange = exchange::by_name(&feed.exchange);
        let exchange = exchange.ok_or_else(|| mistake("this build does not know it".into()))?;
        let host_port = feed.rest.clone().unwrap_or(exchange.endpoints().rest);
        let ca_pem = feed
            .ca_file
            .as_deref()
            .map(read_ca)
            .transpose()
            .map_err(mistake)?;
        let budget = exchange.limits().rest_weight;
        let via = feed.via.as_deref();
        let by = |to: &str| config::proxy_to(config, Some(feed), via.unwrap_or(to));
        let proxy = by(&host_port).map_err(mistake)?;
        let own = || exchange.stream_host(feed.streams.depth);
        let stream = feed.stream.clone().unwrap_or_else(own);
        let stream_proxy = by(&stream).map_err(mistake)?;
        let rest = Rest::new(&host_port, via, proxy, ca_pem.as_deref(), budget);
        let rest = rest.map_err(|error| mistake(error.to_string()))?;
        let mut rest = rest.tapped(tap);
        let selection = Selection::new(&feed.instruments);
        let listed = listed(&mut rest, exchange, &selection).map_err(|fault| match fault {
            Fault::Unreachable(why) => {
                Fault::Unreachable(format!("{why} (metadata from https://{host_port})"))
            }
            mistake => mistake,
        })?;
        let volumes = match feed.top {
            None => None,
            Some(_) => Some(volumes(&mut rest, exchange).map_err(Fault::Unreachable)?),
        };
        Ok(Self {
            exchange,
            rest,
            stream_proxy,
            ca_pem,
            listed,
            volumes,
        })
    }
}

fn listed(
    host: &mut Rest,
    exchange: &dyn Exchange,
    selection: &Selection,
) -> Result<Listings, Fault> {
    // If the entries are all symbols, it asks for those only: an exchange's whole list may have ten
    // megabytes.
    let symbols = selection.symbols().unwrap_or_default();
    match clerk::metadata(host, exchange, &symbols) {
        Ok(listed) => Ok(listed),
        Err(error @ FetchError::Status(400, _)) if !symbols.is_empty() => {
            let symbol = refused(host, exchange, &symbols);
            let why = format!("it refuses \"{symbol}\" of instruments: {error}");
            Err(Fault::Mistake(why))
        }
        Err(error) => Err(Fault::Unreachable(error.to_string())),
    }
}

fn volumes(host: &mut Rest, exchange: &dyn Exchange) -> Result<Vec<(Symbol, f64)>, String> {
    let mut all = Vec::new();
    for request in exchange.volume_requests() {
        let body = host
            .fetch(&request)
            .map_err(|error| format!("no volumes: {error}"))?;
        host.keep(exchange, &request, &body);
        all.extend(exchange.volumes(&body)?);
    }
    Ok(all)
}

/// The symbol because of which the exchange refused a request for all of these. Exchanges do not
/// name it, so a search by halves finds it.
fn refused<'s>(host: &mut Rest, exchange: &dyn Exchange, mut symbols: &[&'s str]) -> &'s str {
    while symbols.len() > 1 {
        let (first, second) = symbols.split_at(symbols.len() / 2);
        let fine = clerk::metadata(host, exchange, first).is_ok();
        symbols = if fine { second } else { first };
    }
    symbols.first().copied().unwrap_or_default()
}

/// Reads a certificate authority's PEM file.
pub(crate) fn read_ca(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error| format!("ca_file {}: {error}", path.display());
    let mut pem = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let read = file.take(CA_BYTES_MAX + 1).read_to_end(&mut pem);
    match read.map_err(failed)? as u64 {
        0..=CA_BYTES_MAX => Ok(pem),
        _ => Err(failed(io::ErrorKind::FileTooLarge.into())),
    }
}

/// Ten times what all public authorities take.
const CA_BYTES_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_that_never_ends_is_not_read_to_its_end() {
        let error = read_ca(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error, "ca_file /dev/zero: file too large");
    }
}
