//! Clients that know nothing of the gateway, the commands that do, and what an operator may do wrong.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use meshmemo_gen::{Format, Parameters, mesh, relief};
use reqwest::Method;
use serde_json::json;

use crate::answer::send;
use crate::desk::Desk;
use crate::gateway::{Gateway, body};
use crate::guarded::{KEYS, add_key};
use crate::house::{in_repository, photo_path, read_photo};
use crate::stand_in::{Protocol, StandIn, Turn};

/// Has a client script write a model; returns it.
fn model_by(script: &str, url: &str, photo: &str, directory: &Path) -> Vec<u8> {
    model_of_client(script, &[], (url, photo, directory))
}

/// Has a client script, in Python or for a shell, write a model with more arguments; returns it.
pub(crate) fn model_of_client(
    script: &str,
    more: &[&str],
    (url, photo, directory): (&str, &str, &Path),
) -> Vec<u8> {
    let program = match script.rsplit_once('.') {
        Some((_, "sh")) => Path::new("/bin/sh").to_owned(),
        _ => in_repository("target/tools/venv/bin/python"),
    };
    assert!(program.exists(), "there is no {}: run `make tools` first", program.display());
    let output = directory.join("model.glb");
    let ended = Command::new(program)
        .arg(in_repository("tests/tools/clients").join(script))
        .arg(url)
        .args([photo_path(photo), output.clone()])
        .args(more)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{script}: {}", String::from_utf8_lossy(&ended.stderr));
    std::fs::read(output).unwrap()
}

#[test]
fn unmodified_clients_are_answered_as_by_the_server_and_repeats_are_hits() {
    for (adapter, script) in [
        ("hunyuan3d-2", "hunyuan3d_2.py"),
        ("hunyuan3d-2", "hunyuan3d_2_send.py"),
        ("hunyuan3d-2.1-stock", "hunyuan3d_2.py"),
        ("hunyuan3d-2.1-stock", "hunyuan3d_2_send.py"),
        ("hunyuan3d-2.1-forwarding", "hunyuan3d_2.py"),
        ("hunyuan3d-2.1-forwarding", "hunyuan3d_2_send.py"),
        ("generic", "generic.py"),
    ] {
        let desk = Desk::new();
        let gateway = Gateway::with(adapter, &[]);
        let direct = model_by(script, &gateway.backend.url(), "coffee.png", desk.dir.path());
        let begun = gateway.backend.begun();
        let models: Vec<_> = (0..3)
            .map(|_| model_by(script, &gateway.house.url(""), "coffee.png", desk.dir.path()))
            .collect();
        // Servers of 2.1 draw another model each time.
        if !adapter.starts_with("hunyuan3d-2.1") {
            assert_eq!(models[0], direct, "{adapter} {script}");
        }
        assert!(models.iter().all(|model| *model == models[0]), "{adapter} {script}");
        assert_eq!(gateway.backend.begun(), begun + 1, "{adapter} {script}: repeats are hits");
        assert_eq!(gateway.house.counts(["misses", "hits"]), [1, 2], "{adapter} {script}");
    }
}

#[test]
fn the_command_line_makes_models_at_a_server_and_keeps_them() {
    let desk = Desk::new();
    let backend = StandIn::start(Protocol::Hunyuan2);
    let photo = desk.copy("coffee.png", "cup.png");
    let url = backend.url();
    let at_server = ["--backend", &url, "--adapter", "hunyuan3d-2", "--json"];
    let generate =
        |more: &[&str]| desk.run(&[&["generate", &photo], &at_server[..], more].concat());
    let first = generate(&["--model-id", "m"]).ok().json();
    assert_eq!(first["outcome"], "miss");
    assert!(desk.is_glb("cup.glb"));
    let again = generate(&["--model-id", "m"]).ok().json();
    assert_eq!((&again["outcome"], &again["key"]), (&json!("hit"), &first["key"]));
    assert_eq!(generate(&["--model-id", "m2"]).ok().json()["outcome"], "miss");
    assert_eq!(generate(&["--model-id", "m", "--refresh"]).ok().json()["outcome"], "bypass");
    assert_eq!(backend.begun(), 3);
    let refused = generate(&["--quality", "3"]).failed(1);
    assert!(refused.contains("`quality` is 3") && refused.contains("`seed`"), "{refused}");
    backend.stop();
    let down = generate(&["--seed", "9"]).failed(1);
    assert!(down.contains("can not be reached"), "{down}");
    assert_eq!(generate(&["--model-id", "m"]).ok().json()["outcome"], "hit", "without its server");
}

