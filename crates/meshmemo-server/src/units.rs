//! Sizes and durations as people write them.

use std::time::Duration;

/// What a size may look like, for messages.
pub const SIZE_FORM: &str = "a size such as `512MiB`, `2GB` or a number of bytes";

/// What a duration may look like, for messages.
pub const DURATION_FORM: &str =
    "a duration such as `90s`, `15m`, `24h`, `7d` or a number of seconds";

const SIZE_UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

const DURATION_UNITS: [(&str, f64); 6] =
    [("", 1.0), ("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

/// Reads a size in bytes; `None` if it is none, or beyond 2^63 bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*factor).filter(|bytes| i64::try_from(*bytes).is_ok());
    }
    #[expect(clippy::cast_precision_loss, reason = "a fraction of a unit is rounded anyway")]
    let bytes = number.parse::<f64>().ok()? * *factor as f64;
    #[expect(clippy::cast_precision_loss, reason = "the bound is a power of two")]
    let is_in_range = bytes.is_finite() && bytes < i64::MAX as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    is_in_range.then_some(bytes.round() as u64)
}

/// Reads a duration; `None` if it is none, or is negative.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let (_, seconds) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

/// Writes a size with three digits and its unit.
pub fn show_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    match UNITS[unit] {
        unit if unit == "B" || size >= 100.0 => format!("{size:.0} {unit}"),
        unit => format!("{size:.1} {unit}"),
    }
}

/// Writes a duration with three digits and its unit.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        _ if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 120.0 => format!("{seconds:.2} s"),
        _ if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ if seconds < 172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} d", seconds / 86_400.0),
    }
}

/// Splits `1.5 GiB` into its number and its unit in lower case.
fn split(text: &str) -> Option<(&str, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty()).then(|| (number, unit.trim().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("512MiB", 512 << 20), ("2GB", 2_000_000_000), ("1.5 KiB", 1536), ("7", 7), ("0", 0)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1 XB", "99999999TiB", "1e400", "nan", "1.2.3"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90.0), ("24h", 86_400.0), ("7d", 604_800.0), ("0.5", 0.5)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "s", "-5s", "1y", "inf", "1e999d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read() {
        assert_eq!(show_size(4_718_592), "4.5 MiB");
        assert_eq!(show_size(999), "999 B");
        assert_eq!(show_duration(Duration::from_micros(1_500)), "2 ms");
        assert_eq!(show_duration(Duration::from_millis(17_250)), "17.25 s");
    }
}
