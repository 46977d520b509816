//! The control socket: a Unix socket in the run's folder, for the run's own user and for nobody
//! else. A line of JSON is asked, a line of JSON is the answer. What can be asked is the program's
//! business.

use super::sys;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Its name in the run's folder.
pub(crate) const SOCKET: &str = "control.sock";
/// Bytes of a line, of either side.
const LINE_MAX: u64 = 1 << 20;
/// People and programs that may be connected at once.
const CLIENTS_MAX: usize = 16;
/// Whoever asks nothing for so long is let go.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// How long whoever asks waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What answers a line.
pub(crate) type Answers = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// The socket, until it is dropped.
pub(crate) struct ControlSocket {
    dir: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ControlSocket {
    /// Listens in this folder, on the thread `tickwire-control`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn listen(dir: &Path, answers: Answers) -> io::Result<Self> {
        // Nobody else can reach it before it has its mode.
        let inner = dir.join(".control");
        let _ = fs::remove_dir_all(&inner);
        DirBuilder::new().mode(0o700).create(&inner)?;
        let listener = UnixListener::bind(short(&File::open(&inner)?))?;
        fs::set_permissions(inner.join(SOCKET), Permissions::from_mode(0o600))?;
        fs::rename(inner.join(SOCKET), dir.join(SOCKET))?;
        fs::remove_dir(&inner)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let thread = thread::Builder::new()
            .name("tickwire-control".to_owned())
            .spawn(move || serve(&listener, &answers, &asked))?;
        Ok(Self {
            dir: dir.to_owned(),
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let woken = ask(&self.dir).is_ok();
        let _ = fs::remove_file(self.dir.join(SOCKET));
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &UnixListener, answers: &Answers, stop: &AtomicBool) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let Ok(mut stream) = stream else {
            thread::sleep(Duration::from_millis(10)); // There may be no descriptor for a moment.
            continue;
        };
        // The mode keeps others out already; a folder that was handed on must not let them in.
        if !sys::is_own_peer(&stream) {
            continue;
        }
        if clients.load(Ordering::Relaxed) >= CLIENTS_MAX {
            let _ = stream.write_all(b"{\"error\":\"too many are connected\"}\n");
            continue;
        }
        clients.fetch_add(1, Ordering::Relaxed);
        let (answers, count) = (answers.clone(), clients.clone());
        let talk = move || {
            let _ = talk(stream, &answers, SILENT_MAX); // Whoever has gone asks nothing more.
            count.fetch_sub(1, Ordering::Relaxed);
        };
        let named = thread::Builder::new().name("tickwire-asked".to_owned());
        if named.spawn(talk).is_err() {
            clients.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn talk(stream: UnixStream, answers: &Answers, silent_max: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(silent_max))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        lines.by_ref().take(LINE_MAX).read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Ok(()); // It is gone, or says more than there is to be said.
        }
        let mut answer = answers(line.trim_end());
        answer.push('\n');
        out.write_all(answer.as_bytes())?;
    }
}

/// The asking end.
pub(crate) struct Asking {
    lines: BufReader<UnixStream>,
}

/// Connects to the run of this folder.
///
/// # Errors
/// What the system says; `NotFound` and `ConnectionRefused` mean that no run listens there.
pub(crate) fn ask(dir: &Path) -> io::Result<Asking> {
    let stream = UnixStream::connect(short(&File::open(dir)?))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    Ok(Asking {
        lines: BufReader::new(stream),
    })
}

impl Asking {
    /// Asks one line, and waits for the answer.
    ///
    /// # Errors
    /// What the system says, and `UnexpectedEof` if there is none.
    pub(crate) fn ask(&mut self, line: &str) -> io::Result<String> {
        let stream = self.lines.get_mut();
        stream.write_all(line.as_bytes())?;
        stream.write_all(b"\n")?;
        let mut answer = String::new();
        let read = self.lines.by_ref().take(LINE_MAX).read_line(&mut answer)?;
        match read {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(answer.trim_end().to_owned()),
        }
    }
}

/// A socket's path may have 107 bytes; this one has fewer, whatever the folder is called.
fn short(dir: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Answers {
        Arc::new(|line| format!("you said {line}"))
    }

    #[test]
    fn lines_are_answered_and_the_socket_is_its_owners_alone_and_goes_with_the_run() {
        let dir = tempfile::tempdir().unwrap();
        // A path that no socket's name could hold.
        let dir = dir.path().join("x".repeat(200));
        fs::create_dir(&dir).unwrap();
        let socket = ControlSocket::listen(&dir, echo()).unwrap();
        let mode = fs::metadata(dir.join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (mut one, mut other) = (ask(&dir).unwrap(), ask(&dir).unwrap());
        assert_eq!(one.ask("a").unwrap(), "you said a");
        assert_eq!(other.ask("b").unwrap(), "you said b");
        assert_eq!(one.ask("c").unwrap(), "you said c");
        drop(socket);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        assert!(ask(&dir).is_err());
    }

    #[test]
    fn whoever_is_one_too_many_is_told_so_and_room_is_made_when_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        let _socket = ControlSocket::listen(dir.path(), echo()).unwrap();
        let mut all: Vec<_> = (0..CLIENTS_MAX).map(|_| ask(dir.path()).unwrap()).collect();
        for one in &mut all {
            one.ask("x").unwrap();
        }
        let told = ask(dir.path()).unwrap().lines.lines().next();
        assert!(told.unwrap().unwrap().contains("too many"));
        all.pop();
        let again = || ask(dir.path()).unwrap().ask("y");
        while again().is_err() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_waited_for_and_no_answer_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let _socket = ControlSocket::listen(dir.path(), echo()).unwrap();
        let mut one = ask(dir.path()).unwrap();
        let long = "x".repeat(LINE_MAX as usize + 1);
        assert!(one.ask(&long).is_err());
    }

    #[test]
    fn whoever_asks_nothing_is_let_go() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let ended = talk(theirs, &echo(), Duration::from_millis(1));
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(BufReader::new(ours).lines().count(), 0);
    }
}
