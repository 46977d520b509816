//! What is asked of the exchange as text: subscriptions and queries. Holds no connection and no pace:
//! who sends keeps to the limits.

use crate::exchange::{DepthSpeed, Streams};
use std::fmt::Write;

/// Streams that one SUBSCRIBE frame names, at most. Some 25 bytes each: frames stay under 4 KiB, and
/// a full connection needs eight of them, two seconds' worth of its five messages a second.
const STREAMS_PER_FRAME: usize = 128;

/// Frames that subscribe to `streams` of all `symbols`, ids counting from 1.
pub fn subscribe(symbols: &[&str], streams: Streams) -> Vec<String> {
    let mut params = Vec::new();
    for symbol in symbols {
        let symbol = symbol.to_lowercase();
        params.push(match streams.depth {
            DepthSpeed::Ms100 => format!("{symbol}@depth@100ms"),
            DepthSpeed::Ms1000 => format!("{symbol}@depth"),
        });
        if streams.trades {
            params.push(format!("{symbol}@trade"));
        }
        if streams.quotes {
            params.push(format!("{symbol}@bookTicker"));
        }
    }
    let frame = |(n, batch): (usize, &[String])| {
        let (list, id) = (json_list(batch), n + 1);
        format!(r#"{{"method":"SUBSCRIBE","params":{list},"id":{id}}}"#)
    };
    params
        .chunks(STREAMS_PER_FRAME)
        .enumerate()
        .map(frame)
        .collect()
}

/// A JSON array of strings.
pub fn json_list(items: &[impl AsRef<str>]) -> String {
    let items: Vec<serde_json::Value> = items.iter().map(|item| item.as_ref().into()).collect();
    serde_json::Value::from(items).to_string()
}

/// Encodes for a query: all bytes but letters, digits and `-._~`.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}"); // Writing to a String cannot fail.
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Streams = Streams {
        depth: DepthSpeed::Ms100,
        trades: true,
        quotes: true,
    };

    #[test]
    fn one_frame_names_all_streams_in_lower_case() {
        assert_eq!(
            subscribe(&["BTCUSDT"], ALL),
            [
                r#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@trade","btcusdt@bookTicker"],"id":1}"#
            ]
        );
        let slow = Streams {
            depth: DepthSpeed::Ms1000,
            trades: false,
            quotes: false,
        };
        assert_eq!(
            subscribe(&["ETHBTC"], slow),
            [r#"{"method":"SUBSCRIBE","params":["ethbtc@depth"],"id":1}"#]
        );
        assert!(subscribe(&[], ALL).is_empty());
    }

    #[test]
    fn a_full_connection_is_subscribed_to_in_few_frames_that_leave_nothing_out() {
        let names: Vec<String> = (0..341).map(|n| format!("COIN{n}USDT")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let frames = subscribe(&names, ALL);
        assert_eq!(frames.len(), 8);
        let mut params = 0;
        for (n, frame) in frames.iter().enumerate() {
            let json: serde_json::Value = serde_json::from_str(frame).unwrap();
            assert_eq!(json["id"], n + 1);
            params += json["params"].as_array().unwrap().len();
            assert!(frame.len() < 4_096);
        }
        assert_eq!(params, 3 * 341);
    }
}
