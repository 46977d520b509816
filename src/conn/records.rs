//! TLS records once the handshake is over (RFC 8446 §5, RFC 5246 §6.2): opened where they lie, and
//! sealed. Ciphers, keys, and what a ticket or a new key means are rustls's; its own connection
//! would copy what comes in three times and allocate for every record. Never reads, never writes.

use super::tls;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, NONCE_LEN,
    OutboundChunks, OutboundPlainMessage,
};
use rustls::kernel::KernelConnection;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, HandshakeType, InvalidMessage,
    PeerMisbehaved, ProtocolVersion, SupportedCipherSuite,
};
use std::hint::black_box;
use std::ops::Range;

/// Type, version and length, RFC 8446 §5.1.
pub(super) const HEADER_BYTES: usize = 5;
/// The most that a record's length may say, RFC 5246 §6.2.3; RFC 8446 allows less.
const PAYLOAD_BYTES_MAX: usize = PLAIN_BYTES_MAX + 2048;
/// The most that one record of ours carries.
const PLAIN_BYTES_MAX: usize = 16 * 1024;
/// Records in a row without data: a peer that sends more keeps its reader for nothing.
const BARREN_MAX: u32 = 32;
/// The longest message of the handshake that is gathered from several records.
const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;
/// Of a message of the handshake: type and length, RFC 8446 §4.
const MESSAGE_HEADER_BYTES: usize = 4;
/// `update_not_requested` as a whole message, RFC 8446 §4.6.3.
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// How long the record is that `bytes` begin with; `None` until its header is whole.
pub(super) fn record_bytes(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let Some(&[_, _, _, high, low]) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let payload = usize::from(u16::from_be_bytes([high, low]));
    if payload > PAYLOAD_BYTES_MAX {
        return Err(Error::PeerSentOversizedRecord);
    }
    Ok(Some(HEADER_BYTES + payload))
}

/// What a record brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Data at this place in the record.
    Data(Range<usize>),
    /// Nothing for the connection's owner.
    Nothing,
    /// The peer sends no more.
    CloseNotify,
}

/// Both directions of a client's connection.
pub(super) struct Records {
    /// Knows the secrets that follow upon the current ones, and keeps tickets.
    kernel: KernelConnection<ClientConnectionData>,
    opener: Box<dyn MessageDecrypter>,
    /// Records opened under its key: the next one's number. Never goes round, as 2⁶⁴ records never
    /// come.
    opened: u64,
    sealer: Box<dyn MessageEncrypter>,
    /// Records sealed under its key.
    sealed: u64,
    /// Records in a row without data.
    barren: u32,
    /// A message of the handshake that is not whole yet.
    handshake: Vec<u8>,
    /// Of the agreed kind, with a key of its own.
    rehearses: Option<Box<dyn MessageEncrypter>>,
}

impl Records {
    /// Of a connection whose handshake is over.
    pub(super) fn of(tls: UnbufferedClientConnection) -> Result<Self, Error> {
        let (secrets, kernel) = tls.dangerous_into_kernel_connection()?;
        let suite = kernel.negotiated_cipher_suite();
        let ((opened, rx), (sealed, tx)) = (secrets.rx, secrets.tx);
        Ok(Self {
            opener: opener(suite, rx)?,
            opened,
            sealer: sealer(suite, tx)?,
            sealed,
            barren: 0,
            handshake: Vec::new(),
            rehearses: another_key(suite),
            kernel,
        })
    }

