//! `MANIFEST.jsonl`: what a recording's folder holds, a JSON object a line, each with a checksum of its own.

use serde::{Deserialize, Serialize};

/// The name of the file.
pub const NAME: &str = "MANIFEST.jsonl";
/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// In front of a line's checksum, which ends it.
const CRC: &str = r#","crc32":""#;

/// A line of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
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
pub struct Begin {
    /// [`VERSION`] of whoever wrote it.
    pub recording: u32,
    /// The version of tickwire that recorded.
    pub tickwire: String,
    /// When, RFC 3339 in UTC.
    pub started: String,
}

/// A finished segment: one file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Name of the file, in this folder.
    pub file: String,
    /// Its lines.
    pub lines: u64,
    /// Its bytes, unpacked.
    pub raw_bytes: u64,
    /// Its bytes as they are in the file.
    pub bytes: u64,
    /// Of the file as it is.
    pub sha256: String,
    /// Receive time of its first line, in nanoseconds since 1970.
    pub first_ts_ns: u64,
    /// Receive time of its last line.
    pub last_ts_ns: u64,
    /// Messages that came while it was written and are not in the recording.
    pub lost: u64,
}

/// How the manifest of a recording ends that was ended in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// When, RFC 3339 in UTC.
    pub ended: String,
    /// Messages that are not in the recording, of all its series.
    pub lost: u64,
}

impl Entry {
    /// As a line, with its line feed.
    pub fn to_line(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        let crc = crc32(text.as_bytes());
        text.truncate(text.len().saturating_sub(1)); // Its closing brace.
        format!("{text}{CRC}{crc:08x}\"}}\n")
    }

    /// A line without its line feed. `None` where it is not one, or not as it was written.
    pub fn parse(line: &str) -> Option<Self> {
        let (text, crc) = line.strip_suffix("\"}")?.rsplit_once(CRC)?;
        let text = format!("{text}}}");
        let same = crc == format!("{:08x}", crc32(text.as_bytes()));
        same.then(|| serde_json::from_str(&text).ok()).flatten()
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were_written_and_no_changed_byte_passes() {
        let entries = [
            Entry::Begin(Begin {
                recording: VERSION,
                tickwire: "0.1.0".into(),
                started: "2026-01-01T00:00:00Z".into(),
            }),
            Entry::Segment(Segment {
                file: "binance-00001.jsonl.gz".into(),
                lines: 3,
                ..Segment::default()
            }),
            Entry::End(End {
                ended: "2026-01-01T00:01:00Z".into(),
                lost: 0,
            }),
        ];
        for entry in entries {
            let line = entry.to_line();
            let line = line.strip_suffix('\n').unwrap();
            assert!(
                serde_json::from_str::<serde_json::Value>(line).is_ok(),
                "{line}"
            );
            assert_eq!(Entry::parse(line), Some(entry));
            for at in 0..line.len() {
                let mut bytes = line.as_bytes().to_vec();
                bytes[at] ^= 1;
                let changed = String::from_utf8(bytes).unwrap();
                assert_eq!(Entry::parse(&changed), None, "{changed}");
            }
            assert_eq!(Entry::parse(&line[..line.len() - 1]), None);
        }
    }
}
