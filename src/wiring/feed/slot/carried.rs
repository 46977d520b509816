//! The part of [`Slot`] for the lines that carry its streams. Reads no level.

use super::{Outlet, Slot};
use crate::base::{Channel, Nanos};
use crate::wiring::feed::{Heard, Lines};

impl<const N: usize> Slot<N> {
    /// The lines of this part carry the stream.
    pub(crate) fn is_in(&self, channel: Channel, part: u8) -> bool {
        self.parts[channel as usize] == part
    }

    /// A line of this part is up; `first` says that no other one of the part is.
    pub(crate) fn connected(
        &mut self,
        now: Nanos,
        line: u8,
        (part, epoch): (u8, u32),
        first: bool,
    ) {
        self.heard[usize::from(line)] = 0;
        let with_book = self.book.is_some();
        if with_book && !self.is_in(Channel::Depth, part) {
            return;
        }
        if first {
            (self.newest, self.heard_at) = (Nanos::ZERO, Nanos::ZERO);
            self.epoch = epoch.max(self.epoch + 1);
        }
        if let Some(book) = &mut self.book {
            book.handle_connected(now, line, epoch);
        }
    }

    /// A line of this part ended; `last` says that no other one of the part is up.
    pub(crate) fn disconnected(&mut self, now: Nanos, line: u8, part: u8, last: bool) {
        let lost = Channel::ALL.into_iter().filter(|_| last);
        for channel in lost.filter(|channel| self.parts[*channel as usize] == part) {
            self.pulse.subscribed(now, channel, false);
        }
        if self.is_in(Channel::Depth, part)
            && let Some(book) = &mut self.book
        {
            book.handle_disconnected(now, line);
        }
    }

    /// The exchange confirmed or refused one of its streams on this line of this part.
    pub(crate) fn subscribed(
        &mut self,
        now: Nanos,
        (line, part): (u8, u8),
        channel: Channel,
        confirmed: bool,
    ) {
        if !self.is_in(channel, part) {
            return; // It has moved meanwhile.
        }
        self.pulse.subscribed(now, channel, confirmed);
        let Some(book) = &mut self.book else { return };
        match (channel, confirmed) {
            (Channel::Depth, true) => book.handle_started(now, line),
            (Channel::Depth, false) => book.handle_refused(now, line),
            (Channel::Trades | Channel::Quotes, _) => {}
        }
    }

    /// The lines of this part carry the stream from here on: its book starts from nothing. False if
    /// they did before.
    pub(crate) fn moved(&mut self, now: Nanos, channel: Channel, part: u8, lines: &Lines) -> bool {
        let before = std::mem::replace(&mut self.parts[channel as usize], part);
        if before == part {
            return false;
        }
        for heard in &mut self.heard {
            *heard &= !bit(channel);
        }
        self.pulse.subscribed(now, channel, false);
        if channel == Channel::Depth
            && let Some(book) = &mut self.book
        {
            (self.newest, self.heard_at) = (Nanos::ZERO, Nanos::ZERO);
            for (line, _) in lines.up_in(before) {
                book.handle_disconnected(now, line);
            }
            for (line, epoch) in lines.up_in(part) {
                book.handle_connected(now, line, epoch);
            }
        }
        true
    }

    /// A recording has the stream on this line: there it was carried.
    pub(crate) fn follow(&mut self, now: Nanos, line: u8, channel: Channel, lines: &Lines) {
        if self.moved(now, channel, lines.part(line), lines)
            && channel == Channel::Depth
            && let Some(book) = &mut self.book
        {
            book.handle_started(now, line);
        }
    }

    /// Notes that data of this channel came on this line; to be called before the data is taken in.
    pub(crate) fn hear(&mut self, out: &mut Outlet<'_>, now: Nanos, line: u8, channel: Channel) {
        if self.heard[usize::from(line)] & bit(channel) == 0 {
            self.begin(out, now, line, channel);
        }
    }

    /// The first data of this channel on this connection.
    #[cold]
    fn begin(&mut self, out: &mut Outlet<'_>, now: Nanos, line: u8, channel: Channel) {
        let instrument = self.id;
        let heard = Heard::Data {
            instrument,
            channel,
        };
        out.lines.hear(line, heard);
        if out.lines.is_recorded() {
            self.follow(now, line, channel, out.lines);
        }
        self.heard[usize::from(line)] |= bit(channel);
    }
}

fn bit(channel: Channel) -> u8 {
    1 << channel as u8
}
