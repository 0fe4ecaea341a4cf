//! Draws a model made by this crate as a PNG, with the photo beside it when one is given.
//!
//! `cargo run --release -p meshmemo-gen --example render -- photo.png model.glb picture.png`

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "all numbers are coordinates and colours of a small picture"
)]

use std::{env, fs, fs::File};

use anyhow::{Context as _, bail};
use image::{
    Rgb, RgbImage, RgbaImage,
    codecs::png::{CompressionType, FilterType, PngEncoder},
    imageops,
};
use meshmemo_gen::mesh::{self, Model};

/// The side of the square that a model is drawn in, in pixels.
const SIDE_PX: u32 = 600;
/// Samples per pixel in each direction.
const SAMPLES: u32 = 2;
/// How far the camera stands to the side and above, in radians.
const TURN: f32 = 0.45;
const TILT: f32 = 0.3;
/// The camera's distance, in radii of the model.
const DISTANCE: f32 = 4.2;
/// Half the height of what the camera sees, at distance 1.
const FIELD_OF_VIEW: f32 = 0.225;
/// The share of light that comes from everywhere.
const AMBIENT: f32 = 0.35;
/// The least colour of a surface, so that a black model shows its shape as well.
const DARKEST: f32 = 26.0;
/// The direction of the light, from the model.
const LIGHT: [f32; 3] = [-0.45, 0.65, 0.75];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (photo, model, output) = match arguments.as_slice() {
        [model, output] => (None, model, output),
        [photo, model, output] => (Some(photo), model, output),
        _ => bail!("usage: render [PHOTO] MODEL.glb PICTURE.png"),
    };
    let model = mesh::read(&fs::read(model).with_context(|| format!("reading {model}"))?)?;
    let drawing = Canvas::draw(&model)?;
    let picture = match photo {
        Some(photo) => {
            let photo = image::open(photo).with_context(|| format!("reading {photo}"))?;
            beside(&photo.into_rgba8(), &drawing)
        }
        None => drawing,
    };
    let file = File::create(output).with_context(|| format!("writing {output}"))?;
    let encoder = PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive);
    Ok(picture.write_with_encoder(encoder)?)
}

/// Puts the photo to the left of the drawing.
fn beside(photo: &RgbaImage, drawing: &RgbImage) -> RgbImage {
    let inner_px = SIDE_PX * 84 / 100;
    let scale = f64::from(inner_px) / f64::from(photo.width().max(photo.height()));
    let scaled = |side: u32| (f64::from(side) * scale) as u32;
    let filter = imageops::FilterType::Lanczos3;
    let photo = imageops::resize(photo, scaled(photo.width()), scaled(photo.height()), filter);
    let mut picture = RgbImage::from_fn(2 * SIDE_PX, SIDE_PX, |_, y| background(y));
    imageops::replace(&mut picture, drawing, i64::from(SIDE_PX), 0);
    let (left, top) = ((SIDE_PX - photo.width()) / 2, (SIDE_PX - photo.height()) / 2);
    for (x, y, pixel) in photo.enumerate_pixels() {
        let below = picture.get_pixel_mut(left + x, top + y);
        for channel in 0..3 {
            let (above, alpha) = (f32::from(pixel[channel]), f32::from(pixel[3]) / 255.0);
            below[channel] = (above * alpha + f32::from(below[channel]) * (1.0 - alpha)) as u8;
        }
    }
    picture
}

/// A light grey that darkens downwards.
fn background(y: u32) -> Rgb<u8> {
    let shade = 240.0 - 22.0 * y as f32 / SIDE_PX as f32;
    Rgb([shade as u8, shade as u8, (shade + 3.0) as u8])
}

/// A corner of a triangle on the canvas.
#[derive(Clone, Copy)]
struct Corner {
    x: f32,
    y: f32,
    /// One over the distance, which is what may be interpolated across the canvas.
    near: f32,
    normal: [f32; 3],
    uv: [f32; 2],
}

/// The picture at sample resolution, with the distance of what is nearest.
struct Canvas {
    side: u32,
    colours: RgbImage,
    near: Vec<f32>,
    texture: RgbImage,
}

impl Canvas {
    fn draw(model: &Model) -> anyhow::Result<RgbImage> {
        let side = SIDE_PX * SAMPLES;
        let mut canvas = Self {
            side,
            colours: RgbImage::from_fn(side, side, |_, y| background(y / SAMPLES)),
            near: vec![0.0; (side * side) as usize],
            texture: image::load_from_memory(&model.texture)?.into_rgb8(),
        };
        let corners = canvas.project(model);
        for triangle in &model.triangles {
            canvas.triangle(triangle.map(|corner| corners[corner as usize]));
        }
        Ok(imageops::thumbnail(&canvas.colours, SIDE_PX, SIDE_PX))
    }

