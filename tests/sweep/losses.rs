//! Losses as they are in the wild: a few of very many messages about books never arrive. How long
//! until that is noticed, and until the book is right again.

use crate::case::{Case, What, Wrong, is_hidden};
use crate::ran::{Ran, Trusted, guarded};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tickwire::base::{Channel, Span, Status};
use tickwire::exchange::{ALL, Exchange};
use tickwire::venue::faults::{MarketFault, Step};
use tickwire::world::sim::driver::Markets;

/// A world of a long run has about so many messages: its beginning is little beside them.
const WORLD_MESSAGES: u64 = 200_000;

/// What became of the losses at one exchange.
#[derive(Default)]
struct Lost {
    messages: u64,
    losses: u64,
    /// The book never went dark: the next message was a whole book, or another line had it.
    unnoticed: u64,
    noticed_us: Vec<u64>,
    right_us: Vec<u64>,
}

/// Loses so many of a million messages, of about so many in all. Gives a table; panics if a book
/// was ever wrong.
pub fn run(messages: u64, ppm: u64, trusted: &Trusted) -> String {
    let shows = |exchange: &&'static dyn Exchange| !is_hidden(MarketFault::Gap, *exchange);
    let exchanges: Vec<_> = ALL.iter().copied().filter(shows).collect();
    let each = messages / exchanges.len() as u64;
    let of_world = each.min(WORLD_MESSAGES);
    let worlds = (each / of_world) * exchanges.len() as u64;
    // A healthy world says how many messages come in a second.
    let rates: Vec<f64> = exchanges.iter().map(|one| rate(*one, trusted)).collect();
    let (next, began) = (AtomicU64::new(0), Instant::now());
    let all: Mutex<BTreeMap<&str, Lost>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= worlds {
                        break;
                    }
                    let place = (n % exchanges.len() as u64) as usize;
                    let seconds = of_world as f64 / rates[place];
                    let losses = of_world as f64 * ppm as f64 / 1e6;
                    let case = lossy(exchanges[place], n, seconds, losses);
                    let ran = guarded(&case, trusted);
                    let name = exchanges[place].name();
                    assert_eq!(ran.broken, None, "{name}, world {n} of losses");
                    let mut all = all.lock().unwrap();
                    all.entry(name).or_default().add(&ran);
                    let sum: u64 = all.values().map(|lost| lost.messages).sum();
                    if n % 50 == 49 {
                        println!("{sum} messages in {:.0} s", began.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    table(all.into_inner().unwrap())
}

fn markets() -> Markets {
    Markets {
        assets: 2,
        pace: Some((20, Span::from_millis(100))),
    }
}

fn quiet(exchange: &'static dyn Exchange, seed: u64, chaos: Span) -> Case {
    Case {
        seed,
        markets: markets(),
        channels: vec![Channel::Depth],
        trades: false,
        chaos,
        ..Case::healthy(exchange)
    }
}

fn rate(exchange: &'static dyn Exchange, trusted: &Trusted) -> f64 {
    let ran = guarded(&quiet(exchange, 1, Span::from_secs(120)), trusted);
    assert_eq!(ran.broken, None);
    ran.frames as f64 / (ran.virtual_ms as f64 / 1e3)
}

/// A world of so many seconds, with losses at any time in it.
fn lossy(exchange: &'static dyn Exchange, seed: u64, seconds: f64, losses: f64) -> Case {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut case = quiet(exchange, seed, Span::from_millis((seconds * 1e3) as u64));
    let losses = losses as u64 + u64::from(dice.f64() < losses.fract());
    let followed = case.followed();
    for _ in 0..losses {
        let of = &followed[dice.usize(..followed.len())].symbol;
        let step = Step::now(MarketFault::Gap).of(exchange.name()).on(of);
        case.steps.push(Wrong {
            at: Span(dice.u64(..case.chaos.0)),
            what: What::Market(step),
        });
    }
    case.steps.sort_by_key(|step| step.at.0);
    case
}

impl Lost {
    fn add(&mut self, ran: &Ran) {
        self.messages += ran.frames;
        for (n, one) in ran.struck.iter().enumerate() {
            self.losses += 1;
            let symbol = one.instrument.unwrap();
            let next = ran.struck[n + 1..]
                .iter()
                .find(|next| next.instrument == one.instrument);
            let of = ran
                .states
                .iter()
                .filter(|state| state.1 == symbol && state.0 >= one.at);
            let mut of = of.take_while(|state| next.is_none_or(|next| state.0 < next.at));
            let Some(dark) = of.find(|state| state.2 != Status::Live) else {
                self.unnoticed += 1;
                continue;
            };
            self.noticed_us.push(dark.0.since(one.at).0 / 1_000);
            if let Some(live) = of.find(|state| state.2 == Status::Live) {
                self.right_us.push(live.0.since(one.at).0 / 1_000);
            }
        }
    }
}

fn table(all: BTreeMap<&str, Lost>) -> String {
    let mut text = format!(
        "{:<20} {:>11} {:>7} {:>9} {:>9}  {:^29}  {:^29}\n",
        "",
        "messages",
        "lost",
        "unnoticed",
        "wrong ms",
        "noticed ms p50 p99 max",
        "right ms p50 p99 max"
    );
    for (name, mut lost) in all {
        let noticed = spread(&mut lost.noticed_us);
        let right = spread(&mut lost.right_us);
        let Lost {
            messages,
            losses,
            unnoticed,
            ..
        } = lost;
        let _ = writeln!(
            text,
            "{name:<20} {messages:>11} {losses:>7} {unnoticed:>9} {:>9}  {noticed}  {right}",
            0 // A wrong book is a panic.
        );
    }
    text
}

fn spread(us: &mut [u64]) -> String {
    us.sort_unstable();
    let at = |part: f64| us.get(((us.len() as f64 * part) as usize).min(us.len().max(1) - 1));
    let ms = |part: f64| at(part).map_or(f64::NAN, |us| *us as f64 / 1e3);
    format!("{:>9.1} {:>9.1} {:>9.1}", ms(0.5), ms(0.99), ms(1.0))
}
