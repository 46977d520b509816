//! The engine's threads: the road on pinned workers, the clerk, the watcher of the host. Started
//! together, and taken down in order.

use super::clerk::{Backlog, Clerk, Client, MarketSource, Reply, Rest};
use super::clock::OsClock;
use super::memory;
use super::orders::{Keeper, KeeperHandle, Kit, Sleeper};
use super::placement::{Cpus, Placement, WaitChoice, WorkerPlan, place};
use super::recorder::{LaneTap, bare};
use super::socket::{Socket, SocketOptions};
use super::watcher::{Seat, Watcher};
use super::worker::{Attempts, BELL, Ended, Ending, Placed, Pulse, Worker};
use crate::base::{Instrument, Note};
use crate::exchange::Exchange;
use crate::watch::Stage;
use crate::watch::audit::Shown;
use crate::watch::latency::{Collector, Histograms};
use crate::wiring::desk::Desk;
use crate::wiring::desk::command::{Answer, Command, Commands};
use crate::wiring::keep::KeepEnd;
use crate::wiring::kill::{Kill, KillSwitch};
use crate::wiring::plan::{LanePlan, Plan};
use crate::wiring::ring::{Bell, Receiver, Sender, ring};
use crate::wiring::road::{Bells, FeedRoad, Road};
use crate::wiring::turn::Notes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Log records that may wait for the scribe.
pub(crate) const NOTES: usize = 4_096;
/// A worker that does not turn for so long does not end any more. One that waits for its last
/// answers turns.
const WORKER_ENDS: Duration = Duration::from_secs(10);
/// Commands that may wait for the desk.
const COMMANDS: usize = 8;
/// Answers of the clerk that may wait for a worker.
const REPLIES: usize = 1_024;

/// What an engine is started with.
pub(crate) struct EngineParts {
    /// The road, whose feed lanes do not know yet which worker they are on.
    pub(crate) road: Plan,
    /// How each feed lane is served, in the order of the road's.
    pub(crate) lanes: Vec<LaneService>,
    /// `host:port` that each gateway's connections are opened to, in the order of the road's.
    pub(crate) gateways_reached_at: Vec<String>,
    /// The REST hosts that lanes name by their place.
    pub(crate) hosts: Vec<Rest>,
    /// How urgent each instrument's snapshots are, by id; 0 the most.
    pub(crate) ranks: Vec<u8>,
    /// Where workers may run.
    pub(crate) cpus: Cpus,
    /// How they wait.
    pub(crate) wait: WaitChoice,
    /// For each socket.
    pub(crate) sockets: SocketOptions,
    /// Where each account's order journal is written, in the order of the road's gateways.
    pub(crate) orders: Vec<Kit>,
}

/// What a feed lane needs beside its road.
pub(crate) struct LaneService {
    /// `host:port` that its connections are opened to.
    pub(crate) reached_at: String,
    /// Where its snapshots and metadata come from.
    pub(crate) market: MarketSource,
}

/// The engine's threads, and what belongs to them.
pub(crate) struct Engine {
    /// Which lane runs on which worker and CPU.
    pub(crate) placement: Placement,
    /// The run's table, by id.
    pub(crate) instruments: Arc<[Instrument]>,
    /// What each worker shows about itself, by worker number.
    pub(crate) pulses: Vec<Arc<Pulse>>,
    /// What stops all orders.
    pub(crate) kill: Kill,
    /// What the desk can be asked, for whoever takes it.
    pub(crate) commands: Option<CommandLine>,
    stop: Arc<AtomicBool>,
    ending: Arc<Ending>,
    workers: Vec<(Arc<Bell>, JoinHandle<Ended>)>,
    clerk: Clerk,
    /// They write the accounts' order journals.
    keepers: Vec<KeeperHandle>,
    /// It ends with the engine.
    watcher: Watcher,
}

/// What the scribe takes in from an engine.
pub(crate) struct Outputs {
    /// Shown books, one ring per feed lane.
    pub(crate) audits: Vec<rtrb::Consumer<Shown>>,
    /// Histograms, one collector per worker.
    pub(crate) collectors: Vec<Collector>,
    /// Log records of every worker.
    pub(crate) notes: crossbeam_channel::Receiver<Note>,
    /// The sending end of `notes`, for a recorder, and its counters.
    pub(crate) notes_to: Notes,
    /// What feed lanes take in, if a recording is made.
    pub(crate) taps: Vec<LaneTap>,
}

