//! Whole books of many megabytes over real TLS, and an exchange that takes only a few books per
//! session: what does not fit costs no neighbour, and the log says it.

use crate::conn_support::Authority;
use crate::support::{EAGER, Process, finished, folder, json_lines, log, summary, tickwire};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

type Client = WebSocket<StreamOwned<ServerConnection, TcpStream>>;

/// Coinbase, as far as a run needs it.
#[derive(Clone)]
struct Coinbase {
    /// `coinbase` or `coinbase-exchange`.
    name: &'static str,
    products: Vec<String>,
    /// Bytes of the first product's whole book, about.
    large: usize,
    /// Books that one session may follow.
    books_max: usize,
}

impl Coinbase {
    fn is_feed(&self) -> bool {
        self.name == "coinbase-exchange"
    }

    fn listed(&self) -> String {
        let feed = |id: &String| {
            format!(
                r#"{{"id":"{id}","base_currency":"{}","quote_currency":"USD","base_increment":"0.00000001","quote_increment":"0.01","min_market_funds":"1","status":"online","trading_disabled":false}}"#,
                &id[..3]
            )
        };
        let advanced = |id: &String| {
            format!(
                r#"{{"product_id":"{id}","product_type":"SPOT","base_currency_id":"{}","quote_currency_id":"USD","price_increment":"0.01","base_increment":"0.00000001","base_min_size":"0.00000001","base_max_size":"10000","quote_min_size":"1","quote_max_size":"1000","status":"online","alias":"","approximate_quote_24h_volume":"1"}}"#,
                &id[..3]
            )
        };
        let all = |one: &dyn Fn(&String) -> String| {
            self.products.iter().map(one).collect::<Vec<_>>().join(",")
        };
        match self.is_feed() {
            true => format!("[{}]", all(&feed)),
            false => format!(
                r#"{{"products":[{}],"num_products":{}}}"#,
                all(&advanced),
                self.products.len()
            ),
        }
    }

    /// The product's book is the large one, which comes late and changes never.
    fn is_large(&self, product: &str) -> bool {
        self.large > 0 && product == self.products[0]
    }

