//! Reads from a file that somebody else made, so that no part of it takes more memory than is allowed.

use std::io::{self, Read};

/// Passes on what it reads until an allowance is used up. Whoever parses gives a new one after each part.
pub(crate) struct Bounded<R> {
    inner: R,
    allowance: usize,
    used_up: bool,
}

impl<R> Bounded<R> {
    /// At most so many bytes until the next allowance.
    pub(crate) const fn new(inner: R, allowance: usize) -> Self {
        Self { inner, allowance, used_up: false }
    }

    /// From here on so many bytes.
    pub(crate) const fn allow(&mut self, allowance: usize) {
        self.allowance = allowance;
    }

    /// Whether reading ended because the allowance was used up.
    pub(crate) const fn is_used_up(&self) -> bool {
        self.used_up
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.allowance);
        if room == 0 && !buffer.is_empty() {
            self.used_up = true;
            return Err(io::Error::other("a part of the file is too long"));
        }
        let read = self.inner.read(&mut buffer[..room])?;
        self.allowance -= read;
        Ok(read)
    }
}