#[test]
fn the_doctor_says_what_is_well_and_what_is_not() {
    let desk = Desk::new();
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    let url = gateway.house.url("");
    let doctor = |url: &str, more: &[&str]| desk.run(&[&["doctor", "--url", url], more].concat());
    let said = doctor(&url, &[]).ok().stdout;
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with("model") && last.contains("miss ") && last.contains(", hit "),
        "{said}"
    );
    for what in ["server", "access", "memory", "disk", "backend"] {
        let line = said.lines().find(|line| line.starts_with(what)).unwrap();
        assert!(line.contains(" ok "), "{said}");
    }
    let photo = photo_path("coffee.png").display().to_string();
    let report = doctor(&url, &["--json", &photo]).ok().json();
    assert_eq!((&report["ok"], &report["asked"][1]["outcome"]), (&json!(true), &json!("hit")));
    assert_eq!(gateway.backend.begun(), 2);

    let off = Gateway::with("hunyuan3d-2", &["--cache", "off"]);
    let said = doctor(&off.house.url(""), &[]).failed_saying(1);
    assert!(said.contains("model") && said.contains("the cache is not used"), "{said}");

    let Gateway { house, backend } = gateway;
    backend.stop();
    house.wait_until(|house| house.health()["backend"]["status"] == "down");
    let said = doctor(&url, &[]).failed_saying(1);
    assert!(said.contains("backend    NOT WELL") && said.contains("can not be reached"), "{said}");
    drop(house);
    let said = doctor(&url, &[]).failed_saying(1);
    assert!(said.starts_with("server     NOT WELL"), "{said}");

    let dir = Arc::new(tempfile::tempdir().unwrap());
    let reader = add_key(&dir, "reader --role read");
    let guarded = Gateway::in_dir(&dir, "hunyuan3d-2", &["--api-keys", KEYS]);
    let url = guarded.house.url("");
    let said = doctor(&url, &[]).failed_saying(1);
    assert!(said.contains("a key is needed"), "{said}");
    let said = doctor(&url, &["--api-key", &reader]).failed_saying(1);
    assert!(said.contains("`reader` has the role `read`"), "{said}");
}

#[test]
fn a_configuration_that_makes_no_sense_is_named_with_what_it_may_be() {
    let desk = Desk::new();
    let url = "http://127.0.0.1:1";
    let serve = |args: &[&str]| {
        let listen =
            if args.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        desk.run(&[&["serve"], listen, args].concat())
    };
    for (args, words) in [
        (vec!["--backend", url], "`hunyuan3d-2`, `hunyuan3d-2.1-stock`"),
        (vec!["--backend", url, "--adapter", "hunyuan"], "`adapter` is `hunyuan`"),
        (vec!["--backend", "gpu:80", "--adapter", "generic"], "`backend` is `gpu:80`"),
        (vec!["--backend", "http://a,http://a/", "--adapter", "generic"], "each once"),
        (
            vec!["--backend", "http://a,http://b", "--adapter", "hunyuan3d-2", "--model-id", "x,y"],
            "must have the same model",
        ),
        (vec!["--backend", url, "--adapter", "generic"], "needs a table `[generic]`"),
        (vec!["--adapter", "hunyuan3d-2"], "`native`"),
        (vec!["--backend", "http://me:secret@gpu", "--adapter", "generic"], "a name or a password"),
        (
            vec![
                "--backend",
                "http://127.0.0.1:9",
                "--adapter",
                "hunyuan3d-2",
                "--listen",
                "127.0.0.1:9",
            ],
            "own address",
        ),
        (vec!["--cache", "observe"], "forwards nothing"),
        (
            vec!["--backend", url, "--adapter", "hunyuan3d-2", "--unseeded", "x"],
            "`unseeded` is `x`",
        ),
    ] {
        let said = serve(&args).failed(2);
        assert!(said.contains(words) && !said.contains("secret"), "{args:?}: {said}");
    }
    let check = |table: &str| {
        let text = format!("backend = \"{url}\"\nadapter = \"generic\"\n[generic]\n{table}\n");
        std::fs::write(desk.path("own.toml"), text).unwrap();
        desk.run(&["config", "check", "own.toml"])
    };
    check("path = \"/make\"\nimages = [\"photo\"]\ndefaults = { steps = 5 }").ok();
    for (table, words) in [
        ("images = [\"photo\"]", "`path`"),
        ("path = \"make\"\nimages = [\"photo\"]", "must begin with `/`"),
        ("path = \"/make\"\nimages = []", "names no field"),
        ("path = \"/make\"\nimages = [\"a\"]\nseeds = 1", "`seeds`"),
        ("path = \"/make\"\nimages = [\"a\"]\nbody = \"xml\"", "xml"),
        ("path = \"/make\"\nimages = [\"a\"]\nanswer = \"fbx\"", "fbx"),
        ("path = \"/make\"\nimages = [\"a\"]\nstatuses = [404]", "200 to 299"),
        ("path = \"/make\"\nimages = [\"a\"]\nstatuses = []", "names none"),
        ("path = \"/make\"\nimages = [\"a\"]\nmethod = \"post\"", "`method` is `post`"),
        ("path = \"/make?a=1\"\nimages = [\"a\"]", "without a query"),
        ("path = \"/api/cache/x\"\nimages = [\"a\"]", "this server's own"),
        ("path = \"/make\"\nimages = [\"a\"]\nirrelevant = [\"a\"]", "in `irrelevant`"),
        ("path = \"/make\"\nimages = [\"a\"]\nrandom_seeds = [0]", "without `seed`"),
        ("path = \"/make\"\nimages = [\"a\"]\nkeyed_headers = [\"Accept\"]", "lower case"),
    ] {
        let said = check(table).failed(1);
        assert!(said.contains(words), "{table}: {said}");
    }
}

