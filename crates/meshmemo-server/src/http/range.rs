//! Byte ranges (RFC 9110, section 14).

use std::ops::Range;

use crate::limits::RANGES_MAX;

/// What a `Range` header comes to for a body of a length.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    /// Nothing that is understood or reasonable was asked for: the whole.
    Whole,
    /// These parts, in the order asked for.
    Parts(Vec<Range<u64>>),
    /// Nothing of what was asked for is there.
    Unsatisfiable,
}

impl Ranges {
    /// Reads a `Range` header.
    pub(super) fn parse(header: &str, length: u64) -> Self {
        let Some(set) = header.trim().strip_prefix("bytes=") else { return Self::Whole };
        let mut parts = Vec::new();
        let mut count = 0;
        for spec in set.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
            count += 1;
            match parse_spec(spec, length) {
                Ok(Some(part)) => parts.push(part),
                Ok(None) => {}
                Err(Malformed) => return Self::Whole,
            }
        }
        let asked: u64 = parts.iter().map(|part| part.end - part.start).sum();
        if count > RANGES_MAX || (parts.len() > 1 && asked > length) {
            return Self::Whole;
        }
        if parts.is_empty() { Self::Unsatisfiable } else { Self::Parts(parts) }
    }
}

struct Malformed;

/// Reads one range; `None` if it lies beyond the end.
fn parse_spec(spec: &str, length: u64) -> Result<Option<Range<u64>>, Malformed> {
    let (first, last) = spec.split_once('-').ok_or(Malformed)?;
    let number = |digits: &str| -> Result<u64, Malformed> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Malformed);
        }
        Ok(digits.parse().unwrap_or(u64::MAX))
    };
    let range = match (first, last) {
        ("", suffix) => length.saturating_sub(number(suffix)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(Malformed);
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Ok((range.start < range.end).then_some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(header: &str) -> Vec<(u64, u64)> {
        match Ranges::parse(header, 100) {
            Ranges::Parts(parts) => parts.into_iter().map(|part| (part.start, part.end)).collect(),
            other => panic!("{header}: {other:?}"),
        }
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        assert_eq!(parts("bytes=0-0"), [(0, 1)]);
        assert_eq!(parts("bytes=90-"), [(90, 100)]);
        assert_eq!(parts("bytes=-5"), [(95, 100)]);
        assert_eq!(parts("bytes=-500"), [(0, 100)]);
        assert_eq!(parts("bytes=50-99999999999999999999999"), [(50, 100)]);
        assert_eq!(parts("bytes=0-9, 20-29,,-1"), [(0, 10), (20, 30), (99, 100)]);
        assert_eq!(parts("bytes=0-9,200-300"), [(0, 10)], "what is not there is left out");
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        for header in ["items=0-1", "bytes=a-b", "bytes=5-2", "bytes=1", "bytes=--1", "bytes=+1-2"]
        {
            assert_eq!(Ranges::parse(header, 100), Ranges::Whole, "{header}");
        }
        let many = format!("bytes={}", vec!["0-1"; RANGES_MAX + 1].join(","));
        assert_eq!(Ranges::parse(&many, 100), Ranges::Whole);
        assert_eq!(Ranges::parse("bytes=0-99,0-99", 100), Ranges::Whole, "more than the whole");
    }

    #[test]
    fn what_lies_beyond_the_end_can_not_be_satisfied() {
        for header in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=", "bytes=,"] {
            assert_eq!(Ranges::parse(header, 100), Ranges::Unsatisfiable, "{header}");
        }
        assert_eq!(Ranges::parse("bytes=0-", 0), Ranges::Unsatisfiable);
    }
}
