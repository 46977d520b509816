//! One run of the engine, from a configuration to its summary: builds lanes, rings and threads,
//! waits, and takes everything down in order.

mod lanes;

use super::config::{self, Config};
use super::universe::{self, Universe};
use crate::base::{Clock as _, Event, Instrument, Note, UnixNanos};
use crate::conn::Proxy;
use crate::exchange::{self, Account, Exchange};
use crate::strategy::{Strategy, Table};
use crate::trading::limits::{RiskLimits, RiskParams};
use crate::trading::risk::Risk;
use crate::venue::paper::Paper;
use crate::watch::Stage;
use crate::watch::audit::Shown;
use crate::watch::latency::{Collector, Recorder};
use crate::watch::summary;
use crate::wiring::desk::{Desk, Exit, Seated};
use crate::wiring::gateway::Gateway;
use crate::wiring::publisher::Publisher;
use crate::wiring::ring::{Bell, Receiver, ring};
use crate::wiring::tap::tap_bytes;
use crate::wiring::turn::Notes;
use crate::world::os::clerk::{Backlog, Clerk, Client, MarketSource, Reply, Rest, target};
use crate::world::os::clock::OsClock;
use crate::world::os::placement::{Cpus, Placement, WaitChoice, WorkerPlan, place};
use crate::world::os::recorder::LaneTap;
use crate::world::os::socket::SocketOptions;
use crate::world::os::watcher::{Seat, Watcher};
use crate::world::os::worker::{Attempts, BELL, Ended, Placed, Pulse, Worker};
pub use lanes::{Route, lanes, links, routes};
use lanes::{Shard, feed_lane, lane_tap, link, shards};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Events that may wait between a feed and the desk before books are conflated.
pub(super) const EVENTS: usize = 2_048;
/// Shown books that may wait for the scribe: 10 ms of a very busy feed.
pub(super) const AUDITS: usize = 8_192;
/// Orders between the desk and the gateway: as many as risk may allow to be open.
pub(super) const TICKETS: usize = 256;
/// Reports between the gateway and the desk: several for each order that may be open.
pub(super) const REPORTS: usize = 1_024;
/// Log records that may wait for the scribe.
pub(super) const NOTES: usize = 4_096;
/// Snapshots or addresses that may wait for a worker.
pub(super) const REPLIES: usize = 1_024;

/// Builds the strategy of a run once its instruments are known.
pub type StrategyMaker = Box<dyn FnOnce(&[Instrument]) -> Result<Box<dyn Strategy>, String>>;

/// A strategy of a run, and what people call it.
pub struct Named {
    /// Its own name among the run's strategies.
    pub name: String,
    /// The name of its kind.
    pub kind: &'static str,
    /// The strategy, and its instruments.
    pub seated: Seated,
}

impl Named {
    /// The only strategy of a program that brings its own.
    pub fn only(strategy: Box<dyn Strategy>) -> Self {
        Self {
            name: "own".to_owned(),
            kind: "own",
            seated: Seated::everywhere(strategy),
        }
    }

    /// Its place in a summary, before it has done anything.
    pub fn told(&self) -> summary::Strategy {
        summary::Strategy {
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            ..summary::Strategy::default()
        }
    }
}

/// The engine's threads, and what belongs to them.
pub struct Engine {
    /// Which lane runs on which worker and CPU.
    pub placement: Placement,
    /// The run's table, by id.
    pub instruments: Arc<[Instrument]>,
    /// What each worker shows about itself, by worker number.
    pub pulses: Vec<Arc<Pulse>>,
    stop: Arc<AtomicBool>,
    workers: Vec<(Arc<Bell>, JoinHandle<Ended>)>,
    clerk: Clerk,
    /// It ends with the engine.
    watcher: Watcher,
}

/// What the scribe takes in from an engine.
pub struct Outputs {
    /// Shown books, one ring per feed lane.
    pub audits: Vec<rtrb::Consumer<Shown>>,
    /// Histograms, one collector per worker.
    pub collectors: Vec<Collector>,
    /// Log records of every worker.
    pub notes: crossbeam_channel::Receiver<Note>,
    /// The sending end of `notes`, for a recorder, and its counters.
    pub notes_to: Notes,
    /// What feed lanes take in, if a recording is made.
    pub taps: Vec<LaneTap>,
}

