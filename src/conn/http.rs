//! Heads and bodies of HTTP answers, as far as handshakes need them. Lenient where that is safe: an
//! intermediary may answer instead of the exchange, and what it says must not be lost. Holds no
//! stream.

/// Headers that an answer may have: intermediaries set many cookies.
const HEADERS_MAX: usize = 512;
/// Bytes that an answer's head may have.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a body that are kept for people to read.
pub(super) const BODY_BYTES_MAX: usize = 256;
/// How many bytes of a chunked body we read: its sizes and extensions stand between the text.
const CHUNKED_BYTES_MAX: usize = 8 * 1024;

/// The status line and headers of one answer.
#[derive(Debug)]
pub(super) struct Head {
    /// How many of the parsed bytes the head takes.
    pub(crate) bytes: usize,
    pub(crate) status: u16,
    /// HTTP/1.0: it can refuse, and upgrades nothing.
    pub(crate) old: bool,
    /// Names as they came; values without blanks around them.
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The head that `answer` begins with; `None` while it is not whole.
    pub(crate) fn parse(answer: &[u8]) -> Result<Option<Self>, String> {
        let mut headers = vec![httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let mut parser = httparse::ParserConfig::default();
        parser
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true);
        let parsed = parser.parse_response(&mut response, answer);
        let bytes = match parsed {
            Ok(httparse::Status::Complete(bytes)) => bytes,
            Ok(httparse::Status::Partial) if answer.len() > HEAD_BYTES_MAX => {
                return Err(format!(
                    "the answer's head is longer than {HEAD_BYTES_MAX} bytes"
                ));
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(format!(
                    "the answer has more than {HEADERS_MAX} header lines"
                ));
            }
            Err(error) => return Err(format!("the answer is no HTTP: {error}")),
        };
        let header = |header: &httparse::Header<'_>| {
            (header.name.to_owned(), header.value.trim_ascii().to_vec())
        };
        Ok(Some(Self {
            bytes,
            status: response.code.unwrap_or(0),
            old: response.version == Some(0),
            headers: response.headers.iter().map(header).collect(),
        }))
    }

    /// All values of the header.
    pub(crate) fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        let named = move |(known, _): &&(String, _)| known.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(named)
            .map(|(_, value)| &value[..])
    }

    /// The first value of the header, if it is a text.
    pub(crate) fn text<'h>(&'h self, name: &'h str) -> Option<&'h str> {
        std::str::from_utf8(self.all(name).next()?).ok()
    }

    /// Whether the header's list names this token.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        let texts = self
            .all(name)
            .filter_map(|value| std::str::from_utf8(value).ok());
        let mut tokens = texts.flat_map(|text| text.split(','));
        tokens.any(|word| word.trim().eq_ignore_ascii_case(token))
    }

    /// How its body ends.
    pub(crate) fn body(&self) -> Body {
        if matches!(self.status, 204 | 304) {
            return Body::Sized(0);
        }
        if self.has_token("transfer-encoding", "chunked") {
            return Body::Chunked;
        }
        let length = self.text("content-length");
        match length.and_then(|text| text.parse::<usize>().ok()) {
            Some(bytes) => Body::Sized(bytes),
            None => Body::ToTheEnd,
        }
    }
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// After this many bytes.
    Sized(usize),
    /// With an empty chunk.
    Chunked,
    /// With the connection.
    ToTheEnd,
}

impl Body {
    /// The beginning of the body's text in `raw`, and whether that is as much as is worth waiting
    /// for.
    pub(crate) fn read(self, raw: &[u8]) -> (Vec<u8>, bool) {
        let (mut text, whole) = match self {
            Self::Sized(bytes) => (raw[..raw.len().min(bytes)].to_vec(), raw.len() >= bytes),
            Self::Chunked => dechunked(raw),
            Self::ToTheEnd => (raw.to_vec(), false),
        };
        let enough = text.len() >= BODY_BYTES_MAX || raw.len() >= CHUNKED_BYTES_MAX;
        text.truncate(BODY_BYTES_MAX);
        (text, whole || enough)
    }
}

/// The text of as many chunks as there are, the last one perhaps cut, and whether the body ended.
/// What is no chunk ends it.
fn dechunked(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    loop {
        let Some(end) = raw.iter().position(|byte| *byte == b'\n') else {
            return (text, false);
        };
        let line = std::str::from_utf8(&raw[..end]).unwrap_or("");
        let size = line.split(';').next().unwrap_or("").trim();
        let Ok(size) = usize::from_str_radix(size, 16) else {
            return (text, true);
        };
        raw = &raw[end + 1..];
        text.extend_from_slice(&raw[..raw.len().min(size)]);
        if size == 0 || raw.len() < size {
            return (text, size == 0);
        }
        raw = &raw[size..];
        let line_end = raw.iter().take_while(|byte| matches!(byte, b'\r')).count() + 1;
        if raw.len() < line_end {
            return (text, false);
        }
        raw = &raw[line_end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_wherever_they_are_cut() {
        let raw = b"5\r\nhello\r\n7;name=x\r\n, world\r\n0\r\n\r\n";
        assert_eq!(dechunked(raw), (b"hello, world".to_vec(), true));
        for cut in 0..raw.len() {
            let (text, _) = dechunked(&raw[..cut]);
            assert!(b"hello, world".starts_with(&text[..]), "cut at {cut}");
        }
        assert_eq!(dechunked(b"5\nhello\n0\n\n"), (b"hello".to_vec(), true));
        assert_eq!(dechunked(b"zz\r\nhello"), (Vec::new(), true));
        assert_eq!(
            dechunked(b"ffffffffffffffff\r\nab"),
            (b"ab".to_vec(), false)
        );
    }

    #[test]
    fn a_head_is_read_whole_or_not_at_all() {
        let head = b"HTTP/1.1 200 OK\r\nA: 1\r\nB : \xe9\r\n\r\nrest";
        for cut in 0..head.len() - 4 {
            assert!(Head::parse(&head[..cut]).unwrap().is_none(), "cut at {cut}");
        }
        let whole = Head::parse(head).unwrap().unwrap();
        assert_eq!((whole.status, whole.bytes), (200, head.len() - 4));
        assert_eq!((whole.text("a"), whole.text("b")), (Some("1"), None));
        assert!(Head::parse(b"SSH-2.0-x\r\n").is_err());
        let long = [
            b"HTTP/1.1 200 OK\r\nA: ".to_vec(),
            vec![b'a'; HEAD_BYTES_MAX],
        ]
        .concat();
        assert!(Head::parse(&long).is_err());
    }
}
