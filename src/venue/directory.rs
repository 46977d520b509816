//! All simulated exchanges behind one port, told apart by the name of the host that a client asks
//! for.

use super::faults::{MarketFault, Step, Struck};
use super::session::Session;
use super::simulated::Venue;
use crate::base::{Nanos, Span};
use crate::exchange::mirror::{Call, Refusal, Reply};
use crate::exchange::{self, Exchange};
use std::net::IpAddr;

/// The exchanges, by place.
pub(crate) struct Venues {
    /// At least one.
    pub(crate) all: Vec<Venue>,
    /// Names of their hosts; several exchanges may share one.
    hosts: Vec<(String, usize)>,
    /// Who is meant by an address, or by a name that no exchange has.
    unnamed: usize,
}

impl Venues {
    /// These exchanges, at least one, each under its own names.
    pub(crate) fn new(all: Vec<Venue>) -> Self {
        let hosts = all.iter().enumerate();
        let hosts = hosts.flat_map(|(n, venue)| host_names(venue.exchange).map(move |h| (h, n)));
        let unnamed = exchange::unnamed().name();
        let unnamed = all.iter().position(|v| v.exchange.name() == unnamed);
        Self {
            hosts: hosts.collect(),
            unnamed: unnamed.unwrap_or(0),
            all,
        }
    }

    /// Who is meant by an address.
    pub(crate) fn unnamed(&self) -> &'static dyn Exchange {
        self.all[self.unnamed].exchange
    }

    /// The exchange that a WebSocket at this host is for, and its session, or how it is refused.
    pub(crate) fn session(
        &self,
        now: Nanos,
        from: IpAddr,
        host: &str,
        upgrade: Call<'_>,
    ) -> (usize, Result<Session, Reply>) {
        let asked = self.asked(host);
        let mut open = asked
            .iter()
            .filter_map(|&n| Some((n, Session::asked(now, from, &self.all[n], upgrade)?)));
        let nobody = || {
            let refused = self.all[asked[0]].refuse(Refusal::NoPath, upgrade);
            (asked[0], Err(refused))
        };
        open.next().unwrap_or_else(nobody)
    }

    /// Lets the exchange that a REST request is for answer it, as far as it lets this address ask;
    /// else it refuses.
    pub(crate) fn rest(&mut self, now: Nanos, from: IpAddr, host: &str, call: Call<'_>) -> Reply {
        let asked = self.asked(host);
        let meant = |n: &&usize| self.all[**n].exchange.mirror().is_asked(call);
        let n = *asked.iter().find(meant).unwrap_or(&asked[0]);
        self.all[n].rest(now, from, call)
    }

    /// What goes wrong with the TLS of a connection to this host.
    pub(crate) fn greet(&self, now: Nanos, host: &str) -> Option<MarketFault> {
        let all = [
            MarketFault::ConnectRefused,
            MarketFault::CertificateExpired,
            MarketFault::CertificateOfOther,
            MarketFault::CertificateUnknown,
        ];
        let asked = self.asked(host);
        let strikes = |fault: &MarketFault| {
            let mut asked = asked.iter().map(|&n| &self.all[n]);
            asked.any(|venue| venue.strike(now, *fault, None).is_some())
        };
        all.into_iter().find(strikes)
    }

    /// Plans a fault of market data at `now`. Gives what is wrong with the plan, in words.
    pub(crate) fn plan(&mut self, now: Nanos, step: &Step) -> Result<(), String> {
        let listed = self.all.iter().map(|venue| {
            let symbols = venue.listings.iter().map(|one| one.instrument.symbol);
            (venue.exchange.name(), symbols.collect())
        });
        step.fits(listed)?;
        for venue in &mut self.all {
            venue.plan(now, step);
        }
        Ok(())
    }

    /// From `now` on faults of market data come by chance at each exchange, so long apart on
    /// average.
    pub(crate) fn by_chance(&mut self, now: Nanos, seed: u64, mean: Span) {
        for venue in &mut self.all {
            venue.by_chance(now, seed, mean);
        }
    }

    /// The faults of market data that struck since the last call.
    pub(crate) fn take_struck(&mut self) -> Vec<Struck> {
        let all = self.all.iter_mut();
        let mut struck: Vec<Struck> = all
            .flat_map(|venue| venue.schedule.get_mut().take_struck())
            .collect();
        struck.sort_by_key(|one| one.at);
        struck
    }

    /// Everybody who has this name; at least one.
    fn asked(&self, host: &str) -> Vec<usize> {
        let name = without_port(host).to_ascii_lowercase();
        let named = self.hosts.iter().filter(|(host, _)| *host == name);
        let mut asked: Vec<usize> = named.map(|(_, n)| *n).collect();
        if asked.is_empty() {
            asked.push(self.unnamed);
        }
        asked
    }
}

/// The names under which an exchange is reached, each once.
pub(crate) fn host_names(exchange: &dyn Exchange) -> impl Iterator<Item = String> {
    let at = exchange.endpoints();
    let depths = exchange.depth_streams().iter();
    let streams = depths.map(|depth| exchange.stream_host(depth));
    let mut names: Vec<String> = streams
        .chain([at.rest, at.orders])
        .map(|host_port| without_port(&host_port).to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    names.dedup();
    names.into_iter()
}

fn without_port(host_port: &str) -> &str {
    let (host, port) = host_port.rsplit_once(':').unwrap_or((host_port, ""));
    match port.bytes().all(|byte| byte.is_ascii_digit()) {
        true => host,
        false => host_port,
    }
}

#[cfg(test)]
mod tests {
    use super::super::market::{coins, listed};
    use super::*;
    use crate::base::UnixNanos;
    use crate::exchange::ALL;
    use crate::exchange::mirror::Method;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn venues() -> Venues {
        let venue = |exchange: &&'static dyn Exchange| {
            let market = listed(exchange.mirror(), &coins(1), None);
            Venue::flow(*exchange, market, 1, UnixNanos(0))
        };
        Venues::new(ALL.iter().map(venue).collect())
    }

    #[test]
    fn every_exchange_is_found_under_its_own_hosts_and_paths() {
        let venues = venues();
        for (n, exchange) in ALL.iter().enumerate() {
            let at = exchange.endpoints();
            let path = exchange.stream_path(crate::base::Channel::Depth);
            let (found, session) = venues.session(Nanos::ZERO, HERE, &at.stream, Call::get(&path));
            assert_eq!(found, n, "{}", exchange.name());
            assert!(session.is_ok(), "{}", exchange.name());
        }
    }

    #[test]
    fn every_method_reaches_the_exchange_that_is_asked() {
        let mut venues = venues();
        for exchange in ALL {
            let request = &exchange.metadata_requests(&[])[0];
            for method in [Method::Put, Method::Delete] {
                let call = Call {
                    method,
                    ..request.call()
                };
                let host = exchange.endpoints().rest;
                let mut reply = venues.rest(Nanos::ZERO, HERE, &host, call);
                reply.headers.clear(); // They tell what was spent.
                let refused = exchange.mirror().refuse(Refusal::NoMethod, call);
                assert_eq!(reply, refused, "{}", exchange.name());
            }
        }
    }

    #[test]
    fn an_address_or_a_strange_name_is_the_first_of_the_registry() {
        let venues = venues();
        for host in [
            "127.0.0.1:9443",
            "localhost",
            "[::1]:9443",
            "example.com",
            "",
        ] {
            let (found, session) = venues.session(Nanos::ZERO, HERE, host, Call::get("/stream"));
            assert_eq!(venues.all[found].exchange.name(), "binance");
            assert!(session.is_ok());
        }
    }
}