/// The asking end of a desk's commands.
pub(crate) struct CommandLine {
    /// What is asked.
    pub(crate) ask: Sender<Command>,
    /// What it answers.
    pub(crate) answers: Receiver<Answer>,
}

/// A desk can be asked this way from now on.
fn command_line(desk: &mut Desk, bell: Arc<Bell>) -> CommandLine {
    let (ask, asked) = ring(COMMANDS, bell);
    let (answers, answered) = ring(COMMANDS, Bell::new(|| {}));
    desk.obey(Commands { asked, answers });
    CommandLine {
        ask,
        answers: answered,
    }
}

impl Engine {
    /// Builds the road and starts everything.
    ///
    /// # Errors
    /// In words, when the road cannot be built or the system gives no thread.
    pub(crate) fn start(parts: EngineParts) -> Result<(Self, Outputs), String> {
        let EngineParts {
            road: mut plan,
            lanes,
            gateways_reached_at,
            hosts,
            ranks,
            cpus,
            wait,
            sockets,
            orders,
        } = parts;
        debug_assert_eq!(plan.lanes.len(), lanes.len());
        let placement = place(&cpus, plan.lanes.len(), !plan.gateways.is_empty(), wait);
        for (index, lane) in plan.lanes.iter_mut().enumerate() {
            let at = home(&placement, |worker| worker.feeds.contains(&index));
            if placement.workers[at].desk {
                lane.beside_desk();
            }
        }
        let mut crew = Crew::new(placement, plan.gateways.len())?;
        let (instruments, mut desk) = crew.build(plan, lanes, gateways_reached_at)?;
        let desk_bell = crew.stations[crew.desk_at].bell.clone();
        let commands = command_line(&mut desk, desk_bell);
        let mut bells: Vec<_> = crew.stations.iter().map(|one| one.bell.clone()).collect();
        bells.extend(crew.sleepers.iter().map(Sleeper::bell));
        let kill = Kill::new(crew.switch.clone(), bells);
        let Crew {
            placement,
            stations,
            desk_at,
            office,
            audits,
            taps,
            journals,
            sleepers,
            switch: _,
        } = crew;
        let (notes_to, notes) = crossbeam_channel::bounded(NOTES);
        let notes_to = Notes::new(notes_to);
        let clerk = Clerk::start(
            office.clients,
            hosts,
            &instruments,
            &ranks,
            notes_to.clone(),
        )
        .map_err(|error| format!("cannot start the clerk thread: {error}"))?;
        let seat = |plan: &WorkerPlan| Arc::new(Seat::new(plan.cpu, placement.wait));
        let seats: Vec<Arc<Seat>> = placement.workers.iter().map(seat).collect();
        let watcher = Watcher::start(placement.clone(), cpus, seats.clone(), notes_to.clone())
            .map_err(|error| format!("cannot start the thread that watches the host: {error}"))?;
        let ends = journals.into_iter().flatten();
        let keepers = ends
            .zip(orders)
            .zip(&sleepers)
            .map(|((end, kit), sleeper)| {
                let (clock, notes) = (Box::new(OsClock), notes_to.clone());
                Keeper::start(end, kit, instruments.clone(), clock, notes, sleeper)
            });
        let keepers: Result<Vec<_>, _> = keepers.collect();
        let keepers = keepers
            .map_err(|error| format!("cannot start the thread of an order journal: {error}"))?;
        let mut engine = Self {
            kill,
            commands: Some(commands),
            keepers,
            placement,
            instruments,
            pulses: Vec::new(),
            stop: Arc::new(AtomicBool::new(false)),
            ending: Arc::default(),
            workers: Vec::new(),
            clerk,
            watcher,
        };
        let mut desk = Some(desk);
        let each = stations.into_iter().zip(seats).enumerate();
        let (workers, collectors): (Vec<_>, Vec<_>) = each
            .map(|(index, (station, seat))| {
                let desk = if index == desk_at { desk.take() } else { None };
                engine.worker(index, station, seat, desk, &sockets, &notes_to)
            })
            .unzip();
        memory::touch().map_err(|error| format!("cannot read /proc/self/maps: {error}"))?;
        for (index, worker) in workers.into_iter().enumerate() {
            let bell = worker.bell.clone();
            let thread = worker
                .start(index)
                .map_err(|error| format!("cannot start a worker: {error}"))?;
            engine.workers.push((bell, thread));
        }
        let outputs = Outputs {
            audits,
            collectors,
            notes,
            notes_to,
            taps,
        };
        Ok((engine, outputs))
    }