    /// Opens one whole record in place; what must be answered goes to `out`.
    #[inline]
    pub(super) fn open(&mut self, record: &mut [u8], out: &mut Vec<u8>) -> Result<Opened, Error> {
        let &[typ, major, minor, ..] = &*record else {
            return Err(InvalidMessage::MessageTooShort.into());
        };
        let typ = ContentType::from(typ);
        if self.is_tls13() && typ != ContentType::ApplicationData {
            return Err(inappropriate(typ));
        }
        let version = ProtocolVersion::from(u16::from_be_bytes([major, minor]));
        let begin = record.as_ptr().addr();
        let sealed = InboundOpaqueMessage::new(typ, version, &mut record[HEADER_BYTES..]);
        let plain = self.opener.decrypt(sealed, self.opened)?;
        self.opened += 1;
        self.barren = match plain.typ {
            ContentType::ApplicationData if !plain.payload.is_empty() => 0,
            _ => self.barren + 1,
        };
        if self.barren > BARREN_MAX {
            return Err(PeerMisbehaved::TooManyEmptyFragments.into());
        }
        match plain.typ {
            _ if !self.handshake.is_empty() && plain.typ != ContentType::Handshake => {
                Err(PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into())
            }
            ContentType::ApplicationData => {
                let from = plain.payload.as_ptr().addr() - begin;
                Ok(Opened::Data(from..from + plain.payload.len()))
            }
            ContentType::Alert => alert(plain.payload, self.is_tls13()),
            ContentType::Handshake => {
                self.handshake.extend_from_slice(plain.payload);
                self.read_handshake(out)?;
                Ok(Opened::Nothing)
            }
            other => Err(inappropriate(other)),
        }
    }

    fn is_tls13(&self) -> bool {
        self.kernel.protocol_version() == ProtocolVersion::TLSv1_3
    }

    /// Takes the messages that are whole.
    #[cold]
    fn read_handshake(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        while let Some(&[typ, a, b, c]) = self.handshake.first_chunk::<MESSAGE_HEADER_BYTES>() {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if length > HANDSHAKE_BYTES_MAX {
                return Err(InvalidMessage::HandshakePayloadTooLarge.into());
            }
            let end = MESSAGE_HEADER_BYTES + length;
            if self.handshake.len() < end {
                break;
            }
            let body: Vec<u8> = self
                .handshake
                .drain(..end)
                .skip(MESSAGE_HEADER_BYTES)
                .collect();
            match (HandshakeType::from(typ), self.is_tls13()) {
                (HandshakeType::NewSessionTicket, true) => {
                    self.kernel.handle_new_session_ticket(&body)?;
                }
                (HandshakeType::KeyUpdate, true) => self.update_keys(&body, out)?,
                // A wish to negotiate anew, which a client may leave unanswered: RFC 5246 §7.4.1.1.
                (HandshakeType::HelloRequest, false) => {}
                (got_type, _) => {
                    return Err(Error::InappropriateHandshakeMessage {
                        expect_types: vec![HandshakeType::NewSessionTicket],
                        got_type,
                    });
                }
            }
        }
        Ok(())
    }

    /// The peer's next record is under a new key, and perhaps it asks for one of ours.
    fn update_keys(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let &[requested @ (0 | 1)] = body else {
            return Err(InvalidMessage::InvalidKeyUpdate.into());
        };
        if !self.handshake.is_empty() {
            return Err(PeerMisbehaved::KeyEpochWithPendingFragment.into());
        }
        let (opened, secrets) = self.kernel.update_rx_secret()?;
        self.opener = opener(self.kernel.negotiated_cipher_suite(), secrets)?;
        self.opened = opened;
        if requested == 1 {
            self.renew_sealer(out)?;
        }
        Ok(())
    }

    /// Says under the old key that the next record is under a new one.
    #[cold]
    fn renew_sealer(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let (sealed, secrets) = self.kernel.update_tx_secret()?; // TLS 1.2 has none, and fails.
        self.seal_one(ContentType::Handshake, &KEY_UPDATE, out)?;
        self.sealer = sealer(self.kernel.negotiated_cipher_suite(), secrets)?;
        self.sealed = sealed;
        Ok(())
    }

    /// Adds records with this data to `out`.
    pub(super) fn seal(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        for part in data.chunks(PLAIN_BYTES_MAX) {
            if self.sealed >= self.records_max() {
                self.renew_sealer(out)?;
            }
            self.seal_one(ContentType::ApplicationData, part, out)?;
        }
        Ok(())
    }

    /// Adds the goodbye to `out`.
    pub(super) fn seal_close_notify(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let alert = [WARNING, AlertDescription::CloseNotify.into()];
        self.seal_one(ContentType::Alert, &alert, out)
    }

