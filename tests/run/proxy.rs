//! Runs through a proxy over real TLS: streams, REST and orders take the configured way and no
//! other, the environment decides nothing by accident, and a proxy that is dead or refuses is
//! named.

use crate::support::{
    EAGER, Process, Ran, Sim, finished, folder, log, summary, tickwire, write_keys,
};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// What the proxy speaks, and what it wants to hear first.
#[derive(Clone, Copy)]
enum Kind {
    /// `CONNECT`; with a user and a password, if they are wanted.
    Connect(Option<&'static str>),
    /// SOCKS5 without a log-on.
    Socks,
    /// SOCKS5 with the user `me` and the password `s3cret`.
    SocksWithLogin,
    /// Answers every request with 403.
    Refusing,
}

/// A proxy in front of one simulated exchange: it resolves every name to it, as a proxy on another
/// network may.
struct Proxy {
    addr: String,
    /// The targets that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(kind: Kind, to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (names, to) = (asked.clone(), to.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (names, to) = (names.clone(), to.clone());
                thread::spawn(move || serve(client, kind, &to, &names));
            }
        });
        Self { addr, asked }
    }

    fn asked(&self) -> Vec<String> {
        let mut all = self.asked.lock().unwrap().clone();
        all.sort();
        all.dedup();
        all
    }
}

/// Nothing when the client goes.
fn serve(client: TcpStream, kind: Kind, to: &str, names: &Mutex<Vec<String>>) -> Option<()> {
    let (mut reader, mut writer) = (client.try_clone().ok()?, client);
    let name = match kind {
        Kind::Connect(login) => {
            let head = head(&mut reader)?;
            let wanted =
                |login| head.contains(&format!("\r\nProxy-Authorization: Basic {login}\r\n"));
            if !login.is_none_or(wanted) {
                writer
                    .write_all(b"HTTP/1.1 407 Log on\r\nContent-Length: 0\r\n\r\n")
                    .ok()?;
                return None;
            }
            writer
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .ok()?;
            head.split(' ').nth(1)?.to_owned()
        }
        Kind::Refusing => {
            head(&mut reader)?;
            writer
                .write_all(b"HTTP/1.1 403 Not this way\r\nContent-Length: 0\r\n\r\n")
                .ok()?;
            return None;
        }
        Kind::Socks | Kind::SocksWithLogin => {
            let methods = bytes(&mut reader, 2)?[1];
            let offered = bytes(&mut reader, methods.into())?;
            let login = matches!(kind, Kind::SocksWithLogin);
            let method = if login { 2 } else { 0 };
            assert!(offered.contains(&method));
            writer.write_all(&[5, method]).ok()?;
            if login {
                assert_eq!(bytes(&mut reader, 11)?, b"\x01\x02me\x06s3cret");
                writer.write_all(&[1, 0]).ok()?;
            }
            assert_eq!(
                bytes(&mut reader, 4)?,
                [5, 1, 0, 3],
                "a name, for the proxy to resolve"
            );
            let len = bytes(&mut reader, 1)?[0];
            let name = String::from_utf8(bytes(&mut reader, len.into())?).unwrap();
            let port = bytes(&mut reader, 2)?;
            writer.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]).ok()?;
            format!("{name}:{}", u16::from_be_bytes([port[0], port[1]]))
        }
    };
    names.lock().unwrap().push(name);
    let far = TcpStream::connect(to).ok()?;
    let (mut far_reader, mut far_writer) = (far.try_clone().ok()?, far);
    thread::spawn(move || {
        let _ = std::io::copy(&mut far_reader, &mut writer);
        let _ = writer.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut reader, &mut far_writer);
    let _ = far_writer.shutdown(Shutdown::Both);
    Some(())
}

fn bytes(from: &mut TcpStream, n: usize) -> Option<Vec<u8>> {
    let mut all = vec![0; n];
    from.read_exact(&mut all).ok()?;
    Some(all)
}

