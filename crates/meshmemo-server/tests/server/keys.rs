//! `meshmemo keys`, the file that it writes, and a server that reads it again.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::answer::{send, send_all};
use crate::desk::Desk;
use crate::guarded::{Guarded, KEYS, add_key, revoke_key};
use crate::house::{House, meshmemo};

#[test]
fn a_key_is_shown_once_and_its_file_does_not_have_it() {
    let desk = Desk::new();
    let made = desk.run(&["keys", "add", "ops", "--role", "admin", "--api-keys", KEYS]).ok();
    let key = made.stdout.trim();
    assert!(key.starts_with("mm_") && !made.stderr.contains(key), "{made:?}");
    let secret = key.splitn(3, '_').nth(2).unwrap();
    let file = fs::read_to_string(desk.path(KEYS)).unwrap();
    assert!(!file.contains(secret), "{file}");
    assert_eq!(desk.path(KEYS).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let listed = desk.run(&["keys", "list", "--json", "--api-keys", KEYS]).ok();
    assert!(!listed.stdout.contains("hash") && !listed.stdout.contains(secret), "{listed:?}");
    assert_eq!(listed.json()[0]["name"], "ops");
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let desk = Desk::new();
    let keys = [("MESHMEMO_API_KEYS", KEYS)];
    let run = |args: &[&str]| desk.run_in(&keys, args);
    run(&["keys", "add", "ops", "--role", "admin"]).ok();
    let limits = ["--rpm", "60", "--queue", "2", "--bytes", "1GiB", "--namespace", "team"];
    run(&[&["keys", "add", "app", "--role", "generate"], &limits[..]].concat()).ok();
    run(&["keys", "add", "view", "--role", "read", "--namespace", "team"]).ok();
    let listed = run(&["keys", "list"]).ok().stdout;
    for words in [["ops", "admin", "yes"], ["app", "1.0 GiB", "60"], ["view", "read", "1.0 GiB"]] {
        let line = listed.lines().find(|line| line.contains(words[0])).unwrap();
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    let id = listed.lines().find(|line| line.contains("view")).unwrap()[..12].to_owned();
    assert!(run(&["keys", "revoke", &id]).ok().stdout.contains("view"));
    assert!(run(&["keys", "revoke", "view"]).failed(1).contains("no key `view`"));
    assert_eq!(run(&["keys", "list"]).ok().stdout.lines().count(), 3);
}

#[test]
fn what_can_not_be_a_key_is_said_with_its_range() {
    let desk = Desk::new();
    let add = |args: &[&str]| desk.run(&[&["keys", "add", "--api-keys", KEYS], args].concat());
    add(&["cup", "--role", "generate", "--bytes", "1GiB"]).ok();
    for (args, words) in [
        (&["a b", "--role", "read"][..], ["`a b`", "a-z"]),
        (&["vase", "--role", "root"], ["`root`", "admin"]),
        (&["cup", "--role", "read"], ["`cup`", "revoke it first"]),
        (&["vase", "--role", "generate", "--namespace", "*"], ["only `read`", "`*`"]),
        (&["vase", "--role", "read", "--regenerate"], ["`read`", "regenerates nothing"]),
        (&["vase", "--role", "generate", "--rpm", "0"], ["--rpm", "1.."]),
        (&["vase", "--role", "generate", "--bytes", "many"], ["`many`", "512MiB"]),
        (
            &["vase", "--role", "generate", "--namespace", "cup", "--bytes", "2GiB"],
            ["share one limit", "1.0 GiB"],
        ),
        (&["default", "--role", "generate"], ["`default`", "--namespace default"]),
    ] {
        let said = add(args).failed(2);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    add(&["jug", "--role", "read", "--namespace", "cup"]).ok();
    let nowhere = desk.run(&["keys", "add", "cup", "--role", "read"]).failed(2);
    assert!(nowhere.contains("--api-keys"), "{nowhere}");
}

/// The name of a key, and so its namespace, was once another's: it saw what that one had.
#[test]
fn a_namespace_is_shared_only_by_who_says_so() {
    let desk = Desk::new();
    let add = |args: &[&str]| desk.run(&[&["keys", "add", "--api-keys", KEYS], args].concat());
    add(&["app", "--role", "generate", "--namespace", "team"]).ok();
    let said = add(&["team", "--role", "generate"]).failed(2);
    assert!(said.contains("--namespace team"), "{said}");
    add(&["team", "--role", "generate", "--namespace", "team"]).ok();
}

#[test]
fn two_who_add_keys_at_once_lose_none() {
    let dir = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for n in 0..8 {
            let dir = &dir;
            scope.spawn(move || add_key(dir, &format!("key-{n} --role read")));
        }
    });
    let file: Value = serde_json::from_slice(&fs::read(dir.path().join(KEYS)).unwrap()).unwrap();
    assert_eq!(file["keys"].as_array().unwrap().len(), 8);
}

#[test]
fn a_server_does_not_start_with_a_file_that_is_not_good() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let flags = ["serve", "--listen", "127.0.0.1:0", "--api-keys", KEYS, "--disk-max", "off"];
        let ended = meshmemo(dir.path()).args(flags).output().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{}", String::from_utf8_lossy(&ended.stdout));
        String::from_utf8(ended.stderr).unwrap()
    };
    assert!(start().contains("can not be read"));
    add_key(&dir, "cup --role read");
    let path = dir.path().join(KEYS);
    let good = fs::read_to_string(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let said = start();
    assert!(said.contains("chmod 600") && said.contains("0644"), "{said}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let twice = good.replace("\"keys\": [", &format!("\"keys\": [{},", record_of(&good)));
    for wrong in ["", "garbage", &good[..good.len() / 2], &"x".repeat(1 << 20), &twice] {
        fs::write(&path, wrong).unwrap();
        let said = start();
        assert!(said.contains(KEYS) && !said.contains(&"x".repeat(100)), "{said}");
    }
}

