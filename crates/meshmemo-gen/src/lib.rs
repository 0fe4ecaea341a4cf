//! Image to 3D, pure: no network, no files, no clock, no threads.
//!
//! 1. [`Parameters`] says what is asked for; every value is checked against its range.
//! 2. [`relief::generate`] turns a PNG, JPEG or WebP into a closed, textured solid, as GLB.
//! 3. [`mesh::convert`] derives STL, OBJ and PLY from that GLB.
//! 4. [`canonical::identity`] says when two requests are the same.
//! 5. [`mesh::check`] lets only complete, well-formed models pass, whoever made them.
//!
//! ```
//! use meshmemo_gen::{Format, Parameters, mesh, relief};
//! use std::ops::ControlFlow;
//!
//! # let photo: &[u8] = include_bytes!("../../../examples/images/horse.png");
//! let parameters = Parameters { quality: 1, ..Parameters::default() };
//! let glb = relief::generate(photo, &parameters, &mut |_| ControlFlow::Continue(()))?;
//! let stl = mesh::convert(&glb, Format::Stl)?;
//! assert!(mesh::check(&stl, Format::Stl)?.triangles > 1000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod format;
mod parameters;
mod image_type;
mod image_head;
pub mod canonical;
pub mod relief;
pub mod mesh;

pub use format::Format;
pub use image_head::{ImageHead, image_head};
pub use image_type::{ImageType, image_type};
pub use parameters::{FieldError, Parameters};
