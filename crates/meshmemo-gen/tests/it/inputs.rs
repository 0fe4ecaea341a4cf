//! Every kind of picture that somebody may send: a model, or an error that says what is wrong.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use meshmemo_gen::{mesh, relief::GenerateErrorKind};

use crate::solid::{closed_model, generate, photo, png, quality, size_mm};

fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn slope(width: u32, height: u32) -> DynamicImage {
    let pixels = RgbaImage::from_fn(width, height, |x, y| {
        Rgba([
            u8::try_from(x * 255 / width).unwrap(),
            u8::try_from(y * 200 / height).unwrap(),
            40,
            255,
        ])
    });
    DynamicImage::ImageRgba8(pixels)
}

fn error(image: &[u8]) -> (GenerateErrorKind, String) {
    let error = generate(image, &quality(1)).unwrap_err();
    (error.kind().clone(), error.to_string())
}

#[test]
fn every_pixel_type_becomes_a_model() {
    let picture = slope(40, 30);
    let variants = [
        ("grey", DynamicImage::ImageLuma8(picture.to_luma8())),
        ("grey with alpha", DynamicImage::ImageLumaA8(picture.to_luma_alpha8())),
        ("RGB", DynamicImage::ImageRgb8(picture.to_rgb8())),
        ("16-bit grey", DynamicImage::ImageLuma16(picture.to_luma16())),
        ("16-bit RGB", DynamicImage::ImageRgb16(picture.to_rgb16())),
        ("16-bit RGBA", DynamicImage::ImageRgba16(picture.to_rgba16())),
    ];
    for (name, variant) in variants {
        closed_model(&encode(&variant, ImageFormat::Png), &quality(1), name);
    }
    let rgb = DynamicImage::ImageRgb8(picture.to_rgb8());
    closed_model(&encode(&rgb, ImageFormat::Jpeg), &quality(1), "JPEG");
    closed_model(&encode(&rgb, ImageFormat::WebP), &quality(1), "WebP");
}

#[test]
fn files_of_other_programs_become_models() {
    let fixtures: [(&str, &[u8]); 5] = [
        ("cmyk.jpg", include_bytes!("../fixtures/cmyk.jpg")),
        ("progressive.jpg", include_bytes!("../fixtures/progressive.jpg")),
        ("palette.png", include_bytes!("../fixtures/palette.png")),
        ("animated.png", include_bytes!("../fixtures/animated.png")),
        ("animated.webp", include_bytes!("../fixtures/animated.webp")),
    ];
    for (name, bytes) in fixtures {
        closed_model(bytes, &quality(1), name);
    }
}

#[test]
fn a_cmyk_photo_keeps_its_colours() {
    let bytes = include_bytes!("../fixtures/cmyk.jpg");
    let model = closed_model(bytes, &quality(1), "cmyk.jpg");
    let texture = image::load_from_memory(&model.texture).unwrap().into_rgb8();
    let [red, green, blue] = texture.get_pixel(16, 24).0;
    assert!(red > 200 && (80..160).contains(&green) && blue < 90, "{red} {green} {blue}");
}

#[test]
fn a_photo_is_turned_upright() {
    let picture = DynamicImage::ImageRgb8(slope(60, 30).to_rgb8());
    let jpeg = encode(&picture, ImageFormat::Jpeg);
    // An EXIF segment whose only entry says: turn by 90° clockwise.
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
    let [width, height, _] = size_mm(&closed_model(&jpeg, &quality(1), "as stored"));
    assert!((width - 100.0).abs() < 1e-3 && (height - 50.0).abs() < 1e-3, "{width} × {height}");
    let [width, height, _] = size_mm(&closed_model(&turned, &quality(1), "turned"));
    assert!((width - 50.0).abs() < 1e-3 && (height - 100.0).abs() < 1e-3, "{width} × {height}");
}

#[test]
fn tiny_and_narrow_pictures_become_models() {
    for (width, height) in [(1, 1), (2, 1), (1, 7), (3, 2), (4000, 1), (1, 4000)] {
        let name = format!("{width} × {height}");
        closed_model(&encode(&slope(width, height), ImageFormat::Png), &quality(2), &name);
        let half = RgbaImage::from_fn(width, height, |x, y| {
            Rgba([200, 100, 50, if (x + y) % 3 == 0 { 255 } else { 0 }])
        });
        closed_model(&png(&half), &quality(2), &format!("{name} with holes"));
    }
}

#[test]
fn what_is_no_image_is_refused() {
    for bytes in [b"GIF89a........".as_slice(), b"hello", b"%PDF-1.7", &[0; 100]] {
        let (kind, message) = error(bytes);
        assert_eq!(kind, GenerateErrorKind::UnsupportedType);
        assert!(message.contains("PNG, JPEG or WebP"), "{message}");
    }
}

#[test]
fn nothing_to_model_is_refused() {
    assert_eq!(error(b"").0, GenerateErrorKind::Empty);
    for alpha in [0, 127] {
        let clear = RgbaImage::from_pixel(20, 20, Rgba([255, 0, 0, alpha]));
        let (kind, message) = error(&png(&clear));
        assert_eq!(kind, GenerateErrorKind::Empty);
        assert!(message.contains("transparent"), "{message}");
    }
}

#[test]
fn a_file_that_was_cut_off_is_refused_or_decoded_but_never_panics() {
    let webp = encode(&DynamicImage::ImageRgb8(slope(40, 40).to_rgb8()), ImageFormat::WebP);
    let png = encode(&slope(40, 40), ImageFormat::Png);
    for whole in [png, webp, include_bytes!("../fixtures/palette.png").to_vec()] {
        for length in (16..whole.len() - 12).step_by(7) {
            let kind = error(&whole[..length]).0;
            assert_eq!(kind, GenerateErrorKind::Undecodable, "{length} of {}", whole.len());
        }
    }
    // Decoders show as much of a JPEG as there is, which is what viewers do as well.
    let jpeg = photo("rocket.jpg");
    for length in (3..jpeg.len()).step_by(20_001) {
        if let Err(error) = generate(&jpeg[..length], &quality(1)) {
            assert_eq!(*error.kind(), GenerateErrorKind::Undecodable);
        }
    }
}

#[test]
fn a_picture_with_too_many_pixels_is_refused_before_it_is_decoded() {
    let mut bomb = png(&RgbaImage::new(1, 1));
    for (width, height) in [(20_000_u32, 20_000_u32), (16_385, 1), (16_384, 16_384)] {
        bomb[16..20].copy_from_slice(&width.to_be_bytes());
        bomb[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
        let (kind, message) = error(&bomb);
        assert_eq!(kind, GenerateErrorKind::TooLarge, "{message}");
        assert!(message.contains(&format!("{width} × {height}")), "{message}");
        assert!(message.contains("16384") && message.contains("67108864"), "{message}");
    }
}

#[test]
fn colours_under_transparency_do_not_show() {
    let pixels = RgbaImage::from_fn(64, 64, |x, y| {
        if (16..48).contains(&x) && (16..48).contains(&y) {
            Rgba([200, 40, 40, 255])
        } else {
            Rgba([0, 255, 0, 0])
        }
    });
    let glb = generate(&png(&pixels), &quality(3)).unwrap();
    let texture = image::load_from_memory(&mesh::read(&glb).unwrap().texture).unwrap().into_rgb8();
    assert!(texture.pixels().all(|pixel| pixel[1] < 90 && pixel[0] > 150));
}

/// The checksum of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}
