//! What a client may ask of a generation: the fields, their defaults and their ranges.
//! Nothing here is clamped silently: a value out of range is an error that names it.

use std::ops::RangeInclusive;

use crate::Format;

/// The whole numbers that `quality` may be.
const QUALITY: RangeInclusive<u8> = 1..=10;
/// The least width and height, in millimetres.
const SIDE_MIN_MM: f64 = 1.0;
/// The least depth, in millimetres.
const DEPTH_MIN_MM: f64 = 0.5;
/// The greatest size in any direction, in millimetres.
const SIZE_MAX_MM: f64 = 2000.0;
/// How many characters of a rejected value an error repeats.
const ECHO_CHARS_MAX: usize = 60;

/// What a generation is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// The file format of the answer.
    pub format: Format,
    /// Fineness of the surface, from 1 (about 64 cells on the long side) to 10 (1024 cells).
    pub quality: u8,
    /// Most the solid may measure from left to right, in millimetres, from 1 to 2000.
    pub width_mm: f64,
    /// Most the solid may measure from bottom to top, in millimetres, from 1 to 2000.
    pub height_mm: f64,
    /// What the solid measures from back to front, in millimetres, from 0.5 to 2000.
    pub depth_mm: f64,
    /// For backends that draw at random; the relief generator does not, and ignores it.
    pub seed: Option<u64>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            format: Format::Glb,
            quality: 7,
            width_mm: 100.0,
            height_mm: 100.0,
            depth_mm: 20.0,
            seed: None,
        }
    }
}

impl Parameters {
    /// The names that [`Parameters::set`] knows.
    pub const FIELDS: [&'static str; 6] =
        ["format", "quality", "width_mm", "height_mm", "depth_mm", "seed"];

    /// Checks every field against its range.
    ///
    /// # Errors
    /// The first field that is out of range, with its value and its range.
    pub fn validate(&self) -> Result<(), FieldError> {
        if !QUALITY.contains(&self.quality) {
            return Err(quality_error(&self.quality.to_string()));
        }
        check_size("width_mm", self.width_mm)?;
        check_size("height_mm", self.height_mm)?;
        check_size("depth_mm", self.depth_mm)
    }

    /// Sets one field from the text of a form, and checks it. An error changes nothing.
    ///
    /// # Errors
    /// The field is unknown (the error lists the known ones), or the value is not in its range.
    pub fn set(&mut self, field: &str, value: &str) -> Result<(), FieldError> {
        let value = value.trim();
        match field {
            "format" => self.format = value.parse()?,
            "quality" => {
                let quality = value.parse().ok().filter(|quality| QUALITY.contains(quality));
                self.quality = quality.ok_or_else(|| quality_error(value))?;
            }
            "width_mm" => self.width_mm = parse_size("width_mm", value)?,
            "height_mm" => self.height_mm = parse_size("height_mm", value)?,
            "depth_mm" => self.depth_mm = parse_size("depth_mm", value)?,
            "seed" => {
                let seed = value.parse().map_err(|_| {
                    FieldError::new("seed", value, format!("a whole number from 0 to {}", u64::MAX))
                })?;
                self.seed = Some(seed);
            }
            unknown => {
                let known = Self::FIELDS.join(", ");
                return Err(FieldError::new("field", unknown, format!("one of {known}")));
            }
        }
        Ok(())
    }
}

/// A field of a request that is unknown or out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {value}, but must be {range}")]
#[non_exhaustive]
pub struct FieldError {
    /// The field's name; `field` where the name itself is unknown.
    pub field: &'static str,
    /// What was given, shortened if long.
    pub value: String,
    /// What is allowed, in words.
    pub range: String,
}

impl FieldError {
    /// Creates an error that repeats at most the first characters of `value`.
    pub fn new(field: &'static str, value: &str, range: impl Into<String>) -> Self {
        let mut echo: String = value.chars().take(ECHO_CHARS_MAX).collect();
        if echo.len() < value.len() {
            echo.push('…');
        } else if echo.is_empty() {
            echo.push_str("empty");
        }
        Self { field, value: echo, range: range.into() }
    }
}

fn quality_error(value: &str) -> FieldError {
    let range = format!("a whole number from {} to {}", QUALITY.start(), QUALITY.end());
    FieldError::new("quality", value, range)
}

fn parse_size(field: &'static str, value: &str) -> Result<f64, FieldError> {
    let size_mm = value.parse().map_err(|_| size_error(field, value))?;
    check_size(field, size_mm)?;
    Ok(size_mm)
}

fn check_size(field: &'static str, size_mm: f64) -> Result<(), FieldError> {
    // A value that is not a number is in no range, so it fails here too.
    if (size_min_mm(field)..=SIZE_MAX_MM).contains(&size_mm) {
        return Ok(());
    }
    Err(size_error(field, &size_mm.to_string()))
}

fn size_error(field: &'static str, value: &str) -> FieldError {
    let range = format!("a number of millimetres from {} to {SIZE_MAX_MM}", size_min_mm(field));
    FieldError::new(field, value, range)
}

fn size_min_mm(field: &str) -> f64 {
    if field == "depth_mm" { DEPTH_MIN_MM } else { SIDE_MIN_MM }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Parameters::default().validate(), Ok(()));
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_range() {
        let parameters = Parameters { quality: 11, ..Parameters::default() };
        let error = parameters.validate().unwrap_err();
        assert_eq!(error.to_string(), "`quality` is 11, but must be a whole number from 1 to 10");
        for size_mm in [f64::NAN, f64::INFINITY, 0.0, -5.0, 2000.1] {
            let parameters = Parameters { height_mm: size_mm, ..Parameters::default() };
            assert_eq!(parameters.validate().unwrap_err().field, "height_mm");
        }
    }

    #[test]
    fn every_field_is_set_from_text() {
        let mut parameters = Parameters::default();
        let values = ["stl", "3", "50", "60.5", "0.5", "18446744073709551615"];
        for (field, value) in Parameters::FIELDS.into_iter().zip(values) {
            parameters.set(field, value).unwrap();
        }
        let expected = Parameters {
            format: Format::Stl,
            quality: 3,
            width_mm: 50.0,
            height_mm: 60.5,
            depth_mm: 0.5,
            seed: Some(u64::MAX),
        };
        assert_eq!(parameters, expected);
    }

    #[test]
    fn a_refused_value_changes_nothing() {
        let mut parameters = Parameters::default();
        let refused = [
            ("quality", "0"),
            ("quality", "7.5"),
            ("width_mm", "NaN"),
            ("seed", "-1"),
            ("format", ""),
        ];
        for (field, value) in refused {
            assert_eq!(parameters.set(field, value).unwrap_err().field, field);
        }
        assert_eq!(parameters, Parameters::default());
    }

    #[test]
    fn an_unknown_field_lists_the_known_ones() {
        let error = Parameters::default().set("colour", "red").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`field` is colour, but must be one of format, quality, width_mm, height_mm, \
             depth_mm, seed"
        );
    }

    #[test]
    fn a_long_value_is_shortened() {
        let error = Parameters::default().set("quality", &"9".repeat(10_000)).unwrap_err();
        assert!(error.value.chars().count() <= ECHO_CHARS_MAX + 1);
    }
}
