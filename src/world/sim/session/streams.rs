//! A market connection: the exchange's half of its protocol, and the events or the recording that flow down it.
//! Holds its client to the exchange's limits.

use super::super::ws::Peer;
use super::{Cut, Pipe};
use crate::base::Nanos;
use crate::exchange::binance_spot::mirror::SpotSession;
use crate::exchange::mirror::{Happened, MirrorSession, Offence};
use crate::venue::play::{Playhead, Step, Subscriptions};
use crate::venue::simulated::{Source, Venue};
use tungstenite::protocol::frame::coding::CloseCode;

/// A recording starts this long after the last subscription, so that one which a client
/// must spread over several messages (5 a second) is whole before the first frame.
const SETTLE: Nanos = Nanos::from_millis(300);

/// What a market connection says.
enum Speaker {
    /// What the market does.
    Mirror(Box<dyn MirrorSession>),
    /// What was recorded.
    Player(SpotSession, Play),
}

impl Speaker {
    fn session(&mut self) -> &mut dyn MirrorSession {
        match self {
            Self::Mirror(session) => &mut **session,
            Self::Player(session, _) => session,
        }
    }
}

enum Play {
    /// Since this time nothing more was subscribed to; none before the first subscription.
    Settling(Option<Nanos>),
    On(Box<Playhead>, Waiting),
    End,
}

#[derive(Clone, Copy)]
enum Waiting {
    Room,
    Until(Nanos),
    Snapshot,
}

/// The protocol state of one market connection.
pub struct Streams {
    peer: Peer,
    speaker: Speaker,
    streams_max: usize,
    /// Frames on their way from the session to the peer; empty between calls.
    out: Vec<String>,
}

impl Streams {
    /// A connection of `venue` that was upgraded with this target; `session` is what its mirror made of it.
    pub fn open(
        now: Nanos,
        session: Box<dyn MirrorSession>,
        target: &str,
        venue: &mut Venue,
        pipe: &mut Pipe,
    ) -> Self {
        let limits = venue.exchange.limits();
        let speaker = match (&venue.source, SpotSession::open(target)) {
            (Source::Play(..), Some(session)) => {
                let since = (session.streams() > 0).then_some(now);
                Speaker::Player(session, Play::Settling(since))
            }
            (Source::Flow(_) | Source::Play(..), _) => Speaker::Mirror(session),
        };
        let mut streams = Self {
            peer: Peer::new(now, Some(limits.messages), limits.connection_life),
            speaker,
            streams_max: limits.streams_per_connection,
            out: Vec::new(),
        };
        let (session, out) = (streams.speaker.session(), &mut streams.out);
        session.handle_open(venue, out);
        streams.send(pipe);
        streams
    }

    /// Answers the client's requests.
    pub fn handle_input(
        &mut self,
        now: Nanos,
        pipe: &mut Pipe,
        venue: &mut Venue,
    ) -> Result<(), Cut> {
        while let Some(text) = self.peer.read(now, pipe)? {
            let (session, out) = (self.speaker.session(), &mut self.out);
            let before = session.streams();
            let done = session.handle_text(&text, venue, out);
            let streams = session.streams();
            if streams > self.streams_max {
                self.out.clear();
                let peer = &mut self.peer;
                return Err(peer.cut(pipe, CloseCode::Policy, Cut::TooManyStreams));
            }
            self.send(pipe);
            self.keep(done, pipe)?;
            if let Speaker::Player(_, Play::Settling(since)) = &mut self.speaker
                && streams > before
            {
                *since = Some(now);
            }
        }
        Ok(())
    }

    /// Sends what this client follows of these events; `venue` stands at them. Gives the frames sent.
    pub fn handle_events(&mut self, pipe: &mut Pipe, venue: &Venue, events: &[Happened]) -> u64 {
        let Speaker::Mirror(session) = &mut self.speaker else {
            return 0;
        };
        for event in events {
            session.handle_event(event, venue, &mut self.out);
        }
        self.send(pipe)
    }

    /// Does what is due: keep-alive, and heartbeats of the protocol.
    pub fn handle_timeout(
        &mut self,
        now: Nanos,
        pipe: &mut Pipe,
        venue: &Venue,
    ) -> Result<(), Cut> {
        let unix = venue.unix(now);
        self.peer.handle_timeout(now, pipe, unix.as_millis())?;
        let (session, out) = (self.speaker.session(), &mut self.out);
        if session.poll_timeout().is_none_or(|due| unix < due) {
            return Ok(());
        }
        let done = session.handle_timeout(unix, out);
        self.send(pipe);
        self.keep(done, pipe)
    }

    /// When something is due; `room` says whether a recording may go on.
    pub fn poll_timeout(&self, room: bool, venue: &Venue) -> Nanos {
        let due = match &self.speaker {
            Speaker::Mirror(session) => session
                .poll_timeout()
                .map_or(Nanos::NEVER, |due| venue.nanos(due)),
            Speaker::Player(_, play) => match play {
                Play::Settling(Some(since)) => *since + SETTLE,
                Play::On(_, Waiting::Room) if room => Nanos::ZERO,
                Play::On(_, Waiting::Until(due)) => *due,
                Play::Settling(None)
                | Play::On(_, Waiting::Room | Waiting::Snapshot)
                | Play::End => Nanos::NEVER,
            },
        };
        due.min(self.peer.poll_timeout())
    }

    /// Plays the recording on for at most about `room` bytes; gives the frames sent.
    pub fn play(
        &mut self,
        now: Nanos,
        pipe: &mut Pipe,
        venue: &Venue,
        room: usize,
    ) -> Result<u64, Cut> {
        let (Speaker::Player(session, play), Source::Play(recording, speed)) =
            (&mut self.speaker, &venue.source)
        else {
            return Ok(0);
        };
        if let Play::Settling(Some(since)) = play
            && now >= *since + SETTLE
        {
            let playhead = recording.playhead(*speed).map_err(|_| Cut::Recording)?;
            *play = Play::On(Box::new(playhead), Waiting::Room);
        }
        let Play::On(playhead, waiting) = play else {
            return Ok(0);
        };
        let mut frames = 0;
        *waiting = Waiting::Room;
        while pipe.output.len() < room {
            let step = playhead.step(now, session.names(), |symbol| recording.asked(symbol));
            match step.map_err(|_| Cut::Recording)? {
                Step::Send(raw) => frames += u64::from(self.peer.send(pipe, raw)),
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
        Ok(frames)
    }

    /// The streams of a recording that it follows.
    pub fn played_names(&self) -> Option<&Subscriptions> {
        match &self.speaker {
            Speaker::Player(session, _) => Some(session.names()),
            Speaker::Mirror(_) => None,
        }
    }

    /// Whether a recording is played here, and whether its end was reached.
    pub fn played(&self) -> Option<bool> {
        match &self.speaker {
            Speaker::Player(_, Play::Settling(None)) | Speaker::Mirror(_) => None,
            Speaker::Player(_, Play::Settling(Some(_)) | Play::On(..)) => Some(false),
            Speaker::Player(_, Play::End) => Some(true),
        }
    }

    /// Hands the session's frames to the peer; gives how many went out.
    fn send(&mut self, pipe: &mut Pipe) -> u64 {
        let mut frames = 0;
        for text in self.out.drain(..) {
            frames += u64::from(self.peer.send(pipe, text));
        }
        frames
    }

    fn keep(&mut self, done: Result<(), Offence>, pipe: &mut Pipe) -> Result<(), Cut> {
        done.map_err(|offence| {
            self.peer.close(pipe, offence.code.into(), &offence.reason);
            Cut::Offence
        })
    }
}
