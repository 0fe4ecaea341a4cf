//! Golden keys: for each adapter, pairs of requests that must share a key, pairs that must not, and keys
//! that must never change. The rules are those of the servers' own code.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use meshmemo::SystemClock;
use meshmemo_gateway::{
    Ask, Gateway, GenericRoutes, Keeping, Known, Letter, Owner, Reason, Remote, RemoteOptions,
    Unseeded, open,
};
use meshmemo_gen::{Format, Parameters};
use requests::letter;

/// Requests without a server.
mod requests {
    use http::{HeaderMap, HeaderValue, Method};
    use meshmemo_gateway::{Letter, RequestHead};

    pub(crate) fn letter(path: &str, content_type: &str, body: impl Into<bytes::Bytes>) -> Letter {
        let content_type = HeaderValue::from_str(content_type).unwrap();
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, content_type)]);
        let uri = path.parse().unwrap();
        Letter::new(RequestHead::new(Method::POST, &uri, headers), body.into())
    }
}

/// An image in base64, the same with line breaks, and another one.
const CUP: &str = "Y3VwIG9mIGNvZmZlZQ==";
const CUP_BROKEN: &str = "Y3Vw\\nIG9m\\r\\nIGNvZmZlZQ==\\n";
const CAT: &str = "YSBjYXQ=";

const GENERIC: &str = r#"
path = "/v1/3d/generations"
images = ["image", "back"]
irrelevant = ["request_id", "user"]
defaults = { texture = false, resolution = 1024, steps = 5 }
seed = "seed"
random_seeds = [-1, ""]
format_field = "output_format"
texture_field = "texture"
"#;

fn gateway_with(name: &str, model_id: &str, unseeded: Unseeded, route: &str) -> Arc<Gateway> {
    let _installed_already = rustls::crypto::ring::default_provider().install_default();
    let options = RemoteOptions {
        url: "http://127.0.0.1:1".parse().unwrap(),
        concurrency: 1,
        queue: 1,
        timeout: Duration::from_secs(1),
    };
    let remote = Remote::new(options, Arc::new(SystemClock::new()), |_| {}).unwrap();
    let routes: GenericRoutes = toml::from_str(route).unwrap();
    routes.check().unwrap();
    let adapter = open(name, unseeded, &routes).unwrap();
    Arc::new(Gateway::new(adapter, Arc::new(remote), model_id.to_owned()))
}

fn gateway(name: &str) -> Arc<Gateway> {
    gateway_with(name, "model-1", Unseeded::Keep, GENERIC)
}

fn owner(namespace: &str) -> Owner {
    Owner { namespace: namespace.to_owned(), credentials: None }
}

fn known(gateway: &Gateway, letter: &Letter) -> Known {
    let owner = owner("default");
    let digest = gateway.digest(&owner, &letter.head);
    gateway.read(&owner, letter, &digest)
}

/// Returns the key of a JSON request: `IMAGE` stands for one.
fn key(gateway: &Gateway, path: &str, json: &str) -> String {
    let json = json.replace("IMAGE", CUP).replace("BROKEN", CUP_BROKEN).replace("OTHER", CAT);
    let letter = letter(path, "application/json", json);
    let known = known(gateway, &letter);
    assert_eq!(known.meaning.keeping, Keeping::Kept, "{path}: it is understood");
    known.generation_key.key(&known.meaning.variant).to_string()
}

fn check(name: &str, path: &str, base: &str, same: &[&str], other: &[&str]) {
    assert!(same.len() + other.len() >= 30 && same.len() >= 15 && other.len() >= 15);
    let gateway = gateway(name);
    let base_key = key(&gateway, path, base);
    for json in same {
        assert_eq!(key(&gateway, path, json), base_key, "{name}: {json} is the same as {base}");
    }
    let mut keys = vec![base_key];
    for json in other {
        let key = key(&gateway, path, json);
        assert!(!keys.contains(&key), "{name}: {json} is like none before it");
        keys.push(key);
    }
}

