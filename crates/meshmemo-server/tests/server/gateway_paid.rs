//! What is made with somebody's credential is paid for by them, and is for who shows it: by the backend's
//! protocol, by the native door, and under the model's own address.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::answer::{Answer, RUNTIME, send, send_all, start};
use crate::desk::Desk;
use crate::gateway::Gateway;
use crate::guarded::{KEYS, add_key};
use crate::house::House;
use crate::stand_in::Turn;

const ADAPTER: &str = "stability";
const SHARED: &str = "--share-across-credentials";
const MISS: &str = "meshmemo; fwd=uri-miss; stored";
const HIT: &str = "meshmemo; hit; detail=memory";

const FAST: &str = "/v2beta/3d/stable-fast-3d";
const POINT_AWARE: &str = "/v2beta/3d/stable-point-aware-3d";
/// What a model of `stable-fast-3d` costs.
const CREDITS: usize = 10;

/// Shows a backend who one is, by this server's own routes.
const HEADER: &str = "x-meshmemo-backend-authorization";
const MINE: &str = "Bearer sk-mine";
const THEIRS: &str = "Bearer sk-theirs";

/// Prepares a request by the backend's protocol, of somebody who shows it this, or nothing.
fn ask(gateway: &Gateway, shown: &str) -> RequestBuilder {
    showing(gateway.house.ask_at(FAST, "coffee.png", &[]), "authorization", shown)
}

/// Prepares a request by the native door.
fn by_door(gateway: &Gateway, shown: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    showing(gateway.by_door("coffee.png", fields), HEADER, shown)
}

fn showing(request: RequestBuilder, name: &str, shown: &str) -> RequestBuilder {
    if shown.is_empty() { request } else { request.header(name, shown) }
}

/// Returns the address of the only entry's model.
fn only_model(house: &House) -> String {
    let listed = house.get("/-/meshmemo/api/cache/entries").ok().json();
    assert_eq!(listed["total"], 1, "{listed}");
    listed["entries"][0]["model_url"].as_str().unwrap().to_owned()
}

/// Returns what the backend was shown with each generation that it was asked for.
fn shown_to(gateway: &Gateway) -> Vec<String> {
    let posts = gateway.backend.seen().into_iter().filter(|seen| seen.method == "POST");
    posts.map(|seen| seen.headers["authorization"].to_str().unwrap().to_owned()).collect()
}

#[test]
fn each_pays_for_their_own_and_is_answered_with_nobody_elses() {
    let gateway = Gateway::with(ADAPTER, &[]);
    let mine = send(ask(&gateway, MINE)).ok();
    let only = ask(&gateway, THEIRS).header("cache-control", "only-if-cached");
    send(only).problem(504);
    // From here on, models are others.
    gateway.backend.padding(100);
    let theirs = send(ask(&gateway, THEIRS)).ok();
    assert_eq!([mine.cache_status(), theirs.cache_status()], [MISS, MISS]);
    assert!(mine.body != theirs.body && mine.key() != theirs.key());
    for (shown, own) in [(MINE, &mine), (THEIRS, &theirs)] {
        let again = send(ask(&gateway, shown)).ok();
        assert_eq!((again.cache_status(), &again.body), (HIT, &own.body), "{shown}");
    }
    assert_eq!(shown_to(&gateway), [MINE, THEIRS]);
    assert_eq!(gateway.backend.credits_spent(), 2 * CREDITS);
}

/// The key of the credential is on disk: otherwise what was paid for would be lost with the process.
#[test]
fn what_was_paid_for_is_there_after_a_restart_and_for_nobody_else() {
    let mut gateway = Gateway::with(ADAPTER, &[]);
    let mine = send(ask(&gateway, MINE)).ok();
    gateway.house.end();
    let dir = gateway.house.dir();
    drop(gateway);
    let gateway = Gateway::in_dir(&dir, ADAPTER, &["--warm", "off"]);
    let again = send(ask(&gateway, MINE)).ok();
    assert_eq!((again.cache_status(), &again.body), ("meshmemo; hit; detail=disk", &mine.body));
    let only = ask(&gateway, THEIRS).header("cache-control", "only-if-cached");
    send(only).problem(504);
    assert_eq!(gateway.backend.seen().len(), 0);
}

