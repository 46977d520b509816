//! The messages of a replay: as its first reading kept them or, if they are too many for that, from
//! their files again.

use crate::journal::{Entry, Kind, Merge, Place};
use crate::world::os::memory;
use std::collections::HashMap;

/// Bytes of messages that are kept. Longer recordings are unpacked once more for each replay of
/// them, and hold no memory.
const KEPT_BYTES_MAX: usize = 128 << 20;

/// All messages of some recordings, in the order of [`Merge`].
///
/// Invariant: text and messages together have at most `room` bytes, once [`Self::keep`] said so.
pub(super) struct Kept {
    room: usize,
    /// The messages themselves, one behind the other.
    raw: String,
    messages: Vec<Message>,
    /// Where they came from, each once.
    origins: Vec<Origin>,
    places: HashMap<Origin, u32>,
    /// Each recording's last message.
    last: Vec<usize>,
}

/// What a message has of its own. There may be millions.
struct Message {
    ts_ns: Option<u64>,
    origin: u32,
    /// Where it ends in the text, and the next one begins.
    end: u32,
}

/// What many messages have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Origin {
    number: usize,
    conn: String,
    place: Option<Place>,
    kind: Kind,
}

impl Default for Kept {
    fn default() -> Self {
        Self::new(KEPT_BYTES_MAX)
    }
}

impl Kept {
    fn new(room: usize) -> Self {
        Self {
            room,
            raw: String::new(),
            messages: Vec::new(),
            origins: Vec::new(),
            places: HashMap::new(),
            last: Vec::new(),
        }
    }

    /// Takes in the next message. False: these are too many.
    pub(super) fn keep(&mut self, number: usize, entry: &Entry<'_>) -> bool {
        let origin = self.origin(number, entry);
        self.make_room(entry.raw.len());
        self.raw.push_str(&entry.raw);
        self.last.resize(self.last.len().max(number + 1), 0);
        self.last[number] = self.messages.len();
        self.messages.push(Message {
            ts_ns: entry.ts_ns,
            origin,
            end: self.raw.len() as u32, // Over by a message at most: that is not read again.
        });
        self.raw.len() + size_of_val(&*self.messages) <= self.room
    }

    fn origin(&mut self, number: usize, entry: &Entry<'_>) -> u32 {
        let is_its = |origin: &Origin| {
            (origin.number, origin.place, origin.kind) == (number, entry.place, entry.kind)
                && origin.conn == entry.conn
        };
        if let Some(last) = self.messages.last().map(|message| message.origin)
            && is_its(&self.origins[last as usize])
        {
            return last;
        }
        let origin = Origin {
            number,
            conn: entry.conn.to_string(),
            place: entry.place,
            kind: entry.kind,
        };
        let next = self.origins.len() as u32;
        let place = *self.places.entry(origin.clone()).or_insert(next);
        if place == next {
            self.origins.push(origin);
        }
        place
    }

    /// Makes room for as many bytes more: of much text all that there may ever be, on large pages.
    /// Small ones are not free, and most of their cost is that of the first touch.
    fn make_room(&mut self, bytes: usize) {
        const MUCH: usize = 1 << 20;
        let len = self.raw.len();
        if len >= MUCH && len + bytes > self.raw.capacity() {
            self.raw.reserve(bytes.max(self.room.saturating_sub(len)));
            memory::prefer_large_pages(&self.raw);
        }
    }
}

/// The messages of recordings once more.
pub(super) enum Messages<'k> {
    /// As they were kept, and how many were given.
    Kept(&'k Kept, usize),
    /// From their files.
    Files(Merge),
}

impl Messages<'_> {
    /// The next message and the number of its recording.
    ///
    /// # Errors
    /// If the recording's line after it cannot be read.
    pub(super) fn next_entry(&mut self) -> Result<Option<(usize, Entry<'_>)>, String> {
        let (kept, given) = match self {
            Self::Files(merge) => return Ok(merge.next_entry()?),
            Self::Kept(kept, given) => (kept, given),
        };
        let before = given.checked_sub(1);
        let begin = before.map_or(0, |before| kept.messages[before].end);
        let Some(message) = kept.messages.get(*given) else {
            return Ok(None);
        };
        *given += 1;
        let origin = &kept.origins[message.origin as usize];
        let entry = Entry {
            ts_ns: message.ts_ns,
            conn: origin.conn.as_str().into(),
            place: origin.place,
            kind: origin.kind,
            raw: kept.raw[begin as usize..message.end as usize].into(),
        };
        Ok(Some((origin.number, entry)))
    }

    /// Nothing more comes from this recording.
    pub(super) fn ended(&self, number: usize) -> bool {
        match self {
            Self::Files(merge) => merge.ended(number),
            Self::Kept(kept, given) => kept.last.get(number).is_none_or(|last| last < given),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge() -> Merge {
        let line = |time: &str, conn: &str, raw: &str| {
            format!("{{\"ts_ns\":{time},\"conn\":\"{conn}\",\"kind\":\"ws\",\"raw\":\"{raw}\"}}\n")
        };
        let first = [
            line("1", "a#0.1.2", "one"),
            line("5", "b", ""),
            line("5", "a#0.1.3", "é"),
        ];
        let second = [line("2", "b", "two"), line("null", "c#no", "three")];
        let mut merge = Merge::default();
        for lines in [first.concat(), String::new(), second.concat()] {
            merge.add(Box::new(std::io::Cursor::new(lines))).unwrap();
        }
        merge
    }

    #[test]
    fn what_was_kept_is_what_the_files_say() {
        let mut kept = Kept::default();
        let mut files = merge();
        while let Some((number, entry)) = files.next_entry().unwrap() {
            assert!(kept.keep(number, &entry));
        }
        let (mut kept, mut files) = (Messages::Kept(&kept, 0), Messages::Files(merge()));
        for _ in 0..5 {
            let (number, entry) = files.next_entry().unwrap().unwrap();
            assert_eq!(kept.next_entry().unwrap(), Some((number, entry)));
            for number in [0, 2] {
                assert_eq!(kept.ended(number), files.ended(number));
            }
        }
        assert_eq!(files.next_entry().unwrap(), None);
        assert_eq!(kept.next_entry().unwrap(), None);
    }

    #[test]
    fn more_than_there_is_room_for_is_not_kept() {
        let mut files = merge();
        let (number, entry) = files.next_entry().unwrap().unwrap();
        let bytes = entry.raw.len() + size_of::<Message>();
        assert!(Kept::new(bytes).keep(number, &entry));
        assert!(!Kept::new(bytes - 1).keep(number, &entry));
    }
}