/// Returns the text of the only key of a file.
fn record_of(file: &str) -> &str {
    let start = file.find('[').unwrap() + 1;
    file[start..file.rfind(']').unwrap()].trim()
}

#[test]
fn keys_hold_and_cease_to_hold_without_a_restart() {
    let (server, [first]) = Guarded::with(["first --role read"], &[]);
    let path = "/api/cache/stats";
    let is =
        |key: &str, status| server.house.wait_until(|_| server.get(key, path).status == status);
    let dir = server.house.dir();
    let second = add_key(&dir, "second --role read");
    is(&second, 200);
    revoke_key(&dir, "first");
    is(&first, 401);
    assert_eq!(server.get(&second, path).status, 200);
}

#[test]
fn a_file_that_goes_bad_changes_nothing_until_it_is_good_again() {
    let (server, [first]) = Guarded::with(["first --role admin"], &[]);
    let health = || server.get(&first, "/api/health").ok().json();
    let path = server.house.path(KEYS);
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() - 10]).unwrap();
    server.house.wait_until(|_| health()["status"] == "degraded");
    assert!(health()["reasons"]["api_keys"].as_str().unwrap().contains("can not be read"));
    server.get(&first, "/api/cache/stats").ok();
    fs::write(&path, &good).unwrap();
    server.house.wait_until(|_| health()["status"] == "ok");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    server.house.wait_until(|_| health()["status"] == "degraded");
}

/// Who was let in is answered to the end; the next request is not.
#[test]
fn a_key_that_is_revoked_in_the_middle_of_a_request_ends_with_it() {
    let (server, [key]) = Guarded::with(["app --role generate"], &[]);
    let body = crate::picture::png(8, 8, [128, 255]);
    let head = format!(
        "POST /api/generate HTTP/1.1\r\nHost: {}\r\nX-Meshmemo-Api-Key: {key}\r\n\
         Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        server.house.host,
        PART.len() + body.len() + END.len()
    );
    let mut sending = TcpStream::connect(&server.house.host).unwrap();
    sending.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 12];
    sending.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100", "it was let in");
    revoke_key(&server.house.dir(), "app");
    server.house.wait_until(|_| server.get(&key, "/api/cache/stats").status == 401);
    sending.write_all(&[PART.as_bytes(), &body, END.as_bytes()].concat()).unwrap();
    let mut answer = vec![0; 256];
    sending.read_exact(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    send(server.ask(&key, "horse.png")).problem(401);
}

const PART: &str =
    "--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n";
const END: &str = "\r\n--x--\r\n";

/// They are counted, and keep nobody out who has a right one.
#[test]
fn ten_thousand_wrong_keys_are_counted_and_hinder_nobody() {
    let (server, [right]) = Guarded::with(["app --role admin"], &[]);
    let wrong = format!("mm_{}_{}", "0".repeat(12), "A".repeat(43));
    for _ in 0..100 {
        let flood =
            (0..100).map(|_| server.request(&wrong, reqwest::Method::GET, "/api/cache/stats"));
        let answers = send_all(flood.collect());
        assert!(answers.iter().all(|answer| answer.status == 401));
        server.get(&right, "/api/cache/stats").ok();
    }
    let metrics = server.get(&right, "/metrics").ok();
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let counted = "meshmemo_refusals_total{reason=\"wrong-key\"} 10000";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(server.log().lines().count() < 100, "they do not fill the log");
}

