//! A textured triangle mesh in memory, in millimetres. Every vertex has a normal and a place on
//! the texture.

use std::io::Cursor;

use image::{ImageError, ImageReader, Limits, RgbImage};

use super::MeshError;

/// Most pixels on a side of a texture that is read. Ours have at most 2048.
const TEXTURE_SIDE_MAX_PX: u32 = 8192;

/// A textured triangle mesh.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Model {
    /// Positions in millimetres: x to the right, y up, z towards the viewer.
    pub positions_mm: Vec<[f32; 3]>,
    /// Unit normals, one for each position.
    pub normals: Vec<[f32; 3]>,
    /// Texture coordinates from 0 to 1, one for each position, from the picture's top left.
    pub uvs: Vec<[f32; 2]>,
    /// Corners of the triangles, anticlockwise from outside.
    pub triangles: Vec<[u32; 3]>,
    /// The texture as a JPEG or PNG file.
    pub texture: Vec<u8>,
}

impl Model {
    /// Adds a normal of any length but zero.
    pub(crate) fn push_normal(&mut self, normal: [f32; 3]) {
        self.normals.push(normalized(normal));
    }

    /// Computes normals from the triangles around each vertex, larger ones weighing more.
    pub(crate) fn smooth_normals(&mut self) {
        let mut sums = vec![[0.0_f32; 3]; self.positions_mm.len()];
        for triangle in &self.triangles {
            let normal = area_normal(triangle.map(|corner| self.positions_mm[corner as usize]));
            for &corner in triangle {
                for (sum, component) in sums[corner as usize].iter_mut().zip(normal) {
                    *sum += component;
                }
            }
        }
        self.normals = sums.into_iter().map(normalized).collect();
    }

    /// Returns the texture's colour at each vertex.
    pub(super) fn vertex_colours(&self) -> Result<Vec<[u8; 3]>, MeshError> {
        if self.texture.is_empty() {
            return Ok(vec![[200; 3]; self.positions_mm.len()]);
        }
        let damaged =
            |error: ImageError| MeshError::malformed(format!("the texture is damaged: {error}"));
        let reader = ImageReader::new(Cursor::new(&self.texture)).with_guessed_format();
        let mut reader = reader.map_err(|error| damaged(ImageError::IoError(error)))?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(TEXTURE_SIDE_MAX_PX);
        limits.max_image_height = Some(TEXTURE_SIDE_MAX_PX);
        reader.limits(limits);
        let texture = reader.decode().map_err(damaged)?.into_rgb8();
        Ok(self.uvs.iter().map(|&uv| sample(&texture, uv)).collect())
    }
}

/// The normal of a triangle, with twice its area as length.
pub(super) fn area_normal([a, b, c]: [[f32; 3]; 3]) -> [f32; 3] {
    let [ux, uy, uz] = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
    let [vx, vy, vz] = [c[0] - a[0], c[1] - a[1], c[2] - a[2]];
    [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx]
}

/// Scales a vector to length 1; one without a direction becomes the z axis, as a normal must not
/// be zero.
pub(super) fn normalized(vector: [f32; 3]) -> [f32; 3] {
    // In f64, since the squares of lengths in f32 may vanish.
    let [x, y, z] = vector.map(f64::from);
    let length = (x * x + y * y + z * z).sqrt();
    if length <= 0.0 || !length.is_finite() {
        return [0.0, 0.0, 1.0];
    }
    #[expect(clippy::cast_possible_truncation, reason = "a unit vector loses only precision")]
    [x, y, z].map(|component| (component / length) as f32)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "coordinates are clamped to the texture before the cast"
)]
fn sample(texture: &RgbImage, [u, v]: [f32; 2]) -> [u8; 3] {
    let pixel = |coordinate: f32, side: u32| {
        (coordinate.clamp(0.0, 1.0) * side as f32 - 0.5).clamp(0.0, (side - 1) as f32)
    };
    let (x, y) = (pixel(u, texture.width()), pixel(v, texture.height()));
    let (left, top) = (x as u32, y as u32);
    let (right, bottom) =
        ((left + 1).min(texture.width() - 1), (top + 1).min(texture.height() - 1));
    let (across, down) = (x - left as f32, y - top as f32);
    let at = |x, y, channel: usize| f32::from(texture.get_pixel(x, y)[channel]);
    [0, 1, 2].map(|channel| {
        let upper = at(left, top, channel) * (1.0 - across) + at(right, top, channel) * across;
        let lower =
            at(left, bottom, channel) * (1.0 - across) + at(right, bottom, channel) * across;
        (upper * (1.0 - down) + lower * down + 0.5) as u8
    })
}
