//! Jobs of the backend's protocol, which the gateway keeps itself: each ends, also over a restart.

use futures_util::StreamExt;
use serde_json::json;

use crate::answer::{Answer, RUNTIME, send};
use crate::gateway::{Gateway, body, model_of};
use crate::guarded::{KEYS, add_key};
use crate::house::{House, read_photo};
use crate::stand_in::{Protocol, StandIn, Turn};

/// Returns what a job failed with.
fn failure(status: &Answer) -> String {
    assert_eq!(status.status, 500, "{status:?}");
    let report = status.json();
    assert_eq!(report["status"], "error");
    report["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_job_is_processing_until_its_model_is_there_and_a_repeat_is_completed_at_once() {
    for adapter in ["hunyuan3d-2", "hunyuan3d-2.1-stock", "hunyuan3d-2.1-forwarding"] {
        let gateway = Gateway::with(adapter, &[]);
        let asked = body("coffee.png", &json!({ "seed": 7 }));
        gateway.backend.close_gate();
        let id = gateway.submit(&asked);
        gateway.backend.wait_until_begun(1);
        // The backend's own loop is blocked, and answers nobody now.
        for _ in 0..3 {
            let status = gateway.status(&id).ok();
            assert_eq!(status.body, r#"{"status":"processing"}"#, "{adapter}");
            assert_eq!(status.header("content-type"), "application/json");
        }
        gateway.backend.open_gate();
        let model = model_of(&gateway.end_of(&id));
        let direct = gateway.generate(&asked).ok();
        assert_eq!(model, direct.body, "{adapter}: /send and /generate share a key");
        assert_eq!(direct.cache_status(), "meshmemo; hit; detail=memory");
        let again = gateway.submit(&asked);
        assert_ne!(again, id);
        assert_eq!(model_of(&gateway.status(&again).ok()), model, "at once");
        gateway.house.forget_memory();
        let from_disk = gateway.submit(&asked);
        assert_eq!(model_of(&gateway.status(&from_disk).ok()), model, "at once, from disk");
        assert_eq!(gateway.backend.begun(), 1, "{adapter}");
    }
}

/// Clients look whether the server lives by asking after a job that there never was.
#[test]
fn a_job_that_nobody_has_heard_of_is_processing() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    for id in ["test", "00000000-0000-4000-8000-000000000000", "%20", "a.glb"] {
        assert_eq!(gateway.status(id).ok().body, r#"{"status":"processing"}"#, "{id}");
    }
    assert!(gateway.backend.seen().is_empty(), "the backend is not asked");
}

#[test]
fn a_job_that_fails_ends_and_says_why() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    let end = |seed: u32, turn: Turn| {
        gateway.backend.script([turn]);
        let id = gateway.submit(&body("horse.png", &json!({ "seed": seed, "texture": true })));
        gateway.end_of(&id)
    };
    assert!(failure(&end(1, Turn::Exception)).contains("404"));
    assert!(failure(&end(2, Turn::CutAfter(9))).contains("after 9 bytes"));
    assert!(failure(&end(3, Turn::Busy)).contains("503"));
    // What the backend made, though it is not to be kept, is the job's result all the same.
    let untextured = end(4, Turn::Untextured);
    assert!(model_of(&untextured).starts_with(b"glTF"));
    assert_eq!(gateway.house.count("current_items"), 0);
    assert!(failure(&end(5, Turn::Truncated)).contains("no complete model"));
    let garbage = Turn::Answer(200, "text/html", b"it broke".to_vec());
    assert!(failure(&end(7, garbage)).contains("no complete model"));
    // What can not even be read is refused at once, in the server's words.
    let no_image = send(gateway.ask("/send", &json!({ "seed": 8 })));
    assert_eq!((no_image.status, no_image.json()["error_code"].as_u64()), (404, Some(1)));
    let malformed = send(gateway.raw("/send", "{"));
    assert_eq!(malformed.status, 500);
    let gateway = Gateway::with("hunyuan3d-2", &["--backend-timeout", "2s"]);
    gateway.backend.script([Turn::Hang]);
    let slow = gateway.submit(&body("horse.png", &json!({})));
    assert!(failure(&gateway.end_of(&slow)).contains("2 s"));
}

#[test]
fn jobs_survive_a_restart_and_those_under_way_have_failed() {
    for is_killed in [true, false] {
        let mut gateway = Gateway::with("hunyuan3d-2", &["--drain-timeout", "1s"]);
        let done = gateway.submit(&body("horse.png", &json!({})));
        let model = model_of(&gateway.end_of(&done));
        gateway.backend.script([Turn::Exception]);
        let failed = gateway.submit(&body("horse.png", &json!({ "seed": 1 })));
        let message = failure(&gateway.end_of(&failed));
        gateway.backend.close_gate();
        let running = gateway.submit(&body("coffee.png", &json!({})));
        let waiting = gateway.submit(&body("chelsea.png", &json!({})));
        gateway.backend.wait_until_begun(3);
        if is_killed {
            gateway.house.kill();
        } else {
            gateway.house.terminate();
            gateway.house.wait();
        }
        gateway.backend.open_gate();
        let dir = gateway.house.dir();
        drop(gateway);
        let gateway = Gateway::in_dir(&dir, "hunyuan3d-2", &[]);
        assert_eq!(model_of(&gateway.end_of(&done)), model);
        assert_eq!(failure(&gateway.status(&failed)), message);
        for interrupted in [&running, &waiting] {
            let words = failure(&gateway.status(interrupted));
            assert!(words.contains("under way") || words.contains("given up"), "{words}");
        }
        assert_eq!(gateway.backend.begun(), 0, "nothing is begun anew by itself");
    }
}

/// A client whose cookies change, as those of browsers do, finds its job all the same; nobody else does.
#[test]
fn a_job_is_found_by_its_name_whatever_its_client_shows_the_backend() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    let asked = body("horse.png", &json!({}));
    let submitted = send(gateway.ask("/send", &asked).header("cookie", "theme=dark")).ok();
    let id = submitted.json()["uid"].as_str().unwrap().to_owned();
    assert!(model_of(&gateway.end_of(&id)).starts_with(b"glTF"));
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let keys = ["a", "b"].map(|name| add_key(&dir, &format!("{name} --role generate")));
    let gateway = Gateway::in_dir(&dir, "hunyuan3d-2", &["--api-keys", KEYS]);
    let with = |request: reqwest::RequestBuilder, key: &String| {
        send(request.header("x-meshmemo-api-key", key)).ok().json()
    };
    let id = with(gateway.ask("/send", &asked), &keys[0])["uid"].as_str().unwrap().to_owned();
    let status = |key| {
        let path = format!("/status/{id}");
        with(gateway.house.request(reqwest::Method::GET, &path), key)["status"].clone()
    };
    gateway.house.wait_until(|_| status(&keys[0]) == "completed");
    assert_eq!(status(&keys[1]), "processing", "it is as one that there never was");
}