#[test]
fn hunyuan3d_2_takes_for_the_same_what_its_server_does() {
    check(
        "hunyuan3d-2",
        "/generate",
        r#"{"image": "IMAGE"}"#,
        &[
            r#"{"image":"IMAGE"}"#,
            r#"{"image": "BROKEN"}"#,
            r#"{"image": "IMAGE", "seed": 1234}"#,
            r#"{"seed": 1234, "image": "IMAGE"}"#,
            r#"{"image": "IMAGE", "octree_resolution": 128}"#,
            r#"{"image": "IMAGE", "num_inference_steps": 5}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5.0}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5e0}"#,
            r#"{"image": "IMAGE", "texture": false}"#,
            r#"{"image": "IMAGE", "texture": 0}"#,
            r#"{"image": "IMAGE", "texture": null}"#,
            r#"{"image": "IMAGE", "face_count": 99}"#,
            r#"{"image": "IMAGE", "mc_algo": "dmc"}"#,
            r#"{"image": "IMAGE", "enable_pbar": true}"#,
            r#"{"image": "IMAGE", "text": "a cup"}"#,
            r#"{"image": "IMAGE", "type": "glb"}"#,
            r#"{"image": "OTHER", "image": "IMAGE"}"#,
            r#"{"\u0069mage": "IMAGE"}"#,
        ],
        &[
            r#"{"image": "OTHER"}"#,
            r#"{"image": "IMAGE", "seed": 1235}"#,
            r#"{"image": "IMAGE", "seed": 1234.0}"#,
            r#"{"image": "IMAGE", "seed": "1234"}"#,
            r#"{"image": "IMAGE", "seed": null}"#,
            r#"{"image": "IMAGE", "octree_resolution": 256}"#,
            r#"{"image": "IMAGE", "num_inference_steps": 20}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5.5}"#,
            r#"{"image": "IMAGE", "texture": true}"#,
            r#"{"image": "IMAGE", "texture": true, "face_count": 99}"#,
            r#"{"image": "IMAGE", "type": "stl"}"#,
            r#"{"image": "IMAGE", "mesh": "OTHER"}"#,
            r#"{"image": "IMAGE", "mesh": "IMAGE"}"#,
            r#"{"image": "IMAGE", "mesh": "IMAGE", "seed": 1234}"#,
            r#"{"image": "IMAGE", "box_v": 1.02}"#,
            r#"{"image": "IMAGE", "num_chunks": 4000}"#,
            r#"{"image": "IMAGE", "an_unknown_field": [1]}"#,
            r#"{"image": "IMAGE", "an_unknown_field": [2]}"#,
            r#"{"text": "a cup"}"#,
        ],
    );
}

