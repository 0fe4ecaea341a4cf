//! Walks through all values of a PLY file, binary or text, and checks the geometry among them.

use super::{
    super::{MeshError, Summary, words::array_at},
    header::{Element, Encoding, Header, Property, Scalar},
};

/// Checks a file.
pub(in super::super) fn check(bytes: &[u8]) -> Result<Summary, MeshError> {
    let header = Header::parse(bytes)?;
    let vertices = element_count(&header, "vertex");
    let has_positions = header.elements.iter().any(|element| {
        let has = |name: &str| {
            let is_it = |property: &Property| property.name == name && property.length.is_none();
            element.properties.iter().any(is_it)
        };
        element.name == "vertex" && ["x", "y", "z"].into_iter().all(has)
    });
    if vertices == 0 || !has_positions {
        return Err(MeshError::empty("the PLY has no vertices with x, y and z"));
    }
    let body = bytes.get(header.body..).unwrap_or_default();
    let mut values = Values::new(body, header.encoding)?;
    let mut triangles = 0;
    for element in &header.elements {
        triangles += check_element(element, &mut values, vertices)?;
    }
    if !values.is_at_end() {
        return Err(MeshError::malformed("the PLY goes on after its last element"));
    }
    if triangles == 0 && element_count(&header, "face") > 0 {
        return Err(MeshError::empty("the PLY has no triangles"));
    }
    Ok(Summary { vertices, triangles })
}

fn element_count(header: &Header, name: &str) -> u64 {
    header
        .elements
        .iter()
        .filter(|element| element.name == name)
        .map(|element| element.count)
        .fold(0, u64::saturating_add)
}

/// Checks one kind of element, and returns its triangles. Elements take at least a byte each, so
/// a count that the file cannot hold ends at once, where the values do.
fn check_element(
    element: &Element,
    values: &mut Values<'_>,
    vertices: u64,
) -> Result<u64, MeshError> {
    if element.properties.is_empty() && element.count > 0 {
        return Err(MeshError::malformed("an element of the PLY has no properties"));
    }
    let mut triangles: u64 = 0;
    for index in 0..element.count {
        for property in &element.properties {
            let wrong = || {
                let (element, name) = (&element.name, &property.name);
                MeshError::malformed(format!("{element} {index} of the PLY has a bad {name}"))
            };
            let Some(length_type) = property.length else {
                let value = values.next(property.scalar)?;
                if element.name == "vertex" && is_position(&property.name) && !value.is_finite() {
                    return Err(wrong());
                }
                continue;
            };
            let is_corners = element.name == "face"
                && matches!(property.name.as_str(), "vertex_indices" | "vertex_index");
            let length = values.next(length_type)?.as_index().ok_or_else(wrong)?;
            for _ in 0..length {
                let corner = values.next(property.scalar)?.as_index();
                if is_corners && corner.is_none_or(|corner| corner >= vertices) {
                    return Err(wrong());
                }
            }
            if is_corners {
                triangles += length.checked_sub(2).ok_or_else(wrong)?;
            }
        }
    }
    Ok(triangles)
}

fn is_position(name: &str) -> bool {
    matches!(name, "x" | "y" | "z")
}

/// A value of any type.
#[derive(Clone, Copy)]
enum Value {
    Integer(i64),
    Float(f64),
}

impl Value {
    fn is_finite(self) -> bool {
        match self {
            Self::Integer(_) => true,
            Self::Float(value) => value.is_finite(),
        }
    }

    fn as_index(self) -> Option<u64> {
        match self {
            Self::Integer(value) => u64::try_from(value).ok(),
            Self::Float(_) => None,
        }
    }
}