/// A server of STL makes STL, whatever the native door's default is; what nobody can check is refused.
#[test]
fn the_native_door_has_the_format_that_the_server_makes() {
    let coarse = Parameters { quality: 1, ..Parameters::default() };
    let go_on = &mut |_| ControlFlow::Continue(());
    let glb = relief::generate(&read_photo("horse.png"), &coarse, go_on).unwrap();
    let stl = mesh::convert(&glb, Format::Stl).unwrap();
    for (answer, makes) in [("stl", true), ("any", false)] {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let table = format!(
            "[generic]\npath = \"/v1/3d/generations\"\nimages = [\"image\"]\nanswer = \"{answer}\"\n"
        );
        std::fs::write(dir.path().join("meshmemo.toml"), table).unwrap();
        let gateway = Gateway::before(StandIn::start(Protocol::Generic), &dir, "generic", &[]);
        gateway.backend.script([Turn::Answer(200, "application/sla", stl.clone())]);
        let answer = send(gateway.by_door("coffee.png", &[]));
        if makes {
            let answer = answer.ok();
            assert_eq!((answer.header("content-type"), &answer.body[..]), ("model/stl", &stl[..]));
            assert_eq!(answer.model_path().rsplit('.').next(), Some("stl"));
            assert_eq!(gateway.house.get(&answer.model_path()).ok().body, answer.body);
        } else {
            assert!(answer.problem(422).contains("`format`"));
        }
    }
}

/// A server whose answer is JSON around the model: kept as it came, and by the native door unwrapped.
#[test]
fn a_model_inside_of_json_is_checked_kept_and_taken_out_for_the_native_door() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let table = "adapter = \"generic\"\n[[generic]]\npath = \"/json\"\nimages = [\"image\"]\n\
                 model_field = \"/artifacts/0/base64\"\n\
                 [[generic]]\npath = \"/multipart\"\nimages = [\"image\"]\nbody = \"multipart\"\n";
    std::fs::write(dir.path().join("meshmemo.toml"), table).unwrap();
    let gateway = Gateway::before(StandIn::start(Protocol::Generic), &dir, "generic", &[]);
    let own = Gateway::with("generic", &[]);
    for format in ["glb", ""] {
        let by_form = own.by_door("coffee.png", &[("format", format), ("quality", "")]);
        send(by_form).ok();
    }
    assert_eq!(own.backend.begun(), 1, "the format that there is may be named, or left empty");
    let asked = body("coffee.png", &json!({}));
    let wrapped = send(gateway.ask("/json", &asked)).ok();
    assert_eq!(wrapped.header("content-type"), "application/json");
    let again = send(gateway.ask("/json", &asked)).ok();
    assert_eq!(
        (again.cache_status(), &again.body),
        ("meshmemo; hit; detail=memory", &wrapped.body)
    );
    let taken_out = send(gateway.by_door("coffee.png", &[])).ok();
    assert_eq!(taken_out.cache_status(), "meshmemo; hit; detail=derived");
    assert_eq!(taken_out.header("content-type"), "model/gltf-binary");
    assert!(taken_out.body.starts_with(b"glTF"));
    assert_eq!(gateway.backend.begun(), 1);
    gateway.backend.script([Turn::Truncated]);
    let cut = send(gateway.ask("/json", &body("horse.png", &json!({})))).ok();
    assert!(cut.cache_status().ends_with("not-kept"), "the model inside is looked at");
    let other = gateway.by_door("coffee.png", &[("format", "stl")]);
    assert!(send(other).problem(422).contains("`format` is stl"));
    // Forms go through with whatever boundary their client draws.
    let by_form = || gateway.house.ask_at("/multipart", "coffee.png", &[("steps", "5")]);
    let first = send(by_form()).ok();
    let again = send(by_form()).ok();
    assert_eq!((again.cache_status(), &again.body), ("meshmemo; hit; detail=memory", &first.body));
    assert_eq!(send(gateway.house.request(Method::GET, "/json")).status, 405, "the backend's word");
}