#[test]
fn hunyuan3d_2_lets_a_mesh_stand_for_its_shape() {
    let gateway = gateway("hunyuan3d-2");
    let key = |json: &str| key(&gateway, "/generate", json);
    let bare = key(r#"{"image": "IMAGE", "mesh": "OTHER", "texture": true}"#);
    for field in
        [r#""octree_resolution": 512"#, r#""num_inference_steps": 50"#, r#""guidance_scale": 1"#]
    {
        let json = format!(r#"{{"image": "IMAGE", "mesh": "OTHER", "texture": true, {field}}}"#);
        assert_eq!(key(&json), bare, "{field}");
    }
    assert_eq!(
        key(r#"{"image": "IMAGE", "mesh": "OTHER", "texture": 1, "face_count": 40000}"#),
        bare
    );
    assert_ne!(key(r#"{"image": "OTHER", "mesh": "OTHER", "texture": true}"#), bare);
}

const FIELDS_21: [&str; 15] = [
    r#"{"image": "BROKEN"}"#,
    r#"{"texture": false, "image": "IMAGE"}"#,
    r#"{"image": "IMAGE", "texture": "no"}"#,
    r#"{"image": "IMAGE", "texture": 0}"#,
    r#"{"image": "IMAGE", "remove_background": true}"#,
    r#"{"image": "IMAGE", "octree_resolution": 256}"#,
    r#"{"image": "IMAGE", "octree_resolution": 256.0}"#,
    r#"{"image": "IMAGE", "octree_resolution": "256"}"#,
    r#"{"image": "IMAGE", "num_inference_steps": 5}"#,
    r#"{"image": "IMAGE", "guidance_scale": 5}"#,
    r#"{"image": "IMAGE", "guidance_scale": 5.0}"#,
    r#"{"image": "IMAGE", "num_chunks": 8000}"#,
    r#"{"image": "IMAGE", "face_count": 40000}"#,
    r#"{"image": "IMAGE", "type": "glb"}"#,
    r#"{"image": "OTHER", "image": "IMAGE"}"#,
];

#[test]
fn hunyuan3d_21_forwarding_counts_every_field() {
    let same = [&FIELDS_21[..], &[r#"{"image": "IMAGE", "seed": 1234}"#]].concat();
    check(
        "hunyuan3d-2.1-forwarding",
        "/generate",
        r#"{"image": "IMAGE"}"#,
        &same,
        &[
            r#"{"image": "OTHER"}"#,
            r#"{"image": "IMAGE", "texture": true}"#,
            r#"{"image": "IMAGE", "remove_background": false}"#,
            r#"{"image": "IMAGE", "seed": 0}"#,
            r#"{"image": "IMAGE", "seed": 4294967295}"#,
            r#"{"image": "IMAGE", "octree_resolution": 512}"#,
            r#"{"image": "IMAGE", "num_inference_steps": 20}"#,
            r#"{"image": "IMAGE", "guidance_scale": 5.5}"#,
            r#"{"image": "IMAGE", "num_chunks": 1000}"#,
            r#"{"image": "IMAGE", "face_count": 1000}"#,
            r#"{"image": "IMAGE", "face_count": 1000, "texture": true}"#,
            r#"{"image": "IMAGE", "type": "obj"}"#,
            r#"{"image": "IMAGE", "webhook": "x"}"#,
            r#"{"image": "IMAGE", "webhook": null}"#,
            r#"{"image": "IMAGE", "texture": true, "seed": 7}"#,
        ],
    );
}

#[test]
fn hunyuan3d_21_stock_counts_what_its_server_uses_and_a_seed_that_is_sent() {
    let ignored = [
        r#"{"image": "IMAGE", "remove_background": false}"#,
        r#"{"image": "IMAGE", "octree_resolution": 512}"#,
        r#"{"image": "IMAGE", "num_inference_steps": 20}"#,
        r#"{"image": "IMAGE", "guidance_scale": 5.5}"#,
        r#"{"image": "IMAGE", "num_chunks": 1000}"#,
        r#"{"image": "IMAGE", "face_count": 1000}"#,
    ];
    check(
        "hunyuan3d-2.1-stock",
        "/generate",
        r#"{"image": "IMAGE"}"#,
        &[&FIELDS_21[..], &ignored].concat(),
        &[
            r#"{"image": "OTHER"}"#,
            r#"{"image": "IMAGE", "texture": true}"#,
            r#"{"image": "OTHER", "texture": true}"#,
            r#"{"image": "IMAGE", "seed": 0}"#,
            r#"{"image": "IMAGE", "seed": 1}"#,
            r#"{"image": "IMAGE", "seed": 1234}"#,
            r#"{"image": "IMAGE", "seed": 1, "texture": true}"#,
            r#"{"image": "IMAGE", "type": "obj"}"#,
            r#"{"image": "IMAGE", "type": "stl"}"#,
            r#"{"image": "IMAGE", "type": "ply"}"#,
            r#"{"image": "IMAGE", "webhook": "x"}"#,
            r#"{"image": "IMAGE", "webhook": "y"}"#,
            r#"{"image": "IMAGE", "webhook": null}"#,
            r#"{"image": "IMAGE", "octree": 256}"#,
            r#"{"image": "IMAGE", "@query": "a"}"#,
        ],
    );
}

/// Keys that must never change: a change here loses the entries of everybody. They follow from the
/// encoding that `meshmemo/tests/engine/golden_keys.txt` holds still.
#[test]
fn golden_keys_hold_still() {
    let all = r#"{"image": "IMAGE", "seed": 7, "texture": true, "octree_resolution": 384,
        "num_inference_steps": 20, "guidance_scale": 5.5, "face_count": 90000, "type": "glb",
        "extra": {"a": [1, null]}}"#;
    let golden = include_str!("golden_keys.txt");
    let mut lines = golden.lines().filter(|line| !line.starts_with('#'));
    for (name, path) in [
        ("hunyuan3d-2", "/generate"),
        ("hunyuan3d-2.1-stock", "/generate"),
        ("hunyuan3d-2.1-forwarding", "/generate"),
        ("generic", "/v1/3d/generations"),
    ] {
        for json in [r#"{"image": "IMAGE"}"#, all] {
            let key = key(&gateway(name), path, json);
            assert_eq!(lines.next().map(str::to_owned), Some(format!("{name} {key}")), "{json}");
        }
    }
    assert_eq!(lines.next(), None);
}

/// What a schema refuses has no meaning: its server is to say so.
#[test]
fn what_the_schema_refuses_is_passed_through() {
    for name in ["hunyuan3d-2.1-stock", "hunyuan3d-2.1-forwarding"] {
        let gateway = gateway(name);
        for json in [
            "{}",
            r#"{"image": 7}"#,
            r#"{"image": "not base64!"}"#,
            r#"{"image": "Y3Vw", "seed": -1}"#,
            r#"{"image": "Y3Vw", "seed": 1.5}"#,
            r#"{"image": "Y3Vw", "octree_resolution": 9999}"#,
            r#"{"image": "Y3Vw", "guidance_scale": "much"}"#,
            r#"{"image": "Y3Vw", "texture": "maybe"}"#,
            "[]",
            "not JSON",
        ] {
            let letter = letter("/generate", "application/json", json.to_owned());
            let keeping = known(&gateway, &letter).meaning.keeping;
            assert!(matches!(keeping, Keeping::PassedThrough(_)), "{name}: {json}");
        }
    }
}

#[test]
fn results_of_a_server_that_draws_at_random_are_kept_unless_the_operator_says_otherwise() {
    let keeping = |name: &str, unseeded, json: &str| {
        let path = if name == "generic" { "/v1/3d/generations" } else { "/generate" };
        let letter = letter(path, "application/json", json.replace("IMAGE", CUP));
        known(&gateway_with(name, "m", unseeded, GENERIC), &letter).meaning.keeping
    };
    let (bare, seeded) = (r#"{"image": "IMAGE"}"#, r#"{"image": "IMAGE", "seed": 7}"#);
    for name in ["hunyuan3d-2.1-stock", "generic"] {
        assert_eq!(keeping(name, Unseeded::Keep, bare), Keeping::Kept);
        assert_eq!(keeping(name, Unseeded::Keep, seeded), Keeping::Kept);
        assert_eq!(keeping(name, Unseeded::Pass, seeded), Keeping::Kept);
        assert!(matches!(keeping(name, Unseeded::Pass, bare), Keeping::PassedThrough(_)));
    }
    // Its default is a seed like any other.
    assert_eq!(keeping("hunyuan3d-2", Unseeded::Pass, bare), Keeping::Kept);
    for random in [
        r#"{"image": "IMAGE", "seed": -1}"#,
        r#"{"image": "IMAGE", "seed": -1.0}"#,
        r#"{"image": "IMAGE", "seed": "-1"}"#,
        r#"{"image": "IMAGE", "seed": ""}"#,
    ] {
        let keeping = keeping("generic", Unseeded::Keep, random);
        assert!(matches!(keeping, Keeping::PassedThrough(_)), "{random}");
    }
    // What is behind a name may be another image tomorrow, whatever Python makes of its letters.
    for named in
        ["https://photos.example/cup.png", "img_11.png", "s3://bucket/aab", " IMAGE", "-IMAGE"]
    {
        let json = format!(r#"{{"image": "{named}", "seed": 1}}"#);
        let keeping = keeping("generic", Unseeded::Keep, &json);
        assert_eq!(keeping, Keeping::PassedThrough(Reason::ImageByReference), "{named}");
    }
    for none in [r#"{"image": "IMAGE", "seed": null}"#, r#"{"image": "IMAGE", "seed": ""}"#] {
        let keeping = keeping("generic", Unseeded::Pass, none);
        assert!(matches!(keeping, Keeping::PassedThrough(_)), "{none}");
    }
}

#[test]
fn generic_takes_for_the_same_what_its_description_says() {
    check(
        "generic",
        "/v1/3d/generations",
        r#"{"image": "IMAGE"}"#,
        &[
            r#"{"image":"IMAGE"}"#,
            r#"{"image": "BROKEN"}"#,
            r#"{"image": "data:image/png;base64,IMAGE"}"#,
            r#"{"steps": 5, "image": "IMAGE"}"#,
            r#"{"image": "IMAGE", "texture": false}"#,
            r#"{"texture": false, "image": "IMAGE"}"#,
            r#"{"image": "IMAGE", "resolution": 1024}"#,
            r#"{"image": "IMAGE", "resolution": 1024.0}"#,
            r#"{"image": "IMAGE", "steps": 5}"#,
            r#"{"image": "IMAGE", "steps": 5.0}"#,
            r#"{"image": "IMAGE", "steps": 5, "resolution": 1024, "texture": false}"#,
            r#"{"image": "IMAGE", "request_id": "a"}"#,
            r#"{"image": "IMAGE", "request_id": {"deep": 1}, "user": 7}"#,
            r#"{"image": "IMAGE", "output_format": "glb"}"#,
            r#"{"image": "IMAGE", "output_format": "GLB"}"#,
            r#"{"image": "OTHER", "image": "IMAGE"}"#,
        ],
        &[
            r#"{"image": "OTHER"}"#,
            r#"{"back": "IMAGE"}"#,
            r#"{"image": "IMAGE", "back": "IMAGE"}"#,
            r#"{"image": "IMAGE", "back": "OTHER"}"#,
            r#"{"image": "OTHER", "back": "IMAGE"}"#,
            r#"{"image": ["IMAGE"]}"#,
            r#"{"image": ["IMAGE", "OTHER"]}"#,
            r#"{"image": ["OTHER", "IMAGE"]}"#,
            r#"{"image": "IMAGE", "texture": true}"#,
            r#"{"image": "IMAGE", "texture": "false"}"#,
            r#"{"image": "IMAGE", "resolution": 512}"#,
            r#"{"image": "IMAGE", "steps": 5.5}"#,
            r#"{"image": "IMAGE", "seed": 0}"#,
            r#"{"image": "IMAGE", "seed": 1}"#,
            r#"{"image": "IMAGE", "output_format": "stl"}"#,
            r#"{"image": "IMAGE", "unknown": null}"#,
            r#"{"image": "IMAGE", "unknown": {"a": 1}}"#,
            r#"{"image": "IMAGE", "unknown": {"a": 2}}"#,
        ],
    );
}

/// Forms have no types, and names are as long as anybody likes.
#[test]
fn what_a_form_says_of_seeds_and_textures_counts_and_what_has_no_bound_is_passed_through() {
    let table = format!("{GENERIC}\nbody = \"multipart\"");
    let forms = gateway_with("generic", "m", Unseeded::Keep, &table);
    let photo = ("image", "cup of coffee");
    let meaning = |fields: &[(&str, &str)]| known(&forms, &form(fields, "b")).meaning;
    let random = meaning(&[photo, ("seed", "-1")]);
    assert_eq!(random.keeping, Keeping::PassedThrough(Reason::RandomSeed));
    assert_eq!(meaning(&[photo, ("seed", "7")]).keeping, Keeping::Kept);
    for yes in ["true", "True", "1", "on", "yes"] {
        assert!(meaning(&[photo, ("texture", yes)]).expected.is_textured, "{yes}");
    }
    for no in ["false", "0", "", "off"] {
        assert!(!meaning(&[photo, ("texture", no)]).expected.is_textured, "{no}");
    }
    let back = ("back", "a cat");
    assert_eq!(meaning(&[photo, back]).images, meaning(&[back, photo]).images);
    let json = gateway("generic");
    let long = "n".repeat(300);
    let many = vec!["\"\""; 100].join(",");
    for body in [
        format!("{{\"image\": \"Y3Vw\", \"{long}\": 1}}"),
        format!("{{\"image\": [{many}]}}"),
        "{\"image\": {}}".to_owned(),
    ] {
        let letter = letter("/v1/3d/generations", "application/json", body);
        let keeping = known(&json, &letter).meaning.keeping;
        assert_eq!(keeping, Keeping::PassedThrough(Reason::NotUnderstood));
    }
    let format = format!("{{\"image\": \"Y3Vw\", \"type\": \"{long}\"}}");
    let letter = letter("/generate", "application/json", format);
    let keeping = known(&gateway("hunyuan3d-2"), &letter).meaning.keeping;
    assert_eq!(keeping, Keeping::PassedThrough(Reason::NotUnderstood));
}

/// Servers read such forms each in its own way: to one a part is the seed, to another it is not.
#[test]
fn a_form_that_servers_read_differently_is_passed_through() {
    let table = format!("{GENERIC}\nbody = \"multipart\"");
    let forms = gateway_with("generic", "m", Unseeded::Keep, &table);
    let plain = "multipart/form-data; boundary=b";
    let part = |disposition: &str, more: &str| {
        let image =
            "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\ncup";
        format!("{image}\r\n--b\r\nContent-Disposition: {disposition}\r\n{more}\r\n5\r\n--b--\r\n")
    };
    let keeping = |content_type: &str, body: String| {
        known(&forms, &letter("/v1/3d/generations", content_type, body)).meaning.keeping
    };
    let usual = part("form-data; name=\"seed\"", "");
    assert_eq!(keeping(plain, usual.clone()), Keeping::Kept);
    assert_eq!(keeping("multipart/form-data; boundary=\"b\"", usual.clone()), Keeping::Kept);
    let text = part("form-data; name=\"seed\"", "Content-Type: text/plain\r\n");
    assert_eq!(keeping(plain, text), Keeping::Kept);
    let unusual = Keeping::PassedThrough(Reason::NotUnderstood);
    for disposition in [
        "form-data; name=\"seed\"; name=\"q\"",
        "form-data; name=\"seed\"; name*=utf-8''q",
        "form-data; name=\"seed\"; filename=\"a\"; filename=\"b\"",
        "form-data; name=\"seed\"; filename*=utf-8''b",
        "form-data; name = \"seed\"",
        "form-data; name=seed",
        "form-data; name=\"se%64\"",
    ] {
        assert_eq!(keeping(plain, part(disposition, "")), unusual, "{disposition}");
    }
    for more in [
        "Content-Type: text/plain; charset=utf-16\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "content-disposition: form-data; name=\"seed\"\r\n",
    ] {
        assert_eq!(keeping(plain, part("form-data; name=\"seed\"", more)), unusual, "{more}");
    }
    for content_type in [
        "multipart/form-data; boundary=b; boundary=c",
        "multipart/form-data; boundary=b; boundary*=utf-8''c",
        "multipart/form-data; charset=x; boundary=b",
        "text/plain",
    ] {
        assert_eq!(keeping(content_type, usual.clone()), unusual, "{content_type}");
    }
    assert_eq!(keeping(plain, format!("preamble\r\n{usual}")), unusual);
    let mut twice = letter("/v1/3d/generations", plain, usual);
    twice.head.headers.append(http::header::CONTENT_TYPE, http::HeaderValue::from_static("a/b"));
    assert_eq!(known(&forms, &twice).meaning.keeping, unusual);
}

fn form(fields: &[(&str, &str)], boundary: &str) -> Letter {
    let mut body = String::new();
    for (name, value) in fields {
        let file = if *name == "image" { "; filename=\"cup.png\"" } else { "" };
        let part = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"
        );
        body.push_str(&part);
    }
    body.push_str("--");
    body.push_str(boundary);
    body.push_str("--\r\n");
    letter("/v1/3d/generations", &format!("multipart/form-data; boundary={boundary}"), body)
}

#[test]
fn a_form_and_json_mean_the_same_and_neither_order_nor_boundary_count() {
    let json = gateway("generic");
    let forms = gateway_with(
        "generic",
        "model-1",
        Unseeded::Keep,
        &format!("{GENERIC}\nbody = \"multipart\""),
    );
    let of_form =
        |fields: &[(&str, &str)], boundary| known(&forms, &form(fields, boundary)).generation_key;
    let of_json = |text: &str| {
        let text = text.replace("IMAGE", CUP);
        known(&json, &letter("/v1/3d/generations", "application/json", text)).generation_key
    };
    let photo = ("image", "cup of coffee");
    let base = of_form(&[photo], "a");
    assert_eq!(base, of_json(r#"{"image": "IMAGE"}"#));
    assert_eq!(base, of_form(&[photo], "another"));
    assert_eq!(base, of_form(&[("steps", "5"), photo, ("texture", "false"), ("user", "me")], "b"));
    assert_eq!(base, of_form(&[photo, ("resolution", "1024.0")], "c"));
    let seeded = of_form(&[photo, ("prompt", "red"), ("steps", "7")], "d");
    assert_eq!(seeded, of_form(&[("steps", "7"), ("prompt", "red"), photo], "d"));
    assert_eq!(seeded, of_json(r#"{"image": "IMAGE", "prompt": "red", "steps": 7}"#));
    let others = [
        of_form(&[("image", "a cat")], "a"),
        of_form(&[photo, photo], "a"),
        of_form(&[photo, ("steps", "6")], "a"),
        of_form(&[photo, ("prompt", "red")], "a"),
        of_form(&[photo, ("prompt", "red"), ("prompt", "blue")], "a"),
        seeded,
        base,
    ];
    for (place, key) in others.iter().enumerate() {
        assert!(!others[..place].contains(key), "{place}");
    }
}

#[test]
fn the_model_the_namespace_the_query_and_what_a_header_chooses_count() {
    let base = |gateway: &Gateway, namespace: &str, path: &str, accept: Option<&'static str>| {
        let mut letter = letter(path, "application/json", format!(r#"{{"image": "{CUP}"}}"#));
        letter.head.headers.extend(
            accept.map(|accept| (http::header::ACCEPT, http::HeaderValue::from_static(accept))),
        );
        let digest = gateway.digest(&owner(namespace), &letter.head);
        gateway.read(&owner(namespace), &letter, &digest).generation_key
    };
    for (name, path) in [("hunyuan3d-2", "/generate"), ("generic", "/v1/3d/generations")] {
        let one = gateway(name);
        let other = gateway_with(name, "model-2", Unseeded::Keep, GENERIC);
        let key = base(&one, "default", path, None);
        assert_eq!(key, base(&one, "default", path, None));
        assert_ne!(key, base(&other, "default", path, None));
        assert_ne!(key, base(&one, "somebody", path, None));
        assert_ne!(key, base(&one, "default", &format!("{path}?a=1"), None));
        let chooses = base(&one, "default", path, Some("application/json")) != key;
        assert_eq!(chooses, name == "generic", "a server that looks at `Accept`");
    }
}

/// A photo that comes by the native door is asked for as the clients of the protocol do.
#[test]
fn the_native_door_shares_its_keys_with_the_protocols() {
    let photo = bytes::Bytes::from_static(b"cup of coffee");
    for (name, path, json) in [
        ("hunyuan3d-2", "/generate", r#"{"image": "IMAGE", "type": "stl", "seed": 7}"#),
        ("hunyuan3d-2.1-stock", "/generate", r#"{"image": "IMAGE", "type": "stl", "seed": 7}"#),
        (
            "hunyuan3d-2.1-forwarding",
            "/generate",
            r#"{"image": "IMAGE", "type": "stl", "seed": 7}"#,
        ),
        (
            "generic",
            "/v1/3d/generations",
            r#"{"image": "IMAGE", "output_format": "stl", "seed": 7}"#,
        ),
    ] {
        let gateway = gateway(name);
        let ask = |parameters: Parameters, given: &[&str]| Ask {
            photo: photo.clone(),
            parameters,
            given: given.iter().map(|field| (*field).to_owned()).collect(),
        };
        let stl = Parameters { format: Format::Stl, seed: Some(7), ..Parameters::default() };
        let (_, known) = gateway.write("default", &ask(stl, &["format", "seed"])).unwrap();
        let by_door = known.generation_key.key(&known.meaning.variant).to_string();
        assert_eq!(by_door, key(&gateway, path, json), "{name}");
        let (_, known) = gateway.write("default", &ask(Parameters::default(), &[])).unwrap();
        let by_door = known.generation_key.key(&known.meaning.variant).to_string();
        assert_eq!(by_door, key(&gateway, path, r#"{"image": "IMAGE"}"#), "{name}");
        for field in ["quality", "width_mm", "height_mm", "depth_mm"] {
            let refused = gateway.write("default", &ask(Parameters::default(), &[field]));
            assert_eq!(refused.unwrap_err().field, field, "{name}");
        }
    }
}

#[test]
fn a_repeat_to_the_byte_is_recalled_and_anything_else_is_not() {
    let gateway = gateway("hunyuan3d-2");
    let letter = letter("/generate", "application/json", format!(r#"{{"image": "{CUP}"}}"#));
    let digest = |gateway: &Gateway, namespace: &str, letter: &Letter| {
        let mut digest = gateway.digest(&owner(namespace), &letter.head);
        // It arrives in pieces, wherever they begin.
        for piece in [letter.body.slice(..7), letter.body.slice(7..)] {
            digest.add(&piece);
        }
        digest
    };
    let first = digest(&gateway, "default", &letter);
    assert!(gateway.recall(&first).is_none());
    let read = gateway.read(&owner("default"), &letter, &first);
    let recalled = gateway.recall(&digest(&gateway, "default", &letter)).unwrap();
    assert_eq!(recalled.generation_key, read.generation_key);
    assert!(gateway.recall(&digest(&gateway, "somebody", &letter)).is_none());
    let somebody = Owner { credentials: Some(meshmemo::Digest::of(b"who")), ..owner("default") };
    let mut of_somebody = gateway.digest(&somebody, &letter.head);
    of_somebody.add(&letter.body);
    assert!(gateway.recall(&of_somebody).is_none());
    let theirs = gateway.read(&somebody, &letter, &of_somebody);
    assert_ne!(theirs.generation_key, read.generation_key);
    let mut in_other_words = letter.clone();
    in_other_words
        .head
        .headers
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    assert!(gateway.recall(&digest(&gateway, "default", &in_other_words)).is_none());
    let longer = Letter { body: [&letter.body[..], b" "].concat().into(), ..letter };
    assert!(gateway.recall(&digest(&gateway, "default", &longer)).is_none());
}
