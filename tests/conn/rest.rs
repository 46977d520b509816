//! REST answers over real TLS as hosts and what stands before them give them: whoever asks us to
//! come back later is obeyed, and the text of a refusal is kept.

use crate::conn_support::Authority;
use rustls::{ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tickwire::base::{Secret, Span};
use tickwire::exchange::{Rate, RestRequest, SignedRequest};
use tickwire::world::os::clerk::{FetchError, Rest};

/// A host that gives these answers, one a connection, and remembers when it was asked.
struct Host {
    address: String,
    authority: Authority,
    asked: Arc<Mutex<Vec<Instant>>>,
    /// The first lines and headers of all requests.
    heads: Arc<Mutex<String>>,
}

fn host(answers: &[&str]) -> Host {
    let authority = Authority::new();
    let config = authority.server("127.0.0.1", 2100);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::<Mutex<Vec<Instant>>>::default();
    let times = asked.clone();
    let heads = Arc::<Mutex<String>>::default();
    let seen = heads.clone();
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    std::thread::spawn(move || {
        for answer in answers {
            let (socket, _) = listener.accept().unwrap();
            let tls = ServerConnection::new(config.clone()).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(tls, socket));
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|n| n > 2) {
                seen.lock().unwrap().push_str(&line);
                line.clear();
            }
            times.lock().unwrap().push(Instant::now());
            let stream = stream.get_mut();
            let _ = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    Host {
        address,
        authority,
        asked,
        heads,
    }
}

impl Host {
    fn fetch(&self) -> Result<String, FetchError> {
        let body = self.rest().fetch(&RestRequest::get("/x", 1))?;
        Ok(String::from_utf8(body).unwrap())
    }

    fn rest(&self) -> Rest {
        let per = Span::from_secs(60);
        let pem = self.authority.pem.as_bytes();
        Rest::new(
            &self.address,
            None,
            None,
            Some(pem),
            Rate { count: 600, per },
        )
        .unwrap()
    }

    /// The time between the first two requests.
    fn pause(&self) -> Duration {
        let asked = self.asked.lock().unwrap();
        asked[1] - asked[0]
    }
}

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine";

/// Failure mode 25: whoever asks us to come back later is obeyed.
#[test]
fn whoever_asks_us_to_come_back_later_is_obeyed_whatever_the_status() {
    for (first, least_s) in [
        (
            "HTTP/1.1 503 Down\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n",
            2,
        ),
        (
            "HTTP/1.1 403 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
            1,
        ),
        ("HTTP/1.0 429 Slow\r\nRetry-After: 1\r\n\r\nslow", 1),
        (
            "HTTP/1.1 502 Bad\r\nDate: Fri, 27 Nov 2026 07:00:00 GMT\r\n\
             Retry-After: Fri, 27 Nov 2026 07:00:02 GMT\r\nContent-Length: 0\r\n\r\n",
            2,
        ),
    ] {
        let host = host(&[first, FINE]);
        assert_eq!(host.fetch(), Ok("fine".into()), "{first}");
        assert!(host.pause() >= Duration::from_secs(least_s), "{first}");
    }
}

#[test]
fn a_signed_request_names_its_key_in_a_header() {
    let host = host(&[FINE]);
    let signed = SignedRequest {
        request: RestRequest::get("/x?signature=y", 1),
        header: Some(("X-KEY", Secret::from("Cb9xkQ2mVn".to_owned()))),
    };
    assert_eq!(host.rest().fetch_signed(&signed).unwrap(), b"fine");
    let head = host.heads.lock().unwrap().to_lowercase();
    assert!(
        head.starts_with("get /x?signature=y http/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nx-key: cb9xkq2mvn\r\n"), "{head}");
    let unfit = SignedRequest {
        header: Some(("X-KEY", Secret::from("Cb9xkQ2mVn\r\n".to_owned()))),
        ..signed
    };
    let error = host.rest().fetch_signed(&unfit).unwrap_err().to_string();
    assert_eq!(error, "the value of X-KEY fits into no header");
}

#[test]
fn a_host_that_asks_for_more_than_our_patience_is_not_waited_for() {
    let host = host(&["HTTP/1.1 503 Down\r\nRetry-After: 3600\r\nContent-Length: 4\r\n\r\ndown"]);
    let begun = Instant::now();
    assert_eq!(host.fetch(), Err(FetchError::SentAway(503, "down".into())));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn answers_of_intermediaries_keep_their_status_and_text() {
    for (answer, wanted) in [
        (
            "HTTP/1.0 503 Down\r\n\r\n<h1>down</h1>",
            FetchError::Status(503, "<h1>down</h1>".into()),
        ),
        (
            "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            FetchError::Status(403, "hello".into()),
        ),
        (
            "HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\ncut",
            FetchError::Status(403, "cut".into()),
        ),
        (
            "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ncut",
            FetchError::Status(403, "cut".into()),
        ),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
             HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
            FetchError::Status(403, "no".into()),
        ),
    ] {
        assert_eq!(host(&[answer]).fetch(), Err(wanted), "{answer}");
    }
    let announced = format!("HTTP/1.1 100 Continue\r\n\r\n{FINE}");
    assert_eq!(host(&[&announced]).fetch(), Ok("fine".into()));
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut";
    let refused = host(&[cut]).fetch();
    assert!(
        matches!(refused, Err(FetchError::Transport(_))),
        "{refused:?}"
    );
}

/// An exchange that is taken over could send a signed request, key and all, to any host.
#[test]
fn nobody_is_followed_to_another_place() {
    for status in [301, 302, 303, 307, 308] {
        let moved = format!(
            "HTTP/1.1 {status} Moved\r\nLocation: https://127.0.0.1:1/x\r\n\
             Content-Length: 5\r\n\r\nmoved"
        );
        let host = host(&[&moved, FINE]);
        assert_eq!(
            host.fetch(),
            Err(FetchError::Status(status, "moved".into()))
        );
        assert_eq!(host.asked.lock().unwrap().len(), 1);
    }
}

#[test]
fn a_body_is_read_up_to_32_mib_and_not_unpacked() {
    let body = "x".repeat((32 << 20) + 1);
    let long = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}");
    let Err(FetchError::Transport(why)) = host(&[&long]).fetch() else {
        panic!("it has no end");
    };
    assert!(why.contains("limit"), "{why}");
    let packed = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nfine";
    let host = host(&[packed]);
    assert_eq!(host.fetch(), Ok("fine".into()));
    let heads = host.heads.lock().unwrap().to_lowercase();
    assert!(!heads.contains("gzip"), "{heads}");
}
