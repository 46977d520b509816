//! What a person can ask of a run that goes on, and what it answers: over the control socket, by a
//! signal, or by a file. Every way leads to the same switch.

pub(crate) mod settings;

use super::run::money;
use crate::base::signed::text as signed;
use crate::base::{
    Asset, Clock as _, Instrument, Mode, Nanos, Note, Px, Qty, Severity, Span, StrategyId, Value,
    Working,
};
use crate::watch::summary::{Pnl, PnlTotal};
use crate::wiring::desk::command::{Answer, Command, DeskState};
use crate::wiring::kill::Kill;
use crate::wiring::turn::Notes;
use crate::world::os::clock::OsClock;
use crate::world::os::console;
use crate::world::os::control::ControlSocket;
use crate::world::os::engine::CommandLine;
use serde::{Deserialize, Serialize};
use settings::{Changed, Settings};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A desk that is well answers far sooner.
const DESK_ANSWERS: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(1);

/// What is asked, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Request {
    /// How all stands.
    Status {},
    /// No more orders, and the end of those that there are.
    Kill {
        /// Of this strategy alone.
        #[serde(default)]
        strategy: Option<String>,
        /// Close what is held, too.
        #[serde(default)]
        flatten: bool,
    },
    /// No more orders.
    Pause {
        /// Of this strategy alone.
        #[serde(default)]
        strategy: Option<String>,
    },
    /// What the account has of an asset counts as right.
    Accept {
        /// Its name, as the exchange writes it.
        asset: String,
    },
    /// Another value of a strategy's key.
    Set {
        /// The key.
        key: String,
        /// The value, as a person writes it.
        value: String,
        /// Of this strategy; it may be left out if there is only one.
        #[serde(default)]
        strategy: Option<String>,
    },
    /// Orders again.
    Resume {
        /// Of this strategy alone.
        #[serde(default)]
        strategy: Option<String>,
    },
}

/// The answer, as one line of JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// Why nothing was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    /// What was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) set: Option<Set>,
}

/// A key that was set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Set {
    /// Whose.
    pub(crate) strategy: String,
    /// The key.
    pub(crate) key: String,
    /// Its value from here on.
    pub(crate) value: String,
    /// Its value before.
    pub(crate) was: String,
}

/// How a run stands. Prices and quantities are decimals as text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The run's process.
    pub(crate) pid: u32,
    /// The kill switch is thrown.
    pub(crate) killed: bool,
    /// By the exchange's newest list since then, nothing of ours rests there.
    pub(crate) clear: bool,
    /// How many accounts there are.
    pub(crate) accounts: usize,
    /// The desk answers; if it does not, all that is below is empty.
    pub(crate) answers: bool,
    /// The strategy that is deciding, and for how long, if it has not come back at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inside: Option<(String, u64)>,
    /// Orders can be taken.
    pub(crate) ready: bool,
    /// What anybody may order: `trading`, `reduce_only` or `halted`.
    pub(crate) may: String,
    /// The strategies.
    pub(crate) strategies: Vec<Strategy>,
    /// What they traded or hold, as in `summary.json`.
    pub(crate) pnl: Vec<Pnl>,
    /// The same by asset.
    pub(crate) pnl_totals: Vec<PnlTotal>,
    /// Orders without an end.
    pub(crate) orders: Vec<Order>,
}

/// How a strategy stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Strategy {
    /// Its name.
    pub(crate) name: String,
    /// What it may order.
    pub(crate) may: String,
    /// Its orders are being cancelled, or what it holds is being closed.
    pub(crate) closing: bool,
    /// It panicked.
    pub(crate) panicked: bool,
    /// What it wanted so far.
    pub(crate) intents: u64,
    /// What risk let through.
    pub(crate) orders: u64,
    /// Fills.
    pub(crate) fills: u64,
    /// Keys that do not have their configured values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changed: Vec<Changed>,
}

/// An order without an end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Its number.
    pub(crate) order: u64,
    /// Whose.
    pub(crate) strategy: String,
    /// Of what.
    pub(crate) instrument: String,
    /// `buy` or `sell`.
    pub(crate) side: String,
    /// At what price.
    pub(crate) px: String,
    /// How much was ordered.
    pub(crate) qty: String,
    /// How much of it traded.
    pub(crate) filled: String,
    /// Nobody knows how it stands.
    pub(crate) in_doubt: bool,
}

/// What throws the switch, and says who did.
#[derive(Clone)]
pub(crate) struct Killer {
    kill: Kill,
    notes: Notes,
}

impl Killer {
    /// For this switch.
    pub(crate) fn new(kill: Kill, notes: Notes) -> Self {
        Self { kill, notes }
    }

    /// Lets no order out from now on and cancels what works. `by` says who wants it.
    pub(crate) fn kill(&self, by: &'static str) {
        self.kill.kill();
        let note = Note::new(OsClock.now(), Severity::Error, "run.killed");
        self.notes.record(note.with("by", Value::Word(by)));
    }

    /// The switch is thrown.
    pub(crate) fn is_killed(&self) -> bool {
        self.kill.switch().is_killed()
    }

