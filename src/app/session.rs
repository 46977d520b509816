//! One run of the engine from a configuration to its summary: builds lanes, rings and threads, waits, and
//! takes everything down in order.

use super::config::{self, Config};
use super::universe::{self, Universe};
use crate::base::{Clock as _, Instrument, InstrumentId, UnixNanos};
use crate::conn::{Link, LinkConfig, tls};
use crate::exchange::{self, Account, Exchange};
use crate::strategy::{self, Strategy, StrategyParams};
use crate::trading::limits::{RiskLimits, RiskParams};
use crate::trading::paper::Paper;
use crate::trading::risk::Risk;
use crate::watch::audit::{AUDIT_LEVELS, Shown};
use crate::watch::latency::{Collector, Recorder};
use crate::watch::stage::Stage;
use crate::wiring::desk::{Desk, Exit};
use crate::wiring::feed::Feed;
use crate::wiring::feed_lane::FeedLane;
use crate::wiring::gateway::Gateway;
use crate::wiring::lane::Lane;
use crate::wiring::publisher::Publisher;
use crate::wiring::ring::{Bell, Receiver, Sender, ring};
use crate::wiring::turn::Notes;
use crate::world::os::clerk::{Clerk, Client};
use crate::world::os::clock::OsClock;
use crate::world::os::placement::{Placement, WaitChoice, place};
use crate::world::os::socket::{Socket, SocketOptions};
use crate::world::os::worker::{BELL, Ended, Placed, Pulse, Worker};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

/// Events that may wait between a feed and the desk before books are conflated.
const EVENTS: usize = 2_048;
/// Shown books that may wait for the scribe: 10 ms of a very busy feed.
const AUDITS: usize = 8_192;
/// Orders between the desk and the gateway; risk's limit on open orders is below.
const TICKETS: usize = 256;
/// Reports between the gateway and the desk: several for each order that may be open.
const REPORTS: usize = 1_024;
/// Log records that may wait for the scribe.
const NOTES: usize = 16_384;
/// Snapshots or addresses that may wait for a worker.
const REPLIES: usize = 1_024;

/// Builds the strategy of a run once its instruments are known.
pub type StrategyMaker = Box<dyn FnOnce(&[Instrument]) -> Result<Box<dyn Strategy>, String>>;

/// The engine's threads, and what hangs on them.
pub struct Engine {
    pub placement: Placement,
    pub instruments: Arc<[Instrument]>,
    pub pulses: Vec<Arc<Pulse>>,
    pub stop: Arc<AtomicBool>,
    workers: Vec<(Arc<Bell>, JoinHandle<Ended>)>,
    clerk: Clerk,
}

/// What the scribe takes in of an engine.
pub struct Outputs {
    pub audits: Vec<rtrb::Consumer<Shown>>,
    pub collectors: Vec<Collector>,
    pub notes: crossbeam_channel::Receiver<crate::base::Note>,
    pub lost: Notes,
}

/// A feed lane before it is built.
struct Shard<'a> {
    source: usize,
    instruments: &'a [InstrumentId],
}

/// A worker's own ends while the lanes are being made.
struct Desktop {
    poll: mio::Poll,
    bell: Arc<Bell>,
    replies: crossbeam_channel::Receiver<crate::world::os::clerk::Reply>,
    replies_to: crossbeam_channel::Sender<crate::world::os::clerk::Reply>,
}

