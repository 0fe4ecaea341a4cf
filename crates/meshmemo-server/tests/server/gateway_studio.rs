//! The studio's protocol, in steps: upload, order, ask, fetch. It behaves as without the gateway, and the
//! second time nothing of it reaches the studio.

use std::path::Path;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::answer::{send, send_all};
use crate::desk::Desk;
use crate::gateway::Gateway;
use crate::house::{House, in_repository, photo_path, read_photo};
use crate::stand_in::{Protocol, StandIn, Turn};

/// Runs a client script, which knows nothing of the gateway.
fn run(script: &str, url: &str, output: &Path, format: &str) -> Output {
    let path = in_repository("tests/tools/clients").join(script);
    let mut command = match script.rsplit_once('.') {
        Some((_, "py")) => {
            let mut python = Command::new(in_repository("target/tools/venv/bin/python"));
            python.arg(path);
            python
        }
        _ => {
            let mut shell = Command::new("bash");
            shell.arg(path);
            shell
        }
    };
    command.arg(url).arg(photo_path("coffee.png")).arg(output);
    if script.ends_with("py") {
        command.arg("--format");
    }
    command.arg(format).output().unwrap()
}

#[test]
fn unmodified_clients_are_answered_as_by_the_studio_and_the_second_run_is_a_hit() {
    for script in ["orfeas_requests.py", "orfeas_curl.sh"] {
        for format in ["stl", "glb", "obj", "ply"] {
            let (desk, gateway) = (Desk::new(), Gateway::with("orfeas", &[]));
            let fetched = |url: &str, name: &str| {
                let output = desk.path(name);
                let ended = run(script, url, &output, format);
                let said = String::from_utf8_lossy(&ended.stderr).into_owned();
                assert!(ended.status.success(), "{script} {format}: {said}");
                std::fs::read(output).unwrap()
            };
            // Each model of the studio is another one, so that only its beginning can be compared.
            let direct = fetched(&gateway.backend.url(), "direct");
            let (begun, uploads) = (gateway.backend.begun(), gateway.backend.uploads());
            let url = gateway.house.url("");
            let (first, second) = (fetched(&url, "first"), fetched(&url, "second"));
            assert_eq!(first[..4], direct[..4]);
            assert_eq!(first, second, "{script} {format}");
            assert_eq!(gateway.backend.begun(), begun + 1, "{script} {format}");
            assert_eq!(gateway.backend.uploads(), uploads + 1, "{script} {format}");
            assert_eq!(gateway.house.counts(["misses", "hits"]), [1, 1], "{script} {format}");
        }
    }
}

#[test]
fn every_step_says_what_the_studio_says() {
    let gateway = Gateway::with("orfeas", &[]);
    let direct = |request: RequestBuilder| send(request).ok().json();
    let form = || {
        let part = Part::bytes(read_photo("coffee.png").to_vec()).file_name("My Cup.png");
        Form::new().part("image", part)
    };
    let client = crate::house::client().build().unwrap();
    let by_studio = direct(
        client.post(format!("{}/api/upload-image", gateway.backend.url())).multipart(form()),
    );
    let by_gateway =
        direct(gateway.house.request(Method::POST, "/api/upload-image").multipart(form()));
    assert_eq!(gateway.backend.uploads(), 1, "the gateway keeps its own");
    let keys = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&by_gateway), keys(&by_studio));
    for field in ["image_info", "original_filename", "status"] {
        assert_eq!(by_gateway[field], by_studio[field], "{field}");
    }
    let id = by_gateway["job_id"].as_str().unwrap();
    let name = by_gateway["filename"].as_str().unwrap();
    assert!(name.starts_with(id) && name.ends_with("_my_cup.png"), "{name}");
    let preview = gateway.house.get(by_gateway["preview_url"].as_str().unwrap()).ok();
    assert_eq!(preview.header("content-type"), "image/png");
    assert_eq!(preview.body, read_photo("coffee.png"));
    assert_eq!(gateway.standing(id).status, 404, "nothing is ordered");

    let ordered = gateway.order(id, &json!({ "format": "glb", "quality": "8" })).ok().json();
    let dimensions = json!({ "width": 100, "height": 100, "depth": 20 });
    assert_eq!(
        ordered,
        json!({
            "job_id": id, "status": "generating_3d", "format": "glb", "quality": 8,
            "dimensions": dimensions,
        })
    );
    let end = gateway.job_end(id);
    let file = format!("model_{id}.glb");
    assert_eq!(end["output_file"], file);
    assert_eq!(end["download_url"], format!("/api/download/{id}/{file}"));
    assert_eq!((&end["progress"], end.get("cached")), (&json!(100), None));
    let model = gateway.fetch(id, &file).ok();
    assert_eq!(model.header("content-type"), "application/octet-stream");
    assert_eq!(model.header("content-disposition"), format!("attachment; filename={file}"));
    assert_eq!(model.header("cache-control"), "no-cache, no-store, must-revalidate");
    let text = gateway.house.get(&format!("/api/download-base64/{id}/{file}")).ok().json();
    assert_eq!(STANDARD.decode(text["data"].as_str().unwrap()).unwrap(), model.body);
    assert_eq!(text["encoded_size"], text["data"].as_str().unwrap().len());
    assert_eq!(
        (&text["original_size"], &text["filename"]),
        (&json!(model.body.len()), &json!(file))
    );
    // The file of another format is another one's.
    let missing = gateway.fetch(id, &format!("model_{id}.stl"));
    assert_eq!((missing.status, &missing.json()["error"]), (404, &json!("File not found")));
}

