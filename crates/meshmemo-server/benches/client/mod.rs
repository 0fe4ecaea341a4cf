//! A client that costs next to nothing: one request, made once, over one connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const READ_BYTES: usize = 256 << 10;

/// A client that costs next to nothing: one request, made once, over one connection.
pub(crate) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(
        address: SocketAddr,
        (path, content_type): (&str, &str),
        body: &[u8],
    ) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
             Content-Type: {content_type}\r\n\r\n",
            body.len()
        );
        Ok(Self { stream, request: [head.as_bytes(), body].concat(), buffer: Vec::new() })
    }

    /// Sends the request and reads the answer to its last byte.
    pub(crate) fn ask(&mut self) -> Result<(&[u8], Duration)> {
        let started_at = Instant::now();
        self.stream.write_all(&self.request)?;
        let (mut length, mut head_end, mut end) = (0, None, usize::MAX);
        while length < end {
            self.buffer.resize(self.buffer.len().max(length + READ_BYTES), 0);
            let read = self.stream.read(&mut self.buffer[length..])?;
            ensure!(read > 0, "the connection was closed");
            length += read;
            if head_end.is_none()
                && let Some(at) = self.buffer[..length].windows(4).position(|w| w == b"\r\n\r\n")
            {
                end = at + 4 + content_length(&self.buffer[..at])?;
                head_end = Some(at + 4);
            }
        }
        let took = started_at.elapsed();
        Ok((&self.buffer[head_end.context("an answer has a head")?..end], took))
    }
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?.to_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "{head}");
    let value = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(value.context("the answer has a length")?.parse()?)
}

/// Returns how long so many percent of the figures were at most.
pub(crate) fn percentile(figures: &mut [Duration], percent: usize) -> Duration {
    figures.sort_unstable();
    figures[figures.len() * percent / 100]
}
