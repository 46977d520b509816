//! One WebSocket of a client, in messages: the exchange's half of its protocol, and the events or
//! the recording that flow down it. Knows no framing and counts no bytes on a wire.

mod account;
mod faulty;

use self::account::Account;
use self::faulty::Asked;
use super::faults::spoil::Spoiler;
use super::faults::text;
use super::play::{Playhead, Step, UNCHANGED};
use super::simulated::{News, Source, Venue};
use crate::base::{Level, Nanos, Symbol};
use crate::exchange::mirror::{Call, MirrorSession, Offence, Pace, Reply};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Why an exchange ends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It is subscribed to more streams than a connection may carry.
    TooManyStreams,
    /// The exchange's protocol does not allow what the client did.
    Offence(Offence),
    /// The recording could not be read any further.
    Recording,
    /// A fault: after so many bytes of what was said last.
    Cut(usize),
    /// A fault: nothing more is read or written, and the connection stays open.
    HalfOpen,
}

/// What a connection says.
enum Speaker {
    /// What the market does.
    Market(Box<dyn MirrorSession>),
    /// What was recorded.
    Player(Box<dyn MirrorSession>, Play),
    /// What becomes of orders.
    Account(Account),
}

impl Speaker {
    /// A connection for streams.
    fn of_streams(now: Nanos, venue: &Venue, session: Box<dyn MirrorSession>) -> Self {
        match &venue.source {
            Source::Play(..) => {
                let begun = session.streams() > 0;
                let begin = begun.then(|| Begin::of(now, venue)).flatten();
                Self::Player(session, Play::Unbegun(begin))
            }
            Source::Flow(_) => Self::Market(session),
        }
    }
}

enum Play {
    /// None before the first subscription.
    Unbegun(Option<Begin>),
    On(Box<Playhead>, Waiting),
    End,
}

#[derive(Clone, Copy)]
enum Begin {
    /// With all that are subscribed when the recording starts.
    Together,
    /// By itself: it came later.
    At(Nanos),
}

impl Begin {
    /// Of a connection that subscribed to more at `now`.
    fn of(now: Nanos, venue: &Venue) -> Option<Self> {
        let Source::Play(recording, _) = &venue.source else {
            return None;
        };
        Some(match recording.start.handle_subscribed(now) {
            true => Self::Together,
            false => Self::At(now + UNCHANGED),
        })
    }

    fn at(self, venue: &Venue) -> Nanos {
        match (self, &venue.source) {
            (Self::At(at), _) => at,
            (Self::Together, Source::Play(recording, _)) => recording.start.at(),
            (Self::Together, Source::Flow(_)) => Nanos::NEVER,
        }
    }
}

#[derive(Clone, Copy)]
enum Waiting {
    Room,
    Until(Nanos),
    Snapshot,
}

/// The protocol state of one connection. What it says is appended to `out`, one entry per frame.
pub(crate) struct Session {
    speaker: Speaker,
    streams_max: usize,
    /// Whose it is.
    from: IpAddr,
    /// Recorded frames that are due.
    binary: VecDeque<Vec<u8>>,
    /// Path and query of its upgrade, and its requests that led to streams.
    target: String,
    asked: Vec<String>,
    /// What faults make of what it says.
    spoiler: Spoiler,
    /// Bids that cross a book, as this client was shown it, by listing and pace.
    crossed: BTreeMap<(usize, Pace), Level>,
}

impl Session {
    /// A connection of `venue` from this address that asks for this target at `now`; `None` if
    /// nothing listens.
    pub(crate) fn new(now: Nanos, from: IpAddr, venue: &Venue, target: &str) -> Option<Self> {
        let mirror = venue.exchange.mirror();
        let speaker = match mirror.session(target) {
            None => {
                let session = mirror.accounts()?.session(target, venue.unix(now))?;
                Speaker::Account(Account::new(session, from))
            }
            Some(session) => Speaker::of_streams(now, venue, session),
        };
        Some(Self::speaking(speaker, from, venue, target))
    }

    /// As [`Self::new`], by the whole upgrade: it may ask for binary frames. `Err` is a refusal;
    /// `None` if nothing listens.
    pub(crate) fn asked(
        now: Nanos,
        from: IpAddr,
        venue: &Venue,
        upgrade: Call<'_>,
    ) -> Option<Result<Self, Reply>> {
        let Some(binary) = venue.exchange.mirror().binary_session(upgrade) else {
            return Self::new(now, from, venue, upgrade.target).map(Ok);
        };
        Some(binary.map(|session| {
            let speaker = Speaker::of_streams(now, venue, session);
            Self::speaking(speaker, from, venue, upgrade.target)
        }))
    }