#[test]
fn forty_at_once_with_two_credentials_cost_two_generations() {
    let gateway = Gateway::with(ADAPTER, &["--concurrency", "4"]);
    gateway.backend.close_gate();
    let requests = (0..40).map(|index| ask(&gateway, [MINE, THEIRS][index % 2])).collect();
    let answers = at_once(&gateway, requests, 2);
    let keys: Vec<_> = answers.iter().map(Answer::key).collect();
    assert_ne!(keys[0], keys[1]);
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!((answer.status, keys[index]), (200, keys[index % 2]));
    }
    let mut shown = shown_to(&gateway);
    shown.sort();
    assert_eq!(shown, [MINE, THEIRS]);
    assert_eq!(gateway.backend.credits_spent(), 2 * CREDITS);
}

#[test]
fn where_all_share_forty_at_once_with_forty_credentials_cost_one_generation() {
    let gateway = Gateway::with(ADAPTER, &["--concurrency", "4", SHARED]);
    gateway.backend.close_gate();
    let requests = (0..40).map(|index| ask(&gateway, &format!("Bearer sk-{index}"))).collect();
    let answers = at_once(&gateway, requests, 1);
    let first = &answers[0];
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == first.body));
    assert_eq!((gateway.backend.begun(), gateway.backend.credits_spent()), (1, CREDITS));
    assert_eq!(send(ask(&gateway, "")).ok().cache_status(), HIT, "who shows nothing shares too");
}

/// Sends all requests at once to a backend that waits until so many have begun, and all are there.
fn at_once(gateway: &Gateway, requests: Vec<RequestBuilder>, begun: usize) -> Vec<Answer> {
    let count = requests.len();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| send_all(requests));
        gateway.backend.wait_until_begun(begun);
        gateway.house.wait_until(|house| house.open_requests() >= count);
        gateway.backend.open_gate();
        waiting.join().unwrap()
    })
}

#[test]
fn who_shows_nothing_is_refused_by_the_backend_in_its_own_words() {
    for flags in [&[][..], &[SHARED]] {
        let gateway = Gateway::with(ADAPTER, flags);
        for shown in ["", "Basic c2stbWluZQ==", "Bearer nothing"] {
            let refused = send(ask(&gateway, shown));
            assert_eq!((refused.status, refused.header("content-type")), (401, "application/json"));
            let told = refused.json();
            assert_eq!(told["name"], "unauthorized");
            assert_eq!(told["errors"], json!(["authorization: missing or invalid API key"]));
            assert_eq!(told["id"].as_str().unwrap().len(), 32);
            assert_eq!(refused.cache_status(), "meshmemo; fwd=uri-miss; detail=not-kept");
        }
        assert_eq!((gateway.backend.begun(), gateway.house.count("current_items")), (0, 0));
        send(ask(&gateway, MINE)).ok();
        let refused = send(ask(&gateway, "Bearer nothing")).status;
        assert_eq!(refused, if flags.is_empty() { 401 } else { 200 }, "{flags:?}");
    }
}

/// Whose credit is used up, and whose key is wrong, are told so: what they lead goes on without them.
#[test]
fn who_is_refused_fails_nobody_who_waits_for_the_same() {
    for status in [401, 402, 403] {
        let gateway = Gateway::with(ADAPTER, &[SHARED]);
        gateway.backend.close_gate();
        let refusal = json!({ "id": "x", "name": "refused", "errors": ["no"] }).to_string();
        let turn = Turn::Answer(status, "application/json", refusal.clone().into());
        gateway.backend.script([turn]);
        let poor = start(ask(&gateway, "Bearer sk-poor"));
        gateway.backend.wait_until_begun(1);
        let waiting: Vec<_> =
            (0..10).map(|index| start(ask(&gateway, &format!("Bearer sk-{index}")))).collect();
        gateway.house.wait_until(|house| house.open_requests() >= 11);
        gateway.backend.open_gate();
        let refused = RUNTIME.block_on(poor).unwrap().unwrap();
        assert_eq!((refused.status, &refused.body[..]), (status, refusal.as_bytes()));
        for answer in waiting {
            let answer = RUNTIME.block_on(answer).unwrap().unwrap();
            assert!(answer.ok().body.starts_with(b"glTF"), "{status}");
        }
        assert_eq!((gateway.backend.begun(), gateway.backend.credits_spent()), (2, CREDITS));
    }
}

