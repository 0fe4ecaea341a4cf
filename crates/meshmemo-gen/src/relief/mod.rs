//! The embedded generator: a photo becomes a closed, textured solid, on the CPU.
//!
//! 1. Decode the photo, bounded before a pixel is read, and upright.
//! 2. Decide what it shows: one object (transparent or plain background) or a full picture.
//! 3. Height: an object is inflated from its outline, a picture is raised by its brightness.
//! 4. Mesh: both become one closed surface in which no position occurs twice.
//! 5. Texture: the photo as JPEG, its colours drawn outwards over what was transparent.
//! 6. Write GLB.
//!
//! The same input gives the same bytes on every run: there are no threads, no hash maps, and of
//! floating point only `+ - * /` and `sqrt`, which IEEE 754 defines to the last bit. One thing is
//! outside this module's hands: decoders of lossy photos may round a sample differently where
//! they have different vector instructions.

mod background;
mod bleed;
mod cushion;
mod cutout;
mod error;
mod inflation;
mod limits;
mod outline;
mod photo;
mod plate;
mod progress;
mod raster;
mod regions;
mod silhouette;
mod texture;
mod tone;

use std::ops::ControlFlow;

pub use error::{GenerateError, GenerateErrorKind};
pub use progress::{Progress, Step};

use crate::{Parameters, mesh};
use cutout::Cutout;
use photo::Photo;
use progress::Reporter;

/// The generator's revision, part of the cache key: raised whenever the bytes of a model change.
pub const REVISION: u32 = 1;

/// Generates a model of a photo, as GLB whatever `parameters.format` says; see [`mesh::convert`].
///
/// The solid keeps the photo's proportions and is as large as fits inside `width_mm` ×
/// `height_mm`; its depth is `depth_mm` exactly. It stands upright and faces +z, its middle at
/// x = y = 0 and its back at z = 0. `progress` is called as the work goes on and stops it by
/// returning [`ControlFlow::Break`].
///
/// # Errors
/// The [kind](GenerateErrorKind) tells what is wrong with the photo or the parameters, or that
/// `progress` stopped the work.
pub fn generate(
    image: &[u8],
    parameters: &Parameters,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<u8>, GenerateError> {
    parameters.validate().map_err(GenerateError::invalid_parameter)?;
    let mut reporter = Reporter::new(progress);
    let photo = Photo::decode(image, &mut reporter)?;
    let cutout = Cutout::find(&photo)?;
    let mut solid = match &cutout {
        Some(cutout) => cushion::inflate(&photo, cutout, parameters, &mut reporter)?,
        None => plate::raise(&photo, parameters, &mut reporter)?,
    };
    solid.texture = texture::encode(&photo, cutout.as_ref(), &mut reporter)?;
    reporter.report(Step::Write, 0.0)?;
    let glb = mesh::write_glb(&solid).map_err(GenerateError::mesh)?;
    reporter.report(Step::Write, 1.0)?;
    Ok(glb)
}