/// The request's head. The client sends nothing behind it before it is answered.
fn head(from: &mut TcpStream) -> Option<String> {
    let (mut head, mut reader) = (String::new(), BufReader::new(from));
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// A run of Binance's own names; nobody but the proxy knows where they are.
fn run(folder: &Path, sim: &Sim, network: &str, environment: &[(&str, &str)]) -> Ran {
    let config = format!(
        "{network}\n[[feed]]\nexchange = \"binance\"\nca_file = \"{}\"\n\
         instruments = [\"BTCUSDT\", \"ETHUSDT\"]\n{EAGER}",
        sim.ca_file.display()
    );
    fs::write(folder.join("c.toml"), config).unwrap();
    let _ = fs::remove_dir_all(folder.join("o"));
    let _ = fs::remove_dir_all(folder.join("orders")); // The keys are another account's.
    let mut command = tickwire(folder, &["run", "c.toml", "--out", "o", "--for", "5s"]);
    command.envs(environment.iter().copied());
    finished(command)
}

#[test]
fn streams_and_rest_go_through_the_proxy_that_is_configured() {
    let folder = folder();
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    for (kind, url) in [
        (Kind::Connect(None), "http://"),
        (Kind::Connect(Some("bWU6czNjcmV0")), "http://me:s3cret@"),
        (Kind::Socks, "socks5://"),
        (Kind::SocksWithLogin, "socks5://me:s3cret@"),
    ] {
        let proxy = Proxy::start(kind, &sim.addr);
        let network = format!("[network]\nproxy = \"{url}{}\"", proxy.addr);
        let ran = run(folder.path(), &sim, &network, &[]).expect(0);
        let out = folder.path().join("o");
        let summary = summary(&out);
        assert!(summary["orders"]["sent"].as_u64().unwrap() > 0, "{summary}");
        let names = ["api.binance.com:443", "stream.binance.com:9443"];
        assert_eq!(proxy.asked(), names, "{url}");
        let said = format!("{}{}{:?}", ran.out, ran.err, log(&out));
        assert!(!said.contains("s3cret"), "{said}");
        let mut check = tickwire(folder.path(), &["check", "c.toml"]);
        check.env_remove("HTTPS_PROXY");
        let checked = finished(check).expect(0);
        assert!(
            checked
                .out
                .contains(&format!("by the proxy {}", &url[..url.find(':').unwrap()]))
        );
        assert!(!checked.out.contains("s3cret"));
    }
}

#[test]
fn the_environment_decides_only_where_that_is_asked_for() {
    let folder = folder();
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    let proxy = Proxy::start(Kind::Connect(None), &sim.addr);
    let url = format!("http://{}", proxy.addr);
    let network = "[network]\nproxy = \"environment\"";
    run(folder.path(), &sim, network, &[("HTTPS_PROXY", &url)]).expect(0);
    assert_eq!(proxy.asked().len(), 2);
    // Without being asked it does not, nor for hosts of our own: the first command of the README.
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "https_proxy",
        "all_proxy",
    ] {
        let mut command = tickwire(folder.path(), &["run", "--for", "2s", "--out", name]);
        command.env(name, "http://127.0.0.1:1");
        let ran = finished(command).expect(0);
        assert!(ran.out.contains("orders: "), "{name}: {}", ran.out);
    }
}