impl Engine {
    /// Builds and starts everything. `account` sends orders; without it they stay on paper.
    /// `record` taps the feed lanes.
    pub fn start(
        config: &Config,
        universe: Universe,
        strategies: Vec<Named>,
        account: Option<(Account, config::Account)>,
        cpus: &Cpus,
        record: bool,
    ) -> Result<(Self, Outputs), String> {
        let Universe {
            instruments,
            sources,
            hosts,
            ..
        } = universe;
        let shards: Vec<Shard> = sources.iter().flat_map(shards).collect();
        let placement = place(cpus, shards.len(), account.is_some(), wait_choice(config));
        let mut build = Build::new(config, cpus.clone(), placement, instruments.into())?;
        for (index, shard) in shards.iter().enumerate() {
            let tap_bytes = record.then(|| tap_bytes(shards.len()));
            build.add_feed(index, shard, tap_bytes)?;
        }
        let mut risk = risk(config, &build.instruments)?;
        let exit = match account {
            Some((keys, at)) => {
                risk.only_at(&at.exchange);
                build.add_gateway(keys, &at)?
            }
            None => Exit::Paper(Paper::new()),
        };
        let inputs = std::mem::take(&mut build.inputs);
        let ranks = ranks(&strategies, &build.instruments);
        let seated = strategies.into_iter().map(|named| named.seated).collect();
        let desk = Desk::new(&build.instruments, inputs, seated, risk, exit);
        build.start(desk, hosts, &ranks)
    }

    /// The name of a thread that no longer runs although nobody stopped it: it has panicked.
    pub fn dead(&self) -> Option<&'static str> {
        let gone = |(_, thread): &(_, JoinHandle<Ended>)| thread.is_finished();
        if self.workers.iter().any(gone) {
            return Some("a worker");
        }
        if !self.watcher.is_whole() {
            return Some("the watcher of the host");
        }
        (!self.clerk.is_whole()).then_some("the clerk")
    }

    /// What waits at each REST host.
    pub fn backlogs(&self) -> &[Arc<Backlog>] {
        &self.clerk.backlogs
    }

    /// Stops the workers and the clerk. Returns what each worker counted; `None` for one that
    /// panicked.
    pub fn stop(self) -> Vec<Option<Ended>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut ended = Vec::new();
        for (bell, thread) in self.workers {
            bell.wake();
            ended.push(thread.join().ok());
        }
        self.clerk.stop();
        ended
    }
}

/// How urgent each instrument's snapshots are: instruments that some strategy trades come first.
fn ranks(strategies: &[Named], instruments: &[Instrument]) -> Vec<u8> {
    let traded = |id| {
        let mut seated = strategies.iter().map(|named| &named.seated);
        seated.any(|seated| seated.owns(id) && seated.strategy.trades(id))
    };
    let rank = |instrument: &Instrument| u8::from(!traded(instrument.id));
    instruments.iter().map(rank).collect()
}

/// What a worker will get; its lanes are still being made.
struct Station {
    poll: mio::Poll,
    bell: Arc<Bell>,
    replies: crossbeam_channel::Receiver<Reply>,
    replies_to: crossbeam_channel::Sender<Reply>,
    feeds: Vec<Placed>,
    gateways: Vec<Placed>,
    /// The most lines that any of its feeds has.
    lines: usize,
    /// Instruments of its feeds.
    carried: Vec<Instrument>,
}

impl Station {
    fn new() -> std::io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), BELL)?;
        // If the wake fails, the worker notices at its next poll, half a second later at most.
        let bell = Bell::new(move || drop(waker.wake()));
        let (replies_to, replies) = crossbeam_channel::bounded(REPLIES);
        Ok(Self {
            poll,
            bell,
            replies,
            replies_to,
            feeds: Vec::new(),
            gateways: Vec::new(),
            lines: 0,
            carried: Vec::new(),
        })
    }
}

