//! A proxy between a gateway and Redis that harms what comes back: delays it, cuts it off, changes bits.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What is done to answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Nothing.
    None,
    /// They come later.
    Delay(Duration),
    /// The connection is cut after so many more bytes.
    CutAfter(u64),
    /// One bit of each so many bytes changes.
    FlipEach(u64),
}

/// A proxy that harms what comes back.
#[derive(Debug)]
pub struct TamperingProxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server_port: u16,
    harm: Mutex<Harm>,
    /// Bytes that have come back.
    passed: AtomicU64,
    has_ended: AtomicBool,
}

impl TamperingProxy {
    /// Starts a proxy in front of the server on a port; it harms nothing yet.
    pub fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let shared = Arc::new(Shared {
            server_port,
            harm: Mutex::new(Harm::None),
            passed: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.has_ended.load(Ordering::Acquire) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(&client));
            }
        });
        Self { port, shared }
    }

    /// Returns where it is, as a URL of Redis.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sets what is done from now on.
    pub fn set(&self, harm: Harm) {
        self.shared.passed.store(0, Ordering::Release);
        *self.shared.harm.lock().unwrap_or_else(PoisonError::into_inner) = harm;
    }
}

impl Drop for TamperingProxy {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
        // The next connection ends the wait for it.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Shared {
    fn serve(self: Arc<Self>, client: &TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.server_port)) else { return };
        let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone())
        else {
            return;
        };
        thread::spawn(move || {
            let _copied = std::io::copy(&mut from_client, &mut to_server);
            let _shut = to_server.shutdown(Shutdown::Both);
        });
        self.answer(server, client);
        let _shut = client.shutdown(Shutdown::Both);
    }

    /// Passes answers back, and harms them, until one side ends or the connection is to be cut.
    fn answer(&self, mut server: TcpStream, mut client: &TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = server.read(&mut buffer) {
            let harm = *self.harm.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes = &mut buffer[..count];
            let before = self.passed.fetch_add(count as u64, Ordering::AcqRel);
            let after = before + count as u64;
            match harm {
                Harm::Delay(delay) => thread::sleep(delay),
                Harm::CutAfter(limit) if after >= limit => {
                    let left = usize::try_from(limit.saturating_sub(before)).unwrap_or(0);
                    let _written = client.write_all(&bytes[..left.min(count)]);
                    return;
                }
                Harm::None | Harm::CutAfter(_) => {}
                Harm::FlipEach(each) => flip(bytes, before, each),
            }
            if client.write_all(bytes).is_err() {
                return;
            }
        }
    }
}

/// Changes a bit of every byte whose number in the stream is a multiple of `each`.
fn flip(bytes: &mut [u8], first: u64, each: u64) {
    for (number, byte) in (first..).zip(bytes) {
        if number % each == each - 1 {
            *byte ^= 1 << (number / each % 8);
        }
    }
}