#[test]
fn a_proxy_that_is_dead_or_refuses_is_named() {
    let folder = folder();
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    let refusing = Proxy::start(Kind::Refusing, &sim.addr);
    let dead = "127.0.0.1:1";
    for (scheme, addr, why) in [
        ("http", dead, "refused"),
        ("socks5", dead, "refused"),
        ("http", refusing.addr.as_str(), "HTTP 403"),
    ] {
        let network = format!("[network]\nproxy = \"{scheme}://u:s3cret@{addr}\"");
        let ran = run(folder.path(), &sim, &network, &[]);
        assert_ne!(ran.code, Some(0));
        let said = format!("{}{}", ran.out, ran.err);
        let named = format!("proxy {scheme}://{addr}");
        assert!(said.contains(&named) && said.contains(why), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    // A value that is no proxy is a mistake, which is not repeated: it may hold a password.
    let ran = run(
        folder.path(),
        &sim,
        "[network]\nproxy = \"https://u:s3cret@h:1\"",
        &[],
    )
    .expect(2);
    assert!(
        ran.err.contains("http://host:port") && !ran.err.contains("s3cret"),
        "{}",
        ran.err
    );
}

#[test]
fn a_feed_may_go_another_way_than_the_others() {
    let folder = folder();
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    let proxy = Proxy::start(Kind::Socks, &sim.addr);
    let config = format!(
        "[network]\nproxy = \"http://127.0.0.1:1\"\n[[feed]]\nexchange = \"binance\"\n\
         ca_file = \"{}\"\nproxy = \"socks5://{}\"\ninstruments = [\"BTCUSDT\"]\n{EAGER}",
        sim.ca_file.display(),
        proxy.addr
    );
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let command = tickwire(
        folder.path(),
        &["run", "c.toml", "--out", "o", "--for", "3s"],
    );
    finished(command).expect(0);
    assert_eq!(proxy.asked().len(), 2);
}

/// Live orders to Binance's own name of its order entry, which nobody but a proxy can lead to
/// `sim`. `feed`: keys of the feed besides. Ends once `said` stands on standard error.
fn run_live(folder: &Path, sim: &Sim, network: &str, feed: &str, said: &[&str]) -> Ran {
    write_keys(folder);
    let ca = sim.ca_file.display();
    let config = format!(
        "{network}\n[[feed]]\nexchange = \"binance\"\nca_file = \"{ca}\"\n{feed}\n\
         instruments = [\"BTCUSDT\", \"ETHUSDT\"]\n\
         [account]\nexchange = \"binance\"\nca_file = \"{ca}\"\n\
         api_key_file = \"api.key\"\nprivate_key_file = \"private.pem\"\n\
         # Where a proxy refuses, nobody says what the key may do.\n\
         key_may_withdraw = true\n{EAGER}"
    );
    fs::write(folder.join("c.toml"), config).unwrap();
    let _ = fs::remove_dir_all(folder.join("o"));
    let _ = fs::remove_dir_all(folder.join("orders")); // The keys are another account's.
    let arguments = [
        "run", "-v", "c.toml", "--out", "o", "--for", "600s", "--live",
    ];
    let mut process = Process::start(tickwire(folder, &arguments));
    process.until(&format!("{said:?}"), |_, err| {
        said.iter().all(|said| err.contains(said)).then_some(())
    });
    process.signal("INT");
    process.wait()
}

const ORDERS: &str = "ws-api.binance.com:443";

#[test]
fn orders_reach_the_exchange_through_the_proxy() {
    let folder = folder();
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    for (kind, url) in [
        (Kind::Connect(Some("bWU6czNjcmV0")), "http://me:s3cret@"),
        (Kind::SocksWithLogin, "socks5://me:s3cret@"),
    ] {
        let proxy = Proxy::start(kind, &sim.addr);
        let network = format!("[network]\nproxy = \"{url}{}\"", proxy.addr);
        let ran = run_live(folder.path(), &sim, &network, "", &["order.acked"]).expect(0);
        let out = folder.path().join("o");
        let (summary, log) = (summary(&out), log(&out));
        assert_eq!(summary["mode"], "live", "by the exchange's own names");
        let acked = &summary["orders"]["acked"];
        assert!(acked.as_u64().unwrap() > 0, "{}", summary["orders"]);
        let names = ["api.binance.com:443", "stream.binance.com:9443", ORDERS];
        assert_eq!(proxy.asked(), names, "{url}");
        let said = format!("{}{}{log:?}", ran.out, ran.err);
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn orders_never_go_round_a_proxy_that_refuses_though_a_feed_has_a_way_of_its_own() {
    let folder = folder();
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    let refusing = Proxy::start(Kind::Refusing, &sim.addr);
    for (kind, url) in [(Kind::Connect(None), "http://"), (Kind::Socks, "socks5://")] {
        let way = Proxy::start(kind, &sim.addr);
        let network = format!("[network]\nproxy = \"http://{}\"", refusing.addr);
        let feed = format!("proxy = \"{url}{}\"", way.addr);
        // The order connection is refused, and the prices came.
        let said = ["HTTP 403", "books 2/2"];
        run_live(folder.path(), &sim, &network, &feed, &said);
        let out = folder.path().join("o");
        let (summary, log) = (summary(&out), log(&out));
        let frames = &summary["exchanges"];
        assert!(!way.asked().contains(&ORDERS.to_owned()), "{frames}");
        assert_eq!(way.asked().len(), 2, "prices came: {frames}");
        for key in ["sent", "acked"] {
            assert_eq!(summary["orders"][key], 0, "{}", summary["orders"]);
        }
        let named = |record: &serde_json::Value| record.to_string().contains("HTTP 403");
        assert!(log.iter().any(named), "{log:?}");
    }
}
