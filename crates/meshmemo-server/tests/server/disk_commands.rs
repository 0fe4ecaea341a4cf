//! The commands around the data directory: who owns it, and whether it is whole.

use std::fs;
use std::process::Command;

use crate::desk::Desk;
use crate::house::{House, PHOTOS, meshmemo, photo_path};

/// Runs a command where a server has its data.
fn beside(house: &House, args: &[&str]) -> (Option<i32>, String, String) {
    let ended = meshmemo(house.dir().path()).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

fn signal(name: &str, process: u32) {
    let script = format!("kill -{name} {process}");
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
}

#[test]
fn a_second_server_on_the_same_directory_says_who_has_it() {
    let house = House::start();
    let (code, _, said) = beside(&house, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(2), "{said}");
    for part in ["meshmemo serve", &house.url(""), "process ", "--data-dir"] {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
    house.get("/api/health").ok();
    let mut elsewhere = House::in_dir(&house.dir(), &["--data-dir", "elsewhere"]);
    elsewhere.coarse("horse.png", 0);
    elsewhere.end();
}

#[test]
fn generate_keeps_its_models_and_finds_them_again() {
    let desk = Desk::new();
    desk.copy("horse.png", "horse.png");
    let args = ["generate", "horse.png", "--quality", "1"];
    assert_eq!(desk.run(&args).ok().outcomes(), ["miss"]);
    assert_eq!(desk.run(&args).ok().outcomes(), ["hit"]);
    let other = [&args[..], &["--format", "stl"]].concat();
    assert_eq!(desk.run(&other).ok().outcomes(), ["hit"], "derived from what is there");
    let elsewhere = [&args[..], &["--data-dir", "elsewhere"]].concat();
    assert_eq!(desk.run(&elsewhere).ok().outcomes(), ["miss"]);
    let nowhere = [&args[..], &["--disk-max", "off"]].concat();
    assert_eq!(desk.run(&nowhere).ok().outcomes(), ["miss"]);
    let refresh = [&args[..], &["--refresh"]].concat();
    assert_eq!(desk.run(&refresh).ok().outcomes(), ["bypass"]);
}

#[test]
fn generate_beside_a_server_asks_the_server() {
    let house = House::start();
    let photo = photo_path("horse.png").display().to_string();
    let args = ["generate", &photo, "--quality", "1"];
    let (code, stdout, said) = beside(&house, &args);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&house.url("")), "{said}");
    assert!(stdout.starts_with("miss"), "{stdout}");
    assert_eq!(house.counts(["generations", "current_items"]), [1, 1]);
    assert!(beside(&house, &args).1.starts_with("hit"));
    assert_eq!(house.coarse_without_seed().cache_status(), "meshmemo; hit; detail=memory");
}

