//! One WebSocket of a client, in messages: the exchange's half of its protocol, and the events or
//! the recording that flow down it. Knows no framing and counts no bytes on a wire.

use super::play::{Playhead, Step, Subscriptions};
use super::simulated::{Source, Venue};
use crate::base::{Nanos, Span};
use crate::exchange::mirror::{AccountSession, Happened, MirrorSession, Offence};

/// A recording starts this long after the last subscription, so that one which a client
/// must spread over several messages (5 a second) is whole before the first frame.
const UNCHANGED: Span = Span::from_millis(300);

/// Why an exchange ends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It is subscribed to more streams than a connection may carry.
    TooManyStreams,
    /// The exchange's protocol does not allow what the client did.
    Offence(Offence),
    /// The recording could not be read any further.
    Recording,
}

/// What a connection says.
enum Speaker {
    /// What the market does.
    Market(Box<dyn MirrorSession>),
    /// What was recorded.
    Player(Box<dyn MirrorSession>, Play),
    /// What becomes of orders.
    Account(Box<dyn AccountSession>),
}

enum Play {
    /// Since this time nothing more was subscribed to; none before the first subscription.
    Unbegun(Option<Nanos>),
    On(Box<Playhead>, Waiting),
    End,
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
}

impl Session {
    /// A connection of `venue` that asks for this target at `now`; `None` if nothing listens.
    pub(crate) fn new(now: Nanos, venue: &Venue, target: &str) -> Option<Self> {
        let mirror = venue.exchange.mirror();
        let speaker = match mirror.session(target) {
            None => Speaker::Account(mirror.accounts()?.session(target, venue.unix(now))?),
            Some(session) => match (&venue.source, session.names()) {
                (Source::Play(..), Some(names)) => {
                    let since = (!names.is_empty()).then_some(now);
                    Speaker::Player(session, Play::Unbegun(since))
                }
                (Source::Flow(_) | Source::Play(..), _) => Speaker::Market(session),
            },
        };
        Some(Self {
            speaker,
            streams_max: mirror
                .streams_max()
                .unwrap_or(venue.exchange.limits().streams_per_connection),
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
        let (done, more) = match &mut self.speaker {
            Speaker::Market(session) | Speaker::Player(session, _) => {
                let before = session.streams();
                let done = session.handle_text(text, venue, out);
                (done, session.streams() > before)
            }
            Speaker::Account(session) => {
                session.handle_text(text, venue, out);
                return Ok(());
            }
        };
        if self.is_too_wide() {
            out.truncate(said);
            return Err(Broken::TooManyStreams);
        }
        done.map_err(Broken::Offence)?;
        if let Speaker::Player(_, Play::Unbegun(since)) = &mut self.speaker
            && more
        {
            *since = Some(now);
        }
        Ok(())
    }

    /// Says what this client follows of these events; `venue` stands at them.
    pub(crate) fn handle_events(
        &mut self,
        venue: &Venue,
        events: &[Happened],
        out: &mut Vec<String>,
    ) {
        match &mut self.speaker {
            Speaker::Market(session) => {
                for event in events {
                    session.handle_event(event, venue, out);
                }
            }
            Speaker::Player(..) | Speaker::Account(_) => {}
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
        match &mut self.speaker {
            Speaker::Market(session) | Speaker::Player(session, _) => {
                if session.poll_timeout().is_none_or(|due| unix < due) {
                    return Ok(());
                }
                session.handle_timeout(unix, out).map_err(Broken::Offence)
            }
            Speaker::Account(_) => Ok(()),
        }
    }

    /// When something is due; `room` says whether a recording may go on.
    pub(crate) fn poll_timeout(&self, room: bool, venue: &Venue) -> Nanos {
        match &self.speaker {
            Speaker::Market(session) => session
                .poll_timeout()
                .map_or(Nanos::NEVER, |due| venue.nanos(due)),
            Speaker::Player(_, play) => match play {
                Play::Unbegun(Some(since)) => *since + UNCHANGED,
                Play::On(_, Waiting::Room) if room => Nanos::ZERO,
                Play::On(_, Waiting::Until(due)) => *due,
                Play::Unbegun(None)
                | Play::On(_, Waiting::Room | Waiting::Snapshot)
                | Play::End => Nanos::NEVER,
            },
            Speaker::Account(_) => Nanos::NEVER,
        }
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
        if let Play::Unbegun(Some(since)) = play
            && now >= *since + UNCHANGED
        {
            let playhead = recording.playhead(*speed).map_err(|_| Broken::Recording)?;
            *play = Play::On(Box::new(playhead), Waiting::Room);
        }
        let (Play::On(playhead, waiting), Some(names)) = (&mut *play, session.names()) else {
            return Ok(());
        };
        *waiting = Waiting::Room;
        let mut bytes = 0;
        while bytes < room {
            let step = playhead.step(now, names, |symbol| recording.asked(symbol));
            match step.map_err(|_| Broken::Recording)? {
                Step::Send(raw) => {
                    bytes += raw.len();
                    out.push(raw);
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
        Ok(())
    }

    /// The streams of a recording that it follows, if it plays one.
    pub(crate) fn played_names(&self) -> Option<&Subscriptions> {
        match &self.speaker {
            Speaker::Player(session, _) => session.names(),
            Speaker::Market(_) | Speaker::Account(_) => None,
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