#[test]
fn a_repeat_is_completed_at_once_and_says_that_it_was_cached() {
    let gateway = Gateway::with("orfeas", &[]);
    let (_, first) = gateway.make("coffee.png", &json!({ "format": "glb" }));
    gateway.backend.close_gate();
    let id = gateway.upload("coffee.png");
    gateway.order(&id, &json!({ "format": "glb" })).ok();
    let standing = gateway.standing(&id).ok().json();
    assert_eq!((&standing["status"], &standing["cached"]), (&json!("completed"), &json!(true)));
    let model = gateway.fetch(&id, standing["output_file"].as_str().unwrap()).ok();
    assert_eq!(model.body, first.body);
    assert_eq!((gateway.backend.begun(), gateway.backend.uploads()), (1, 1));
    // Another size, quality or format is another model, and never what there is.
    gateway.backend.open_gate();
    for fields in [
        json!({ "format": "stl" }),
        json!({ "format": "glb", "quality": 8 }),
        json!({ "format": "glb", "dimensions": { "width": 50, "height": 100, "depth": 20 } }),
        json!({ "format": "glb", "seed": 1 }),
    ] {
        let (end, model) = gateway.make("coffee.png", &fields);
        assert!(end.get("cached").is_none(), "{fields}");
        assert_ne!(model.body, first.body, "{fields}");
        let is_glb = model.body.starts_with(b"glTF");
        assert_eq!(is_glb, fields["format"] == "glb", "{fields}");
    }
    assert_eq!(gateway.backend.begun(), 5);
}

#[test]
fn many_who_order_the_same_at_once_cost_one_generation() {
    let gateway = Gateway::with("orfeas", &[]);
    gateway.backend.close_gate();
    let ids: Vec<_> = (0..10).map(|_| gateway.upload("coffee.png")).collect();
    for id in &ids {
        gateway.order(id, &json!({ "format": "glb" })).ok();
    }
    gateway.backend.wait_until_begun(1);
    let again = gateway.order(&ids[0], &json!({ "format": "stl" }));
    assert_eq!((again.status, &again.json()["status"]), (409, &json!("conflict")));
    gateway.backend.open_gate();
    let ends: Vec<_> = ids.iter().map(|id| gateway.job_end(id)).collect();
    assert!(ends.iter().all(|end| end["status"] == "completed"), "{ends:?}");
    assert_eq!((gateway.backend.begun(), gateway.backend.uploads()), (1, 1));
    // A job that has ended may be ordered anew, otherwise.
    gateway.order(&ids[0], &json!({ "format": "stl" })).ok();
    assert_eq!(gateway.job_end(&ids[0])["output_file"], format!("model_{}.stl", ids[0]));
}