    /// The strategy that is deciding, and for how long.
    pub(crate) fn inside(&self, now: Nanos) -> Option<(StrategyId, Span)> {
        self.kill.switch().inside(now)
    }

    /// A strategy does not come back: all is killed.
    pub(crate) fn name_stuck(&self, now: Nanos, strategy: StrategyId, since: Span) {
        let ms = Value::Int((since.0 / 1_000_000) as i64);
        let note = Note::new(now, Severity::Error, "strategy.stuck").strategy(strategy);
        self.notes.record(note.with("ms", ms));
        if !self.is_killed() {
            self.kill("watchdog");
        }
    }
}

/// Answers what is asked of one run.
pub(crate) struct Control {
    killer: Killer,
    line: CommandLine,
    /// Answers that the desk owes: nobody waits for them any more.
    owed: usize,
    instruments: Arc<[Instrument]>,
    strategies: Vec<String>,
    settings: Settings,
    /// While it is there, nothing is resumed.
    kill_file: Option<PathBuf>,
    orders_max: usize,
}

impl Control {
    /// For a run of these strategies and instruments.
    pub(crate) fn new(
        killer: Killer,
        line: CommandLine,
        instruments: Arc<[Instrument]>,
        (strategies, settings): (Vec<String>, Settings),
        kill_file: Option<PathBuf>,
        orders_max: usize,
    ) -> Self {
        Self {
            killer,
            line,
            owed: 0,
            instruments,
            strategies,
            settings,
            kill_file,
            orders_max,
        }
    }

    /// Answers at the socket of this folder. A run goes on without it, and says so.
    pub(crate) fn listen(self, dir: &Path) -> Option<ControlSocket> {
        let control = Mutex::new(self);
        let answers = move |line: &str| {
            let control = control.lock();
            control.unwrap_or_else(PoisonError::into_inner).answer(line)
        };
        let listening = ControlSocket::listen(dir, Arc::new(answers));
        let said = |error: &io::Error| {
            let dir = dir.display();
            console::complain(&format!("warning: {dir}: no control socket: {error}"));
        };
        listening.inspect_err(said).ok()
    }

    /// One line of JSON for another.
    fn answer(&mut self, line: &str) -> String {
        let reply = match serde_json::from_str(line) {
            Ok(request) => self.obey(request),
            Err(error) => Err(format!("not understood: {error}")),
        };
        let reply = reply.unwrap_or_else(|error| Reply {
            error: Some(error),
            ..Reply::default()
        });
        serde_json::to_string(&reply).unwrap_or_default()
    }

    fn obey(&mut self, request: Request) -> Result<Reply, String> {
        match request {
            Request::Status {} => {
                let status = Some(self.status());
                return Ok(Reply {
                    status,
                    ..Reply::default()
                });
            }
            Request::Kill { strategy, flatten } => {
                let strategy = self.named(strategy.as_deref())?;
                if strategy == StrategyId::NONE {
                    // Whatever the desk does: the gateway sees it by itself.
                    self.killer.kill("command");
                    if flatten {
                        self.tell(Command::Kill { strategy, flatten })?;
                    }
                } else {
                    self.tell(Command::Kill { strategy, flatten })?;
                }
            }
            Request::Pause { strategy } => {
                let strategy = self.named(strategy.as_deref())?;
                self.tell(Command::Pause(strategy))?;
            }
            Request::Accept { asset } => {
                let known = Asset::from(&asset);
                let known = known.map_err(|_| format!("{asset}: no asset's name"))?;
                self.tell(Command::Accept(known))
                    .map_err(|why| format!("{asset}: {why}"))?;
            }
            Request::Set {
                key,
                value,
                strategy,
            } => {
                let set = Some(self.set(strategy.as_deref(), &key, &value)?);
                return Ok(Reply {
                    set,
                    ..Reply::default()
                });
            }
            Request::Resume { strategy } => {
                let strategy = self.named(strategy.as_deref())?;
                if let Some(file) = self.kill_file.as_ref().filter(|file| file.exists()) {
                    return Err(format!(
                        "{} is there: remove it, then resume",
                        file.display()
                    ));
                }
                self.tell(Command::Resume(strategy))?;
            }
        }
        Ok(Reply::default())
    }

    fn set(&mut self, name: Option<&str>, key: &str, value: &str) -> Result<Set, String> {
        let strategy = match (name, self.strategies.len()) {
            (None, 1) => StrategyId(0),
            (None, _) => {
                let known = self.strategies.join(", ");
                return Err(format!("write --strategy with one of {known}"));
            }
            (Some(_), _) => self.named(name)?,
        };
        self.take_late();
        if self.owed > 0 {
            return Err(self.silent()); // Nobody knows which values it has.
        }
        let setting = self.settings.setting(strategy, key, value)?;
        match self.ask(Command::Set(setting)) {
            Some(Answer::Set(setting, Ok(()))) => Ok(Set {
                strategy: self.name(strategy),
                key: setting.key.to_owned(),
                value: setting.value.to_string(),
                was: self.settings.take(&setting).unwrap_or_default(),
            }),
            Some(Answer::Set(_, Err(why)) | Answer::Refused(why)) => Err(why.to_owned()),
            Some(Answer::Done | Answer::State(_)) | None => Err(self.silent()),
        }
    }

