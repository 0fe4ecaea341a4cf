//! Pictures that no photo is: made by hand, byte by byte.

/// Returns a PNG of grey and alpha, 8 bits each, whose pixels are all `pixel`.
pub(crate) fn png(width: u32, height: u32, pixel: [u8; 2]) -> Vec<u8> {
    let mut rows = Vec::new();
    for _ in 0..height {
        rows.push(0);
        rows.extend(pixel.repeat(width as usize));
    }
    with_data(width, height, &stored(&rows))
}

/// Returns a PNG that says to have more pixels than anybody can hold, in a few bytes.
pub(crate) fn bomb(side: u32) -> Vec<u8> {
    with_data(side, side, &stored(&[0; 64]))
}

/// Returns an animated PNG, JPEG in CMYK, …: the files that other programs wrote.
pub(crate) const OF_OTHER_PROGRAMS: [(&str, &[u8]); 5] = [
    ("cmyk.jpg", include_bytes!("../../../meshmemo-gen/tests/fixtures/cmyk.jpg")),
    ("progressive.jpg", include_bytes!("../../../meshmemo-gen/tests/fixtures/progressive.jpg")),
    ("palette.png", include_bytes!("../../../meshmemo-gen/tests/fixtures/palette.png")),
    ("animated.png", include_bytes!("../../../meshmemo-gen/tests/fixtures/animated.png")),
    ("animated.webp", include_bytes!("../../../meshmemo-gen/tests/fixtures/animated.webp")),
];

fn with_data(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 4, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, content) in [(b"IHDR", header.as_slice()), (b"IDAT", data), (b"IEND", &[])] {
        let named = [name.as_slice(), content].concat();
        png.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        png.extend(&named);
        png.extend(crc32(&named).to_be_bytes());
    }
    png
}

/// Writes a zlib stream of one block that is not compressed.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("one block is enough for a test's picture");
    let mut zlib = vec![0x78, 0x01, 0x01];
    zlib.extend(length.to_le_bytes());
    zlib.extend((!length).to_le_bytes());
    zlib.extend(bytes);
    zlib.extend(adler32(bytes).to_be_bytes());
    zlib
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}
