//! The command line: what it says, what it writes, and its exit codes.

use std::fs;

use crate::desk::Desk;
use crate::house::{House, meshmemo};

#[test]
fn a_photo_becomes_a_file() {
    let desk = Desk::new();
    let photo = desk.copy("horse.png", "horse.png");
    let ran = desk.run(&["generate", &photo, "-o", "x.glb", "--quality", "1"]).ok();
    assert!(desk.is_glb("x.glb"));
    assert_eq!(ran.outcomes(), ["miss"]);
    assert!(ran.stdout.contains("x.glb"), "{}", ran.stdout);
    desk.run(&["generate", &photo, "-o", "x.stl", "--quality", "1"]).ok();
    let stl = fs::read(desk.path("x.stl")).unwrap();
    let triangles = u32::from_le_bytes(stl[80..84].try_into().unwrap());
    assert_eq!(stl.len(), 84 + 50 * triangles as usize, "the name says the format");
}

#[test]
fn a_photo_under_two_names_is_generated_once() {
    let desk = Desk::new();
    let photos = [desk.copy("horse.png", "a.png"), desk.copy("horse.png", "b.png")];
    let args = ["generate", &photos[0], &photos[1], "--out-dir", "models", "--quality", "1"];
    assert_eq!(desk.run(&args).ok().outcomes(), ["miss", "hit"]);
    assert!(desk.is_glb("models/a.glb") && desk.is_glb("models/b.glb"));
    assert_eq!(fs::read_dir(desk.path("models")).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn a_running_server_shares_its_results() {
    let (desk, house) = (Desk::new(), House::start());
    let photo = desk.copy("horse.png", "horse.png");
    let url = house.url("/");
    let args = ["generate", &photo, "--quality", "1", "--url", &url, "--json"];
    let (first, second) = (desk.run(&args).ok().json(), desk.run(&args).ok().json());
    assert_eq!((&first["outcome"], &second["outcome"]), (&"miss".into(), &"hit".into()));
    assert_eq!((&first["image"], &first["file"]), (&"horse.png".into(), &"horse.glb".into()));
    assert_eq!(first["key"], second["key"]);
    assert!(first["bytes"].is_u64() && first["seconds"].is_f64());
    let refresh = desk.run(&[&args[..], &["--refresh"]].concat()).ok().json();
    assert_ne!(refresh["outcome"], "hit");
    assert_eq!(house.counts(["generations", "current_items"]), [2, 1]);
}

#[test]
fn here_and_on_a_server_the_same_request_has_the_same_key() {
    let (desk, house) = (Desk::new(), House::start());
    let photo = desk.copy("horse.png", "horse.png");
    let args = ["generate", &photo, "--quality", "1", "--size", "50x60x7", "--json"];
    let here = desk.run(&args).ok().json();
    let there = desk.run(&[&args[..], &["--url", &house.url("")]].concat()).ok().json();
    assert_eq!((&here["key"], &here["bytes"]), (&there["key"], &there["bytes"]));
}

#[test]
fn standard_output_takes_a_model_too() {
    let desk = Desk::new();
    let photo = desk.copy("horse.png", "horse.png");
    let args = ["generate", &photo, "-o", "-", "--format", "obj", "--quality", "1"];
    let ran = desk.run(&args).ok();
    assert!(ran.stdout.lines().any(|line| line.starts_with("f ")), "an OBJ has faces");
    assert!(ran.stderr.lines().any(|line| line.starts_with("miss")), "{}", ran.stderr);
}

#[test]
fn a_photo_that_fails_leaves_the_others_their_models() {
    let desk = Desk::new();
    let (good, last) = (desk.copy("horse.png", "a.png"), desk.copy("chelsea.png", "d.png"));
    fs::write(desk.path("c.png"), b"\x89PNG\r\n\x1a\n cut off").unwrap();
    let args = ["generate", &good, "missing.png", "c.png", &last, "--quality", "1"];
    let said = desk.run(&args).failed(1);
    assert!(said.contains("missing.png") && said.contains("c.png"), "{said}");
    assert!(desk.is_glb("a.glb") && desk.is_glb("d.glb") && !desk.path("c.glb").exists());
}

#[test]
fn what_is_typed_wrongly_ends_with_two_and_is_named() {
    let desk = Desk::new();
    desk.copy("horse.png", "a.png");
    fs::create_dir(desk.path("twin")).unwrap();
    desk.copy("horse.png", "twin/a.jpg");
    let usages: [(&[&str], &str); 10] = [
        (&["generate", "a.png", "--colour"], "--colour"),
        (&["generate"], "IMAGE"),
        (&["generate", "a.png", "--quality", "11"], "`quality` is 11"),
        (&["generate", "a.png", "--format", "xyz"], "`format` is xyz"),
        (&["generate", "a.png", "--size", "10x10"], "`size` is `10x10`"),
        (&["generate", "a.png", "twin/a.jpg"], "`a`"),
        (&["generate", "a.png", "twin/b.jpg", "-o", "x.glb"], "--out-dir"),
        (&["serve", "--max-memory", "much"], "`max_memory` is `much`"),
        (&["rm", "neither-key-nor-file"], "neither-key-nor-file"),
        (&["attic"], "attic"),
    ];
    for (args, named) in usages {
        let said = desk.run(args).failed(2);
        assert!(said.contains(named), "{args:?}: {said}");
    }
    assert!(!desk.path("a.glb").exists());
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    let desk = Desk::new();
    for command in ["stats", "entries", "config"] {
        let said = desk.run(&[command, "--url", "http://127.0.0.1:1"]).failed(1);
        assert!(said.contains("127.0.0.1:1") && said.contains("meshmemo serve"), "{said}");
    }
}

#[test]
fn a_running_server_tells_its_numbers() {
    let (desk, house) = (Desk::new(), House::start());
    house.furnish();
    house.coarse("horse.png", 0);
    let url = house.url("");
    let at = |args: &[&str]| desk.run_in(&[("MESHMEMO_URL", &url)], args).ok();
    let stats = at(&["stats"]).stdout;
    assert!(stats.contains("1 hits") && stats.contains("5 misses, 0 bypasses: 16.67 %"), "{stats}");
    assert_eq!(at(&["stats", "--json"]).json()["stats"]["hits"], 1);
    let entries = at(&["entries", "--sort", "hits", "--limit", "2"]).stdout;
    assert!(entries.lines().nth(1).unwrap().contains("horse.png"), "{entries}");
    assert!(entries.contains("2 of 5 entries"), "{entries}");
    assert_eq!(at(&["entries", "rocket", "--json"]).json()["total"], 1);
    assert_eq!(at(&["config", "--json"]).json()["config"]["max_size"], 1000);
    assert!(at(&["config"]).stdout.contains("max_size"));
}

#[test]
fn a_running_server_is_changed_and_cleared() {
    let (desk, house) = (Desk::new(), House::in_memory(&[]));
    house.furnish();
    let url = house.url("");
    let at = |args: &[&str]| desk.run(&[args, &["--url", &url]].concat());
    let set = at(&["config", "set", "max_size=3", "default_ttl_seconds=60", "--json"]).ok().json();
    assert_eq!(set["config"]["max_size"], 3);
    assert_eq!(house.counts(["current_items", "max_items"]), [3, 3]);
    at(&["config", "set", "default_ttl_seconds=none"]).ok();
    assert!(at(&["config", "set", "max_size=0"]).failed(1).contains("`max_size`"));
    assert!(at(&["config", "set", "max_size"]).failed(2).contains("FIELD=VALUE"));
    assert!(at(&["clear"]).failed(2).contains("--yes"), "nobody is there to be asked");
    assert_eq!(house.count("current_items"), 3);
    assert_eq!(at(&["clear", "--yes", "--json"]).ok().json()["removed"], 3);
    assert_eq!(house.count("current_items"), 0);
}

#[test]
fn an_entry_is_removed_by_its_key() {
    let (desk, house) = (Desk::new(), House::start());
    let key = house.coarse("horse.png", 0).key().to_owned();
    house.coarse("horse.png", 1);
    let args = ["rm", &key, "--url", &house.url("")];
    assert!(desk.run(&args).ok().stdout.contains(&key));
    assert_eq!(house.count("current_items"), 1);
    let said = desk.run(&args).failed(1);
    assert!(said.contains(&key), "it is not there any more: {said}");
    assert_eq!(said.matches("404").count(), 1, "once is enough: {said}");
}

#[test]
fn all_formats_of_a_photo_are_removed_by_the_photo() {
    let (desk, house) = (Desk::new(), House::start());
    let photo = desk.copy("horse.png", "any-name.png");
    for format in ["glb", "ply"] {
        house.generate("horse.png", &[("quality", "1"), ("format", format)]).ok();
    }
    let kept = house.coarse("horse.png", 1);
    let args = ["rm", &photo, "--quality", "1", "--json", "--url", &house.url("")];
    assert!(desk.run(&args).ok().json()["removed"].is_array());
    assert_eq!(house.count("current_items"), 1);
    house.get(&kept.model_path()).ok();
    desk.run(&args).failed(1);
}

/// Asking which formats there are derived the others: they were put into the cache, counted, and
/// evicted entries, even the one that was to be removed.
#[test]
fn removing_a_photo_makes_and_evicts_nothing() {
    let (desk, house) = (Desk::new(), House::with(&["--max-entries", "2"]));
    let photo = desk.copy("horse.png", "horse.png");
    house.coarse("chelsea.png", 0);
    house.generate("horse.png", &[("quality", "1")]).ok();
    let ran = desk.run(&["rm", &photo, "--quality", "1", "--url", &house.url("")]).ok();
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    assert_eq!(house.counts(["current_items", "evictions", "derivations"]), [1, 0, 0]);
}

/// A reader that closes its end, as `head` does, was answered with a panic.
#[test]
fn completions_into_a_closed_pipe_end_without_a_panic() {
    let desk = Desk::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = meshmemo(desk.dir.path());
    let ended = command.args(["completions", "bash"]).stdout(writer).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(matches!(ended.status.code(), Some(0 | 1)) && !said.contains("panicked"), "{said}");
}

#[test]
fn shells_get_their_completions() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(desk.run(&["completions", shell]).ok().stdout.contains("meshmemo"), "{shell}");
    }
}