    /// The worker of this number, which shows itself to the engine from now on.
    fn worker(
        &mut self,
        index: usize,
        station: Station,
        seat: Arc<Seat>,
        desk: Option<Desk>,
        sockets: &SocketOptions,
        notes: &Notes,
    ) -> (Worker, Collector) {
        let timed = stages(&self.placement.workers[index], station.lines);
        let (histograms, collector) =
            Histograms::with_exchanges(index as u8, &timed, &station.carried);
        let pulse = Arc::new(Pulse::of(self.instruments.len()));
        self.pulses.push(pulse.clone());
        let worker = Worker {
            seat,
            poll: station.poll,
            bell: station.bell,
            feeds: station.feeds,
            desk,
            gateways: station.gateways,
            socket_options: *sockets,
            histograms,
            notes: notes.clone(),
            jobs: self.clerk.jobs.clone(),
            replies: station.replies,
            pulse,
            stop: self.stop.clone(),
            ending: self.ending.clone(),
        };
        (worker, collector)
    }

    /// The name of a thread that no longer runs although nobody stopped it: it has panicked.
    pub(crate) fn dead(&self) -> Option<&'static str> {
        let gone = |(_, thread): &(_, JoinHandle<Ended>)| thread.is_finished();
        if self.workers.iter().any(gone) {
            return Some("a worker");
        }
        if self.keepers.iter().any(KeeperHandle::has_failed) {
            return Some("the thread of an order journal");
        }
        if !self.watcher.is_whole() {
            return Some("the watcher of the host");
        }
        (!self.clerk.is_whole()).then_some("the clerk")
    }

    /// What waits at each REST host.
    pub(crate) fn backlogs(&self) -> &[Arc<Backlog>] {
        &self.clerk.backlogs
    }

    /// Stops the workers and the clerk. Returns what each worker counted; `None` for one that
    /// panicked, or did not end.
    pub(crate) fn stop(self) -> Vec<Option<Ended>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut ended = Vec::new();
        let mut until = Instant::now() + WORKER_ENDS;
        for ((bell, thread), pulse) in self.workers.into_iter().zip(&self.pulses) {
            bell.wake();
            let turns = || pulse.turns.load(Ordering::Relaxed);
            let mut seen = turns();
            while !thread.is_finished() && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
                if turns() != seen {
                    (seen, until) = (turns(), Instant::now() + WORKER_ENDS);
                }
            }
            // A strategy that never comes back keeps its worker: both end with the process.
            let done = thread.is_finished().then(|| thread.join().ok());
            ended.push(done.flatten());
        }
        self.keepers.into_iter().for_each(KeeperHandle::stop);
        self.clerk.stop();
        ended
    }
}

/// What a worker must know of a lane besides the lane.
struct Carried {
    exchange: &'static dyn Exchange,
    instruments: Vec<Instrument>,
    /// Connections whose lead is timed, with the one that takes the place of another; none of a
    /// single line.
    leads: usize,
    /// URL of its connections, at the exchange's own host.
    url: String,
}

impl Carried {
    fn of(lane: &LanePlan) -> Self {
        let exchange = lane.feed.exchange;
        let host = exchange.stream_host(lane.feed.depth);
        Self {
            exchange,
            instruments: lane.feed.instruments.clone(),
            leads: if lane.lines > 1 { lane.links } else { 0 },
            url: format!("wss://{}{}", bare(&host), lane.path),
        }
    }
}

/// What a worker will get; lanes are still being placed.
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
        // If the wake fails, the worker notices at its next poll: it parks for a fifth of a second.
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

/// The workers of a placement, while lanes are still being placed.
struct Crew {
    placement: Placement,
    /// By worker number.
    stations: Vec<Station>,
    /// The worker that runs the desk.
    desk_at: usize,
    office: Office,
    /// Ends of the road that the scribe takes, and those that a recorder takes.
    audits: Vec<rtrb::Consumer<Shown>>,
    taps: Vec<LaneTap>,
    /// What is for the thread of each account's order journal, and what wakes that.
    journals: Vec<Option<KeepEnd>>,
    sleepers: Vec<Sleeper>,
    switch: Arc<KillSwitch>,
}

