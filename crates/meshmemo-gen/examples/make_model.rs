//! Turns a photo into a model; the name of the model's file decides its format.
//!
//! `cargo run --release -p meshmemo-gen --example make_model -- photo.jpg model.glb quality=8`

use std::{env, fs, ops::ControlFlow, path::Path};

use anyhow::{Context as _, bail};
use meshmemo_gen::{Parameters, mesh, relief};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [photo, output, settings @ ..] = arguments.as_slice() else {
        bail!("usage: make_model PHOTO MODEL.{{glb,stl,obj,ply}} [quality=7 depth_mm=20 …]");
    };
    let mut parameters = Parameters::default();
    let extension = Path::new(output).extension().unwrap_or_default().to_string_lossy();
    parameters.set("format", &extension)?;
    for setting in settings {
        let (field, value) = setting.split_once('=').context("a setting is written field=value")?;
        parameters.set(field, value)?;
    }
    let image = fs::read(photo).with_context(|| format!("reading {photo}"))?;
    let glb = relief::generate(&image, &parameters, &mut |_| ControlFlow::Continue(()))?;
    let model = mesh::convert(&glb, parameters.format)?;
    let summary = mesh::check(&model, parameters.format)?;
    fs::write(output, &model).with_context(|| format!("writing {output}"))?;
    #[expect(clippy::print_stdout, reason = "this is what the example answers")]
    {
        let (vertices, triangles, bytes) = (summary.vertices, summary.triangles, model.len());
        println!("{output}: {vertices} vertices, {triangles} triangles, {bytes} bytes");
    }
    Ok(())
}