    fn named(&self, name: Option<&str>) -> Result<StrategyId, String> {
        let Some(name) = name else {
            return Ok(StrategyId::NONE);
        };
        let at = self.strategies.iter().position(|known| known == name);
        let at = at.and_then(|at| u8::try_from(at).ok()).map(StrategyId);
        at.ok_or_else(|| {
            let known = self.strategies.join(", ");
            format!("no strategy is called {name}: write one of {known}")
        })
    }

    /// Has the desk do something.
    fn tell(&mut self, command: Command) -> Result<(), String> {
        match self.ask(command) {
            Some(Answer::Done | Answer::State(_) | Answer::Set(..)) => Ok(()),
            Some(Answer::Refused(why)) => Err(why.to_owned()),
            None => Err(self.silent()),
        }
    }

    fn silent(&self) -> String {
        let inside = self
            .inside()
            .map(|(name, ms)| format!(": strategy {name} has been deciding for {ms} ms"));
        format!("the desk does not answer{}", inside.unwrap_or_default())
    }

    /// Asks the desk, and waits for its answer; `None` if it does not give one.
    fn ask(&mut self, command: Command) -> Option<Answer> {
        let until = Instant::now() + DESK_ANSWERS;
        self.line.ask.push(command).ok()?;
        self.owed += 1;
        while Instant::now() < until {
            match self.line.answers.pop() {
                Ok(answer) => {
                    self.owed -= 1;
                    if self.owed == 0 {
                        return Some(answer);
                    }
                    self.note_late(&answer);
                }
                Err(_) => thread::sleep(LOOK),
            }
        }
        None
    }

    /// Takes in what the desk answered after nobody waited any more.
    fn take_late(&mut self) {
        while self.owed > 0
            && let Ok(answer) = self.line.answers.pop()
        {
            self.owed -= 1;
            self.note_late(&answer);
        }
    }

    fn note_late(&mut self, answer: &Answer) {
        if let Answer::Set(setting, Ok(())) = answer {
            self.settings.take(setting);
        }
    }

    fn inside(&self) -> Option<(String, u64)> {
        let switch = self.killer.kill.switch();
        let (strategy, since) = switch.inside(OsClock.now())?;
        Some((self.name(strategy), since.0 / 1_000_000))
    }

    fn name(&self, strategy: StrategyId) -> String {
        let name = self.strategies.get(strategy.index());
        name.cloned().unwrap_or_default()
    }

    fn status(&mut self) -> Status {
        let (strategies, instruments) = (self.strategies.len(), self.instruments.len());
        let room = DeskState::with_room(strategies, instruments, self.orders_max);
        let state = match self.ask(Command::Show(room)) {
            Some(Answer::State(state)) => Some(state),
            Some(Answer::Done | Answer::Refused(_) | Answer::Set(..)) | None => None,
        };
        let switch = self.killer.kill.switch();
        let head = Status {
            pid: std::process::id(),
            killed: switch.is_killed(),
            clear: switch.is_clear(),
            accounts: switch.accounts(),
            ..Status::default()
        };
        match state {
            Some(state) => Status {
                answers: true,
                ready: state.ready,
                may: word(state.mode).to_owned(),
                strategies: self.told(&state),
                pnl: money::rows(&state.rows, &self.strategies, &self.instruments),
                pnl_totals: money::sums(&state.rows),
                orders: state
                    .orders
                    .iter()
                    .filter_map(|order| self.order(order))
                    .collect(),
                ..head
            },
            None => Status {
                inside: self.inside(),
                ..head
            },
        }
    }

    fn told(&self, state: &DeskState) -> Vec<Strategy> {
        let all = state.strategies.iter().zip(&self.strategies).zip(0..);
        all.map(|((state, name), id)| Strategy {
            name: name.clone(),
            may: word(state.mode).to_owned(),
            closing: state.closing,
            panicked: state.gone,
            intents: state.counters.intents,
            orders: state.counters.admitted,
            fills: state.counters.fills,
            changed: self.settings.changed(StrategyId(id)),
        })
        .collect()
    }

    fn order(&self, order: &Working) -> Option<Order> {
        let instrument = self.instruments.get(order.instrument.index())?;
        let px = |px: Px| signed(px.0.into(), instrument.px_scale);
        let qty = |qty: Qty| signed(qty.0.into(), instrument.qty_scale);
        Some(Order {
            order: order.client_id.0,
            strategy: self.name(order.strategy),
            instrument: instrument.name.to_string(),
            side: order.side.name().to_owned(),
            px: px(order.px),
            qty: qty(order.qty),
            filled: qty(order.filled),
            in_doubt: order.in_doubt,
        })
    }
}

/// What may be ordered, in a word.
fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Trading => "trading",
        Mode::ReduceOnly => "reduce_only",
        Mode::Halted => "halted",
    }
}
