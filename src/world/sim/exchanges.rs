//! The exchanges of a world: what they list, how lively that is, and whom both sides trust. Moves
//! nothing.

use super::tls::{Certificates, Servers, certificates};
use crate::base::{Instrument, InstrumentId, Span, UnixNanos};
use crate::conn::tls::client_config;
use crate::exchange::mirror::Listing;
use crate::exchange::{self, Exchange};
use crate::venue::Venue;
use crate::venue::directory::host_names;
use crate::venue::market::{coins, listed};
use crate::wiring::plan::Endpoint;
use rustls::ClientConfig;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::sync::Arc;
use std::time::Duration;

/// The wall clock when a world's own clock is at zero.
pub(super) const EPOCH: UnixNanos = UnixNanos(1_767_225_600_000_000_000);

/// Certificates are judged at [`EPOCH`].
#[derive(Debug)]
struct AtEpoch;

impl TimeProvider for AtEpoch {
    fn current_time(&self) -> Option<UnixTime> {
        let since_1970 = Duration::from_nanos(EPOCH.0.unsigned_abs());
        Some(UnixTime::since_unix_epoch(since_1970))
    }
}

/// A certificate, and who trusts it. To make one takes longer than a short world does: many worlds
/// may share it.
#[derive(Clone)]
pub struct Trust {
    server: Arc<Servers>,
    client: Arc<ClientConfig>,
}

impl Trust {
    /// For all hosts of these exchanges.
    ///
    /// # Errors
    /// In words, when no certificate can be made.
    pub fn new(exchanges: &[&'static dyn Exchange]) -> Result<Self, String> {
        let hosts = exchanges.iter().flat_map(|one| host_names(*one));
        let Certificates { ca_pem, server } = certificates(hosts, Arc::new(AtEpoch))?;
        let client = client_config(Some(ca_pem.as_bytes()), Arc::new(AtEpoch))
            .map_err(|error| error.to_string())?;
        Ok(Self { server, client })
    }

    /// How connections are accepted.
    pub(super) fn server(&self) -> Arc<Servers> {
        self.server.clone()
    }

    /// How they are opened.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }
}

/// How lively an exchange's markets are.
#[derive(Debug, Clone, Copy)]
pub struct Markets {
    /// Assets; it may list two instruments of each.
    pub assets: usize,
    /// Orders that rest on each side, about, and the mean time between two actions; as usual, if it
    /// is none.
    pub pace: Option<(usize, Span)>,
}

/// The simulated exchanges that a world is to have.
pub struct Exchanges {
    pub(super) venues: Vec<Venue>,
    pub(super) trust: Trust,
    seed: u64,
}

impl Exchanges {
    /// These exchanges of the registry, each with this many instruments. `seed` decides their order
    /// flow.
    ///
    /// # Errors
    /// In words, when a name is none of the registry's, or no certificate can be made.
    pub fn new(names: &[&str], instruments: usize, seed: u64) -> Result<Self, String> {
        let all: Vec<_> = names.iter().filter_map(|n| exchange::by_name(n)).collect();
        let assets = instruments;
        Self::of(
            names,
            Markets { assets, pace: None },
            seed,
            &Trust::new(&all)?,
        )
    }

    /// As [`Self::new`], with markets like these, by certificates that may be others' too.
    ///
    /// # Errors
    /// In words, when a name is none of the registry's.
    pub fn of(names: &[&str], markets: Markets, seed: u64, trust: &Trust) -> Result<Self, String> {
        let Markets { assets, pace } = markets;
        let one = |name: &&str| {
            let exchange =
                exchange::by_name(name).ok_or_else(|| format!("{name}: no such exchange"))?;
            let mut market = listed(exchange.mirror(), &coins(assets), pace.map(|pace| pace.1));
            for (_, profile) in &mut market {
                profile.orders_per_side = pace.map_or(profile.orders_per_side, |pace| pace.0);
            }
            Ok(Venue::flow(exchange, market, seed, EPOCH).with_truth())
        };
        let venues: Result<Vec<_>, String> = names.iter().map(one).collect();
        Ok(Self {
            venues: venues?,
            trust: trust.clone(),
            seed,
        })
    }

    /// All that they list, with the ids of a run's table.
    pub fn instruments(&self) -> Vec<Instrument> {
        let listings = self.venues.iter().flat_map(|venue| &venue.listings);
        let one = |(listing, n): (&Listing, u16)| Instrument {
            id: InstrumentId(n),
            ..listing.instrument
        };
        listings.zip(0..).map(one).collect()
    }

    /// The way to one of their hosts, as `exchange.endpoints()` names it.
    pub fn endpoint(&self, host_port: String) -> Endpoint {
        Endpoint {
            host_port,
            tls: self.trust.client(),
            proxy: None,
            seed: self.seed,
        }
    }
}