/// An engine whose lanes and rings are being made. The clerk identifies a lane by the place of its
/// client.
struct Build<'a> {
    config: &'a Config,
    cpus: Cpus,
    placement: Placement,
    instruments: Arc<[Instrument]>,
    stations: Vec<Station>,
    desk_bell: Arc<Bell>,
    /// The desk's ends of all event rings.
    inputs: Vec<Receiver<Event>>,
    audits: Vec<rtrb::Consumer<Shown>>,
    taps: Vec<LaneTap>,
    clients: Vec<Client>,
    /// The shared limits on dialling, by exchange.
    attempts: Vec<(&'static str, Attempts)>,
}

impl<'a> Build<'a> {
    fn new(
        config: &'a Config,
        cpus: Cpus,
        placement: Placement,
        instruments: Arc<[Instrument]>,
    ) -> Result<Self, String> {
        let stations: Result<Vec<Station>, _> =
            placement.workers.iter().map(|_| Station::new()).collect();
        let stations = stations.map_err(|error| format!("cannot poll: {error}"))?;
        let desk_bell = stations[home(&placement, |worker| worker.desk)]
            .bell
            .clone();
        Ok(Self {
            config,
            cpus,
            placement,
            instruments,
            stations,
            desk_bell,
            inputs: Vec::new(),
            audits: Vec::new(),
            taps: Vec::new(),
            clients: Vec::new(),
            attempts: Vec::new(),
        })
    }

    fn add_feed(
        &mut self,
        index: usize,
        shard: &Shard,
        tap_bytes: Option<usize>,
    ) -> Result<(), String> {
        let (events, input) = ring(EVENTS, self.desk_bell.clone());
        let (audit, shown) = rtrb::RingBuffer::new(AUDITS);
        self.inputs.push(input);
        self.audits.push(shown);
        let publisher = Publisher::new(events, self.instruments.len());
        let (tap, end) = tap_bytes.map(|bytes| lane_tap(shard, bytes)).unzip();
        self.taps.extend(end);
        let at = home(&self.placement, |worker| worker.feeds.contains(&index));
        let with_desk = self.placement.workers[at].desk;
        let all = &self.instruments;
        let lane = feed_lane(self.config, shard, all, publisher, audit, tap, with_desk)?;
        let super::universe::Source {
            config,
            stream,
            proxy,
            ..
        } = shard.source;
        let straight = config.via.as_ref().unwrap_or(stream).as_str();
        let reached_at = proxy.as_ref().map_or(straight, Proxy::host_port);
        let clerk_id = self.add_client(at, reached_at, Some(shard));
        let attempts = self.attempts(shard.source.exchange);
        let carried = shard.instruments.iter();
        let carried = carried.map(|id| self.instruments[id.index()]);
        let station = &mut self.stations[at];
        station.carried.extend(carried);
        if config.lines > 1 {
            // With the one that takes the place of another.
            station.lines = station.lines.max(links(config));
        }
        station.feeds.push(Placed {
            lane,
            clerk_id,
            attempts,
        });
        Ok(())
    }

    fn add_gateway(&mut self, keys: Account, account: &config::Account) -> Result<Exit, String> {
        let exchange = exchange::by_name(&account.exchange)
            .ok_or_else(|| format!("{}: this build does not know it", account.exchange))?;
        let host_port = account
            .orders
            .clone()
            .unwrap_or(exchange.endpoints().orders);
        let at = home(&self.placement, |worker| worker.gateway);
        let (tickets, orders) = ring(TICKETS, self.stations[at].bell.clone());
        let (reports, input) = ring(REPORTS, self.desk_bell.clone());
        self.inputs.push(input);
        // An instrument of another exchange may have the same symbol: its orders must not come
        // here.
        let of_account = |i: &&Instrument| i.exchange == exchange.name();
        let ours: Vec<Instrument> = self
            .instruments
            .iter()
            .filter(of_account)
            .copied()
            .collect();
        let codec = exchange.order_codec(keys, &ours)?;
        let ca_pem = account
            .ca_file
            .as_deref()
            .map(universe::read_ca)
            .transpose()?;
        let proxy = config::proxy_to(self.config, None, &host_port)?;
        let reached_at = proxy
            .as_ref()
            .map_or(host_port.as_str(), Proxy::host_port)
            .to_owned();
        let link = link(&host_port, &codec.path(), ca_pem.as_deref(), |link| {
            link.proxy = proxy.map(|proxy| (proxy, target(&host_port)));
        })?;
        let lane = Box::new(Gateway::new(link, codec, exchange.name(), orders, reports));
        let clerk_id = self.add_client(at, &reached_at, None);
        let attempts = self.attempts(exchange);
        self.stations[at].gateways.push(Placed {
            lane,
            clerk_id,
            attempts,
        });
        Ok(Exit::Gateway(tickets))
    }

