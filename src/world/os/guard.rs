//! The guard: a process of its own with a connection of its own. It hears the engine's heart over a
//! pipe, and when that stops, it sweeps the account. Here is its loop, and the engine's end of the
//! pipe. Cold on both ends.

use super::clock::OsClock;
use super::socket::{Socket, SocketOptions};
use super::worker::Pulse;
use super::worker::dial::{Purpose, dial};
use crate::base::{Clock as _, Nanos, Span};
use crate::watch::latency::Histograms;
use crate::wiring::ask::{Answer, Ask};
use crate::wiring::kill::Kill;
use crate::wiring::lane::{Lane as _, Output};
use crate::wiring::plan::GatewayPlan;
use crate::wiring::road::{self, Bells};
use crate::wiring::sweep::{Sweep, Swept};
use crate::wiring::turn::{Notes, Turn};
use mio::{Events, Poll, Token};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::ToSocketAddrs as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use zeroize::Zeroizing;

/// The engine's heart beats so often.
pub(crate) const BEAT: Duration = Duration::from_millis(100);
/// A heart that is silent for longer has stopped.
pub(crate) const STALLED: Span = Span::from_secs(2);
/// The beat of an engine that is well.
const WELL: u8 = b'.';
/// The beat of an engine that was killed: whatever it does about it, the guard sweeps, too. It may
/// share a worker with a desk that is stuck.
const KILLED: u8 = b'k';
/// The run is over, and nothing of it rests: the guard may go.
const OVER: u8 = b'q';
/// If the engine is gone, and the exchange has listed nothing for so long, the guard gives up. It
/// is long: what rests at an exchange that nobody reaches is there when it comes back, and a run
/// that begins before cannot reach it either.
pub(crate) const GIVES_UP: Span = Span::from_secs(3_600);
/// How often the guard listens.
const LISTEN: Duration = Duration::from_millis(20);

/// What the guard hears of the engine.
#[derive(Debug, Default)]
struct Heard {
    /// When the last beat came.
    beat: AtomicU64,
    /// Its last beat said that it was killed.
    killed: AtomicBool,
    /// The pipe is closed: the engine is gone.
    gone: AtomicBool,
    /// It said that the run is over.
    over: AtomicBool,
}