#[test]
fn the_refusal_of_one_credential_says_nothing_of_another() {
    let gateway = Gateway::with(ADAPTER, &["--concurrency", "2"]);
    gateway.backend.close_gate();
    gateway.backend.script([Turn::Answer(402, "application/json", b"{}".to_vec())]);
    let poor: Vec<_> = (0..3).map(|_| start(ask(&gateway, MINE))).collect();
    gateway.backend.wait_until_begun(1);
    let rich: Vec<_> = (0..3).map(|_| start(ask(&gateway, THEIRS))).collect();
    gateway.backend.wait_until_begun(2);
    gateway.house.wait_until(|house| house.open_requests() >= 6);
    gateway.backend.open_gate();
    let statuses = |waiting: Vec<JoinHandle<_>>| {
        let answers = waiting.into_iter().map(|answer| RUNTIME.block_on(answer).unwrap());
        let mut statuses: Vec<u16> =
            answers.map(|answer: reqwest::Result<Answer>| answer.unwrap().status).collect();
        statuses.sort_unstable();
        statuses
    };
    assert_eq!(statuses(rich), [200; 3]);
    // With the same credential, the next ones try for themselves.
    assert_eq!(statuses(poor), [200, 200, 402]);
    assert_eq!(shown_to(&gateway).iter().filter(|shown| *shown == THEIRS).count(), 1);
}

/// Tries the ways to look a model up; returns the statuses of those that tell of it.
fn looked_up(house: &House, model: &str, etag: &str, shown: &[(&str, &str)]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for method in [Method::GET, Method::HEAD] {
        for (name, value) in [
            ("accept", "*/*"),
            ("range", "bytes=0-3"),
            ("if-none-match", etag),
            ("if-none-match", "*"),
            ("if-match", etag),
            ("if-match", "\"x\""),
            ("if-range", etag),
        ] {
            let request = house.request(method.clone(), model).header(name, value);
            let request =
                shown.iter().fold(request, |request, (name, shown)| request.header(*name, *shown));
            let answer = send(request);
            if answer.status == 404 {
                let told = ["etag", "content-range", "accept-ranges", "vary"];
                assert!(told.iter().all(|it| !answer.headers.contains_key(*it)), "{answer:?}");
            }
            statuses.push(answer.status);
        }
    }
    statuses
}

#[test]
fn a_model_is_found_by_its_digest_by_who_paid_for_it_alone() {
    for accept in ["*/*", "application/json"] {
        let gateway = Gateway::with(ADAPTER, &[]);
        let made = send(ask(&gateway, MINE).header("accept", accept)).ok();
        let model = only_model(&gateway.house);
        let etag = format!("\"{}\"", blake3::hash(&made.body).to_hex());
        for shown in [
            &[][..],
            &[(HEADER, THEIRS)],
            &[(HEADER, "bearer sk-mine")],
            &[(HEADER, "sk-mine")],
            &[("authorization", MINE)],
            &[("x-api-key", "sk-mine"), ("cookie", "authorization=Bearer sk-mine")],
        ] {
            let statuses = looked_up(&gateway.house, &model, &etag, shown);
            assert_eq!(statuses, [404; 14], "{shown:?}");
            let digest = model.rsplit(['/', '.']).nth(1).unwrap();
            let absent = gateway.house.get(&model.replace(digest, &"0".repeat(64))).problem(404);
            let hidden = gateway.house.get(&model).problem(404);
            assert_eq!(hidden.replace(digest, &"0".repeat(64)), absent, "as what is not there");
        }
        let statuses = looked_up(&gateway.house, &model, &etag, &[(HEADER, MINE)]);
        let of_get = [200, 206, 304, 304, 200, 412, 200];
        let of_head = [200, 200, 304, 304, 200, 412, 200];
        assert_eq!(statuses, [of_get, of_head].concat(), "{accept}");
        for name in ["accept", "if-none-match"] {
            let request = gateway.house.request(Method::GET, &model).header(HEADER, MINE);
            let own = send(request.header(name, etag.as_str()));
            assert_eq!(own.header("cache-control"), "private, no-store");
            assert!(own.status == 304 || own.body == made.body);
        }
        gateway.house.forget_memory();
        let from_disk = gateway.house.request(Method::GET, &model);
        assert_eq!(send(from_disk.try_clone().unwrap()).status, 404, "from disk neither");
        assert_eq!(send(from_disk.header(HEADER, MINE)).ok().body, made.body);
    }
}

