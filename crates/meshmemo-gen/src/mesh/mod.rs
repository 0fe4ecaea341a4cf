//! Model files: GLB is written and read back, STL, OBJ and PLY derive from it, and all four are
//! checked. Checks parse bytes from outside: they never panic, and never take memory that the
//! length of the input does not account for.

mod error;
mod glb;
mod model;
mod obj;
mod ply;
mod stl;
mod words;

pub use error::{MeshError, MeshErrorKind};
pub use model::Model;

use crate::Format;

/// What a checked model consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Vertices in the file. STL shares none: there it is three for each triangle.
    pub vertices: u64,
    /// Triangles in the file; polygons count as the triangles they divide into.
    pub triangles: u64,
}

/// Checks that a file is a complete, well-formed model, whoever made it.
///
/// A GLB holds all it refers to, and at least one triangle; STL is binary and ends where it says;
/// OBJ and PLY refer only to vertices they have. A PLY without faces, such as a Gaussian splat,
/// passes with zero triangles. What cannot be told is whether an OBJ of somebody else's was cut
/// off at the end of a line: the format has no length.
///
/// # Errors
/// The first thing that is wrong, and where.
pub fn check(bytes: &[u8], format: Format) -> Result<Summary, MeshError> {
    match format {
        Format::Glb => glb::check(bytes),
        Format::Stl => stl::check(bytes),
        Format::Obj => obj::check(bytes),
        Format::Ply => ply::check(bytes),
    }
}

/// Returns whether a well-formed GLB has a texture, and an image for it.
pub fn is_textured(glb: &[u8]) -> bool {
    glb::is_textured(glb)
}

/// Derives another format from a GLB that [`relief::generate`](crate::relief::generate) made.
/// Metres become millimetres; the photo becomes colours of the vertices where the format has any.
/// [`Format::Glb`] gives the same bytes back.
///
/// # Errors
/// The GLB is damaged, or is not one of ours.
pub fn convert(glb: &[u8], format: Format) -> Result<Vec<u8>, MeshError> {
    match format {
        Format::Glb => {
            glb::check(glb)?;
            Ok(glb.to_vec())
        }
        Format::Stl => stl::write(&read(glb)?),
        Format::Obj => Ok(obj::write(&read(glb)?)?.into_bytes()),
        Format::Ply => ply::write(&read(glb)?),
    }
}

/// Reads a GLB that [`relief::generate`](crate::relief::generate) made.
///
/// # Errors
/// The GLB is damaged, or is not one of ours.
pub fn read(glb: &[u8]) -> Result<Model, MeshError> {
    glb::read(glb)
}

/// Writes a model as GLB.
pub(crate) fn write_glb(model: &Model) -> Result<Vec<u8>, MeshError> {
    glb::write(model)
}