    fn speaking(speaker: Speaker, from: IpAddr, venue: &Venue, target: &str) -> Self {
        let most = venue.exchange.mirror().streams_max();
        Self {
            speaker,
            streams_max: most.unwrap_or(venue.exchange.limits().streams_per_connection),
            from,
            binary: VecDeque::new(),
            target: target.to_owned(),
            asked: Vec::new(),
            spoiler: Spoiler::default(),
            crossed: BTreeMap::new(),
        }
    }

    /// The next binary frame for the client. They follow the texts of the same call.
    pub(crate) fn poll_binary(&mut self) -> Option<Vec<u8>> {
        self.binary.pop_front().or_else(|| match &mut self.speaker {
            Speaker::Market(session) | Speaker::Player(session, _) => session.poll_binary(),
            Speaker::Account(_) => None,
        })
    }

    /// Whether it is for orders.
    pub(crate) fn is_account(&self) -> bool {
        matches!(self.speaker, Speaker::Account(_))
    }

    /// Whether it is subscribed to more streams than a connection may carry.
    pub(crate) fn is_too_wide(&self) -> bool {
        match &self.speaker {
            Speaker::Market(session) | Speaker::Player(session, _) => {
                session.streams() > self.streams_max
            }
            Speaker::Account(_) => false,
        }
    }

    /// The connection is open: says what the exchange says unasked.
    pub(crate) fn handle_open(&mut self, venue: &mut Venue, out: &mut Vec<String>) {
        match &mut self.speaker {
            Speaker::Market(session) | Speaker::Player(session, _) => {
                session.handle_open(venue, out);
            }
            Speaker::Account(_) => {}
        }
    }

    /// Answers a text frame of the client. If the connection ends, what was said before it
    /// counts still.
    pub(crate) fn handle_text(
        &mut self,
        now: Nanos,
        text: &str,
        venue: &mut Venue,
        out: &mut Vec<String>,
    ) -> Result<(), Broken> {
        let said = out.len();
        self.join(text, venue);
        let hidden = match self.asks(now, text, venue) {
            Asked::Right => Vec::new(),
            Asked::Lost => return Ok(()),
            Asked::Hidden(symbols) => symbols,
        };
        let hidden: Vec<&str> = hidden.iter().map(Symbol::as_str).collect();
        let masked = text::masked(text, &hidden);
        let text = masked.as_deref().unwrap_or(text);
        let (done, more) = match &mut self.speaker {
            Speaker::Market(session) | Speaker::Player(session, _) => {
                let before = session.streams();
                let done = session.handle_text(text, venue, out);
                (done, session.streams() > before)
            }
            Speaker::Account(account) => {
                return account.handle_text(now, text, venue, out);
            }
        };
        if self.is_too_wide() {
            out.truncate(said);
            return Err(Broken::TooManyStreams);
        }
        if more {
            self.remember(text);
        }
        if masked.is_some() {
            for frame in &mut out[said..] {
                *frame = text::unmasked(frame, &hidden);
            }
        }
        self.spoil(now, None, venue, said, out);
        done.map_err(Broken::Offence)?;
        if let Speaker::Player(_, Play::Unbegun(begin)) = &mut self.speaker
            && more
            && begin.is_none_or(|begin| now < begin.at(venue))
        {
            *begin = Begin::of(now, venue);
        }
        Ok(())
    }

    /// Becomes a connection for orders, if the exchange takes this frame for that.
    fn join(&mut self, text: &str, venue: &Venue) {
        let accounts = venue.exchange.mirror().accounts();
        if let (Speaker::Market(session), Some(accounts)) = (&mut self.speaker, accounts)
            && let Some(session) = accounts.join(text, session)
        {
            self.speaker = Speaker::Account(Account::new(session, self.from));
        }
    }

    /// Says what this client follows of these news; `venue` stands at them.
    pub(crate) fn handle_news(&mut self, venue: &Venue, news: &News, out: &mut Vec<String>) {
        if let Speaker::Account(account) = &mut self.speaker {
            return account.handle_news(news, venue, out);
        }
        for event in &news.events {
            let said = out.len();
            self.handle_crossed(event, venue, out);
            if let Some(book) = faulty::book_of(event) {
                self.spoil(venue.at(), Some(book), venue, said, out);
            }
        }
    }

