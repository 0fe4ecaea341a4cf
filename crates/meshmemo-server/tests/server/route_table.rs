//! Every route × every caller × own and foreign namespace. The routes come from the router: one that is
//! not judged here fails the test.

use std::sync::atomic::{AtomicUsize, Ordering};

use meshmemo_server::http::{Route, routes};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::answer::send;
use crate::guarded::Guarded;
use crate::picture::png;

/// Who asks: nobody, somebody with a key that does not hold, a reader, a generator, a generator that
/// may regenerate, a reader of all namespaces, and the operator.
const CALLERS: [&str; 7] = ["nobody", "wrong", "reader", "maker", "remaker", "monitor", "operator"];

/// What a route is asked for: with nothing of anybody's, with what the caller's namespace has, or
/// with what only another one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    None,
    Own,
    Foreign,
}

/// What each caller is to be answered.
type Statuses = [u16; CALLERS.len()];

const OPEN: Statuses = [200; 7];
const READ: Statuses = [401, 401, 200, 200, 200, 200, 200];
/// What is there for its own namespace and for those who see all.
const FOREIGN: Statuses = [401, 401, 404, 404, 404, 200, 200];
const GENERATE: Statuses = [401, 401, 403, 200, 200, 403, 200];
const OBSERVE: Statuses = [401, 401, 403, 403, 403, 200, 200];
const LEAVE_OWN: Statuses = [401, 401, 403, 200, 200, 403, 200];
const LEAVE_FOREIGN: Statuses = [401, 401, 403, 404, 404, 403, 200];
const MANAGE: Statuses = [401, 401, 403, 403, 403, 403, 200];

/// Judges a route: for each way to ask it, what each caller is to be answered.
fn judge(route: &Route) -> Vec<(Subject, Statuses)> {
    use Subject::{Foreign, None, Own};
    match (route.method.as_str(), route.path) {
        // Who has no key is shown where to sign in.
        ("GET", "/") => vec![(None, [401, 401, 200, 200, 200, 200, 200])],
        ("GET", "/page.css" | "/api/health" | "/api/ready" | "/openapi.json") => {
            vec![(None, OPEN)]
        }
        // They say nothing of a page that they come from.
        ("POST", "/sign-in" | "/sign-out") => vec![(None, [403; 7])],
        ("POST", "/api/generate" | "/api/generate/batch") => vec![(None, GENERATE)],
        ("DELETE", "/api/jobs/{id}") => {
            vec![(Own, LEAVE_OWN), (Foreign, LEAVE_FOREIGN)]
        }
        (
            "GET",
            "/api/models/{file}"
            | "/api/cache/entries/{key}"
            | "/api/jobs/{id}"
            | "/api/jobs/{id}/events",
        ) => {
            vec![(Own, READ), (Foreign, FOREIGN)]
        }
        ("GET", "/metrics" | "/api/cache/config" | "/api/backends") => vec![(None, OBSERVE)],
        ("GET", "/api/cache/stats" | "/api/cache/entries") => vec![(None, READ)],
        ("DELETE", "/api/cache/entries/{key}") => vec![(Own, MANAGE), (Foreign, MANAGE)],
        (
            "POST",
            "/api/cache/config"
            | "/api/cache/clear"
            | "/api/cache/warm"
            | "/api/cache/purge"
            | "/api/backends/drain"
            | "/api/backends/resume",
        ) => vec![(None, MANAGE)],
        (method, path) => panic!("nobody has said who may {method} {path}"),
    }
}

/// How many jobs were taken.
static JOBS: AtomicUsize = AtomicUsize::new(0);

/// A server with all callers' keys, and an entry of the namespace `own` and of `foreign`.
struct Table {
    server: Guarded,
    keys: [String; CALLERS.len()],
    makers: [String; 2],
}

impl Table {
    fn new() -> Self {
        let roles = [
            "reader --role read --namespace own",
            "maker --role generate --namespace own",
            "remaker --role generate --namespace own --regenerate",
            "monitor --role read --namespace *",
            "operator --role admin --namespace own",
            "stranger --role generate --namespace foreign",
        ];
        let (server, [reader, maker, remaker, monitor, operator, stranger]) =
            Guarded::with(roles, &[]);
        let wrong = format!("{}A", &maker[..maker.len() - 1]);
        let wrong = if wrong == maker { maker.replace(&maker[20..24], "____") } else { wrong };
        let makers = [maker.clone(), stranger];
        let keys = [String::new(), wrong, reader, maker, remaker, monitor, operator];
        Self { server, keys, makers }
    }