    /// The attempts that all connections to this exchange share.
    fn attempts(&mut self, exchange: &dyn Exchange) -> Attempts {
        let known = self
            .attempts
            .iter()
            .find(|(name, _)| *name == exchange.name());
        if let Some((_, attempts)) = known {
            return attempts.clone();
        }
        let attempts = Attempts::new(exchange.limits().connects);
        self.attempts.push((exchange.name(), attempts.clone()));
        attempts
    }

    fn add_client(&mut self, at: usize, host_port: &str, shard: Option<&Shard>) -> usize {
        let station = &self.stations[at];
        self.clients.push(Client {
            stream: host_port.to_owned(),
            market: shard.map(|shard| MarketSource {
                host: shard.source.host,
                exchange: shard.source.exchange,
                levels: shard.source.config.snapshot_levels,
                instruments: shard.instruments.to_vec(),
            }),
            replies: station.replies_to.clone(),
            bell: station.bell.clone(),
        });
        self.clients.len() - 1
    }

    fn start(
        self,
        desk: Desk,
        hosts: Vec<Rest>,
        ranks: &[u8],
    ) -> Result<(Engine, Outputs), String> {
        let (notes_to, notes) = crossbeam_channel::bounded(NOTES);
        let notes_to = Notes::new(notes_to);
        let notes_of_clerk = notes_to.clone();
        let clerk = Clerk::start(
            self.clients,
            hosts,
            &self.instruments,
            ranks,
            notes_of_clerk,
        )
        .map_err(|error| format!("cannot start the clerk thread: {error}"))?;
        let seat = |plan: &WorkerPlan| Arc::new(Seat::new(plan.cpu, self.placement.wait));
        let seats: Vec<Arc<Seat>> = self.placement.workers.iter().map(seat).collect();
        let (placement, notes_of_watcher) = (self.placement.clone(), notes_to.clone());
        let watcher = Watcher::start(placement, self.cpus, seats.clone(), notes_of_watcher)
            .map_err(|error| format!("cannot start the thread that watches the host: {error}"))?;
        let mut engine = Engine {
            placement: self.placement,
            instruments: self.instruments,
            pulses: Vec::new(),
            stop: Arc::new(AtomicBool::new(false)),
            workers: Vec::new(),
            clerk,
            watcher,
        };
        let mut desk = Some(desk);
        let mut collectors = Vec::new();
        for (index, station) in self.stations.into_iter().enumerate() {
            let plan = &engine.placement.workers[index];
            let (recorder, collector) = Recorder::with_exchanges(
                index as u8,
                &stages(plan, station.lines),
                &station.carried,
            );
            let pulse = Arc::new(Pulse::default());
            let bell = station.bell.clone();
            let worker = Worker {
                seat: seats[index].clone(),
                poll: station.poll,
                bell: station.bell,
                feeds: station.feeds,
                desk: if plan.desk { desk.take() } else { None },
                gateways: station.gateways,
                socket_options: socket_options(self.config),
                recorder,
                notes: notes_to.clone(),
                jobs: engine.clerk.jobs.clone(),
                replies: station.replies,
                pulse: pulse.clone(),
                stop: engine.stop.clone(),
            };
            let thread = worker
                .start(index)
                .map_err(|e| format!("cannot start a worker: {e}"))?;
            collectors.push(collector);
            engine.pulses.push(pulse);
            engine.workers.push((bell, thread));
        }
        Ok((
            engine,
            Outputs {
                audits: self.audits,
                collectors,
                notes,
                notes_to,
                taps: self.taps,
            },
        ))
    }
}