/// A full line is said at once, and not by a job that fails.
#[test]
fn who_submits_to_a_full_line_is_told_to_come_back() {
    let gateway = Gateway::with("hunyuan3d-2", &["--queue", "0"]);
    let cached = body("horse.png", &json!({}));
    gateway.generate(&cached).ok();
    gateway.backend.close_gate();
    let first = gateway.submit(&body("coffee.png", &json!({})));
    gateway.backend.wait_until_begun(2);
    let refused = send(gateway.ask("/send", &body("chelsea.png", &json!({}))));
    refused.header("retry-after");
    refused.problem(503);
    let same = gateway.submit(&body("coffee.png", &json!({})));
    let hit = gateway.submit(&cached);
    assert!(model_of(&gateway.status(&hit)).starts_with(b"glTF"));
    gateway.backend.open_gate();
    assert_eq!(model_of(&gateway.end_of(&first)), model_of(&gateway.end_of(&same)));
}

/// A model that is made beside the one in the cache is the job's own.
#[test]
fn a_job_that_keeps_nothing_has_its_own_result_and_not_the_cached_one() {
    let gateway = Gateway::with("hunyuan3d-2.1-stock", &[]);
    let asked = body("horse.png", &json!({}));
    let cached = gateway.generate(&asked).ok();
    let unkept = gateway.ask("/send", &asked).header("cache-control", "no-store");
    let id = send(unkept).ok().json()["uid"].as_str().unwrap().to_owned();
    assert_ne!(model_of(&gateway.end_of(&id)), cached.body, "the server draws another one");
    assert_eq!(gateway.generate(&asked).ok().body, cached.body);
}

/// What no tier keeps waits for its client.
#[test]
fn results_of_jobs_and_batches_that_are_not_kept_can_be_fetched() {
    let gateway = Gateway::with("generic", &["--cache", "off"]);
    let taken = send(gateway.by_door("coffee.png", &[]).header("prefer", "respond-async"));
    let location = taken.header("location").to_owned();
    let state = || gateway.house.get(&location).ok().json();
    gateway.house.wait_until(|_| state()["status"] == "done");
    let model = gateway.house.get(state()["model_url"].as_str().unwrap()).ok();
    assert!(model.body.starts_with(b"glTF"));
    let request = gateway.house.ask_at("/-/meshmemo/api/generate/batch", "horse.png", &[]);
    let list = send(request).json();
    let model = gateway.house.get(list[0]["model_url"].as_str().unwrap()).ok();
    assert!(model.body.starts_with(b"glTF"));
}

