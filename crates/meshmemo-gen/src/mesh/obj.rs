//! Wavefront OBJ: text. Ours is one file without a material, with the colour of each vertex after
//! its position, which most programs read.

use std::fmt::Write as _;

use super::{MeshError, Summary, model::Model};

/// Announces our counts in a comment, so that a file of ours that was cut off is recognised.
const COUNTS: &str = "# meshmemo";
/// How much of a bad line an error repeats.
const ECHO_CHARS_MAX: usize = 40;

/// Writes a model. Fails only where its texture cannot be decoded.
pub(super) fn write(model: &Model) -> Result<String, MeshError> {
    let colours = model.vertex_colours()?;
    let (vertices, triangles) = (model.positions_mm.len(), model.triangles.len());
    let mut text = String::with_capacity(90 * vertices + 42 * triangles);
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        text.write_fmt(arguments).expect("writing to a string does not fail");
    };
    line(format_args!("{COUNTS} vertices {vertices} triangles {triangles}, millimetres\n"));
    for (position, colour) in model.positions_mm.iter().zip(colours) {
        let [x, y, z] = position;
        let [red, green, blue] = colour.map(|channel| f32::from(channel) / 255.0);
        line(format_args!("v {x:.5} {y:.5} {z:.5} {red:.3} {green:.3} {blue:.3}\n"));
    }
    for [u, v] in &model.uvs {
        line(format_args!("vt {u:.5} {:.5}\n", 1.0 - v));
    }
    for [x, y, z] in &model.normals {
        line(format_args!("vn {x:.4} {y:.4} {z:.4}\n"));
    }
    for triangle in &model.triangles {
        let [a, b, c] = triangle.map(|corner| corner + 1);
        line(format_args!("f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}\n"));
    }
    Ok(text)
}

/// Checks a file.
pub(super) fn check(bytes: &[u8]) -> Result<Summary, MeshError> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(MeshError::malformed("the OBJ is not text"));
    };
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(MeshError::truncated("the OBJ ends in the middle of a line"));
    }
    let mut counts = Counts::default();
    let mut announced = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(comment) = line.strip_prefix(COUNTS) {
            announced = announced.or(parse_counts(comment));
        }
        if counts.add(line).is_none() {
            let echo: String = line.chars().take(ECHO_CHARS_MAX).collect();
            let message = format!("line {} of the OBJ is wrong: {echo}", index + 1);
            return Err(MeshError::malformed(message));
        }
    }
    let summary = Summary { vertices: counts.positions, triangles: counts.triangles };
    if announced.is_some_and(|announced| announced != summary) {
        return Err(MeshError::truncated("the OBJ has fewer vertices or faces than it announces"));
    }
    if counts.triangles == 0 {
        return Err(MeshError::empty("the OBJ has no faces"));
    }
    // Faces may come before the vertices they name, so this is known only at the end.
    if counts.positions_needed > counts.positions
        || counts.uvs_needed > counts.uvs
        || counts.normals_needed > counts.normals
    {
        return Err(MeshError::truncated("a face of the OBJ names a vertex that is not there"));
    }
    Ok(summary)
}

fn parse_counts(comment: &str) -> Option<Summary> {
    let mut words = comment.split([' ', ',']).filter(|word| !word.is_empty());
    let vertices = (words.next()? == "vertices").then(|| words.next()?.parse().ok())??;
    let triangles = (words.next()? == "triangles").then(|| words.next()?.parse().ok())??;
    Some(Summary { vertices, triangles })
}

/// What has been read so far, and what the faces so far need.
#[derive(Default)]
struct Counts {
    positions: u64,
    uvs: u64,
    normals: u64,
    triangles: u64,
    positions_needed: u64,
    uvs_needed: u64,
    normals_needed: u64,
}

impl Counts {
    /// Counts a line; `None` is one that breaks the format. Lines of other kinds are left alone.
    fn add(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("v") => {
                finite_numbers(words, 3)?;
                self.positions += 1;
            }
            Some("vt") => {
                finite_numbers(words, 1)?;
                self.uvs += 1;
            }
            Some("vn") => {
                finite_numbers(words, 3)?;
                self.normals += 1;
            }
            Some("f") => {
                let mut corners: u64 = 0;
                for corner in words {
                    self.corner(corner)?;
                    corners += 1;
                }
                self.triangles += corners.checked_sub(2).filter(|&triangles| triangles > 0)?;
            }
            _ => {}
        }
        Some(())
    }

    /// Counts a corner: position, texture coordinate and normal, the last two optional.
    fn corner(&mut self, corner: &str) -> Option<()> {
        let mut parts = corner.split('/');
        let position = needed(parts.next()?, self.positions)?;
        self.positions_needed = self.positions_needed.max(position);
        if let Some(part) = parts.next().filter(|part| !part.is_empty()) {
            self.uvs_needed = self.uvs_needed.max(needed(part, self.uvs)?);
        }
        if let Some(part) = parts.next() {
            self.normals_needed = self.normals_needed.max(needed(part, self.normals)?);
        }
        parts.next().is_none().then_some(())
    }
}

/// How many vertices there must be for an index: 1 is the first, -1 the last so far.
fn needed(index: &str, count: u64) -> Option<u64> {
    let index: i64 = index.parse().ok()?;
    match index {
        0 => None,
        1.. => u64::try_from(index).ok(),
        _ => (index.unsigned_abs() <= count).then_some(count),
    }
}

fn finite_numbers<'a>(words: impl Iterator<Item = &'a str>, least: usize) -> Option<()> {
    let mut count = 0;
    for word in words {
        word.parse::<f64>().ok().filter(|number| number.is_finite())?;
        count += 1;
    }
    (count >= least).then_some(())
}

#[cfg(test)]
mod tests {
    use super::{super::MeshErrorKind, *};

    const SQUARE: &str = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n";

    #[test]
    fn polygons_count_as_triangles() {
        assert_eq!(check(SQUARE.as_bytes()).unwrap(), Summary { vertices: 4, triangles: 2 });
        let relative = SQUARE.replace("f 1 2 3 4", "f -4 -3 -2");
        assert_eq!(check(relative.as_bytes()).unwrap().triangles, 1);
    }

    #[test]
    fn broken_lines_are_named() {
        for bad in ["f 1 2", "f 1 2 0", "v 1 nan 0", "v 1 2", "f 1/x/1 2 3", "f 1 2 -5"] {
            let error = check(format!("{SQUARE}{bad}\n").as_bytes()).unwrap_err();
            assert_eq!(error.kind(), MeshErrorKind::Malformed, "{bad}");
            assert!(error.to_string().contains("line 6"), "{error}");
        }
    }

    #[test]
    fn what_is_cut_off_is_recognised() {
        let kind = |text: &str| check(text.as_bytes()).unwrap_err().kind();
        assert_eq!(kind(&SQUARE[..SQUARE.len() - 1]), MeshErrorKind::Truncated);
        assert_eq!(kind("v 0 0 0\nf 1 2 3\n"), MeshErrorKind::Truncated);
        let counted = format!("{COUNTS} vertices 4 triangles 3, millimetres\n{SQUARE}");
        assert_eq!(kind(&counted), MeshErrorKind::Truncated);
        assert_eq!(kind(""), MeshErrorKind::Empty);
    }
}
