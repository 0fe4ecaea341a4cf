//! Requests without a server, and the keys that an adapter makes of them.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use meshmemo::SystemClock;
use meshmemo_gateway::{
    Backends, BackendsOptions, Gateway, GenericRoutes, Keeping, Known, Letter, Owner, RequestHead,
    StudioJobs, Unseeded, open,
};

/// An image in base64, the same with line breaks, and another one.
pub(crate) const CUP: &str = "Y3VwIG9mIGNvZmZlZQ==";
pub(crate) const CUP_BROKEN: &str = "Y3Vw\\nIG9m\\r\\nIGNvZmZlZQ==\\n";
pub(crate) const CAT: &str = "YSBjYXQ=";

pub(crate) const GENERIC: &str = r#"
path = "/v1/3d/generations"
images = ["image", "back"]
irrelevant = ["request_id", "user"]
defaults = { texture = false, resolution = 1024, steps = 5 }
seed = "seed"
random_seeds = [-1, ""]
format_field = "output_format"
texture_field = "texture"
"#;

pub(crate) fn gateway_with(
    name: &str,
    model_id: &str,
    unseeded: Unseeded,
    route: &str,
) -> Arc<Gateway> {
    let _installed_already = rustls::crypto::ring::default_provider().install_default();
    let options = BackendsOptions {
        urls: vec!["http://127.0.0.1:1".parse().unwrap()],
        concurrency: 1,
        queue: 1,
        timeout: Duration::from_secs(1),
    };
    let backends =
        Backends::new(options, StudioJobs::default(), Arc::new(SystemClock::new()), |_| {})
            .unwrap();
    let routes: GenericRoutes = toml::from_str(route).unwrap();
    routes.check().unwrap();
    let adapter = open(name, unseeded, &routes).unwrap();
    Arc::new(Gateway::new(adapter, Arc::new(backends), model_id.to_owned()))
}

pub(crate) fn gateway(name: &str) -> Arc<Gateway> {
    gateway_with(name, "model-1", Unseeded::Keep, GENERIC)
}

pub(crate) fn owner(namespace: &str) -> Owner {
    Owner { namespace: namespace.to_owned(), credentials: None }
}

pub(crate) fn known(gateway: &Gateway, letter: &Letter) -> Known {
    let owner = owner("default");
    let digest = gateway.digest(&owner, &letter.head);
    gateway.read(&owner, letter, &digest)
}

/// Returns the key of a JSON request: `IMAGE` stands for one.
pub(crate) fn key(gateway: &Gateway, path: &str, json: &str) -> String {
    let json = json.replace("IMAGE", CUP).replace("BROKEN", CUP_BROKEN).replace("OTHER", CAT);
    let letter = letter(path, "application/json", json);
    let known = known(gateway, &letter);
    assert_eq!(known.meaning.keeping, Keeping::Kept, "{path}: it is understood");
    known.generation_key.key(&known.meaning.variant).to_string()
}

pub(crate) fn check(name: &str, path: &str, base: &str, same: &[&str], other: &[&str]) {
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

/// Returns a request with a body.
pub(crate) fn letter(path: &str, content_type: &str, body: impl Into<bytes::Bytes>) -> Letter {
    let content_type = HeaderValue::from_str(content_type).unwrap();
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, content_type)]);
    let uri = path.parse().unwrap();
    Letter::new(RequestHead::new(Method::POST, &uri, headers), body.into())
}

pub(crate) fn form(fields: &[(&str, &str)], boundary: &str) -> Letter {
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