/// A job whose line in the journal is lost is known by its name all the same.
#[test]
fn a_job_that_is_forgotten_has_ended() {
    let mut gateway = Gateway::with("hunyuan3d-2", &[]);
    let id = gateway.submit(&body("horse.png", &json!({})));
    gateway.end_of(&id);
    gateway.house.end();
    let journal = gateway.house.data_dir().join("jobs/journal");
    std::fs::write(&journal, "{\"id\": \"cut off in the mid").unwrap();
    let dir = gateway.house.dir();
    drop(gateway);
    let gateway = Gateway::in_dir(&dir, "hunyuan3d-2", &[]);
    assert!(failure(&gateway.status(&id)).contains("not remembered"));
}

#[test]
fn a_job_whose_result_has_left_the_cache_has_ended() {
    let gateway = Gateway::with("hunyuan3d-2", &[]);
    let id = gateway.submit(&body("horse.png", &json!({})));
    model_of(&gateway.end_of(&id));
    gateway.house.post("/api/cache/clear", &json!({})).ok();
    assert!(failure(&gateway.status(&id)).contains("not in the cache any more"));
}

/// Models of many sizes, so that every remainder of base64 is there, and pieces from disk.
#[test]
fn a_job_carries_its_model_to_the_byte_whatever_its_size() {
    let gateway = Gateway::with("hunyuan3d-2", &["--max-memory", "1MiB"]);
    for (seed, padding) in [0, 1, 2, 3, 5, 3 << 20, (9 << 20) + 1].into_iter().enumerate() {
        gateway.backend.padding(padding);
        let asked = body("horse.png", &json!({ "seed": seed }));
        let direct = gateway.generate(&asked).ok();
        let id = gateway.submit(&asked);
        let status = gateway.status(&id).ok();
        assert_eq!(status.header("content-length"), status.body.len().to_string());
        assert_eq!(model_of(&status), direct.body, "{padding}");
    }
}

/// The native door's jobs: a client that would rather come back.
#[test]
fn who_would_rather_come_back_gets_a_job_with_its_progress() {
    let gateway = Gateway::with("generic", &[]);
    gateway.backend.close_gate();
    let ask = |seed: &str| {
        gateway.by_door("coffee.png", &[("seed", seed)]).header("prefer", "respond-async")
    };
    let taken = send(ask("1"));
    assert_eq!(taken.status, 202, "{taken:?}");
    let location = taken.header("location").to_owned();
    assert!(location.starts_with("/-/meshmemo/api/jobs/"), "{location}");
    gateway.backend.wait_until_begun(1);
    let state = |path: &str| gateway.house.get(path).ok().json();
    gateway.house.wait_until(|_| state(&location)["step"] == "generate");
    assert_eq!(state(&location)["status"], "running");
    let second = send(ask("2")).header("location").to_owned();
    gateway.house.wait_until(|_| state(&second)["status"] == "queued");
    let third = send(ask("3")).header("location").to_owned();
    gateway.house.wait_until(|_| state(&third)["queue_position"] == 1);
    assert_eq!(state(&second)["queue_position"], 0);
    let left = gateway.house.delete(&second).ok().json();
    assert_eq!((&left["status"], &left["error"]), (&json!("failed"), &json!("it was cancelled")));
    gateway.house.wait_until(|_| state(&third)["queue_position"] == 0);
    let request = gateway.house.request(reqwest::Method::GET, &format!("{location}/events"));
    let text = RUNTIME.block_on(async {
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events = response.bytes_stream();
        let first = events.next().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&first).contains("\"running\""), "{first:?}");
        gateway.backend.open_gate();
        let mut text = String::new();
        while let Some(event) = events.next().await {
            text.push_str(&String::from_utf8_lossy(&event.unwrap()));
        }
        text
    });
    let last = text.trim_end().rsplit("data: ").next().unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!((&last["status"], &last["progress"]), (&json!("done"), &json!(1.0)), "{text}");
    assert_eq!((&last["cached"], &last["error"]), (&json!(false), &json!(null)));
    let model = gateway.house.get(last["model_url"].as_str().unwrap()).ok();
    assert!(model.body.starts_with(b"glTF"));
    gateway.house.wait_until(|_| state(&third)["status"] == "done");
    assert_eq!(gateway.backend.begun(), 2, "who has left the line is not served");
    // What is cached is answered at once.
    let hit = send(ask("1")).ok();
    assert_eq!((hit.cache_status(), &hit.body), ("meshmemo; hit; detail=memory", &model.body));
    gateway.house.get("/-/meshmemo/api/jobs/nobody").problem(404);
}