/// The values after the header, one after another.
enum Values<'a> {
    Text(std::str::SplitAsciiWhitespace<'a>),
    Binary { rest: &'a [u8], is_big_endian: bool },
}

impl<'a> Values<'a> {
    fn new(body: &'a [u8], encoding: Encoding) -> Result<Self, MeshError> {
        if encoding != Encoding::Text {
            let is_big_endian = encoding == Encoding::BigEndian;
            return Ok(Self::Binary { rest: body, is_big_endian });
        }
        let text = std::str::from_utf8(body)
            .map_err(|_| MeshError::malformed("the PLY is not the text it says it is"))?;
        Ok(Self::Text(text.split_ascii_whitespace()))
    }

    fn next(&mut self, scalar: Scalar) -> Result<Value, MeshError> {
        let cut_off = || MeshError::truncated("the PLY ends before its last element");
        match self {
            Self::Text(words) => {
                let word = words.next().ok_or_else(cut_off)?;
                let value = if scalar.is_float() {
                    word.parse().map(Value::Float).ok()
                } else {
                    word.parse().map(Value::Integer).ok()
                };
                value.ok_or_else(|| MeshError::malformed("a value of the PLY is not a number"))
            }
            Self::Binary { rest, is_big_endian } => {
                let (value, after) =
                    rest.split_at_checked(scalar.size_bytes()).ok_or_else(cut_off)?;
                *rest = after;
                decode(value, scalar, *is_big_endian).ok_or_else(cut_off)
            }
        }
    }

    fn is_at_end(&mut self) -> bool {
        match self {
            Self::Text(words) => words.next().is_none(),
            Self::Binary { rest, .. } => rest.is_empty(),
        }
    }
}

fn decode(bytes: &[u8], scalar: Scalar, is_big_endian: bool) -> Option<Value> {
    let mut word = [0; 8];
    let target = word.get_mut(..bytes.len())?;
    target.copy_from_slice(bytes);
    if is_big_endian {
        target.reverse();
    }
    let integer = |value: i64| Some(Value::Integer(value));
    match scalar {
        Scalar::Int8 => integer(i8::from_le_bytes(array_at(&word, 0)?).into()),
        Scalar::Uint8 => integer(u8::from_le_bytes(array_at(&word, 0)?).into()),
        Scalar::Int16 => integer(i16::from_le_bytes(array_at(&word, 0)?).into()),
        Scalar::Uint16 => integer(u16::from_le_bytes(array_at(&word, 0)?).into()),
        Scalar::Int32 => integer(i32::from_le_bytes(array_at(&word, 0)?).into()),
        Scalar::Uint32 => integer(u32::from_le_bytes(array_at(&word, 0)?).into()),
        Scalar::Float32 => Some(Value::Float(f32::from_le_bytes(array_at(&word, 0)?).into())),
        Scalar::Float64 => Some(Value::Float(f64::from_le_bytes(word))),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::MeshErrorKind, *};

    const TRIANGLE: &str = "ply\nformat ascii 1.0\ncomment by hand\nelement vertex 3\n\
        property float x\nproperty float y\nproperty float z\nelement face 1\n\
        property list uchar int vertex_index\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n";

    fn kind(text: &str) -> MeshErrorKind {
        check(text.as_bytes()).unwrap_err().kind()
    }

    #[test]
    fn a_text_file_passes() {
        let expected = Summary { vertices: 3, triangles: 1 };
        assert_eq!(check(TRIANGLE.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_splat_passes_without_triangles() {
        let splat = "ply\nformat binary_big_endian 1.0\nelement vertex 1\nproperty float x\n\
            property float y\nproperty float z\nend_header\n\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(check(splat.as_bytes()).unwrap(), Summary { vertices: 1, triangles: 0 });
        assert_eq!(kind(&splat[..splat.len() - 1]), MeshErrorKind::Truncated);
        assert_eq!(kind(&format!("{splat}\0")), MeshErrorKind::Malformed);
    }

    #[test]
    fn counts_and_indices_must_fit() {
        assert_eq!(kind(&TRIANGLE.replace("face 1", "face 2")), MeshErrorKind::Truncated);
        assert_eq!(kind(&TRIANGLE.replace("vertex 3", "vertex 2")), MeshErrorKind::Malformed);
        assert_eq!(kind(&TRIANGLE.replace("3 0 1 2", "3 0 1 3")), MeshErrorKind::Malformed);
        assert_eq!(kind(&TRIANGLE.replace("3 0 1 2", "3 0 1 -1")), MeshErrorKind::Malformed);
        assert_eq!(kind(&TRIANGLE.replace("1 0 0", "1 0 nan")), MeshErrorKind::Malformed);
        assert_eq!(kind(&TRIANGLE.replace("float z", "float w")), MeshErrorKind::Empty);
        assert_eq!(kind(&TRIANGLE[..60]), MeshErrorKind::Truncated);
        let huge = TRIANGLE.replace("vertex 3", "vertex 18446744073709551615");
        assert_ne!(kind(&huge), MeshErrorKind::Empty);
    }
}
