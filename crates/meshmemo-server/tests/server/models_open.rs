//! Models of all photos in all formats are what other programs take for closed solids.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::house::{House, PHOTOS, in_repository};

pub(crate) fn assert_passes(command: &mut Command) {
    assert_passed(command.output().unwrap());
}

pub(crate) fn assert_passed(ended: Output) {
    let said = [ended.stdout, ended.stderr].map(|out| String::from_utf8(out).unwrap()).concat();
    assert!(ended.status.success(), "{said}");
}

/// Returns a tool that `make tools` has installed.
pub(crate) fn tool(path: &str) -> PathBuf {
    let tool = in_repository(path);
    assert!(tool.exists(), "there is no {}: run `make tools` first", tool.display());
    tool
}

fn save(house: &House, dir: &Path, photo: &str, quality: &str, format: &str) -> PathBuf {
    let model = house.generate(photo, &[("quality", quality), ("format", format)]).ok();
    let file = dir.join(format!("{photo}.{quality}.{format}"));
    fs::write(&file, model.body).unwrap();
    file
}

#[test]
fn every_photo_in_every_format_is_a_closed_solid_for_others_too() {
    let (house, dir) = (House::start(), tempfile::tempdir().unwrap());
    let asked = PHOTOS.map(|photo| (photo, "3")).into_iter().chain([("chelsea.png", "7")]);
    let mut files = Vec::new();
    for (photo, quality) in asked {
        for format in ["glb", "stl", "obj", "ply"] {
            files.push(save(&house, dir.path(), photo, quality, format));
        }
    }
    assert_eq!((files.len() as u64, house.count("generations")), (24, 6));
    let check = in_repository("tests/tools/check_models.py");
    let python = tool("target/tools/venv/bin/python");
    assert_passes(Command::new(python).arg(check).args(&files));
    let glbs = files.iter().filter(|file| file.extension().is_some_and(|it| it == "glb"));
    assert_passes(Command::new("node").arg(tool("target/tools/node/validate_glb.mjs")).args(glbs));
}