    /// The whole book of a product.
    fn book(&self, product: &str) -> String {
        let level_bytes = if self.is_feed() { 27 } else { 113 };
        let large = self.large / level_bytes / 2;
        let count = if product == self.products[0] {
            large.max(1)
        } else {
            1
        };
        let prices = |side: i64| (0..count as i64).map(move |i| 6_000_000 + side * (i + 1));
        let text = |px: i64| format!("{}.{:02}", px / 100, px % 100);
        if self.is_feed() {
            let side = |side| {
                let levels = prices(side).map(|px| format!(r#"["{}","1.50000000"]"#, text(px)));
                levels.collect::<Vec<_>>().join(",")
            };
            let (bids, asks) = (side(-1), side(1));
            return format!(
                r#"{{"type":"snapshot","product_id":"{product}","bids":[{bids}],"asks":[{asks}]}}"#
            );
        }
        let side = |name: &'static str, side| {
            prices(side).map(move |px| {
                format!(
                    r#"{{"side":"{name}","event_time":"1970-01-01T00:00:00Z","price_level":"{}","new_quantity":"1.50000000"}}"#,
                    text(px)
                )
            })
        };
        let levels: Vec<String> = side("bid", -1).chain(side("offer", 1)).collect();
        format!(
            r#"[{{"type":"snapshot","product_id":"{product}","updates":[{}]}}]"#,
            levels.join(",")
        )
    }

    /// A small change of a product's best bid.
    fn change(&self, product: &str, n: usize) -> String {
        let qty = n % 7 + 1;
        match self.is_feed() {
            true => format!(
                r#"{{"type":"l2update","product_id":"{product}","changes":[["buy","59999.99","{qty}.5"]],"time":"2026-08-09T21:05:48.228846Z"}}"#
            ),
            false => format!(
                r#"[{{"type":"update","product_id":"{product}","updates":[{{"side":"bid","event_time":"2026-08-09T21:05:48.228846629Z","price_level":"59999.99","new_quantity":"{qty}"}}]}}]"#
            ),
        }
    }

    fn serve(&self, mut client: Client) {
        let (mut followed, mut numbered) = (Vec::<String>::new(), 0);
        let mut say = |client: &mut Client, channel: &str, text: String| {
            let text = match self.is_feed() {
                true => text,
                false => format!(
                    r#"{{"channel":"{channel}","client_id":"","timestamp":"2026-08-09T21:05:48.228846629Z","sequence_num":{numbered},"events":{text}}}"#
                ),
            };
            numbered += 1;
            client.send(Message::text(text))
        };
        let (began, mut large_sent) = (Instant::now(), false);
        for n in 0.. {
            match client.read() {
                Ok(Message::Text(text)) => {
                    let asked: Value = serde_json::from_str(&text).unwrap();
                    let named = match self.is_feed() {
                        true => asked["channels"][0]["product_ids"].clone(),
                        false if asked["channel"] == "level2" => asked["product_ids"].clone(),
                        false => Value::Null,
                    };
                    let named: Vec<String> = serde_json::from_value(named).unwrap_or_default();
                    if asked["type"] == "unsubscribe" {
                        followed.retain(|product| !named.contains(product));
                        continue;
                    }
                    if followed.len() + named.len() > self.books_max {
                        let refusal = r#"{"type":"error","message":"too many L2 streams requested in a single session"}"#;
                        client.send(Message::text(refusal)).unwrap();
                        continue;
                    }
                    for product in named.iter().filter(|product| !self.is_large(product)) {
                        if say(&mut client, "l2_data", self.book(product)).is_err() {
                            return;
                        }
                    }
                    followed.extend(named);
                    let all = serde_json::to_string(&followed).unwrap();
                    let followed = match self.is_feed() {
                        true => format!(
                            r#"{{"type":"subscriptions","channels":[{{"name":"level2_batch","product_ids":{all}}}]}}"#
                        ),
                        false => format!(r#"[{{"subscriptions":{{"level2":{all}}}}}]"#),
                    };
                    if say(&mut client, "subscriptions", followed).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            // The large book comes last, when its neighbours are in full swing.
            let large = followed.iter().any(|product| self.is_large(product));
            if large && !large_sent && began.elapsed() > Duration::from_secs(2) {
                large_sent = true;
                if say(&mut client, "l2_data", self.book(&self.products[0])).is_err() {
                    return;
                }
            }
            for product in followed.iter().filter(|product| !self.is_large(product)) {
                if say(&mut client, "l2_data", self.change(product, n)).is_err() {
                    return;
                }
            }
        }
    }

    /// Runs the engine against it until its log has what is awaited, however long a busy host takes
    /// for that, and for two seconds more. Gives the log.
    fn run_until(&self, awaited: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let folder = self.open();
        let out = folder.path().join("o");
        let arguments = ["run", "c.toml", "--out", "o"];
        let mut process = Process::start(tickwire(folder.path(), &arguments));
        process.until("what is awaited", |_, _| {
            let text = fs::read_to_string(out.join("log.jsonl")).unwrap_or_default();
            let records = text
                .lines()
                .map_while(|line| serde_json::from_str(line).ok());
            awaited(&records.collect::<Vec<Value>>()).then_some(())
        });
        thread::sleep(Duration::from_secs(2));
        process.signal("INT");
        process.wait();
        log(&out)
    }

    /// Serves for as long as the test lives. The folder has the configuration that leads there.
    fn open(&self) -> tempfile::TempDir {
        let (folder, authority) = (folder(), Authority::new());
        let tls = authority.server("127.0.0.1", 2100);
        fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
        let listed = self.listed();
        let rest = listen(tls.clone(), move |stream| {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            let (stream, n) = (stream.get_mut(), listed.len());
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all((head + &listed).as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        });
        let exchange = self.clone();
        let streams = listen(tls, move |stream| {
            if let Ok(client) = tungstenite::accept(stream) {
                let socket = &client.get_ref().sock;
                socket
                    .set_read_timeout(Some(Duration::from_millis(20)))
                    .unwrap();
                exchange.serve(client);
            }
        });
        let config = format!(
            "[[feed]]\nexchange = \"{}\"\nstream = \"{streams}\"\nrest = \"{rest}\"\n\
             ca_file = \"ca.pem\"\ninstruments = {:?}\ntrades = false\nquotes = false\n{EAGER}",
            self.name, self.products
        );
        fs::write(folder.path().join("c.toml"), config).unwrap();
        folder
    }
}

/// A TLS server: each connection on a thread of its own, for as long as the process lives.
fn listen(
    tls: Arc<ServerConfig>,
    serve: impl Fn(StreamOwned<ServerConnection, TcpStream>) + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (tls, serve) = (tls.clone(), serve.clone());
            let tls = ServerConnection::new(tls).unwrap();
            thread::spawn(move || serve(StreamOwned::new(tls, socket)));
        }
    });
    address
}

fn of<'l>(log: &'l [Value], event: &str) -> Vec<&'l Value> {
    log.iter()
        .filter(|record| record["event"] == event)
        .collect()
}

/// Whether the last state of the product's book is live.
fn is_live(log: &[Value], product: &str) -> bool {
    let states = of(log, "book.status").into_iter();
    let mut of_it = states.filter(|r| {
        r["instrument"]
            .as_str()
            .is_some_and(|i| i.ends_with(product))
    });
    // The run's end closes its connection.
    of_it.any(|record| record["status"] == "live")
}

