//! A network that can be broken: every request to an authority goes through its door.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Trouble;

/// How long a slow door holds each piece back.
const SLOW: Duration = Duration::from_millis(120);

/// What a door does with traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Passes it on.
    Open,
    /// Ends every connection and takes none.
    Cut,
    /// Passes requests on and keeps the answers to itself.
    DropAnswers,
    /// Passes everything on, late.
    Slow,
}

impl Mode {
    const fn code(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Cut => 1,
            Self::DropAnswers => 2,
            Self::Slow => 3,
        }
    }

    const fn of(code: u8) -> Self {
        match code {
            1 => Self::Cut,
            2 => Self::DropAnswers,
            3 => Self::Slow,
            _ => Self::Open,
        }
    }
}

/// One authority's door.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    mode: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Door {
    /// Passes on to `target`.
    pub(super) fn to(target: SocketAddr) -> Result<Self, Trouble> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let door = Self { address: listener.local_addr()?, mode: Arc::default(), open: Arc::default() };
        let taken = door.clone();
        std::thread::spawn(move || {
            for inner in listener.incoming().filter_map(Result::ok) {
                taken.take(inner, target);
            }
        });
        Ok(door)
    }

    fn mode(&self) -> Mode {
        Mode::of(self.mode.load(Ordering::Relaxed))
    }

    /// Changes what is done with traffic, on open connections too.
    pub(super) fn set(&self, mode: Mode) {
        self.mode.store(mode.code(), Ordering::Relaxed);
        if mode == Mode::Cut {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            for stream in open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    fn take(&self, caller: TcpStream, target: SocketAddr) {
        if self.mode() == Mode::Cut {
            return;
        }
        let Ok(server) = TcpStream::connect(target) else { return };
        let (Ok(caller_end), Ok(server_end)) = (caller.try_clone(), server.try_clone()) else { return };
        let kept = [caller.try_clone(), server.try_clone()].into_iter().filter_map(Result::ok);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.extend(kept);
        drop(open);
        let (requests, answers) = (self.clone(), self.clone());
        std::thread::spawn(move || requests.pass(caller, server_end, false));
        std::thread::spawn(move || answers.pass(server, caller_end, true));
    }

    /// Passes one direction on until either end is gone.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, answers: bool) {
        let mut chunk = [0; 16_384];
        while let Ok(read) = from.read(&mut chunk) {
            match self.mode() {
                Mode::Cut => break,
                Mode::DropAnswers if answers => break,
                Mode::Slow => std::thread::sleep(SLOW),
                Mode::Open | Mode::DropAnswers => {}
            }
            if read == 0 || to.write_all(&chunk[..read]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