    /// Places all vertices on the canvas.
    fn project(&self, model: &Model) -> Vec<Corner> {
        let start = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
        let (low, high) = model.positions_mm.iter().fold(start, |(low, high), position| {
            let axes = [0, 1, 2];
            (axes.map(|i| low[i].min(position[i])), axes.map(|i| high[i].max(position[i])))
        });
        let middle = [0, 1, 2].map(|axis| 0.5 * (low[axis] + high[axis]));
        let radius = length([0, 1, 2].map(|axis| 0.5 * (high[axis] - low[axis])));
        let half = 0.5 * self.side as f32;
        let vertices = model.positions_mm.iter().zip(&model.normals).zip(&model.uvs);
        let corners = vertices.map(|((position, normal), uv)| {
            let centred = [0, 1, 2].map(|axis| (position[axis] - middle[axis]) / radius);
            let [x, y, z] = turned(centred);
            let near = 1.0 / (DISTANCE - z);
            let scale = half * near / FIELD_OF_VIEW;
            let (x, y) = (half + x * scale, half - y * scale);
            Corner { x, y, near, normal: turned(*normal), uv: *uv }
        });
        corners.collect()
    }

    fn triangle(&mut self, corners: [Corner; 3]) {
        let [a, b, c] = corners;
        let area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
        if area >= 0.0 {
            return;
        }
        let first = |values: [f32; 3]| values.into_iter().fold(f32::INFINITY, f32::min).max(0.0);
        let last = |values: [f32; 3]| {
            values.into_iter().fold(f32::NEG_INFINITY, f32::max).min((self.side - 1) as f32)
        };
        let (xs, ys) = ([a.x, b.x, c.x], [a.y, b.y, c.y]);
        let columns = first(xs) as u32..=last(xs) as u32;
        for y in first(ys) as u32..=last(ys) as u32 {
            for x in columns.clone() {
                let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
                let weight = |from: Corner, to: Corner| {
                    ((to.x - from.x) * (py - from.y) - (to.y - from.y) * (px - from.x)) / area
                };
                let weights = [weight(b, c), weight(c, a), weight(a, b)];
                if weights.iter().all(|&weight| weight >= 0.0) {
                    self.sample(x, y, corners, weights);
                }
            }
        }
    }

    fn sample(&mut self, x: u32, y: u32, corners: [Corner; 3], weights: [f32; 3]) {
        let blend = |value: fn(&Corner) -> f32| {
            corners.iter().zip(weights).map(|(corner, weight)| weight * value(corner)).sum::<f32>()
        };
        let near = blend(|corner| corner.near);
        let nearest = &mut self.near[(y * self.side + x) as usize];
        if near <= *nearest {
            return;
        }
        *nearest = near;
        let u = blend(|corner| corner.uv[0] * corner.near) / near;
        let v = blend(|corner| corner.uv[1] * corner.near) / near;
        let normal = [
            blend(|corner| corner.normal[0]),
            blend(|corner| corner.normal[1]),
            blend(|corner| corner.normal[2]),
        ];
        let light = AMBIENT + (1.0 - AMBIENT) * cosine(normal, LIGHT).max(0.0);
        // A small highlight towards the viewer, which black things are seen by.
        let shine = cosine(normal, [-0.25, 0.4, 1.0]).max(0.0).powi(24) * 34.0;
        let [u, v] = [u, v].map(|coordinate| coordinate.clamp(0.0, 1.0));
        let colour = imageops::sample_bilinear(&self.texture, u, v).unwrap_or(Rgb([0; 3]));
        let shaded =
            colour.0.map(|channel| (f32::from(channel).max(DARKEST) * light * 1.1 + shine) as u8);
        self.colours.put_pixel(x, y, Rgb(shaded));
    }
}

/// Turns a direction from the model's axes to the camera's.
fn turned([x, y, z]: [f32; 3]) -> [f32; 3] {
    let (sine, cosine) = TURN.sin_cos();
    let (x, z) = (x * cosine - z * sine, x * sine + z * cosine);
    let (sine, cosine) = TILT.sin_cos();
    [x, y * cosine - z * sine, y * sine + z * cosine]
}

fn cosine(one: [f32; 3], other: [f32; 3]) -> f32 {
    let dot: f32 = one.iter().zip(other).map(|(one, other)| one * other).sum();
    dot / (length(one) * length(other)).max(f32::MIN_POSITIVE)
}

fn length(vector: [f32; 3]) -> f32 {
    vector.iter().map(|component| component * component).sum::<f32>().sqrt()
}
