//! The two ways in which recordings are packed: gzip, and zstd. Either makes a row of whole
//! members, which zstd calls frames, and a member ends with a checksum of what is in it.

use flate2::Compression;
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use flate2::write::GzEncoder;
use std::io::{self, BufRead, Read, Write};

/// The fastest level of zstd but those that pack worse than gzip.
const ZSTD_LEVEL: i32 = 1;

/// How a recording is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pack {
    /// As every tool reads it.
    #[default]
    Gzip,
    /// A third smaller.
    Zstd,
}

impl Pack {
    /// All there are.
    pub(super) const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What names of such files end with.
    pub(super) const fn end(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// How a file of this name is packed; `None` if it does not say so.
    pub(super) fn named(file: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| file.ends_with(one.end()))
    }

    /// How a file is packed that begins so; `None` if it is not packed.
    pub(super) fn begun(first: &[u8]) -> Option<Self> {
        let magic = |one: &Self| match one {
            Self::Gzip => first.starts_with(&[0x1f, 0x8b]),
            Self::Zstd => first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        };
        Self::ALL.into_iter().find(magic)
    }

    /// Begins a member.
    pub(super) fn begin(self) -> io::Result<Packer> {
        Ok(match self {
            Self::Gzip => Packer::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Self::Zstd => {
                let mut packer = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                packer.include_checksum(true)?;
                Packer::Zstd(packer)
            }
        })
    }

    /// What all members hold.
    pub(super) fn unpacked(
        self,
        packed: impl BufRead + Send + 'static,
    ) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
        })
    }

    /// Appends what the next member holds to `text`, `bytes_max` bytes at most, and leaves those
    /// behind it.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the member is cut; others if it is damaged.
    pub(super) fn unpack_member(
        self,
        packed: &mut impl BufRead,
        bytes_max: u64,
        text: &mut Vec<u8>,
    ) -> io::Result<()> {
        match self {
            Self::Gzip => GzDecoder::new(packed).take(bytes_max).read_to_end(text)?,
            Self::Zstd => {
                let member = zstd::Decoder::with_buffer(packed)?.single_frame();
                { member }.take(bytes_max).read_to_end(text)?
            }
        };
        Ok(())
    }
}

/// A member that is being written.
pub(super) enum Packer {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Packer {
    /// Adds to what it holds.
    pub(super) fn add(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(packer) => packer.write_all(text),
            Self::Zstd(packer) => packer.write_all(text),
        }
    }

    /// Ends it: all its bytes.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(packer) => packer.finish(),
            Self::Zstd(packer) => packer.finish(),
        }
    }
}