    /// Adds what tells the peer why it is left.
    pub(super) fn seal_failure(&mut self, error: &Error, out: &mut Vec<u8>) -> Result<(), Error> {
        let why = match error {
            Error::AlertReceived(_) => return Ok(()), // It knows.
            Error::DecryptError => AlertDescription::BadRecordMac,
            Error::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
            Error::InvalidMessage(_) => AlertDescription::DecodeError,
            _ => AlertDescription::UnexpectedMessage,
        };
        self.seal_one(ContentType::Alert, &[FATAL, why.into()], out)
    }

    fn seal_one(&mut self, typ: ContentType, part: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let record = self.sealer.encrypt(plain(typ, part), self.sealed)?.encode();
        self.sealed += 1;
        if out.is_empty() {
            *out = record;
        } else {
            out.extend_from_slice(&record);
        }
        Ok(())
    }

    /// How many records one key may seal.
    fn records_max(&self) -> u64 {
        match self.kernel.negotiated_cipher_suite() {
            SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
            SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
        }
    }

    /// Seals a record that goes nowhere, as the agreed suite does it. The connection's own keys are
    /// for what leaves. Does nothing under TLS 1.2.
    pub(super) fn rehearse(&mut self, data: &[u8]) {
        if let Some(sealer) = &mut self.rehearses {
            let _ = black_box(sealer.encrypt(plain(ContentType::ApplicationData, data), 0));
        }
    }
}

fn plain(typ: ContentType, part: &[u8]) -> OutboundPlainMessage<'_> {
    OutboundPlainMessage {
        typ,
        version: ProtocolVersion::TLSv1_2, // As TLS 1.3 writes it, too: RFC 8446 §5.1.
        payload: OutboundChunks::Single(part),
    }
}

fn alert(payload: &[u8], is_tls13: bool) -> Result<Opened, Error> {
    let &[level, description] = payload else {
        return Err(InvalidMessage::MissingData("alert").into());
    };
    match AlertDescription::from(description) {
        AlertDescription::CloseNotify => Ok(Opened::CloseNotify),
        // TLS 1.3 knows no other warnings.
        AlertDescription::UserCanceled if level == WARNING => Ok(Opened::Nothing),
        _ if level == WARNING && !is_tls13 => Ok(Opened::Nothing),
        other => Err(Error::AlertReceived(other)),
    }
}

fn inappropriate(got_type: ContentType) -> Error {
    Error::InappropriateMessage {
        expect_types: vec![ContentType::ApplicationData],
        got_type,
    }
}

fn key_and_iv(secrets: ConnectionTrafficSecrets) -> Result<(AeadKey, Iv), Error> {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => Ok((key, iv)),
        _ => Err(Error::General("a cipher that is not known".into())),
    }
}

fn opener(
    suite: SupportedCipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageDecrypter>, Error> {
    let (key, iv) = key_and_iv(secrets)?;
    Ok(match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.decrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => {
            let fixed = suite.aead_alg.key_block_shape().fixed_iv_len;
            suite.aead_alg.decrypter(key, &iv.as_ref()[..fixed])
        }
    })
}

fn sealer(
    suite: SupportedCipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageEncrypter>, Error> {
    let (key, iv) = key_and_iv(secrets)?;
    Ok(match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => {
            let fixed = suite.aead_alg.key_block_shape().fixed_iv_len;
            let (fixed, explicit) = iv.as_ref().split_at(fixed);
            suite.aead_alg.encrypter(key, fixed, explicit)
        }
    })
}

fn another_key(suite: SupportedCipherSuite) -> Option<Box<dyn MessageEncrypter>> {
    let SupportedCipherSuite::Tls13(suite) = suite else {
        return None;
    };
    let mut key = [0; 32];
    let of_this_length = suite.aead_alg.key_len() == key.len();
    let random = of_this_length && tls::provider().secure_random.fill(&mut key).is_ok();
    random.then(|| {
        suite
            .aead_alg
            .encrypter(AeadKey::from(key), Iv::new([0; NONCE_LEN]))
    })
}