impl Crew {
    fn new(placement: Placement, accounts: usize) -> Result<Self, String> {
        let stations: Result<Vec<Station>, _> =
            placement.workers.iter().map(|_| Station::new()).collect();
        Ok(Self {
            stations: stations.map_err(|error| format!("cannot poll: {error}"))?,
            desk_at: home(&placement, |worker| worker.desk),
            placement,
            office: Office::default(),
            audits: Vec::new(),
            taps: Vec::new(),
            journals: Vec::new(),
            sleepers: (0..accounts).map(|_| Sleeper::default()).collect(),
            switch: Arc::new(KillSwitch::of_accounts(accounts)),
        })
    }

    /// Builds the road and puts every lane onto its worker. Gives the run's table and the desk.
    fn build(
        &mut self,
        plan: Plan,
        lanes: Vec<LaneService>,
        gateways_reached_at: Vec<String>,
    ) -> Result<(Arc<[Instrument]>, Desk), String> {
        let gateway_at = match plan.gateways.is_empty() {
            true => self.desk_at,
            false => home(&self.placement, |worker| worker.gateway),
        };
        let bells = Bells {
            desk: self.stations[self.desk_at].bell.clone(),
            gateway: self.stations[gateway_at].bell.clone(),
            journals: self.sleepers.iter().map(Sleeper::bell).collect(),
            switch: self.switch.clone(),
        };
        let instruments = plan.instruments.clone();
        let gateways_of: Vec<_> = plan.gateways.iter().map(|plan| plan.exchange).collect();
        let carried: Vec<Carried> = plan.lanes.iter().map(Carried::of).collect();
        let road: Road<Socket> = Road::build(plan, &bells)?;
        let feeds = road.feeds.into_iter().zip(carried).zip(lanes);
        for (index, ((feed, carried), service)) in feeds.enumerate() {
            self.place_feed(index, feed, carried, service);
        }
        let gateways = road.gateways.into_iter().zip(gateways_of);
        for ((lane, exchange), reached_at) in gateways.zip(gateways_reached_at) {
            let station = &mut self.stations[gateway_at];
            let clerk_id = self.office.add_client(station, reached_at, None);
            let attempts = self.office.attempts(exchange);
            station.gateways.push(Placed {
                lane,
                clerk_id,
                attempts,
            });
        }
        self.journals = road.journals;
        Ok((instruments, road.desk))
    }

    fn place_feed(
        &mut self,
        index: usize,
        feed: FeedRoad<Socket>,
        carried: Carried,
        service: LaneService,
    ) {
        let at = home(&self.placement, |worker| worker.feeds.contains(&index));
        let station = &mut self.stations[at];
        let LaneService { reached_at, market } = service;
        let clerk_id = self.office.add_client(station, reached_at, Some(market));
        let attempts = self.office.attempts(carried.exchange);
        station.lines = station.lines.max(carried.leads);
        station.carried.extend(carried.instruments);
        station.feeds.push(Placed {
            lane: feed.lane,
            clerk_id,
            attempts,
        });
        self.audits.extend(feed.shown);
        self.taps.extend(feed.tap.map(|end| LaneTap {
            end,
            exchange: carried.exchange.name(),
            conn: carried.url,
        }));
    }
}

/// What lanes share beside the road. The clerk identifies a lane by the place of its client.
#[derive(Default)]
struct Office {
    clients: Vec<Client>,
    /// The shared limits on dialling, by exchange.
    attempts: Vec<(&'static str, Attempts)>,
}

impl Office {
    fn add_client(
        &mut self,
        station: &Station,
        reached_at: String,
        market: Option<MarketSource>,
    ) -> usize {
        self.clients.push(Client {
            stream: reached_at,
            market,
            replies: station.replies_to.clone(),
            bell: station.bell.clone(),
        });
        self.clients.len() - 1
    }

    /// The attempts that all connections to this exchange share.
    fn attempts(&mut self, exchange: &dyn Exchange) -> Attempts {
        let mut known = self.attempts.iter();
        if let Some((_, attempts)) = known.find(|(name, _)| *name == exchange.name()) {
            return attempts.clone();
        }
        let attempts = Attempts::new(exchange.limits().connects);
        self.attempts.push((exchange.name(), attempts.clone()));
        attempts
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

/// The stages that a worker times. Leads are among them only if it has feeds with several lines, at
/// most `lines`.
pub(crate) fn stages(plan: &WorkerPlan, lines: usize) -> Vec<Stage> {
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

#[cfg(test)]
mod tests;