    /// Does what is due: heartbeats of the protocol.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Nanos,
        venue: &Venue,
        out: &mut Vec<String>,
    ) -> Result<(), Broken> {
        let unix = venue.unix(now);
        let said = out.len();
        let done = match &mut self.speaker {
            Speaker::Market(session) | Speaker::Player(session, _) => {
                let due = session.poll_timeout().is_some_and(|due| due <= unix);
                let done = due.then(|| session.handle_timeout(unix, out));
                done.unwrap_or(Ok(())).map_err(Broken::Offence)
            }
            Speaker::Account(account) => return account.handle_timeout(now, unix, out),
        };
        self.spoil(now, None, venue, said, out);
        done
    }

    /// When something is due; `room` says whether a recording may go on.
    pub(crate) fn poll_timeout(&self, room: bool, venue: &Venue) -> Nanos {
        let of = |session: &dyn MirrorSession| {
            let due = session.poll_timeout();
            due.map_or(Nanos::NEVER, |due| venue.nanos(due))
        };
        let spoiled = self.spoiler.poll_timeout();
        spoiled.min(match &self.speaker {
            Speaker::Market(session) => of(&**session),
            Speaker::Player(session, play) => of(&**session).min(match play {
                Play::Unbegun(Some(begin)) => begin.at(venue),
                Play::On(_, Waiting::Room) if room => Nanos::ZERO,
                Play::On(_, Waiting::Until(due)) => *due,
                Play::Unbegun(None)
                | Play::On(_, Waiting::Room | Waiting::Snapshot)
                | Play::End => Nanos::NEVER,
            }),
            Speaker::Account(account) => account.poll_timeout(venue),
        })
    }

    /// Plays the recording on for at most about `room` bytes.
    pub(crate) fn play(
        &mut self,
        now: Nanos,
        venue: &Venue,
        room: usize,
        out: &mut Vec<String>,
    ) -> Result<(), Broken> {
        let (Speaker::Player(session, play), Source::Play(recording, speed)) =
            (&mut self.speaker, &venue.source)
        else {
            return Ok(());
        };
        if let Play::Unbegun(Some(begin)) = play
            && now >= begin.at(venue)
        {
            let anchor = match begin {
                Begin::Together => Some(recording.start.at()),
                Begin::At(_) => None,
            };
            let playhead = recording.playhead(*speed, anchor);
            let playhead = playhead.map_err(|_| Broken::Recording)?;
            *play = Play::On(Box::new(playhead), Waiting::Room);
        }
        let Play::On(playhead, waiting) = &mut *play else {
            return Ok(());
        };
        *waiting = Waiting::Room;
        let said = out.len();
        let mut bytes = 0;
        while bytes < room {
            let step = playhead.step(now, &**session, |symbol| recording.asked(symbol));
            match step.map_err(|_| Broken::Recording)? {
                Step::Send(raw) => {
                    bytes += raw.len();
                    out.push(raw);
                }
                Step::SendBinary(frame) => {
                    bytes += frame.len();
                    self.binary.push_back(frame);
                }
                Step::Wait(due) => {
                    *waiting = Waiting::Until(due);
                    break;
                }
                Step::NeedsSnapshot => {
                    *waiting = Waiting::Snapshot;
                    break;
                }
                Step::End => {
                    *play = Play::End;
                    break;
                }
            }
        }
        self.spoil(now, None, venue, said, out);
        Ok(())
    }

    /// Whether it is played a recording, and its client awaits snapshots of this symbol.
    pub(crate) fn awaits(&self, symbol: &str) -> bool {
        match &self.speaker {
            Speaker::Player(session, _) => session.awaits(symbol),
            Speaker::Market(_) | Speaker::Account(_) => false,
        }
    }

    /// Whether a recording is played here, and whether its end was reached.
    pub(crate) fn played(&self) -> Option<bool> {
        match &self.speaker {
            Speaker::Player(_, Play::Unbegun(None)) => None,
            Speaker::Player(_, Play::Unbegun(Some(_)) | Play::On(..)) => Some(false),
            Speaker::Player(_, Play::End) => Some(true),
            Speaker::Market(_) | Speaker::Account(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
