//! An exchange of the tests' own: Binance's words, a frame a topic, a greeting, a keep-alive,
//! refusals by topic, trades on a path of their own.

use tickwire::base::{Channel, Instrument, Span, Symbol};
use tickwire::exchange::{
    DecodeError, Decoder, DepthStream, Endpoints, Exchange, KeepAlive, Limits, Listings, Mirror,
    Rate, Request, RestRequest, Survey, Topic, Words,
};

pub struct Fussy;

pub static FUSSY: Fussy = Fussy;

pub const KEEP_ALIVE: Span = Span::from_secs(20);

/// No stream of this sort: nothing is sent for it.
pub const STREAMLESS: &str = "NOQUOTES";

impl Exchange for Fussy {
    fn name(&self) -> &'static str {
        "fussy"
    }

    fn owns(&self, _: &str) -> bool {
        false
    }

    fn endpoints(&self) -> Endpoints {
        super::binance().endpoints()
    }

    fn limits(&self) -> Limits {
        Limits {
            messages: Rate {
                count: 5,
                per: Span::from_secs(1),
            },
            ..super::binance().limits()
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        super::binance().depth_streams()
    }

    fn stream_path(&self, channel: Channel) -> String {
        format!("/{}", channel.name())
    }

    fn greeting(&self) -> &'static [&'static str] {
        &["hello"]
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        Some(KeepAlive {
            every: KEEP_ALIVE,
            text: "ping",
        })
    }

    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        _: &'static DepthStream,
        first_id: u64,
    ) -> Vec<Request> {
        let sign = if method == "subscribe" { "+" } else { "-" };
        requests(sign, topics, first_id)
    }

    fn decoder(&self, instruments: &[Instrument], depth: &'static DepthStream) -> Box<dyn Decoder> {
        Box::new(Fuss {
            instruments: instruments.to_vec(),
            words: super::binance().decoder(instruments, depth),
        })
    }

    fn metadata_requests(&self, _: &[&str]) -> Vec<RestRequest> {
        Vec::new()
    }

    fn metadata(&self, _: &[u8]) -> Result<Listings, String> {
        Ok(Listings::default())
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        Vec::new()
    }

    fn volumes(&self, _: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        Ok(Vec::new())
    }

    fn survey(&self, _: &str, _: &mut Survey) {}

    fn mirror(&self) -> &'static dyn Mirror {
        super::binance().mirror()
    }
}

/// `+BTCUSDT depth 1`, a frame a topic.
fn requests(sign: &str, topics: &[Topic<'_>], first_id: u64) -> Vec<Request> {
    let known = topics
        .iter()
        .filter(|topic| topic.channel != Channel::Quotes || topic.symbol != STREAMLESS);
    known
        .zip(first_id..)
        .map(|(topic, id)| Request {
            text: format!("{sign}{} {} {id}", topic.symbol, topic.channel.name()),
            topics: 1,
        })
        .collect()
}

struct Fuss {
    instruments: Vec<Instrument>,
    words: Box<dyn Decoder>,
}

impl Decoder for Fuss {
    /// `yes 1`, `no 1 -5`, `no BTCUSDT depth -5`, `reply`; anything else is Binance's.
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let text = std::str::from_utf8(frame).unwrap();
        let parts: Vec<&str> = text.split(' ').collect();
        let number = |part: &str| part.parse::<i64>().unwrap();
        let topic = |symbol: &str, channel: &str| {
            let mut known = self.instruments.iter();
            let one = known.find(|one| one.symbol.as_str() == symbol).unwrap();
            let mut channels = Channel::ALL.into_iter();
            (one.id, channels.find(|c| c.name() == channel).unwrap())
        };
        words.clear();
        match parts[..] {
            ["yes", id] => words.answer(number(id) as u64, None),
            ["no", id, code] => words.answer(number(id) as u64, Some(number(code))),
            ["yes", symbol, channel] => {
                let (id, channel) = topic(symbol, channel);
                words.subscribed(id, channel, None)
            }
            ["no", symbol, channel, code] => {
                let (id, channel) = topic(symbol, channel);
                words.subscribed(id, channel, Some(number(code)))
            }
            ["reply"] => words.reply("here"),
            _ => self.words.decode(frame, words),
        }
    }
}