/// The worker that has this lane.
fn home(placement: &Placement, has_it: impl Fn(&WorkerPlan) -> bool) -> usize {
    let found = placement.workers.iter().position(has_it);
    #[expect(
        clippy::expect_used,
        reason = "`place` gives every lane exactly one worker; its tests hold that"
    )]
    found.expect("a worker")
}

fn risk(config: &Config, instruments: &[Instrument]) -> Result<Risk, String> {
    let params = RiskParams {
        qty_max: config.risk.quantity_max.clone(),
        notional_max: config.risk.notional_max.clone(),
        collar_bps: config.risk.price_collar_bps,
        orders_per_s: config.risk.orders_per_s,
        open_orders_max: config.risk.open_orders_max,
    };
    let limits = RiskLimits::parse(&params, instruments).map_err(|error| error.to_string())?;
    // Microseconds since 1970: an id of a later run is larger than all of an earlier one's.
    let UnixNanos(now) = OsClock.unix();
    Ok(Risk::new(limits, instruments, now.unsigned_abs() / 1_000))
}

/// The configured strategies for these instruments.
pub fn configured_strategies(config: &Config, universe: &Universe) -> Result<Vec<Named>, String> {
    let fees = universe.taker_fees_ppm();
    let named = |configured: &config::Strategy| {
        let own = own_instruments(configured, &universe.instruments)?;
        let table = Table {
            instruments: &universe.instruments,
            taker_fees_ppm: &fees,
            own: own.as_deref(),
        };
        let config::Strategy {
            name, kind, values, ..
        } = configured;
        let strategy = (kind.build)(values, &table).map_err(|error| format!("{name}: {error}"))?;
        Ok(Named {
            name: name.clone(),
            kind: kind.name,
            seated: Seated { strategy, own },
        })
    };
    config.strategies.iter().map(named).collect()
}

/// Which instruments of the run a strategy is for; `None` for all of them.
fn own_instruments(
    configured: &config::Strategy,
    instruments: &[Instrument],
) -> Result<Option<Box<[bool]>>, String> {
    if configured.instruments.is_empty() {
        return Ok(None);
    }
    let mut own = vec![false; instruments.len()].into_boxed_slice();
    for entry in &configured.instruments {
        let mut any = false;
        for instrument in instruments {
            if universe::fits(entry, instrument) {
                (own[instrument.id.index()], any) = (true, true);
            }
        }
        if !any {
            return Err(format!(
                "strategy {}: {entry} is none of the run's instruments: write one that a [[feed]] \
                 follows, like \"{}\"",
                configured.name,
                instruments.first().map_or("*", |first| first.name.as_str())
            ));
        }
    }
    Ok(Some(own))
}

/// The stages that a worker times. Leads are among them only if it has feeds with several lines, at
/// most `lines`.
pub(super) fn stages(plan: &WorkerPlan, lines: usize) -> Vec<Stage> {
    let mut stages = Vec::new();
    if !plan.feeds.is_empty() {
        stages.extend([
            Stage::Kernel,
            Stage::KernelSafe,
            Stage::Read,
            Stage::Frame,
            Stage::Decode,
        ]);
        stages.push(Stage::Book);
        stages.extend(Stage::LEADS.iter().take(lines));
    }
    if plan.desk {
        stages.extend([Stage::Queue, Stage::Decide, Stage::Admit]);
    }
    if plan.gateway {
        stages.extend([Stage::Send, Stage::Wire, Stage::Ack]);
        stages.extend([Stage::TickToWire, Stage::TickToWireSafe]);
    }
    stages
}

pub(super) fn wait_choice(config: &Config) -> WaitChoice {
    match config.engine.wait {
        config::Wait::Spin => WaitChoice::Spin,
        config::Wait::Park => WaitChoice::Park,
        config::Wait::Auto => WaitChoice::Auto,
    }
}

fn socket_options(config: &Config) -> SocketOptions {
    SocketOptions {
        busy_poll_us: config.socket.busy_poll_us,
        user_timeout_ms: config.socket.user_timeout_ms,
        receive_buffer_bytes: config
            .socket
            .receive_buffer_bytes
            .map(|bytes| bytes as usize),
    }
}

#[cfg(test)]
mod tests;