#[test]
fn a_directory_of_another_command_is_told_what_to_do_about() {
    let desk = Desk::new();
    desk.copy("astronaut.png", "astronaut.png");
    desk.copy("horse.png", "horse.png");
    let mut slow = meshmemo(desk.dir.path());
    let mut slow = slow
        .args(["generate", "astronaut.png", "--quality", "10"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lock = desk.path(".cache/meshmemo/LOCK");
    while !fs::read_to_string(&lock).is_ok_and(|text| text.contains("generate")) {
        assert!(slow.try_wait().unwrap().is_none(), "it ended before it could be met");
    }
    // It holds the directory for as long as it is looked at.
    signal("STOP", slow.id());
    let ran = desk.run(&["generate", "horse.png", "--quality", "1"]);
    signal("CONT", slow.id());
    let said = ran.failed(2);
    for part in ["meshmemo generate", &slow.id().to_string(), "--data-dir", "--disk-max off"] {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
    assert!(slow.wait().unwrap().success());
}

#[test]
fn fsck_finds_what_is_corrupt_and_puts_it_aside() {
    let mut house = House::start();
    house.furnish();
    let (code, _, said) = beside(&house, &["fsck"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&house.url("")), "it is in use: {said}");
    house.end();
    let (code, stdout, said) = beside(&house, &["fsck"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(stdout.contains("5 entries") && stdout.contains("is clean"), "{stdout}");

    let victim = house.files()[2].clone();
    let mut bytes = fs::read(&victim).unwrap();
    bytes[777] ^= 0x20;
    fs::write(&victim, bytes).unwrap();
    let (code, stdout, _) = beside(&house, &["fsck"]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains(&victim.display().to_string()), "{stdout}");
    assert!(stdout.contains("--repair") && victim.exists(), "{stdout}");
    let (code, stdout, _) = beside(&house, &["fsck", "--repair", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(1));
    assert_eq!((&report["clean"], &report["repaired"]), (&false.into(), &true.into()));
    assert_eq!((&report["entries"], report["corrupt"].as_array().unwrap().len()), (&4.into(), 1));
    assert_eq!(beside(&house, &["fsck"]).0, Some(0));
    assert!(!victim.exists());

    house = House::in_dir(&house.dir(), &["--warm", "off"]);
    let statuses = PHOTOS.map(|photo| house.coarse(photo, 0).cache_status().to_owned());
    let stored = statuses.iter().filter(|status| status.ends_with("stored")).count();
    assert_eq!(stored, 1, "{statuses:?}");
}

#[test]
fn fsck_of_a_directory_that_is_not_there_is_a_usage_error() {
    let desk = Desk::new();
    let said = desk.run(&["fsck", "--data-dir", "nowhere"]).failed(2);
    assert!(said.contains("nowhere"), "{said}");
}

#[test]
fn memory_is_warmed_from_the_shell() {
    let (desk, house) = (Desk::new(), House::start());
    house.furnish();
    let url = house.url("");
    let at = |args: &[&str]| desk.run(&[args, &["--url", &url]].concat());
    house.forget_memory();
    let said = at(&["warm", "--top", "2"]).ok().stdout;
    assert!(said.starts_with("loaded 2 entries"), "{said}");
    let report = at(&["warm", "--json"]).ok().json();
    assert_eq!((&report["loaded"], &report["skipped"]), (&3.into(), &2.into()));
    let key = house.coarse("horse.png", 0).key().to_owned();
    house.forget_memory();
    assert_eq!(at(&["warm", "--keys", &key, "--json"]).ok().json()["loaded"], 1);
    let photo = desk.copy("rocket.jpg", "rocket.jpg");
    let args = ["warm", &photo, "--quality", "2"];
    assert!(at(&args).ok().stdout.starts_with("miss"));
    assert!(at(&args).ok().stdout.starts_with("hit"));
    assert!(at(&["warm", "nothing.png"]).failed(1).contains("nothing.png"));
    assert!(at(&["warm", "--top", "0"]).failed(1).contains("`top`"));
}

#[test]
fn entries_are_purged_from_the_shell() {
    let (desk, house) = (Desk::new(), House::start());
    house.furnish();
    let url = house.url("");
    let at = |args: &[&str]| desk.run(&[args, &["--url", &url]].concat());
    assert!(at(&["purge"]).failed(2).contains("--older-than"), "a condition is needed");
    assert!(at(&["purge", "--older-than", "soon"]).failed(2).contains("`soon`"));
    let said = at(&["purge", "--label-prefix", "c", "--dry-run"]).ok().stdout;
    assert!(said.starts_with("2 entries"), "{said}");
    assert!(at(&["purge", "--older-than", "7d"]).ok().stdout.starts_with("removed 0"));
    let report = at(&["purge", "--label-prefix", "c", "--json"]).ok().json();
    assert_eq!((&report["matched"], &report["removed"]), (&2.into(), &2.into()));
    assert!(at(&["clear", "--tiers", "memory", "--yes"]).ok().stdout.starts_with("removed 3"));
    assert_eq!(house.files().len(), 3);
    assert!(at(&["clear", "--tiers", "attic", "--yes"]).failed(1).contains("attic"));
    assert!(at(&["stats"]).ok().stdout.contains("disk         3 entries"));
    assert!(at(&["entries"]).ok().stdout.contains("disk"));
}