#[test]
fn where_all_share_a_model_is_found_by_its_digest_by_anybody() {
    let gateway = Gateway::with(ADAPTER, &[SHARED]);
    let made = send(ask(&gateway, MINE)).ok();
    let model = only_model(&gateway.house);
    for shown in ["", MINE, THEIRS] {
        let found = showing(gateway.house.request(Method::GET, &model), HEADER, shown);
        let found = send(found).ok();
        assert_eq!(found.body, made.body);
        assert_eq!(found.header("cache-control"), "public, max-age=31536000, immutable");
    }
}

/// A client of the API that shows nothing but its key and one of the native door are the same to the
/// backend, and have the same entry.
#[test]
fn the_native_door_pays_with_what_is_shown_and_shares_with_the_protocols_own_clients() {
    for is_door_first in [true, false] {
        let gateway = Gateway::with(ADAPTER, &[]);
        let door = || send(by_door(&gateway, MINE, &[])).ok();
        let client = || send(ask(&gateway, MINE)).ok();
        let (first, second) = if is_door_first { (door(), client()) } else { (client(), door()) };
        assert_eq!([first.cache_status(), second.cache_status()], [MISS, HIT]);
        assert_eq!((first.key(), &first.body), (second.key(), &second.body));
        assert_eq!(door().cache_status(), HIT);
        assert_eq!(shown_to(&gateway), [MINE]);
        assert!(gateway.backend.seen().iter().all(|seen| !seen.headers.contains_key(HEADER)));
        let theirs = send(by_door(&gateway, THEIRS, &[])).ok();
        assert_eq!(theirs.cache_status(), MISS);
        assert_ne!(theirs.key(), first.key());
    }
    let gateway = Gateway::with(ADAPTER, &[SHARED]);
    send(by_door(&gateway, MINE, &[])).ok();
    for shown in [THEIRS, ""] {
        assert_eq!(send(by_door(&gateway, shown, &[])).ok().cache_status(), HIT);
    }
}

#[test]
fn the_native_door_says_what_the_backend_says_and_what_it_can_not_ask_for() {
    let gateway = Gateway::with(ADAPTER, &[]);
    for shown in ["", "Bearer nothing"] {
        let refused = send(by_door(&gateway, shown, &[])).problem(502);
        let words = "the backend answered 401";
        assert!(refused.contains(words) && refused.contains("invalid API key"), "{refused}");
    }
    // What is meant for this server is not for the backend.
    let misplaced = by_door(&gateway, "", &[]).header("authorization", MINE);
    assert!(send(misplaced).problem(502).contains("401"));
    for (field, value) in [("quality", "3"), ("seed", "7"), ("width_mm", "50")] {
        let refused = send(by_door(&gateway, MINE, &[(field, value)])).problem(422);
        assert!(refused.contains(&format!("`{field}` is {value}")), "{refused}");
    }
    assert!(send(by_door(&gateway, MINE, &[("format", "stl")])).problem(422).contains("`format`"));
    let twice = by_door(&gateway, MINE, &[]).header(HEADER, THEIRS);
    assert!(send(twice).problem(400).contains(HEADER));
    assert_eq!(gateway.backend.begun(), 0);
    send(by_door(&gateway, MINE, &[("format", "glb"), ("quality", "")])).ok();
    let only = by_door(&gateway, THEIRS, &[]).header("cache-control", "only-if-cached");
    send(only).problem(504);
}