#[test]
fn a_batch_has_an_answer_for_each_photo_and_generates_each_once() {
    let gateway = Gateway::with("generic", &[]);
    let photo = |name: &str| {
        let bytes = read_photo(name).to_vec();
        reqwest::multipart::Part::bytes(bytes).file_name(name.to_owned())
    };
    let text = reqwest::multipart::Part::bytes(b"no image".to_vec()).file_name("notes.txt");
    let form = reqwest::multipart::Form::new()
        .part("image", photo("coffee.png"))
        .part("image", photo("horse.png"))
        .part("image", text)
        .part("image", photo("coffee.png"))
        .text("seed", "5");
    let request = gateway.house.request(reqwest::Method::POST, "/-/meshmemo/api/generate/batch");
    let answer = send(request.multipart(form));
    assert_eq!(answer.status, 207, "{answer:?}");
    let list = answer.json();
    let statuses: Vec<_> =
        list.as_array().unwrap().iter().map(|it| it["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(200), Some(200), Some(415), Some(200)]);
    assert_eq!(list[0]["key"], list[3]["key"]);
    assert_eq!(list[0]["label"], "coffee.png");
    assert!(list[2]["detail"].as_str().unwrap().contains("not an image"));
    assert_eq!(gateway.backend.begun(), 2);
    let model = gateway.house.get(list[1]["model_url"].as_str().unwrap()).ok();
    assert_eq!(model.body.len() as u64, list[1]["size_bytes"].as_u64().unwrap());
    let native = House::in_memory(&[]);
    let empty = reqwest::multipart::Form::new().text("seed", "5");
    let request = native.request(reqwest::Method::POST, "/api/generate/batch").multipart(empty);
    assert!(send(request).problem(422).contains("image"));
}

/// The gateway starts without its data directory, says so, and serves from memory.
#[test]
fn without_its_data_directory_it_starts_and_serves_from_memory() {
    let gateway = Gateway::with("hunyuan3d-2", &["--data-dir", "/dev/null/there"]);
    let health = gateway.house.health();
    assert_eq!((&health["status"], &health["tiers"]["disk"]), (&json!("degraded"), &json!("down")));
    assert!(health["reasons"]["disk"].as_str().unwrap().contains("can not be used"), "{health}");
    let asked = body("horse.png", &json!({}));
    gateway.generate(&asked).ok();
    assert_eq!(gateway.generate(&asked).ok().cache_status(), "meshmemo; hit; detail=memory");
    let id = gateway.submit(&asked);
    assert!(model_of(&gateway.end_of(&id)).starts_with(b"glTF"));
}

/// The gateway starts without its backend, says so, and serves what it has.
#[test]
fn without_its_backend_it_starts_and_serves_what_it_has() {
    let mut gateway = Gateway::with("hunyuan3d-2", &[]);
    let asked = body("horse.png", &json!({}));
    let made = gateway.generate(&asked).ok();
    assert_eq!(gateway.house.health()["backend"]["status"], "ok");
    gateway.house.end();
    let (dir, address) = (gateway.house.dir(), gateway.backend.address());
    let Gateway { house, backend } = gateway;
    drop(house);
    backend.stop();
    let url = format!("http://{address}");
    let own = ["--backend", &url, "--adapter", "hunyuan3d-2", "--model-id", "model-1"];
    let flags = [&own[..], &["--warm", "off"]].concat();
    let house = House::in_dir(&dir, &flags);
    let health = house.health();
    assert_eq!(
        (&health["status"], &health["backend"]["status"]),
        (&json!("degraded"), &json!("down"))
    );
    let reason = health["reasons"]["backend"].as_str().unwrap();
    assert!(
        reason.contains(&address.to_string()) && reason.contains("can not be reached"),
        "{reason}"
    );
    house.get("/-/meshmemo/api/ready").ok();
    let hit = send(
        house
            .request(reqwest::Method::POST, "/generate")
            .body(asked.to_string())
            .header("content-type", "application/json"),
    )
    .ok();
    assert_eq!((hit.cache_status(), &hit.body), ("meshmemo; hit; detail=disk", &made.body));
    let new = house.post("/generate", &body("coffee.png", &json!({})));
    assert!(new.problem(502).contains("can not be reached"));
    house.get("/anything").problem(502);
    let backend = StandIn::start_at(Protocol::Hunyuan2, address);
    house.post("/generate", &body("coffee.png", &json!({}))).ok();
    house.wait_until(|house| house.health()["backend"]["status"] == "ok");
    assert_eq!(backend.begun(), 1);
}
