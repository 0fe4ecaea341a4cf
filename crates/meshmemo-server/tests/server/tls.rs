//! TLS: certificates that are read again, and clients that do not speak it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use serde_json::Value;
use tempfile::TempDir;

use crate::answer::{send, try_send};
use crate::guarded::{Guarded, KEYS, add_key};
use crate::house::{House, client, meshmemo, photo_path};

/// Writes a certificate for this machine, and its key.
fn certify(dir: &TempDir) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    fs::write(dir.path().join("cert.pem"), cert.pem()).unwrap();
    fs::write(dir.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
}

const FLAGS: [&str; 4] = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];

/// Starts a server with TLS and a key, and returns both.
fn encrypted() -> (Guarded, String) {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    certify(&dir);
    let key = add_key(&dir, "ops --role admin");
    let house = House::in_dir(&dir, &[&FLAGS[..], &["--api-keys", KEYS]].concat());
    (Guarded { house }, key)
}

/// A client that knows the server by the certificate that is in its file now.
fn trusting(server: &Guarded) -> reqwest::Client {
    let pem = fs::read(server.house.path("cert.pem")).unwrap();
    client().tls_certs_only([Certificate::from_pem(&pem).unwrap()]).build().unwrap()
}

fn stats_url(server: &Guarded) -> String {
    format!("https://{}/api/cache/stats", server.house.host)
}

#[test]
fn keys_and_models_travel_encrypted() {
    let (server, key) = encrypted();
    let http = trusting(&server);
    send(http.get(stats_url(&server))).problem(401);
    send(http.get(stats_url(&server)).bearer_auth(&key)).ok();
    let untrusted = client().build().unwrap();
    assert!(try_send(untrusted.get(stats_url(&server)).bearer_auth(&key)).is_err());
}

#[test]
fn the_command_line_speaks_tls_too() {
    let (server, key) = encrypted();
    let url = format!("https://{}", server.house.host);
    let run = |more: &[&str]| {
        let mut command = meshmemo(server.house.dir().path());
        command.env("MESHMEMO_API_KEY", &key).args(["stats", "--url", &url]).args(more);
        command.output().unwrap()
    };
    let shown = run(&["--ca-cert", "cert.pem"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let refused = String::from_utf8(run(&[]).stderr).unwrap();
    assert!(refused.contains("no TLS connection"), "{refused}");
    let missing = String::from_utf8(run(&["--ca-cert", "key.pem"]).stderr).unwrap();
    assert!(missing.contains("no certificate in PEM"), "{missing}");
}

#[test]
fn plain_http_is_told_what_to_speak() {
    let (server, key) = encrypted();
    let photo = fs::read(photo_path("coffee.png")).unwrap();
    let post = format!(
        "POST /api/generate HTTP/1.1\r\nHost: x\r\nX-Meshmemo-Api-Key: {key}\r\n\
         Content-Length: {}\r\n\r\n",
        photo.len()
    );
    for request in
        [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), [post.as_bytes(), &photo].concat()]
    {
        let mut plain = TcpStream::connect(&server.house.host).unwrap();
        plain.write_all(&request).unwrap();
        plain.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        plain.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(
            answer.contains("application/problem+json") && answer.contains("https://"),
            "{answer}"
        );
    }
    let mut silent = TcpStream::connect(&server.house.host).unwrap();
    silent.write_all(&[22]).unwrap();
    send(trusting(&server).get(stats_url(&server)).bearer_auth(&key)).ok();
}

#[test]
fn a_new_certificate_is_used_without_a_restart() {
    let (server, key) = encrypted();
    let is_trusted =
        |http: &reqwest::Client| try_send(http.get(stats_url(&server)).bearer_auth(&key)).is_ok();
    let old = fs::read(server.house.path("key.pem")).unwrap();
    certify(&server.house.dir());
    let new = fs::read(server.house.path("key.pem")).unwrap();
    server.house.wait_until(|_| is_trusted(&trusting(&server)));
    // A key that is of another certificate, as between the two writes of a renewal, changes nothing.
    let trouble = || {
        let url = format!("https://{}/api/health", server.house.host);
        send(trusting(&server).get(url).bearer_auth(&key)).ok().json()["reasons"]["tls"].clone()
    };
    fs::write(server.house.path("key.pem"), old).unwrap();
    let is_mismatch = |it: &Value| it.as_str().is_some_and(|it| it.contains("do not go together"));
    server.house.wait_until(|_| is_mismatch(&trouble()));
    fs::write(server.house.path("key.pem"), new).unwrap();
    server.house.wait_until(|_| trouble().is_null());
    assert!(is_trusted(&trusting(&server)));
}

#[test]
fn files_that_are_no_certificate_are_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    certify(&dir);
    fs::write(dir.path().join("garbage"), "garbage").unwrap();
    let start = |flags: &[&str]| {
        let mut command = meshmemo(dir.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--disk-max", "off"]).args(flags);
        let ended = command.output().unwrap();
        assert_eq!(ended.status.code(), Some(2));
        String::from_utf8(ended.stderr).unwrap()
    };
    for (cert, key, words) in [
        ("nowhere", "key.pem", "nowhere"),
        ("garbage", "key.pem", "garbage"),
        ("cert.pem", "garbage", "garbage"),
        ("cert.pem", "cert.pem", "no private key"),
    ] {
        let said = start(&["--tls-cert", cert, "--tls-key", key]);
        assert!(said.contains(words), "{said}");
    }
    assert!(start(&["--tls-cert", "cert.pem"]).contains("`tls_key`"));
}

#[test]
fn the_end_waits_for_no_handshake_and_no_idle_connection() {
    let (mut server, key) = encrypted();
    let mut half = TcpStream::connect(&server.house.host).unwrap();
    half.write_all(&[22, 3, 1]).unwrap();
    let _silent = TcpStream::connect(&server.house.host).unwrap();
    let http = trusting(&server);
    send(http.get(stats_url(&server)).bearer_auth(&key)).ok();
    server.house.end();
}
