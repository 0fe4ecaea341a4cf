//! The header of a PLY file: which elements follow, how many, and what each consists of.

use super::super::MeshError;

/// Most bytes of a header. Ours has 350; a Gaussian splat names some hundred properties.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How much of a bad line an error repeats.
const ECHO_CHARS_MAX: usize = 40;

/// A header, and where the values begin.
pub(super) struct Header {
    pub(super) encoding: Encoding,
    pub(super) elements: Vec<Element>,
    /// Offset of the first byte after the header.
    pub(super) body: usize,
}

/// How the values are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Text,
    LittleEndian,
    BigEndian,
}

/// A kind of thing in the file, such as `vertex` or `face`.
pub(super) struct Element {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) properties: Vec<Property>,
}

/// A value of an element, or a list of values.
pub(super) struct Property {
    pub(super) name: String,
    /// The type of the number of values before a list; `None` is a single value.
    pub(super) length: Option<Scalar>,
    pub(super) scalar: Scalar,
}

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Int8,
    Uint8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Float32,
    Float64,
}

impl Header {
    /// Parses the header of a file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, MeshError> {
        let start = bytes.get(..bytes.len().min(HEADER_BYTES_MAX)).unwrap_or_default();
        let mut header = Self { encoding: Encoding::Text, elements: Vec::new(), body: 0 };
        let mut has_format = false;
        for (index, line) in start.split_inclusive(|&byte| byte == b'\n').enumerate() {
            header.body += line.len();
            if line.last() != Some(&b'\n') {
                break;
            }
            let line = String::from_utf8_lossy(line.trim_ascii_end());
            match (index, line.as_ref()) {
                (0, "ply") => {}
                (0, _) => return Err(MeshError::malformed("a PLY begins with the line `ply`")),
                (_, "end_header") if has_format => return Ok(header),
                (_, line) => {
                    has_format |= header.add(line).ok_or_else(|| bad_line(index, line))?;
                }
            }
        }
        Err(MeshError::truncated("the header of the PLY does not end"))
    }

    /// Adds a line, and says whether it was the one with the format.
    fn add(&mut self, line: &str) -> Option<bool> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["format", encoding, "1.0"] => {
                self.encoding = match *encoding {
                    "ascii" => Encoding::Text,
                    "binary_little_endian" => Encoding::LittleEndian,
                    "binary_big_endian" => Encoding::BigEndian,
                    _ => return None,
                };
                return Some(true);
            }
            ["element", name, count] => self.elements.push(Element {
                name: (*name).to_owned(),
                count: count.parse().ok()?,
                properties: Vec::new(),
            }),
            ["property", "list", length, scalar, name] => {
                let length = Scalar::parse(length).filter(|length| !length.is_float())?;
                self.property(name, Some(length), scalar)?;
            }
            ["property", scalar, name] => self.property(name, None, scalar)?,
            ["comment" | "obj_info", ..] | [] => {}
            _ => return None,
        }
        Some(false)
    }

    fn property(&mut self, name: &str, length: Option<Scalar>, scalar: &str) -> Option<()> {
        let scalar = Scalar::parse(scalar)?;
        let properties = &mut self.elements.last_mut()?.properties;
        properties.push(Property { name: name.to_owned(), length, scalar });
        Some(())
    }
}

impl Scalar {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "char" | "int8" => Self::Int8,
            "uchar" | "uint8" => Self::Uint8,
            "short" | "int16" => Self::Int16,
            "ushort" | "uint16" => Self::Uint16,
            "int" | "int32" => Self::Int32,
            "uint" | "uint32" => Self::Uint32,
            "float" | "float32" => Self::Float32,
            "double" | "float64" => Self::Float64,
            _ => return None,
        })
    }

    /// Returns the bytes that a value takes.
    pub(super) fn size_bytes(self) -> usize {
        match self {
            Self::Int8 | Self::Uint8 => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Int32 | Self::Uint32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// Returns whether this is a floating point type.
    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float64)
    }
}

fn bad_line(index: usize, line: &str) -> MeshError {
    let echo: String = line.chars().take(ECHO_CHARS_MAX).collect();
    MeshError::malformed(format!("line {} of the PLY's header is wrong: {echo}", index + 1))
}