impl Engine {
    /// Builds and starts everything. `account` sends orders; without it they stay on paper.
    pub fn start(
        config: &Config,
        universe: Universe,
        strategy: Box<dyn Strategy>,
        account: Option<(Account, config::Account)>,
        cpus: &[usize],
    ) -> Result<(Self, Outputs), String> {
        let Universe {
            instruments,
            sources,
            hosts,
        } = universe;
        let instruments: Arc<[Instrument]> = instruments.into();
        let shards: Vec<Shard> = sources
            .iter()
            .enumerate()
            .flat_map(|(source, of)| {
                let chunks = of.instruments.chunks(of.config.instruments_per_connection);
                chunks.map(move |instruments| Shard {
                    source,
                    instruments,
                })
            })
            .collect();
        let placement = place(cpus, shards.len(), account.is_some(), wait_choice(config));
        let mut desktops = Vec::new();
        for _ in &placement.workers {
            desktops.push(desktop().map_err(|error| format!("cannot poll: {error}"))?);
        }
        let home = |lane: &dyn Fn(&crate::world::os::placement::WorkerPlan) -> bool| {
            placement.workers.iter().position(lane).unwrap_or(0)
        };
        let desk_bell = desktops[home(&|worker| worker.desk)].bell.clone();

        let (notes_to, notes) = crossbeam_channel::bounded(NOTES);
        let notes_to = Notes::new(notes_to);
        let mut inputs = Vec::new();
        let mut audits = Vec::new();
        let mut clients = Vec::new();
        let mut lanes: Vec<Option<Box<dyn Lane<Socket>>>> = Vec::new();
        for (index, shard) in shards.iter().enumerate() {
            let of = &sources[shard.source];
            let (events, input) = ring(EVENTS, desk_bell.clone());
            let (audit, shown) = rtrb::RingBuffer::new(AUDITS);
            inputs.push(input);
            audits.push(shown);
            let at = &desktops[home(&|worker| worker.feeds.contains(&index))];
            clients.push(Client {
                stream: of.stream.clone(),
                rest: Some(shard.source),
                exchange: of.exchange,
                snapshot_levels: of.config.snapshot_levels,
                replies: at.replies_to.clone(),
                bell: at.bell.clone(),
            });
            let publisher = Publisher::new(events, instruments.len());
            lanes.push(Some(feed_lane(
                config,
                of,
                shard,
                &instruments,
                publisher,
                audit,
            )?));
        }

        let mut gateway: Option<Box<dyn Lane<Socket>>> = None;
        let exit = match account {
            Some((keys, at)) => {
                let worker = &desktops[home(&|worker| worker.gateway)];
                let (tickets, orders) = ring(TICKETS, worker.bell.clone());
                let (reports, input) = ring(REPORTS, desk_bell.clone());
                inputs.push(input);
                let exchange = exchange::by_name(&at.exchange).ok_or("unknown exchange")?;
                let orders_at = at.orders.clone().unwrap_or(exchange.endpoints().orders);
                gateway = Some(order_lane(
                    exchange,
                    keys,
                    &at,
                    &orders_at,
                    &instruments,
                    orders,
                    reports,
                )?);
                clients.push(Client {
                    stream: orders_at,
                    rest: None,
                    exchange,
                    snapshot_levels: 0,
                    replies: worker.replies_to.clone(),
                    bell: worker.bell.clone(),
                });
                Exit::Gateway(tickets)
            }
            None => Exit::Paper(Paper::new(instruments.len())),
        };
        let desk = Desk::new(inputs, vec![strategy], risk(config, &instruments)?, exit);

        let gateway_id = shards.len();
        let clerk = Clerk::start(clients, hosts, instruments.clone())
            .map_err(|error| format!("cannot start the clerk thread: {error}"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut engine = Self {
            placement,
            instruments,
            pulses: Vec::new(),
            stop,
            workers: Vec::new(),
            clerk,
        };
        let mut desk = Some(desk);
        let mut collectors = Vec::new();
        for (index, at) in desktops.into_iter().enumerate() {
            let plan = &engine.placement.workers[index];
            let (recorder, collector) = Recorder::new(index as u8, &stages(plan));
            collectors.push(collector);
            let pulse = Arc::new(Pulse::default());
            engine.pulses.push(pulse.clone());
            let take = |lane: &mut Option<Box<dyn Lane<Socket>>>, clerk_id| {
                lane.take().map(|lane| Placed { lane, clerk_id })
            };
            let feeds = plan
                .feeds
                .iter()
                .filter_map(|&feed| take(&mut lanes[feed], feed));
            let worker = Worker {
                cpu: plan.cpu,
                wait: engine.placement.wait,
                poll: at.poll,
                bell: at.bell.clone(),
                feeds: feeds.collect(),
                desk: if plan.desk { desk.take() } else { None },
                gateways: if plan.gateway {
                    take(&mut gateway, gateway_id).into_iter().collect()
                } else {
                    Vec::new()
                },
                socket_options: socket_options(config),
                recorder,
                notes: notes_to.clone(),
                jobs: engine.clerk.jobs.clone(),
                replies: at.replies,
                pulse,
                stop: engine.stop.clone(),
            };
            let thread = worker
                .start(index)
                .map_err(|e| format!("cannot start a worker: {e}"))?;
            engine.workers.push((at.bell, thread));
        }
        Ok((
            engine,
            Outputs {
                audits,
                collectors,
                notes,
                lost: notes_to,
            },
        ))
    }

    /// Stops the workers and the clerk, and gives what the workers counted.
    pub fn stop(self) -> Vec<Ended> {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut ended = Vec::new();
        for (bell, thread) in self.workers {
            bell.wake();
            // A worker that panicked has said so itself; the others' counts are still worth having.
            ended.extend(thread.join());
        }
        self.clerk.stop();
        ended
    }
}

fn desktop() -> std::io::Result<Desktop> {
    let poll = mio::Poll::new()?;
    let waker = mio::Waker::new(poll.registry(), BELL)?;
    // A wake that fails leaves the worker to its next look-up, half a second later at most.
    let bell = Bell::new(move || drop(waker.wake()));
    let (replies_to, replies) = crossbeam_channel::bounded(REPLIES);
    Ok(Desktop {
        poll,
        bell,
        replies,
        replies_to,
    })
}

fn feed_lane(
    config: &Config,
    of: &universe::Source,
    shard: &Shard,
    all: &[Instrument],
    publisher: Publisher,
    audit: rtrb::Producer<Shown>,
) -> Result<Box<dyn Lane<Socket>>, String> {
    let instruments: Vec<Instrument> = shard
        .instruments
        .iter()
        .map(|id| all[id.index()].clone())
        .collect();
    let symbols: Vec<&str> = instruments.iter().map(|i| i.symbol.as_str()).collect();
    let link = link(
        &of.stream,
        &of.exchange.stream_path(),
        of.ca_pem.as_deref(),
        Some(of.exchange),
    )?;
    let subscriptions = of.exchange.subscribe(&symbols, of.config.streams);
    Ok(match config.engine.depth {
        256 => boxed::<256>(
            of,
            &instruments,
            all.len(),
            link,
            publisher,
            audit,
            subscriptions,
        ),
        1_024 => boxed::<1_024>(
            of,
            &instruments,
            all.len(),
            link,
            publisher,
            audit,
            subscriptions,
        ),
        4_096 => boxed::<4_096>(
            of,
            &instruments,
            all.len(),
            link,
            publisher,
            audit,
            subscriptions,
        ),
        other => return Err(format!("no book of {other} levels is compiled in")),
    })
}

fn boxed<const N: usize>(
    of: &universe::Source,
    instruments: &[Instrument],
    total: usize,
    link: Link<Socket>,
    publisher: Publisher,
    audit: rtrb::Producer<Shown>,
    subscriptions: Vec<String>,
) -> Box<dyn Lane<Socket>> {
    let feed = Feed::<N>::new(
        of.exchange,
        instruments,
        total,
        AUDIT_LEVELS,
        publisher,
        audit,
    );
    Box::new(FeedLane::new(link, feed, subscriptions))
}

fn order_lane(
    exchange: &'static dyn Exchange,
    keys: Account,
    at: &config::Account,
    host_port: &str,
    instruments: &[Instrument],
    orders: Receiver<crate::wiring::desk::Ticket>,
    reports: Sender<crate::base::Event>,
) -> Result<Box<dyn Lane<Socket>>, String> {
    let codec = exchange.order_codec(keys, instruments)?;
    let ca_pem = at.ca_file.as_deref().map(universe::read_ca).transpose()?;
    let link = link(host_port, &codec.path(), ca_pem.as_deref(), None)?;
    Ok(Box::new(Gateway::new(
        link,
        codec,
        exchange.name(),
        orders,
        reports,
    )))
}

/// A link to `host:port`. Market streams keep to the exchange's limit on our own messages.
fn link(
    host_port: &str,
    path: &str,
    ca_pem: Option<&[u8]>,
    limited_by: Option<&dyn Exchange>,
) -> Result<Link<Socket>, String> {
    let (host, port) = host_port
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .ok_or_else(|| format!("{host_port}: write it as host:port"))?;
    let mut config = LinkConfig::new(host.trim_matches(['[', ']']), port, path);
    config.messages_per_s = limited_by.map(|exchange| exchange.limits().client_messages_per_s);
    let tls = tls::client_config(ca_pem).map_err(|error| error.to_string())?;
    Link::new(config, tls, fastrand::u64(..)).map_err(|error| format!("{host_port}: {error}"))
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

/// The configured strategy for these instruments.
pub fn configured_strategy(
    config: &Config,
    instruments: &[Instrument],
) -> Result<Box<dyn Strategy>, String> {
    let config::Strategy::Imbalance(imbalance) = &config.strategy;
    let params = StrategyParams {
        depth: imbalance.depth,
        threshold: imbalance.threshold,
        cooldown_ns: imbalance.cooldown_ms * 1_000_000,
        quantity: imbalance.quantity.clone(),
    };
    strategy::build("imbalance", &params, instruments).map_err(|error| error.to_string())
}

fn stages(plan: &crate::world::os::placement::WorkerPlan) -> Vec<Stage> {
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

fn wait_choice(config: &Config) -> WaitChoice {
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
