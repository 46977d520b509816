//! Several recordings as one order: by the time at which each entry was received.

use super::chain::Reader;
use super::entry::{Entries, Entry, ReadError};
use super::line::Line;

/// Recordings that are read together, each numbered by its place.
///
/// Invariant: the next entry of every recording that has not ended waits here.
#[derive(Default)]
pub(crate) struct Merge {
    recordings: Vec<Recording>,
}

struct Recording {
    /// The next entry, and those behind it.
    entries: Entries,
    ended: bool,
    /// The entry that was given last.
    given: Line,
}

impl Merge {
    /// One more recording. Add all of them before the first entry is asked for.
    ///
    /// # Errors
    /// If its first line cannot be read.
    pub(crate) fn add(&mut self, reader: Reader) -> Result<(), ReadError> {
        let mut entries = Entries::new(reader);
        let ended = !entries.advance()?;
        self.recordings.push(Recording {
            entries,
            ended,
            given: Line::default(),
        });
        Ok(())
    }

    /// The next entry and the number of its recording. An entry without a time comes at once. If
    /// two have the same time, the first recording's comes first.
    ///
    /// # Errors
    /// If the recording's line after it cannot be read.
    pub(crate) fn next_entry(&mut self) -> Result<Option<(usize, Entry<'_>)>, ReadError> {
        let Some((time, number)) = self.waiting().min() else {
            return Ok(None);
        };
        self.check(time, number);
        let recording = &mut self.recordings[number];
        recording.entries.swap(&mut recording.given);
        recording.ended = !recording.entries.advance()?;
        Ok(Some((number, recording.given.entry())))
    }

    /// Nothing more comes from this recording.
    pub(crate) fn ended(&self, number: usize) -> bool {
        self.recordings[number].ended
    }

    /// The time of each entry that waits, and the number of its recording.
    fn waiting(&self) -> impl Iterator<Item = (u64, usize)> {
        let all = self.recordings.iter().enumerate();
        let waiting = all.filter(|(_, one)| !one.ended);
        waiting.map(|(n, one)| (one.entries.time(), n))
    }

    /// Nothing that waits comes before the entry of `number`, and nothing beside it before it in
    /// place.
    fn check(&self, time: u64, number: usize) {
        for (other, n) in self.waiting() {
            debug_assert!(time <= other);
            debug_assert!(time < other || number <= n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording of entries at these times; each entry says its own time.
    fn recording(times: &[Option<u64>]) -> Reader {
        let line = |time: &Option<u64>| {
            let time = time.map_or("null".to_owned(), |time| time.to_string());
            format!("{{\"ts_ns\":{time},\"conn\":\"c\",\"kind\":\"ws\",\"raw\":\"{time}\"}}\n")
        };
        let text: String = times.iter().map(line).collect();
        Box::new(std::io::Cursor::new(text))
    }

    fn merged(recordings: &[&[Option<u64>]]) -> Vec<(usize, String)> {
        let mut merge = Merge::default();
        for times in recordings {
            merge.add(recording(times)).unwrap();
        }
        let next = || {
            let (n, entry) = merge.next_entry().unwrap()?;
            Some((n, entry.raw.into_owned()))
        };
        std::iter::from_fn(next).collect()
    }

    fn at(number: usize, raw: &str) -> (usize, String) {
        (number, raw.to_owned())
    }

    #[test]
    fn entries_come_by_time_and_those_of_one_time_by_the_place_of_their_recording() {
        let (a, b) = ([Some(1), Some(5)], [Some(1), Some(2), Some(5), Some(6)]);
        let want = [
            at(0, "1"),
            at(1, "1"),
            at(1, "2"),
            at(0, "5"),
            at(1, "5"),
            at(1, "6"),
        ];
        assert_eq!(merged(&[&a, &b]), want);
        assert_eq!(merged(&[&[], &[]]), []);
    }

    #[test]
    fn an_entry_without_a_time_comes_at_once_and_one_out_of_order_when_its_recording_gets_there() {
        let (a, b) = ([Some(3), None, Some(1)], [Some(2), Some(4)]);
        let want = [
            at(1, "2"),
            at(0, "3"),
            at(0, "null"),
            at(0, "1"),
            at(1, "4"),
        ];
        assert_eq!(merged(&[&a, &b]), want);
    }

    #[test]
    fn a_recording_has_ended_once_its_last_entry_was_given() {
        let mut merge = Merge::default();
        merge.add(recording(&[Some(1)])).unwrap();
        merge.add(recording(&[Some(2)])).unwrap();
        assert!(!merge.ended(0));
        merge.next_entry().unwrap();
        assert!(merge.ended(0) && !merge.ended(1));
    }

    #[test]
    fn a_line_that_is_none_ends_the_merge_before_the_entry_in_front_of_it() {
        let mut merge = Merge::default();
        assert!(merge.add(Box::new(&b"nonsense"[..])).is_err());
        let good = r#"{"ts_ns":1,"conn":"c","kind":"ws","raw":""}"#;
        let text = format!("{good}\nnonsense\n");
        merge.add(Box::new(std::io::Cursor::new(text))).unwrap();
        let error = merge.next_entry().unwrap_err();
        assert!(matches!(error, ReadError::BadLine(2, _)), "{error}");
    }
}
