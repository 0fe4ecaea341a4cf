//! What becomes of a studio's jobs when the gateway, the studio or the client ends in the middle.

use std::io::Write;

use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::send;
use crate::gateway::Gateway;
use crate::house::House;
use crate::stand_in::{Protocol, StandIn};

#[test]
fn a_gateway_that_ends_at_any_step_goes_on_where_it_was() {
    let mut gateway = Gateway::with("orfeas", &[]);
    let again = |gateway: Gateway| {
        let Gateway { mut house, backend } = gateway;
        house.kill();
        let dir = house.dir();
        drop(house);
        Gateway::before(backend, &dir, "orfeas", &[])
    };
    // After the upload.
    let id = gateway.upload("coffee.png");
    gateway = again(gateway);
    gateway.order(&id, &json!({ "format": "glb" })).ok();
    let end = gateway.job_end(&id);
    let file = end["output_file"].as_str().unwrap().to_owned();
    let model = gateway.fetch(&id, &file).ok();
    // After the end: the job is there, and its file.
    gateway = again(gateway);
    assert_eq!(gateway.standing(&id).ok().json()["status"], "completed");
    assert_eq!(gateway.fetch(&id, &file).ok().body, model.body);
    assert_eq!(gateway.backend.begun(), 1);
    // While it is made: the studio works on, and so does the job.
    gateway.backend.close_gate();
    let id = gateway.upload("horse.png");
    gateway.order(&id, &json!({ "format": "glb" })).ok();
    gateway.backend.wait_until_begun(2);
    let is_working = |gateway: &Gateway| {
        gateway.standing(&id).ok().json()["status"].as_str() == Some("processing")
    };
    gateway.wait_until_noted();
    gateway = again(gateway);
    gateway.house.wait_until(|_| is_working(&gateway));
    gateway.backend.open_gate();
    let end = gateway.job_end(&id);
    assert_eq!(end["status"], "completed", "{end}");
    gateway.fetch(&id, end["output_file"].as_str().unwrap()).ok();
    assert_eq!(
        (gateway.backend.begun(), gateway.backend.uploads()),
        (2, 2),
        "nothing is done twice"
    );
}

#[test]
fn a_gateway_that_is_told_to_end_leaves_its_jobs_to_the_next_one() {
    let gateway = Gateway::with("orfeas", &["--drain-timeout", "1s"]);
    gateway.backend.close_gate();
    // One is made, one waits in the line.
    let ids = ["coffee.png", "horse.png"].map(|photo| gateway.upload(photo));
    for id in &ids {
        gateway.order(id, &json!({ "format": "glb" })).ok();
    }
    gateway.wait_until_noted();
    gateway.house.wait_until(|house| house.working_and_queued() == (1, 1));
    let Gateway { mut house, backend } = gateway;
    house.terminate();
    assert_eq!(house.wait().code(), Some(1), "it says that something was dropped");
    let dir = house.dir();
    drop(house);
    let gateway = Gateway::before(backend, &dir, "orfeas", &[]);
    gateway.backend.open_gate();
    for id in &ids {
        assert_eq!(gateway.job_end(id)["status"], "completed");
    }
    assert_eq!(gateway.backend.begun(), 2, "nothing is done twice");
}