fn products(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}-USD")).collect()
}

#[test]
fn the_largest_books_go_live_beside_a_small_one() {
    for (name, large) in [("coinbase-exchange", 16_000_000), ("coinbase", 6_000_000)] {
        let exchange = Coinbase {
            name,
            products: products(&["BTC", "ETH"]),
            large,
            books_max: 100,
        };
        let both = |log: &[Value]| is_live(log, "BTC-USD") && is_live(log, "ETH-USD");
        let log = exchange.run_until(both);
        assert_eq!(of(&log, "link.open").len(), 1, "{name}: one connection");
        assert!(of(&log, "message.too_long").is_empty());
    }
}

#[test]
fn a_book_beyond_the_limit_is_named_and_costs_no_neighbour() {
    let exchange = Coinbase {
        name: "coinbase-exchange",
        products: products(&["BTC", "ETH"]),
        large: 36_000_000,
        books_max: 100,
    };
    let awaited =
        |log: &[Value]| !of(log, "message.too_long").is_empty() && is_live(log, "ETH-USD");
    let log = exchange.run_until(awaited);
    let told = of(&log, "message.too_long");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["instrument"].as_str().unwrap().ends_with("BTC-USD"));
    assert!(told[0]["bytes"].as_u64() > told[0]["limit"].as_u64());
    assert!(!is_live(&log, "BTC-USD"));
    assert!(is_live(&log, "ETH-USD"));
    assert_eq!(of(&log, "link.open").len(), 1, "the connection lives");
}

#[test]
fn twenty_books_are_live_though_a_session_takes_sixteen() {
    let names: Vec<String> = (0..20).map(|n| format!("C{n:02}-USD")).collect();
    let exchange = Coinbase {
        name: "coinbase",
        products: names.clone(),
        large: 0,
        books_max: 16,
    };
    let log = exchange.run_until(|log| names.iter().all(|name| is_live(log, name)));
    assert!(of(&log, "request.refused").is_empty());
}

/// Symbol, updates and digest of each book.
fn digests(books: &[Value], updates: &str) -> BTreeSet<(String, u64, String)> {
    let text = |book: &Value, key: &str| book[key].as_str().unwrap().to_owned();
    let one = |book: &Value| {
        let updates = book[updates].as_u64().unwrap();
        (text(book, "symbol"), updates, text(book, "sha256"))
    };
    books.iter().map(one).collect()
}

/// The limit that is known is 16: what the exchange takes shows only when it refuses.
#[test]
fn twenty_books_are_live_though_a_session_takes_five() {
    let names: Vec<String> = (0..20).map(|n| format!("C{n:02}-USD")).collect();
    let exchange = Coinbase {
        name: "coinbase",
        products: names.clone(),
        large: 0,
        books_max: 5,
    };
    let folder = exchange.open();
    let args = ["record", "c.toml", "--out", "r", "--for", "25s"];
    finished(tickwire(folder.path(), &args)).expect(0);
    let (out, folder) = (folder.path().join("r"), folder.path());
    let log = log(&out);
    let dark: Vec<_> = names.iter().filter(|name| !is_live(&log, name)).collect();
    assert!(dark.is_empty(), "{dark:?}");
    assert!(of(&log, "subscribe.refused").is_empty());
    assert_eq!(of(&log, "link.open").len(), 4 + 1, "of 16 books and of 4");
    // Nothing is lost, and a book that is live goes on; a host that stops makes it stale at most.
    for event in ["book.gap", "line.gap", "link.closed"] {
        assert!(of(&log, event).is_empty(), "{event}");
    }
    let mut lit = BTreeSet::new();
    for record in of(&log, "book.status") {
        let (book, status) = (record["instrument"].to_string(), &record["status"]);
        if status == "live" {
            lit.insert(book);
        } else {
            assert!(status == "stale" || !lit.contains(&book), "{record}");
        }
    }
    // A person sees what was found out, in the exchange's own words.
    let moved = of(&log, "subscribe.moved");
    let first = moved.first().expect("said");
    let seen = (first["books"].as_u64(), first["books_known"].as_u64());
    assert_eq!(seen, (Some(5), Some(16)));
    assert!(first["reason"].as_str().unwrap().contains("too many L2"));
    // And the recording has every book as it was.
    let live = digests(summary(&out)["books"].as_array().unwrap(), "updates");
    assert_eq!(live.len(), 20);
    let replayed = finished(tickwire(folder, &["replay", "r", "--digest"])).expect(0);
    assert_eq!(digests(&json_lines(&replayed.out), "applied"), live);
}