#[test]
fn tokens_of_any_form_are_refused_and_hurt_nobody() {
    let (server, [right]) = Guarded::with(["app --role read"], &[]);
    let long = "m".repeat(100_000);
    let cut = &right[..right.len() - 1];
    for wrong in
        ["", " ", "mm_", "null", cut, &right.to_uppercase(), &format!("{right}{right}"), &long]
    {
        server.get(wrong, "/api/cache/stats").problem(401);
    }
    server.get(&format!(" {right} "), "/api/cache/stats").ok();
    for header in [format!("Bearer {right}"), format!("bearer  {right}")] {
        let request = server.house.request(reqwest::Method::GET, "/api/cache/stats");
        send(request.header("authorization", header)).ok();
    }
}

/// The command replaced the file by one that the server could not read, and the revoked key held.
#[test]
fn a_file_keeps_its_mode_when_keys_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(KEYS);
    add_key(&dir, "cup --role read");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    add_key(&dir, "vase --role read");
    revoke_key(&dir, "cup");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

/// A pipe was waited for, at the start and while the server ran.
#[test]
fn a_pipe_is_no_file_of_keys() {
    let (server, [key]) = Guarded::with(["ops --role admin"], &[]);
    let (path, saved) = (server.house.path(KEYS), server.house.path("saved"));
    let health = || server.get(&key, "/api/health").ok().json();
    fs::rename(&path, &saved).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    server.house.wait_until(|_| health()["status"] == "degraded");
    fs::rename(&saved, &path).unwrap();
    server.house.wait_until(|_| health()["status"] == "ok");
}

/// A read that failed was not tried again, and what had been revoked held.
#[test]
fn a_file_that_could_not_be_read_is_read_when_it_can() {
    let (server, [ops, gone]) = Guarded::with(["ops --role admin", "gone --role read"], &[]);
    let health = || server.get(&ops, "/api/health").ok().json();
    let (path, aside) = (server.house.path(KEYS), server.house.path("aside.json"));
    fs::rename(&path, &aside).unwrap();
    server.house.wait_until(|_| health()["status"] == "degraded");
    assert_eq!(server.get(&gone, "/api/cache/stats").status, 200, "what was read before holds");
    let dir = server.house.dir();
    let revoked = meshmemo(dir.path())
        .args(["keys", "revoke", "gone", "--api-keys", "aside.json"])
        .status()
        .unwrap();
    assert!(revoked.success());
    fs::rename(&aside, &path).unwrap();
    server.house.wait_until(|_| server.get(&gone, "/api/cache/stats").status == 401);
    assert_eq!(health()["status"], "ok");
}

#[test]
fn who_came_and_went_is_told_whatever_the_level_of_the_log() {
    let (server, [ops]) = Guarded::with(["ops --role admin"], &[]);
    let dir = server.house.dir();
    let late = add_key(&dir, "late --role read");
    server.house.wait_until(|_| server.get(&late, "/api/cache/stats").status == 200);
    revoke_key(&dir, "late");
    server.house.wait_until(|_| server.get(&late, "/api/cache/stats").status == 401);
    server.get(&ops, "/api/cache/stats").ok();
    for action in ["key added", "key revoked"] {
        let line = format!("action=\"{action}\" name=\"late\"");
        assert!(server.log().contains(&line), "{}", server.log());
    }
}

/// How long a connection may take before nobody takes it.
const CONNECT_WAIT: Duration = Duration::from_secs(1);

/// Whoever held all the connections there were kept the server from reading its keys, and what was
/// revoked meanwhile held.
#[test]
fn keys_are_read_however_many_connections_there_are() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let [ops, gone] = ["ops --role admin", "gone --role read"].map(|key| add_key(&dir, key));
    let server = Guarded { house: House::with_files(300, &dir, &["--api-keys", KEYS]) };
    server.get(&gone, "/api/cache/stats").ok();
    // Until no more are taken, nor wait to be.
    let address = server.house.host.parse().unwrap();
    let held: Vec<_> = (0..400)
        .map_while(|_| TcpStream::connect_timeout(&address, CONNECT_WAIT).ok())
        .map(|mut stream| stream.write_all(b"GET / HTTP/1.1\r\n").map(|()| stream).unwrap())
        .collect();
    revoke_key(&dir, "gone");
    drop(held);
    server.house.wait_until(|_| server.get(&gone, "/api/cache/stats").status == 401);
    server.get(&ops, "/api/cache/stats").ok();
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
}
