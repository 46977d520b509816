//! A market connection: its subscriptions, and the events or the recording that flow down it.
//! Holds its client to the exchange's limits.

use super::super::flow::Event;
use super::super::play::{Playhead, Step, Subscriptions};
use super::super::venue::{Source, Venue};
use super::super::ws::Peer;
use super::{Cut, Pipe};
use crate::base::Nanos;
use crate::exchange::binance_spot::mirror::control::{self, Control};
use crate::exchange::binance_spot::mirror::{Listing, TimeUnit, market};
use tungstenite::protocol::frame::coding::CloseCode;

/// Streams of one connection, at most.
pub const STREAMS_MAX: usize = 1024;
/// A recording starts this long after the last subscription, so that one which a client
/// must spread over several messages (5 a second) is whole before the first frame.
const SETTLE: Nanos = Nanos::from_millis(300);

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
    combined: bool,
    unit: TimeUnit,
    names: Subscriptions,
    play: Play,
}

impl Streams {
    pub fn new(now: Nanos, combined: bool, names: Vec<String>, unit: TimeUnit) -> Self {
        let names = Subscriptions::from_iter(names);
        let play = Play::Settling((!names.is_empty()).then_some(now));
        Self {
            peer: Peer::new(now, true),
            combined,
            unit,
            names,
            play,
        }
    }

    /// Answers the client's requests.
    pub fn handle_input(&mut self, now: Nanos, pipe: &mut Pipe) -> Result<(), Cut> {
        while let Some(text) = self.peer.read(now, pipe)? {
            let answer = match control::parse(&text) {
                Ok((id, Control::Subscribe(names))) => {
                    self.names.extend(names);
                    if self.names.len() > STREAMS_MAX {
                        return Err(self
                            .peer
                            .close(pipe, CloseCode::Policy, Cut::TooManyStreams));
                    }
                    if let Play::Settling(since) = &mut self.play {
                        *since = Some(now);
                    }
                    control::done(&id)
                }
                Ok((id, Control::Unsubscribe(names))) => {
                    self.names.retain(|name| !names.contains(name));
                    control::done(&id)
                }
                Ok((id, Control::ListSubscriptions)) => control::list(&id, self.names.iter()),
                Err(refusal) => refusal,
            };
            self.peer.send(pipe, answer);
        }
        Ok(())
    }

    /// Sends the events that are subscribed to; gives how many.
    pub fn publish(&mut self, pipe: &mut Pipe, venue: &Venue, events: &[Event]) -> u64 {
        let mut frames = 0;
        for event in events {
            let (listing, name) = venue.stream_of(event);
            if self.names.contains(&name) {
                let mut text = String::with_capacity(512);
                if self.combined {
                    market::push_combined(&mut text, &name, |text| self.push(text, listing, event));
                } else {
                    self.push(&mut text, listing, event);
                }
                frames += u64::from(self.peer.send(pipe, text));
            }
        }
        frames
    }

    fn push(&self, text: &mut String, listing: &Listing, event: &Event) {
        let instrument = &listing.instrument;
        match event {
            Event::Depth {
                diff, bids, asks, ..
            } => {
                market::push_depth_update(text, instrument, self.unit, diff, bids, asks);
            }
            Event::Trade(trade) => market::push_trade(text, instrument, self.unit, trade),
            Event::Quote(quote) => market::push_book_ticker(text, instrument, quote),
        }
    }

    pub fn handle_timeout(&mut self, now: Nanos, pipe: &mut Pipe, payload: i64) -> Result<(), Cut> {
        self.peer.handle_timeout(now, pipe, payload)
    }

    /// When something is due; `room` says whether a recording may go on.
    pub fn poll_timeout(&self, room: bool) -> Nanos {
        let play = match self.play {
            Play::Settling(Some(since)) => since + SETTLE,
            Play::On(_, Waiting::Room) if room => Nanos::ZERO,
            Play::On(_, Waiting::Until(due)) => due,
            Play::Settling(None) | Play::On(_, Waiting::Room | Waiting::Snapshot) | Play::End => {
                Nanos::NEVER
            }
        };
        play.min(self.peer.poll_timeout())
    }

    /// Plays the recording on for at most about `room` bytes; gives the frames sent.
    pub fn play(
        &mut self,
        now: Nanos,
        pipe: &mut Pipe,
        venue: &Venue,
        room: usize,
    ) -> Result<u64, Cut> {
        let Source::Play(recording, speed) = &venue.source else {
            // A market is never settled upon: it runs whether or not anybody looks.
            self.play = Play::End;
            return Ok(0);
        };
        if let Play::Settling(Some(since)) = self.play
            && now >= since + SETTLE
        {
            let lines = recording.lines().map_err(|_| Cut::Recording)?;
            self.play = Play::On(Box::new(Playhead::new(lines, *speed)), Waiting::Room);
        }
        let Play::On(playhead, waiting) = &mut self.play else {
            return Ok(0);
        };
        let mut frames = 0;
        *waiting = Waiting::Room;
        while pipe.output.len() < room {
            let step = playhead.step(now, &self.names, |symbol| recording.asked(symbol));
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
                    self.play = Play::End;
                    break;
                }
            }
        }
        Ok(frames)
    }

    /// The streams that it follows.
    pub fn names(&self) -> &Subscriptions {
        &self.names
    }

    /// Whether a recording is played here, and whether its end was reached.
    pub fn played(&self) -> Option<bool> {
        match &self.play {
            Play::Settling(None) => None,
            Play::Settling(Some(_)) | Play::On(..) => Some(false),
            Play::End => Some(true),
        }
    }
}
