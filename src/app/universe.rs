//! What a run trades, and where: the configured feeds joined with the exchanges' own metadata.
//! Decides nothing about threads.

use super::config::{Config, Feed};
use crate::base::{Instrument, InstrumentId};
use crate::exchange::{self, Exchange};
use crate::world::os::clerk::{FetchError, Rest};
use std::path::Path;

/// A feed whose instruments are known.
pub struct Source {
    /// Its protocol.
    pub exchange: &'static dyn Exchange,
    /// What configuration says of it.
    pub config: Feed,
    /// `host:port` of the market streams.
    pub stream: String,
    /// PEM of the extra certificate authority.
    pub ca_pem: Option<Vec<u8>>,
    /// Its instruments in the run's table, in the order of the configuration.
    pub instruments: Vec<InstrumentId>,
}

/// All instruments of a run, with the feeds that carry them and the REST host of each feed.
pub struct Universe {
    /// Indexed by [`InstrumentId`].
    pub instruments: Vec<Instrument>,
    /// The feeds, in the order of the configuration.
    pub sources: Vec<Source>,
    /// One per source.
    pub hosts: Vec<Rest>,
}

impl Universe {
    /// Asks every exchange for its metadata. The error says which feed failed, and why.
    pub fn fetch(config: &Config) -> Result<Self, String> {
        let mut universe = Self {
            instruments: Vec::new(),
            sources: Vec::new(),
            hosts: Vec::new(),
        };
        for feed in &config.feeds {
            universe
                .add(feed)
                .map_err(|why| format!("{}: {why}", feed.exchange))?;
        }
        Ok(universe)
    }

    fn add(&mut self, feed: &Feed) -> Result<(), String> {
        let exchange = exchange::by_name(&feed.exchange).ok_or("this build does not know it")?;
        let own = exchange.endpoints();
        let rest = feed.rest.clone().unwrap_or(own.rest);
        let ca_pem = feed.ca_file.as_deref().map(read_ca).transpose()?;
        let mut host = Rest::new(&rest, ca_pem.as_deref()).map_err(|error| error.to_string())?;
        let symbols: Vec<&str> = feed.instruments.iter().map(String::as_str).collect();
        let body = host
            .get(&exchange.metadata_path(&symbols))
            .map_err(|error| match error {
                FetchError::Status(400, _) => {
                    let symbol = refused(&mut host, exchange, &symbols);
                    format!("it refuses \"{symbol}\" of instruments: {error}")
                }
                error => format!("no metadata from https://{rest}: {error}"),
            })?;
        let first = self.instruments.len();
        for (index, mut instrument) in exchange.metadata(&body, &symbols)?.into_iter().enumerate() {
            let id = u16::try_from(first + index).map_err(|_| "too many instruments")?;
            instrument.id = InstrumentId(id);
            self.instruments.push(instrument);
        }
        let ids = first..self.instruments.len();
        self.sources.push(Source {
            exchange,
            config: feed.clone(),
            stream: feed.stream.clone().unwrap_or(own.stream),
            ca_pem,
            instruments: ids.map(|id| InstrumentId(id as u16)).collect(),
        });
        self.hosts.push(host);
        Ok(())
    }
}

/// The symbol for which a request of all these was refused. Exchanges do not name it, so it is sought by halves.
fn refused<'s>(host: &mut Rest, exchange: &dyn Exchange, mut symbols: &[&'s str]) -> &'s str {
    while symbols.len() > 1 {
        let (first, second) = symbols.split_at(symbols.len() / 2);
        let fine = host.get(&exchange.metadata_path(first)).is_ok();
        symbols = if fine { second } else { first };
    }
    symbols.first().copied().unwrap_or_default()
}

/// Reads a certificate authority's PEM file.
pub fn read_ca(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("ca_file {}: {error}", path.display()))
}
