//! A line with a checksum of its own: a JSON object whose last member is the CRC-32 of the rest.

/// In front of a line's checksum, which ends it.
const CRC: &str = r#","crc32":""#;

/// A JSON object with at least one member as a line, with its checksum and its line feed.
pub(crate) fn seal(mut object: String) -> String {
    let crc = crc32(object.as_bytes());
    object.truncate(object.len().saturating_sub(1)); // Its closing brace.
    format!("{object}{CRC}{crc:08x}\"}}\n")
}

/// The object of a line without its line feed; `None` if it is not as it was written.
pub(super) fn unseal(line: &str) -> Option<String> {
    let (text, crc) = line.strip_suffix("\"}")?.rsplit_once(CRC)?;
    let text = format!("{text}}}");
    (crc == format!("{:08x}", crc32(text.as_bytes()))).then_some(text)
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