/// What is named in a job's report, and in a batch's, is for who asked.
#[test]
fn jobs_and_batches_pay_with_what_is_shown_and_their_models_are_for_who_asked() {
    let gateway = Gateway::with(ADAPTER, &[]);
    let taken = send(by_door(&gateway, MINE, &[]).header("prefer", "respond-async"));
    assert_eq!(taken.status, 202);
    let job = taken.header("location").to_owned();
    gateway.house.wait_until(|house| house.get(&job).json()["status"] == "done");
    let model = gateway.house.get(&job).json()["model_url"].as_str().unwrap().to_owned();
    let path = "/-/meshmemo/api/generate/batch";
    let batch = gateway.house.ask_at(path, "horse.png", &[]).header(HEADER, THEIRS);
    let batch = send(batch).json();
    assert_eq!((&batch[0]["status"], &batch[0]["outcome"]), (&json!(200), &json!("miss")));
    let theirs = batch[0]["model_url"].as_str().unwrap().to_owned();
    assert_eq!(shown_to(&gateway), [MINE, THEIRS]);
    // What is not kept is held for who comes back for it.
    let unkept = gateway.house.ask_at("/-/meshmemo/api/generate", "chelsea.png", &[]);
    let unkept = unkept.header(HEADER, MINE).header("cache-control", "no-store");
    let job = send(unkept.header("prefer", "respond-async")).header("location").to_owned();
    gateway.house.wait_until(|house| house.get(&job).json()["status"] == "done");
    let held = gateway.house.get(&job).json()["model_url"].as_str().unwrap().to_owned();
    assert_eq!(gateway.house.count("current_items"), 2);
    for (model, own, others) in
        [(&model, MINE, THEIRS), (&theirs, THEIRS, MINE), (&held, MINE, THEIRS)]
    {
        let statuses = ["", others, own].map(|shown| {
            send(showing(gateway.house.request(Method::GET, model), HEADER, shown)).status
        });
        assert_eq!(statuses, [404, 404, 200], "{model}");
    }
    let refused = send(gateway.house.ask_at(path, "horse.png", &[])).json();
    assert_eq!(refused[0]["status"], 502, "{refused}");
}

/// The key of this server and what is for the backend are two things, and both are needed.
#[test]
fn where_keys_are_needed_each_header_has_its_own() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let [maker, other] = ["maker", "other"]
        .map(|name| add_key(&dir, &format!("{name} --role generate --namespace team")));
    let gateway = Gateway::in_dir(&dir, ADAPTER, &["--api-keys", KEYS]);
    let made = send(by_door(&gateway, MINE, &[]).bearer_auth(&maker)).ok();
    assert_eq!(made.cache_status(), MISS);
    let own = ask(&gateway, MINE).header("x-meshmemo-api-key", &other);
    assert_eq!(send(own).ok().cache_status(), HIT, "they are of one team, and show the same");
    assert_eq!(shown_to(&gateway), [MINE]);
    send(by_door(&gateway, MINE, &[])).problem(401);
    let model = made.model_path();
    for (key, shown, status) in [
        (&maker, MINE, 200),
        (&other, MINE, 200),
        (&maker, THEIRS, 404),
        (&maker, "", 404),
        (&"mm_nobody".to_owned(), MINE, 401),
    ] {
        let found = gateway.house.request(Method::GET, &model).bearer_auth(key);
        let found = send(showing(found, HEADER, shown));
        assert_eq!(found.status, status, "{shown}");
        if status == 200 {
            assert_eq!(found.header("cache-control"), "private, no-store");
        }
    }
}