#[test]
fn a_batch_is_split_and_what_is_in_it_twice_runs_once() {
    let gateway = Gateway::with("orfeas", &[]);
    let batch = |photos: &[&str]| {
        let part =
            |photo: &str| Part::bytes(read_photo(photo).to_vec()).file_name(photo.to_owned());
        let form = photos.iter().fold(Form::new(), |form, photo| form.part("files", part(photo)));
        let form = form.text("format_type", "glb").text("quality", "medium");
        gateway.house.request(Method::POST, "/api/batch-generate").multipart(form)
    };
    let taken = send(batch(&["coffee.png", "horse.png", "coffee.png"])).ok().json();
    assert_eq!((&taken["total_jobs"], &taken["success"]), (&json!(3), &json!(true)));
    assert_eq!(taken["estimated_time_seconds"], 30);
    let ids: Vec<_> =
        taken["job_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let models: Vec<_> = ids
        .iter()
        .map(|id| {
            let end = gateway.job_end(id);
            gateway.fetch(id, end["output_file"].as_str().unwrap()).ok().body
        })
        .collect();
    assert!(models[0] == models[2] && models[0] != models[1]);
    assert_eq!(gateway.backend.begun(), 2);
    // A single one like it is the same.
    let (end, model) = gateway.make("coffee.png", &json!({ "format": "glb", "quality": 7 }));
    assert_eq!((&end["cached"], model.body == models[0]), (&json!(true), true));
    // What the studio is to refuse, it refuses.
    assert_eq!(send(batch(&[])).status, 400);
}

#[test]
fn what_is_not_understood_is_the_studios_to_answer() {
    let gateway = Gateway::with("orfeas", &[]);
    let upload = |bytes: &[u8], name: &str| {
        let part = Part::bytes(bytes.to_vec()).file_name(name.to_owned());
        let form = Form::new().part("image", part);
        send(gateway.house.request(Method::POST, "/api/upload-image").multipart(form))
    };
    for (bytes, name, words) in [
        (&b"no picture at all"[..], "cup.png", "Security validation failed"),
        (&read_photo("coffee.png")[..], "cup.exe", "Invalid file extension"),
    ] {
        let refused = upload(bytes, name);
        assert_eq!(refused.status, 400);
        assert!(refused.json()["error"].as_str().unwrap().contains(words), "{refused:?}");
    }
    let id = gateway.upload("coffee.png");
    let refused = gateway.order(&id, &json!({ "quality": 11 }));
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (400, &json!("Invalid request parameters"))
    );
    let unknown = "00000000-0000-4000-8000-000000000000";
    gateway.order(unknown, &json!({})).ok();
    assert_eq!(gateway.job_end(unknown)["error"], "No input image found");
    assert_eq!(gateway.standing("nothing").status, 404);
    assert_eq!(gateway.house.get("/api/preview/nothing.png").status, 404);
    assert_eq!(gateway.backend.begun(), 0);
}