impl Heard {
    fn listen(&self, mut pipe: impl Read) {
        let mut bytes = [0; 64];
        loop {
            match pipe.read(&mut bytes) {
                Ok(0) => break,
                Ok(read) => {
                    self.beat.store(OsClock.now().0, Ordering::Relaxed);
                    let killed = bytes[..read].last() == Some(&KILLED);
                    self.killed.store(killed, Ordering::Relaxed);
                    if bytes[..read].contains(&OVER) {
                        self.over.store(true, Ordering::Relaxed);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.gone.store(true, Ordering::Relaxed);
    }

    fn is_well(&self, now: Nanos) -> bool {
        let beat = Nanos(self.beat.load(Ordering::Relaxed));
        let stopped = [&self.gone, &self.killed].map(|flag| flag.load(Ordering::Relaxed));
        stopped == [false, false] && now.since(beat) <= STALLED
    }
}

/// Watches over the engine at the other end of `pipe` until that is over or gone, and sweeps the
/// account of `plan` whenever its heart stops. `say` hears of each sweep.
///
/// # Errors
/// In words, when the account cannot be reached at all, or the engine is gone and the exchange has
/// listed nothing for as long as `gives_up`.
pub(crate) fn watch(
    plan: GatewayPlan,
    opened_to: &str,
    pipe: impl Read + Send + 'static,
    gives_up: Span,
    mut say: impl FnMut(&Swept),
) -> Result<(), String> {
    let visibility = plan.codec.visibility();
    let ends = road::gateway::<Socket>(plan, &Bells::silent())?;
    let (mut gateway, mut tickets, mut reports) = (ends.gateway, ends.tickets, ends.reports);
    let mut sweep = Sweep::new(visibility);
    let mut poll = Poll::new().map_err(|error| format!("cannot poll: {error}"))?;
    let mut events = Events::with_capacity(16);
    let (notes, _log) = crossbeam_channel::bounded(0);
    let notes = Notes::new(notes);
    let (mut histograms, _collector) = Histograms::new(0, &[]);
    let clock = OsClock;
    let heard = Arc::new(Heard::default());
    heard.beat.store(clock.now().0, Ordering::Relaxed);
    let ear = heard.clone();
    std::thread::Builder::new()
        .name("tickwire-ear".to_owned())
        .spawn(move || ear.listen(pipe))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    let mut said = None;
    loop {
        let _ = poll.poll(&mut events, Some(LISTEN)); // Interrupted or not: it looks around.
        let mut turn = Turn {
            clock: &clock,
            latency: &mut histograms,
            notes: &notes,
        };
        for event in &events {
            gateway.handle_ready(&mut turn, event.token().0 as u8);
        }
        let now = clock.now();
        if gateway.poll_timeout() <= now {
            gateway.handle_timeout(&mut turn, now);
        }
        while gateway.handle_turn(&mut turn) {}
        if gateway.wants_turn() {
            for line in [0, 1] {
                gateway.handle_ready(&mut turn, line);
            }
        }
        while let Some(output) = gateway.poll_output(&mut turn, now) {
            match output {
                Output::Ask(Ask::Addresses) => {
                    let found = opened_to.to_socket_addrs();
                    let found = found.map(Iterator::collect).unwrap_or_default();
                    gateway.handle_answer(&mut turn, now, Answer::Addresses(found));
                }
                Output::Ask(_) => {}
                Output::Dial { line, address } => {
                    let token = Token(usize::from(line));
                    let options = SocketOptions::default();
                    let socket = dial(
                        &poll,
                        token,
                        address,
                        Purpose::Orders,
                        &options,
                        (&turn, now),
                    );
                    gateway.handle_dialed(now, line, socket.map_err(|error| error.kind()));
                }
            }
        }
        if heard.over.load(Ordering::Relaxed) {
            gateway.shut_down(&mut turn, now);
            return Ok(());
        }
        if heard.is_well(now) {
            said = None;
            sweep.end();
        } else if said.is_none() {
            sweep.begin(now);
        }
        while let Ok(event) = reports.pop() {
            sweep.handle_event(now, &event);
        }
        sweep.handle_timeout(now);
        while let Some(request) = sweep.poll_request() {
            let _ = tickets.push(request); // A cancel that finds no room is wanted again.
        }
        if let Some(swept) = sweep.done().filter(|_| said.is_none()) {
            say(&swept);
            said = Some(());
            if heard.gone.load(Ordering::Relaxed) {
                gateway.shut_down(&mut turn, now);
                return Ok(());
            }
        }
        let gone = heard.gone.load(Ordering::Relaxed);
        if said.is_some() && gone {
            return Ok(());
        }
        if gone && sweep.silence(now) > gives_up {
            return Err(given_up(&sweep, gives_up));
        }
    }
}

fn given_up(sweep: &Sweep, after: Span) -> String {
    let (found, secs) = (sweep.found(), after.0 / 1_000_000_000);
    format!(
        "the engine is gone, and for {secs} s the exchange has not said what rests: it gives up. \
         Orders of the engine may STILL REST ({found} were found before that); the next run of the \
         account knows them from the order journal, and asks about them first"
    )
}

/// The engine's end: the guard's process, and the thread that lets the heart beat.
pub(crate) struct Guarded {
    stop: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Guarded {
    /// Starts this program's `guard`, and tells it `letter`, one line. The heart beats while every
    /// worker turns. The guard's process keeps `seat` open, and with it the lock, as long as it
    /// lives.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn start(
        letter: &Zeroizing<String>,
        seat: File,
        pulses: &[Arc<Pulse>],
        kill: Kill,
    ) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("guard")
            .stdin(Stdio::piped())
            .stdout(seat) // Nothing is written there.
            // What ends the engine by the terminal must not end its guard.
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take();
        let mut pipe = pipe.ok_or_else(|| io::Error::other("the guard has no standard input"))?;
        pipe.write_all(letter.as_bytes())?;
        pipe.write_all(b"\n")?;
        let [stop, over, gone] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
        let pulses = pulses.to_vec();
        let flags = (stop.clone(), over.clone(), gone.clone());
        let thread = std::thread::Builder::new()
            .name("tickwire-heart".to_owned())
            .spawn(move || beat(child, pipe, &pulses, &kill, flags))?;
        Ok(Self {
            stop,
            over,
            gone,
            thread,
        })
    }

    /// The guard is gone although nobody sent it away.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// The run is over. If nothing of it rests, the guard goes; else it sweeps. Waits for it.
    pub(crate) fn stop(self, nothing_rests: bool) {
        self.over.store(nothing_rests, Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}

type Flags = (Arc<AtomicBool>, Arc<AtomicBool>, Arc<AtomicBool>);

/// Beats while the workers turn, until the run is over.
fn beat(mut child: Child, mut pipe: impl Write, pulses: &[Arc<Pulse>], kill: &Kill, flags: Flags) {
    let (stop, over, gone) = flags;
    let turns = || -> Vec<u64> {
        let all = pulses.iter();
        all.map(|pulse| pulse.turns.load(Ordering::Relaxed))
            .collect()
    };
    let mut before: Vec<u64> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let now = turns();
        let all_turned = now.iter().zip(&before).all(|(now, before)| now != before);
        before = now;
        let killed = kill.switch().is_killed();
        let beat = if killed { KILLED } else { WELL };
        let beats = all_turned || killed;
        if beats && pipe.write_all(&[beat]).and_then(|()| pipe.flush()).is_err() {
            gone.store(true, Ordering::Relaxed);
            break;
        }
        std::thread::sleep(BEAT);
    }
    if over.load(Ordering::Relaxed) {
        let _ = pipe.write_all(&[OVER]); // It sweeps an account of which nothing is left.
    }
    drop(pipe);
    let _ = child.wait();
}
