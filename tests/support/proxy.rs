//! A TCP proxy before a healthy exchange that can fall ill in several ways, and get well again.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// How it treats its clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Health {
    /// Carries bytes both ways.
    Well,
    /// Cuts what is open, and whoever comes.
    Cut,
    /// Answers with bytes that are no protocol's.
    Garbage,
    /// Takes what is sent, and says nothing.
    Silent,
}

/// The proxy; it listens until the process ends.
pub struct Proxy {
    pub addr: String,
    health: Arc<AtomicU8>,
    /// The clients' connections, to be ended.
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// A proxy before `to`.
    pub fn start(to: &str, health: Health) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            addr: listener.local_addr().unwrap().to_string(),
            health: Arc::new(AtomicU8::new(health as u8)),
            open: Arc::default(),
        };
        let (to, health, open) = (to.to_owned(), proxy.health.clone(), proxy.open.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                open.lock().unwrap().push(client.try_clone().unwrap());
                let (to, health) = (to.clone(), health.clone());
                thread::spawn(move || serve(client, &to, &health));
            }
        });
        proxy
    }

    /// From here on it treats its clients like this, also those who are there.
    pub fn turn(&self, health: Health) {
        self.health.store(health as u8, Ordering::SeqCst);
        for client in self.open.lock().unwrap().iter_mut() {
            match health {
                Health::Cut => drop(client.shutdown(Shutdown::Both)),
                Health::Garbage => drop(client.write_all(&garbage())),
                Health::Well | Health::Silent => {}
            }
        }
    }
}

fn is(health: &AtomicU8, wanted: Health) -> bool {
    health.load(Ordering::SeqCst) == wanted as u8
}

fn serve(mut client: TcpStream, to: &str, health: &Arc<AtomicU8>) {
    if is(health, Health::Cut) {
        return drop(client.shutdown(Shutdown::Both));
    }
    if is(health, Health::Garbage) {
        let _ = client.write_all(&garbage());
    }
    if !is(health, Health::Well) {
        let _ = std::io::copy(&mut client, &mut std::io::sink());
        return;
    }
    let server = TcpStream::connect(to).unwrap();
    let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let seen = health.clone();
    thread::spawn(move || carry(down, client, &seen));
    carry(up, server, health);
}

/// Carries while it is well; afterwards what comes is lost.
fn carry(mut from: TcpStream, mut to: TcpStream, health: &AtomicU8) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if is(health, Health::Well) && to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Neither TLS nor HTTP, and long enough to fill a record.
fn garbage() -> Vec<u8> {
    (0..20_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// The address of a server that knows TLS and nothing else: whatever it is asked, it answers with
/// garbage.
pub fn garbage_behind_tls(server: Arc<ServerConfig>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = server.clone();
            thread::spawn(move || {
                let session = ServerConnection::new(server).unwrap();
                let mut client = StreamOwned::new(session, client);
                let mut asked = [0; 4096];
                // The first read waits for the handshake and for a request.
                let answered = client
                    .read(&mut asked)
                    .and_then(|_| client.write_all(&garbage()));
                let _ = answered.and_then(|()| client.flush());
                let _ = client.read(&mut asked);
            });
        }
    });
    addr
}
