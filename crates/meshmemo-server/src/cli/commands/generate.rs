//! `meshmemo generate`: the same pipeline as the server's, from the shell.
//!
//! Each photo is generated here, or by a running server if `--url` names one or if one has the data
//! directory; either way the answer says whether it came from a cache, how long it took and where
//! the file is.

mod local;
mod progress;
mod server;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use meshmemo_gen::{Format, Parameters};
use serde_json::json;

use crate::cli::args::{Generate, Shape};
use crate::cli::{Done, Usage, output};
use crate::units::{show_duration, show_size};
use local::{Local, Place};
use server::Server;
pub(super) use server::outcome;

/// One photo's answer.
struct Made {
    body: Vec<u8>,
    /// `hit`, `miss`, `coalesced` or `bypass`.
    outcome: String,
    key: String,
    took: Duration,
    /// Of servers, theirs.
    format: Format,
}

/// Where models come from.
enum Maker {
    Local(Box<Local>),
    Server(Server),
}

/// What was typed, by field.
type Given = Vec<(&'static str, String)>;

pub(crate) fn run(args: &Generate) -> Result<Done> {
    let (parameters, given) = parameters(args).map_err(Usage)?;
    check_names(args).map_err(Usage)?;
    let maker = Maker::new(args)?;
    let mut failures = 0;
    for image in &args.images {
        let made = make(&maker, args, image, (&parameters, &given));
        if let Err(error) = made.and_then(|made| keep(args, image, &made)) {
            output::say_error(&format!("{}: {error:#}", image.display()));
            failures += 1;
        }
    }
    maker.close();
    Ok(if failures == 0 { Done::Well } else { Done::Badly })
}

impl Maker {
    fn new(args: &Generate) -> Result<Self> {
        if let Some(url) = &args.url {
            return Server::new(args, url).map(Self::Server);
        }
        match Local::open(args)? {
            Place::Here(local) => Ok(Self::Local(local)),
            Place::At(url) => {
                if !args.backend.given().is_empty() {
                    let message = anyhow!(
                        "the server at {url} has the data directory, and models of its own backend: \
                         leave out --backend and its like to ask it, or give another --data-dir"
                    );
                    return Err(Usage(message).into());
                }
                output::note(&format!("the server at {url} has the data directory: asking it"));
                Server::new(args, &url).map(Self::Server)
            }
        }
    }

    fn close(self) {
        match self {
            Self::Local(local) => local.close(),
            Self::Server(_) => {}
        }
    }
}

/// Returns the form fields of what is asked for: those that were typed.
pub(super) fn fields(shape: &Shape) -> Result<Given> {
    let mut fields = Vec::new();
    let single = [("format", &shape.format), ("quality", &shape.quality), ("seed", &shape.seed)];
    for (name, value) in single {
        fields.extend(value.clone().map(|value| (name, value)));
    }
    if let Some(size) = &shape.size {
        let sides: Vec<_> =
            size.split(['x', 'X', '×']).map(|side| side.trim().to_owned()).collect();
        let [width, height, depth] = <[String; 3]>::try_from(sides).map_err(|_| {
            Usage(anyhow!("`size` is `{size}`, but must be WIDTHxHEIGHTxDEPTH in mm: 100x100x20"))
        })?;
        fields.extend([("width_mm", width), ("height_mm", height), ("depth_mm", depth)]);
    }
    Ok(fields)
}

/// Reads what is asked for; the output's name says the format, if nothing else does.
fn parameters(args: &Generate) -> Result<(Parameters, Given)> {
    let mut parameters = Parameters::default();
    let extension = args.output.as_deref().and_then(Path::extension);
    let by_name = extension.map(|extension| extension.to_string_lossy().to_lowercase());
    let mut given = fields(&args.shape)?;
    if let Some(by_name) = by_name.filter(|_| args.shape.format.is_none()) {
        parameters.set("format", &by_name).context("the format is that of --output's name")?;
        given.push(("format", by_name));
    }
    for (name, value) in &given {
        parameters.set(name, value)?;
    }
    parameters.validate()?;
    Ok((parameters, given))
}

/// Checks that every model has a file of its own.
fn check_names(args: &Generate) -> Result<()> {
    if args.output.is_some() && args.images.len() > 1 {
        bail!("--output takes one photo, but there are {}: use --out-dir", args.images.len());
    }
    if let Some(dir) = &args.out_dir
        && dir.exists()
        && !dir.is_dir()
    {
        bail!("`{}` is not a directory", dir.display());
    }
    let mut stems: Vec<_> = args.images.iter().map(|image| image.file_stem()).collect();
    stems.sort();
    match stems.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => bail!(
            "two photos are called `{}`, and their models would overwrite one another",
            pair[0].unwrap_or_default().to_string_lossy()
        ),
        None => Ok(()),
    }
}

fn make(
    maker: &Maker,
    args: &Generate,
    image: &Path,
    asked: (&Parameters, &Given),
) -> Result<Made> {
    if image.exists() && !image.is_file() {
        bail!("this is no file");
    }
    let photo = std::fs::read(image).context("the photo can not be read")?;
    let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match maker {
        Maker::Local(local) => local.make(photo, &name, asked, args.refresh),
        Maker::Server(server) => server.make(photo, &name, asked.1, args),
    }
}

/// Writes the model where it was asked for, and tells what was done.
fn keep(args: &Generate, image: &Path, made: &Made) -> Result<()> {
    let path = target(args, image, made.format);
    let is_stdout = path == Path::new("-");
    if is_stdout {
        std::io::stdout().lock().write_all(&made.body).context("standard output is closed")?;
    } else {
        write_whole(&path, &made.body)?;
    }
    let line = if args.json {
        json!({
            "image": image.display().to_string(),
            "file": path.display().to_string(),
            "outcome": made.outcome,
            "key": made.key,
            "seconds": made.took.as_secs_f64(),
            "bytes": made.body.len(),
        })
        .to_string()
    } else {
        let (took, size) = (show_duration(made.took), show_size(made.body.len() as u64));
        let shown = if is_stdout { "standard output".into() } else { path.display().to_string() };
        format!("{}  {took}  {size}  {shown}", made.outcome)
    };
    if is_stdout {
        output::note(&line);
        Ok(())
    } else {
        Ok(output::say(&line)?)
    }
}

/// Returns where a photo's model goes.
fn target(args: &Generate, image: &Path, format: Format) -> PathBuf {
    match &args.output {
        Some(output) => output.clone(),
        None => {
            let dir = args.out_dir.clone().unwrap_or_default();
            let stem = image.file_stem().unwrap_or_default();
            dir.join(stem).with_added_extension(format.extension())
        }
    }
}

/// Writes a file in one step: whoever reads it sees the old one or the whole new one. What a link
/// points to is written, and a device or a pipe is written to.
fn write_whole(path: &Path, body: &[u8]) -> Result<()> {
    let there = path.canonicalize();
    let path = there.as_deref().unwrap_or(path);
    if path.exists() && !path.is_file() {
        return std::fs::write(path, body)
            .with_context(|| format!("`{}` can not be written", path.display()));
    }
    let name = path.file_name().with_context(|| format!("`{}` names no file", path.display()))?;
    let dir = path.parent().unwrap_or(Path::new(""));
    if !dir.as_os_str().is_empty() {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("`{}` can not be made", dir.display()))?;
    }
    let mut part = name.to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = dir.join(part);
    let written = std::fs::write(&part, body).and_then(|()| std::fs::rename(&part, path));
    written
        .inspect_err(|_| drop(std::fs::remove_file(&part)))
        .with_context(|| format!("`{}` can not be written", path.display()))
}