#[test]
fn what_goes_wrong_ends_the_job_in_words_and_is_not_kept() {
    let gateway = Gateway::with("orfeas", &[]);
    for (turn, words) in [
        (Turn::Exception, "Generation failed"),
        (Turn::Truncated, "no complete model"),
        (Turn::CutAfter(100), "does not hand out its file"),
        (Turn::Busy, "503"),
        (
            Turn::Answer(507, "application/json", br#"{"error":"GPU memory"}"#.to_vec()),
            "GPU memory",
        ),
        (Turn::Answer(200, "application/json", vec![b' '; 2 << 20]), "larger than 1048576 bytes"),
    ] {
        gateway.backend.script([turn.clone()]);
        let id = gateway.upload("coffee.png");
        gateway.order(&id, &json!({ "format": "glb" })).ok();
        let end = gateway.job_end(&id);
        assert_eq!(end["status"], "failed", "{turn:?}: {end}");
        assert!(end["error"].as_str().unwrap().contains(words), "{turn:?}: {end}");
    }
    gateway.make("coffee.png", &json!({ "format": "glb" }));
}

#[test]
fn two_tenants_who_upload_the_same_photo_know_nothing_of_one_another() {
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let keys = ["one", "other"]
        .map(|name| crate::guarded::add_key(&dir, &format!("{name} --role generate")));
    let gateway = Gateway::in_dir(&dir, "orfeas", &["--api-keys", crate::guarded::KEYS]);
    let with = |key: &str, request: RequestBuilder| send(request.header("x-meshmemo-api-key", key));
    let ids = keys.clone().map(|key| {
        let told = with(&key, gateway.upload_request("coffee.png")).ok().json();
        told["job_id"].as_str().unwrap().to_owned()
    });
    let get = |key: &str, path: &str| with(key, gateway.house.request(Method::GET, path));
    for (key, id) in keys.iter().zip(&ids) {
        let order = gateway.house.request(Method::POST, "/api/generate-3d");
        with(key, order.json(&json!({ "job_id": id, "format": "glb" }))).ok();
        let status = format!("/api/job-status/{id}");
        gateway.house.wait_until(|_| get(key, &status).ok().json()["status"] == "completed");
    }
    assert_eq!(gateway.backend.begun(), 2, "each has its own");
    let file = format!("/api/download/{}/model_{}.glb", ids[0], ids[0]);
    get(&keys[0], &file).ok();
    assert_eq!(get(&keys[1], &file).status, 404);
    assert_eq!(get(&keys[1], &format!("/api/job-status/{}", ids[0])).status, 404);
}

#[test]
fn the_caches_own_calls_have_what_clients_of_the_studio_read() {
    let gateway = Gateway::with("orfeas", &[]);
    gateway.make("coffee.png", &json!({ "format": "glb" }));
    gateway.make("coffee.png", &json!({ "format": "glb" }));
    let stats = gateway.house.get("/api/cache/stats").ok().json();
    assert_eq!((&stats["status"], &stats["cache_enabled"]), (&json!("success"), &json!(true)));
    for field in [
        "current_items",
        "current_memory_mb",
        "evictions",
        "evictions_by_count",
        "evictions_by_size",
        "hit_rate_percent",
        "hits",
        "max_items",
        "max_memory_mb",
        "max_memory_seen_mb",
        "memory_utilization_percent",
        "misses",
    ] {
        assert!(stats["stats"][field].is_number(), "{field}: {stats}");
    }
    assert_eq!((&stats["stats"]["hits"], &stats["stats"]["misses"]), (&json!(1), &json!(1)));
    let config = gateway.house.get("/api/cache/config").ok().json();
    assert!(
        config["config"]["max_size"].is_number() && config["config"]["max_memory_mb"].is_number()
    );
    let changed = gateway.house.post("/api/cache/config", &json!({ "max_size": 5 })).ok().json();
    assert_eq!(
        (&changed["status"], &changed["config"]["max_size"]),
        (&json!("success"), &json!(5))
    );
    assert_eq!(gateway.house.post("/api/cache/config", &json!({})).status, 400);
    let entries = gateway.house.get("/api/cache/entries").ok().json();
    assert_eq!(entries["total"], 1);
    for field in ["key", "size_mb", "timestamp", "age_seconds", "access_count", "expired"] {
        assert!(!entries["entries"][0][field].is_null(), "{field}");
    }
    let cleared = gateway.house.post("/api/cache/clear", &json!({})).ok().json();
    assert_eq!(cleared["status"], "success");
    assert_eq!(gateway.house.get("/api/cache/entries").ok().json()["total"], 0);
}

#[test]
fn the_native_door_makes_models_by_the_steps_of_the_studio() {
    let gateway = Gateway::with("orfeas", &[]);
    let fields = [("format", "glb"), ("quality", "8"), ("width_mm", "50")];
    let first = send(gateway.by_door("coffee.png", &fields)).ok();
    assert!(first.body.starts_with(b"glTF") && first.cache_status().contains("stored"));
    assert!(send(gateway.by_door("coffee.png", &fields)).ok().cache_status().contains("hit"));
    // It is what a client of the studio orders.
    let size = json!({ "width": 50, "height": 100, "depth": 20 });
    let (end, model) =
        gateway.make("coffee.png", &json!({ "format": "glb", "quality": 8, "dimensions": size }));
    assert_eq!((&end["cached"], model.body), (&json!(true), first.body));
    let refused = send(gateway.by_door("coffee.png", &[("width_mm", "50.5")])).problem(422);
    assert!(refused.contains("`width_mm`") && refused.contains("1000"), "{refused}");
    assert!(send(gateway.by_door("coffee.png", &[("seed", "5")])).problem(422).contains("`seed`"));
    let many = send_all((0..5).map(|_| gateway.by_door("horse.png", &[])).collect());
    assert!(many.iter().all(|answer| answer.status == 200 && answer.body == many[0].body));
    assert_eq!(gateway.backend.begun(), 2);
}

#[test]
fn of_two_studios_one_that_is_not_ready_leaves_the_work_to_the_other() {
    let studios = [0, 1].map(|_| StandIn::start(Protocol::Orfeas));
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let urls = studios.each_ref().map(StandIn::url).join(",");
    let flags = ["--backend", &urls, "--adapter", "orfeas", "--model-id", "model-1"];
    let house = House::in_dir(&dir, &flags);
    let loading =
        br#"{"error":"AI models still loading","retry_after":5,"status":"models_loading"}"#;
    studios[0].script([Turn::Answer(503, "application/json", loading.to_vec())]);
    let [_not_ready, other] = studios;
    let gateway = Gateway { house, backend: other };
    gateway.make("coffee.png", &json!({ "format": "glb" }));
    assert_eq!(gateway.backend.begun(), 1);
    assert!(gateway.house.log().contains("goes on to another backend"), "{}", gateway.house.log());
}