    /// Asks a route on behalf of a caller; what it is asked for is made first.
    fn ask(&self, route: &Route, subject: Subject, key: &str) -> u16 {
        let owner = match subject {
            Subject::Foreign => &self.makers[1],
            Subject::Own | Subject::None => &self.makers[0],
        };
        // Another photo for each namespace: what one has, the other has not.
        let photo = if subject == Subject::Foreign { "horse.png" } else { "coffee.png" };
        let made = self.server.coarse(owner, photo);
        let path = route.path.replace("{key}", made.key());
        let path = path.replace("/api/models/{file}", &made.model_path());
        let path =
            if path.contains("{id}") { path.replace("{id}", &self.job(owner)) } else { path };
        let request = self.server.house.request(route.method.clone(), &path);
        let request = with_body(request, route);
        let request = match key {
            "" => request,
            key => request.header("x-meshmemo-api-key", key),
        };
        let status = send(request).status;
        // A batch has a status for each photo.
        if status == 207 { 200 } else { status }
    }

    /// Has a job taken by somebody; returns its name.
    fn job(&self, owner: &str) -> String {
        // What is cached is answered at once, so it is another one each time.
        let seed = JOBS.fetch_add(1, Ordering::Relaxed).to_string();
        let request = self.server.house.ask("rocket.jpg", &[("quality", "1"), ("seed", &seed)]);
        let request = request.header("x-meshmemo-api-key", owner).header("prefer", "respond-async");
        let taken = send(request);
        assert_eq!(taken.status, 202, "{taken:?}");
        taken.json()["id"].as_str().unwrap().to_owned()
    }
}

fn with_body(request: RequestBuilder, route: &Route) -> RequestBuilder {
    if route.method != Method::POST {
        return request;
    }
    match route.path {
        "/api/generate" | "/api/generate/batch" => request
            .header("content-type", "multipart/form-data; boundary=x")
            .body(multipart(&png(8, 8, [128, 255]))),
        "/api/cache/config" => request.json(&json!({ "max_size": 1000 })),
        // It is resumed again, or never drained at all.
        "/api/backends/drain" | "/api/backends/resume" => {
            request.json(&json!({ "backend": "relief" }))
        }
        "/api/cache/warm" => request.json(&json!({ "top": 1 })),
        "/api/cache/purge" => request.json(&json!({ "label_prefix": "nothing" })),
        _ => request,
    }
}

fn multipart(photo: &[u8]) -> Vec<u8> {
    let head = "--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n";
    let quality =
        "\r\n--x\r\nContent-Disposition: form-data; name=\"quality\"\r\n\r\n1\r\n--x--\r\n";
    [head.as_bytes(), photo, quality.as_bytes()].concat()
}

#[test]
fn every_route_lets_in_whom_it_is_for_and_nobody_else() {
    let table = Table::new();
    let mut judged = 0;
    for route in routes() {
        for (subject, wanted) in judge(&route) {
            let statuses = table.keys.each_ref().map(|key| table.ask(&route, subject, key));
            let (method, path) = (&route.method, route.path);
            assert_eq!(statuses, wanted, "{method} {path} ({subject:?}): {CALLERS:?}");
            judged += wanted.len();
        }
    }
    assert!(judged >= 19 * CALLERS.len(), "only {judged} cells were judged");
}

/// With `--auth admin`, generations and their models are open, and nothing else.
#[test]
fn where_only_administration_needs_a_key_generations_are_open() {
    let (server, [maker]) =
        Guarded::with(["maker --role generate --namespace own"], &["--auth", "admin"]);
    let house = &server.house;
    let made = house.coarse("coffee.png", 0);
    assert_eq!(house.get(&made.model_path()).ok().body, made.body);
    let private = server.coarse(&maker, "horse.png");
    house.get(&private.model_path()).problem(404);
    for route in routes().iter().filter(|route| route.path.starts_with("/api/cache")) {
        let path = route.path.replace("{key}", made.key());
        let answer = send(with_body(house.request(route.method.clone(), &path), route));
        answer.problem(401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
    }
    house.get("/metrics").problem(401);
    let anew = house.ask("coffee.png", &[]).header("cache-control", "no-cache");
    assert!(send(anew).problem(403).contains("no-cache"));
    let wrong = house.ask("coffee.png", &[]).header("authorization", "Bearer mm_wrong");
    send(wrong).problem(401);
}

/// With `--auth none`, nobody needs a key, and one that is sent is not looked at.
#[test]
fn where_nobody_needs_a_key_none_is_looked_at() {
    let (server, _) = Guarded::with(["maker --role read"], &["--auth", "none"]);
    server.get("mm_wrong", "/api/cache/entries").ok();
    server.house.coarse("coffee.png", 0);
    assert!(server.log().contains("nobody needs one"), "{}", server.log());
}