#[test]
fn commands_show_the_backend_what_the_environment_says() {
    let desk = Desk::new();
    let gateway = Gateway::with(ADAPTER, &[]);
    let mine = [("MESHMEMO_BACKEND_AUTHORIZATION", MINE)];
    let theirs = [("MESHMEMO_BACKEND_AUTHORIZATION", THEIRS)];
    let doctor = ["doctor", "--url", &gateway.house.url("")];
    let said = desk.run_in(&mine, &doctor).ok().stdout;
    let last = said.lines().last().unwrap();
    assert!(last.contains(" ok ") && last.contains("miss ") && last.contains(", hit "), "{said}");
    let said = desk.run(&doctor).failed_saying(1);
    assert!(said.contains("NOT WELL") && said.contains("the backend answered 401"), "{said}");
    let photo = desk.copy("coffee.png", "cup.png");
    let generate = |place: &[&str], environment: &[(&str, &str)]| {
        let args = [&["generate", &photo, "--json"], place].concat();
        desk.run_in(environment, &args)
    };
    let url = gateway.backend.url();
    let here = ["--backend", &url, "--adapter", ADAPTER, "--model-id", "m"];
    let there = ["--url", &gateway.house.url("")];
    for place in [&here[..], &there[..]] {
        let outcomes = [&mine, &mine, &theirs]
            .map(|environment| generate(place, environment).ok().json()["outcome"].take());
        assert_eq!(outcomes, ["miss", "hit", "miss"], "{place:?}");
        let refused = generate(place, &[]).failed(1);
        assert!(refused.contains("the backend answered 401"), "{refused}");
    }
}

#[test]
fn no_credential_is_told_logged_or_kept() {
    let gateway = Gateway::with(ADAPTER, &["-vv"]);
    let secret = "sk-SxxSecretxxS";
    let bearer = format!("Bearer {secret}");
    let mut told = Vec::new();
    let mut note = |answer: Answer| {
        told.push(format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body)));
    };
    gateway.backend.script([
        Turn::Answer(402, "application/json", b"{}".to_vec()),
        Turn::Hangup,
        Turn::CutAfter(9),
    ]);
    for _ in 0..5 {
        note(send(ask(&gateway, &bearer)));
        note(send(by_door(&gateway, &bearer, &[])));
    }
    let random = gateway.house.ask_at(POINT_AWARE, "coffee.png", &[("seed", "-1")]);
    note(send(random.header("authorization", &bearer)));
    note(send(by_door(&gateway, &bearer, &[("quality", "3")])));
    note(send(by_door(&gateway, &bearer, &[]).header(HEADER, &bearer)));
    note(send(by_door(&gateway, &bearer, &[]).header("prefer", "respond-async")));
    note(send(
        gateway.house.request(Method::GET, "/v2/elsewhere").header("authorization", &bearer),
    ));
    let model = only_model(&gateway.house);
    note(send(gateway.house.request(Method::GET, &model).header(HEADER, &bearer)));
    for path in ["", "metrics", "api/cache/entries", "api/cache/stats", "api/health"] {
        note(gateway.house.get(&format!("/-/meshmemo/{path}")));
    }
    let log = gateway.house.log();
    assert!(log.contains("a request is not understood"), "it logs what is asked for: {log}");
    for telling in [&bearer, secret, &secret[3..]] {
        assert!(!log.contains(telling), "it is in the log");
        assert!(told.iter().all(|told| !told.contains(telling)), "it is in an answer");
    }
    let kept = files_below(&gateway.house.data_dir());
    assert!(!gateway.house.files().is_empty() && kept.len() > gateway.house.files().len());
    for file in kept {
        let content = fs::read(&file).unwrap();
        let is_there = content.windows(secret.len() - 3).any(|it| it == &secret.as_bytes()[3..]);
        assert!(!is_there, "it is in {}", file.display());
    }
}

/// Lists the files of a directory and of those in it.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
/// The engine draws nothing at random: two who pay for the same have models of the same digest. The second
/// one was told that theirs is not there, as that of the first was found.
#[test]
fn equal_models_of_two_who_paid_are_found_by_both() {
    let gateway = Gateway::with(ADAPTER, &[]);
    let answers = [MINE, THEIRS].map(|shown| send(by_door(&gateway, shown, &[])).ok());
    assert_eq!(answers[0].body, answers[1].body);
    let model = answers[0].model_path();
    assert_eq!(model, answers[1].model_path());
    for is_in_memory in [true, false] {
        if !is_in_memory {
            gateway.house.forget_memory();
        }
        let statuses = [MINE, THEIRS, ""].map(|shown| {
            send(showing(gateway.house.request(Method::GET, &model), HEADER, shown)).status
        });
        assert_eq!(statuses, [200, 200, 404], "{is_in_memory}");
    }
}
