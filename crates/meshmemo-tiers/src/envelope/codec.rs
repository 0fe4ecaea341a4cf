//! Fixed-width, little-endian, length-prefixed: how stored formats write their fields.

use std::time::Duration;

/// Writes fields one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn u16(&mut self, number: u16) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes bytes behind their length. Panics at 4 GiB, which no field has.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("no field has 4 GiB"));
        self.raw(bytes);
    }

    pub(crate) fn duration(&mut self, duration: Duration) {
        self.u64(duration.as_secs());
        self.u32(duration.subsec_nanos());
    }
}

/// Reads what a [`Writer`] wrote; `None` wherever it ends early or makes no sense.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(usize::try_from(length).ok()?)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(crate) fn duration(&mut self) -> Option<Duration> {
        let (seconds, nanoseconds) = (self.u64()?, self.u32()?);
        (nanoseconds < 1_000_000_000).then(|| Duration::new(seconds, nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_short_is_not() {
        let mut writer = Writer::default();
        writer.u16(7);
        writer.bytes(b"cup");
        writer.duration(Duration::new(3, 999_999_999));
        let read = |bytes: &[u8]| {
            let mut reader = Reader(bytes);
            let read = (reader.u16()?, reader.text()?.to_owned(), reader.duration()?);
            reader.is_at_end().then_some(read)
        };
        assert_eq!(read(&writer.0), Some((7, "cup".to_owned(), Duration::new(3, 999_999_999))));
        for length in 0..writer.0.len() {
            assert_eq!(read(&writer.0[..length]), None, "{length} bytes");
        }
        let mut reader = Reader(&[0xff; 12]);
        assert_eq!(reader.duration(), None, "that many nanoseconds are no fraction of a second");
    }
}
