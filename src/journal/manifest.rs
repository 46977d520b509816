//! `MANIFEST.jsonl`: what a recording's folder holds, one JSON object per line, each with a
//! checksum of its own.

use super::sealed::{seal, unseal};
use crate::base::UnixNanos;
use crate::base::text::rfc3339_millis;
use serde::{Deserialize, Serialize};

/// The name of the file.
pub(crate) const NAME: &str = "MANIFEST.jsonl";
/// The version of the format that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;

/// What a line of the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Item {
    /// A segment that is finished.
    Segment(Segment),
    /// The first line.
    Begin(Begin),
    /// The last line of a recording that ended in order.
    End(End),
}

/// How the manifest begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {
    /// [`VERSION`] of whoever wrote it.
    pub(super) recording: u32,
    /// The version of tickwire that recorded.
    pub(super) tickwire: String,
    /// When, RFC 3339 in UTC.
    pub(super) started: String,
}

/// A finished segment: one file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Segment {
    /// Name of the file, in this folder.
    pub(super) file: String,
    /// Its lines.
    pub(super) lines: u64,
    /// Its bytes, unpacked.
    pub(super) raw_bytes: u64,
    /// Its bytes as they are in the file.
    pub(super) bytes: u64,
    /// The SHA-256 of the file as it is on the disk.
    pub(super) sha256: String,
    /// Receive time of its first line, in nanoseconds since 1970.
    pub(super) first_ts_ns: u64,
    /// Receive time of its last line.
    pub(super) last_ts_ns: u64,
    /// Messages that came while it was written and are not in the recording.
    pub(super) lost: u64,
}

/// How the manifest of a recording ends that was ended in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    /// When, RFC 3339 in UTC.
    pub(super) ended: String,
    /// Messages of all series that the recording lacks.
    pub(super) lost: u64,
}

impl Segment {
    /// One more line, received at this time.
    pub(super) fn add_line(&mut self, ts_ns: u64) {
        if self.lines == 0 {
            self.first_ts_ns = ts_ns;
        }
        self.last_ts_ns = ts_ns;
        self.lines += 1;
    }
}

impl Item {
    /// The first line, written by this build.
    pub(crate) fn begin(started: UnixNanos) -> Self {
        Self::Begin(Begin {
            recording: VERSION,
            tickwire: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339_millis(started),
        })
    }

    /// The last line of a recording that ends in order and lacks this many messages.
    pub(crate) fn end(ended: UnixNanos, lost: u64) -> Self {
        Self::End(End {
            ended: rfc3339_millis(ended),
            lost,
        })
    }

    /// As a line, with its line feed.
    pub(crate) fn to_line(&self) -> String {
        seal(serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads a line without its line feed; `None` if it is not one, or not as it was written.
    pub(super) fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(&unseal(line)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were_written_and_no_changed_byte_passes() {
        let items = [
            Item::Begin(Begin {
                recording: VERSION,
                tickwire: "0.1.0".into(),
                started: "2026-01-01T00:00:00Z".into(),
            }),
            Item::Segment(Segment {
                file: "binance-00001.jsonl.gz".into(),
                lines: 3,
                ..Segment::default()
            }),
            Item::End(End {
                ended: "2026-01-01T00:01:00Z".into(),
                lost: 0,
            }),
        ];
        for item in items {
            let line = item.to_line();
            let line = line.strip_suffix('\n').unwrap();
            assert!(
                serde_json::from_str::<serde_json::Value>(line).is_ok(),
                "{line}"
            );
            assert_eq!(Item::parse(line), Some(item));
            for at in 0..line.len() {
                let mut bytes = line.as_bytes().to_vec();
                bytes[at] ^= 1;
                let changed = String::from_utf8(bytes).unwrap();
                assert_eq!(Item::parse(&changed), None, "{changed}");
            }
            assert_eq!(Item::parse(&line[..line.len() - 1]), None);
        }
    }
}