#[test]
fn jobs_go_on_when_the_studio_comes_back_after_the_gateway() {
    let gateway = Gateway::with("orfeas", &["--drain-timeout", "1s"]);
    gateway.make("coffee.png", &json!({ "format": "glb" }));
    gateway.backend.close_gate();
    // One is made anew, one waits in the line; what is refused meanwhile changes neither.
    let anew = gateway.upload("coffee.png");
    let order = |id: &str, fields: Value| {
        let mut fields = fields;
        fields["job_id"] = id.into();
        gateway.house.request(Method::POST, "/api/generate-3d").json(&fields)
    };
    let no_cache = order(&anew, json!({ "format": "glb" })).header("cache-control", "no-cache");
    send(no_cache).ok();
    gateway.wait_until_noted();
    let waiting = gateway.upload("horse.png");
    gateway.order(&waiting, &json!({ "format": "glb" })).ok();
    for id in [&anew, &waiting] {
        assert_eq!(send(order(id, json!({ "format": "stl", "quality": 2 }))).status, 409);
    }
    gateway.house.wait_until(|house| house.working_and_queued() == (1, 1));
    let Gateway { mut house, backend } = gateway;
    house.terminate();
    house.wait();
    let (dir, address) = (house.dir(), backend.address());
    drop(house);
    backend.stop();
    let flags =
        ["--backend", &format!("http://{address}"), "--adapter", "orfeas", "--model-id", "model-1"];
    let house = House::in_dir(&dir, &flags);
    let standing = |id: &str| {
        house.get(&format!("/api/job-status/{id}")).ok().json()["status"]
            .as_str()
            .map(str::to_owned)
    };
    let is_under_way = |id: &str| !matches!(standing(id).as_deref(), Some("completed" | "failed"));
    for id in [&anew, &waiting] {
        assert!(is_under_way(id));
    }
    let backend = StandIn::start_at(Protocol::Orfeas, address);
    for id in [&anew, &waiting] {
        house.wait_until(|_| !is_under_way(id));
        assert_eq!(standing(id).as_deref(), Some("completed"));
    }
    assert!(house.log().contains("has forgotten its job"), "{}", house.log());
    assert_eq!(
        backend.begun(),
        2,
        "no model of before is told as the one that was to be made anew"
    );
}

#[test]
fn what_both_have_forgotten_over_a_restart_is_done_anew() {
    let gateway = Gateway::with("orfeas", &[]);
    gateway.backend.close_gate();
    let id = gateway.upload("coffee.png");
    gateway.order(&id, &json!({ "format": "glb" })).ok();
    gateway.wait_until_noted();
    let Gateway { mut house, backend } = gateway;
    house.kill();
    let dir = house.dir();
    drop(house);
    backend.forget();
    backend.open_gate();
    let gateway = Gateway::before(backend, &dir, "orfeas", &[]);
    assert_eq!(gateway.job_end(&id)["status"], "completed");
    assert!(gateway.house.log().contains("has forgotten its job"), "{}", gateway.house.log());
    assert_eq!(gateway.backend.begun(), 2);
}

#[test]
fn a_studio_that_restarts_in_the_middle_ends_the_job_and_the_next_order_is_well() {
    let gateway = Gateway::with("orfeas", &[]);
    gateway.backend.close_gate();
    let id = gateway.upload("coffee.png");
    gateway.order(&id, &json!({ "format": "glb" })).ok();
    gateway.backend.wait_until_begun(1);
    gateway.backend.forget();
    let end = gateway.job_end(&id);
    assert!(end["error"].as_str().unwrap().contains("restarted"), "{end}");
    gateway.backend.open_gate();
    gateway.order(&id, &json!({ "format": "glb" })).ok();
    assert_eq!(gateway.job_end(&id)["status"], "completed");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_upload_leaves_nothing() {
    let gateway = Gateway::with("orfeas", &[]);
    let address = gateway.house.url("").replace("http://", "");
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /api/upload-image HTTP/1.1\r\nhost: {address}\r\ncontent-length: 100000\r\n\
         content-type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    gateway.house.wait_until(|house| house.open_requests() == 1);
    drop(stream);
    gateway.house.wait_until(|house| house.open_requests() == 0);
    let kept = std::fs::read_dir(gateway.house.data_dir().join("uploads")).unwrap();
    assert_eq!(kept.count(), 0);
    assert!(gateway.house.metric("meshmemo_body_bytes{direction=\"in\"}") < 1.0);
    assert_eq!(gateway.backend.uploads(), 0);
}

#[test]
fn a_client_that_leaves_after_its_order_finds_its_model_when_it_comes_back() {
    let gateway = Gateway::with("orfeas", &[]);
    gateway.backend.close_gate();
    let id = gateway.upload("coffee.png");
    gateway.order(&id, &json!({ "format": "glb" })).ok();
    gateway.backend.wait_until_begun(1);
    let file = format!("model_{id}.glb");
    assert_eq!(gateway.fetch(&id, &file).status, 404, "it is not there yet");
    gateway.backend.open_gate();
    // Nobody asks after it; whoever orders the same finds it.
    gateway.house.wait_until(|house| house.count("generations") == 1);
    gateway.house.wait_until(|_| gateway.fetch(&id, &file).status == 200);
    let leaving = crate::answer::start(
        gateway.house.request(Method::GET, &format!("/api/download/{id}/{file}")),
    );
    leaving.abort();
    gateway.fetch(&id, &file).ok();
}
