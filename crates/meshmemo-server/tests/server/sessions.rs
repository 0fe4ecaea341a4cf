//! A browser: the page, signing in and out, and who may make it send what.

use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::answer::{Answer, send};
use crate::guarded::{Guarded, revoke_key};
use crate::house::{House, client};

/// A browser that keeps the server's cookie, and says where its pages come from.
struct Browser<'a> {
    server: &'a Guarded,
    http: reqwest::Client,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn new(server: &'a Guarded) -> Self {
        let http = client().redirect(Policy::none()).build().unwrap();
        Self { server, http, cookie: String::new() }
    }

    /// Prepares what a page of `origin` makes it send.
    fn sent_by(&self, origin: &str, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.server.house.url(path));
        request.header("origin", origin).header("cookie", &self.cookie)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.sent_by(&self.server.house.url(""), method, path)
    }

    fn sign_in(&mut self, key: &str) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("key", key).finish();
        let answer = send(self.request(Method::POST, "/sign-in").body(form));
        if let Some(cookie) = answer.headers.get("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            pair.clone_into(&mut self.cookie);
        }
        answer
    }

    fn page(&self) -> Answer {
        send(self.request(Method::GET, "/"))
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[test]
fn a_browser_signs_in_uses_the_page_and_signs_out() {
    let (server, [key]) = Guarded::with(["lena --role generate"], &[]);
    let mut browser = Browser::new(&server);
    let refused = browser.page();
    assert_eq!(refused.status, 401);
    assert!(text(&refused).contains("action=\"/sign-in\""));
    let answer = browser.sign_in(&key);
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let cookie = answer.header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let page = text(&browser.page().ok());
    assert!(page.contains("lena") && page.contains("/sign-out") && page.contains("Hit rate"));
    let made = send(browser.request(Method::POST, "/api/generate").multipart(form())).ok();
    assert_eq!(send(browser.request(Method::GET, &made.model_path())).ok().body, made.body);
    let out = send(browser.request(Method::POST, "/sign-out"));
    assert_eq!((out.status, out.header("clear-site-data")), (303, "\"cache\""));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    browser.cookie.clear();
    assert_eq!(browser.page().status, 401);
}

fn form() -> reqwest::multipart::Form {
    let photo = crate::picture::png(8, 8, [128, 255]);
    let image = reqwest::multipart::Part::bytes(photo).file_name("a.png");
    reqwest::multipart::Form::new().part("image", image).text("quality", "1")
}

#[test]
fn a_wrong_or_revoked_key_is_said_on_the_page() {
    let (server, [key]) = Guarded::with(["lena --role read"], &[]);
    let mut browser = Browser::new(&server);
    for wrong in ["", "mm_wrong", "<script>"] {
        let answer = browser.sign_in(wrong);
        assert_eq!(answer.status, 401);
        assert!(text(&answer).contains("role=\"alert\"") && !text(&answer).contains("<script>"));
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    browser.sign_in(&key);
    browser.page().ok();
    revoke_key(&server.house.dir(), "lena");
    server.house.wait_until(|_| browser.page().status == 401);
}

#[test]
fn the_page_shows_each_role_what_it_may() {
    let keys = ["reader --role read", "maker --role generate", "chief --role admin"];
    let (server, keys) = Guarded::with(keys, &[]);
    for (key, may_generate) in keys.iter().zip([false, true, true]) {
        let mut browser = Browser::new(&server);
        browser.sign_in(key);
        let page = text(&browser.page().ok());
        assert_eq!(page.contains("action=\"/api/generate\""), may_generate);
        assert!(page.contains("X-Meshmemo-Api-Key"), "it says how programs send their key");
    }
}

#[test]
fn where_only_administration_needs_a_key_the_page_offers_both() {
    let (server, [key]) = Guarded::with(["chief --role admin"], &["--auth", "admin"]);
    let mut browser = Browser::new(&server);
    let page = text(&browser.page().ok());
    assert!(page.contains("action=\"/api/generate\"") && page.contains("/?sign-in"));
    assert!(!page.contains("Hit rate"), "statistics are not open");
    assert!(text(&send(browser.request(Method::GET, "/?sign-in"))).contains("action=\"/sign-in\""));
    browser.sign_in(&key);
    assert!(text(&browser.page().ok()).contains("Hit rate"));
}

/// An old cookie kept its browser from what is open to everybody.
#[test]
fn an_old_cookie_keeps_nobody_from_what_is_open() {
    let (server, _) = Guarded::with(["chief --role admin"], &["--auth", "admin"]);
    let mut browser = Browser::new(&server);
    let port = server.house.host.rsplit_once(':').unwrap().1;
    browser.cookie = format!("meshmemo-key-{port}=mm_old");
    send(browser.request(Method::POST, "/api/generate").multipart(form())).ok();
    send(browser.request(Method::GET, "/api/cache/stats")).problem(401);
}

/// The cookie goes with whatever makes the browser send a request; a page from elsewhere must not.
#[test]
fn no_other_page_changes_anything_with_the_cookie() {
    let (server, [key]) = Guarded::with(["chief --role admin"], &[]);
    let mut browser = Browser::new(&server);
    browser.sign_in(&key);
    let port = server.house.host.rsplit_once(':').unwrap().1;
    let neighbours = ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"];
    let posts = ["/api/cache/clear", "/api/generate", "/sign-out", "/sign-in"];
    for path in posts {
        for origin in neighbours {
            send(browser.sent_by(origin, Method::POST, path)).problem(403);
        }
        let evil = format!("http://evil.example:{port}");
        send(browser.sent_by(&evil, Method::POST, path)).problem(403);
        let silent = browser.http.request(Method::POST, server.house.url(path));
        send(silent.header("cookie", &browser.cookie)).problem(403);
    }
    send(browser.request(Method::POST, "/api/cache/clear")).ok();
    // A key in a header is no browser's doing.
    let header = server.request(&key, Method::POST, "/api/cache/clear");
    send(header.header("origin", "http://evil.example")).ok();
}

#[test]
fn the_page_trusts_nothing_but_itself() {
    let (server, [key]) = Guarded::with(["lena --role generate"], &[]);
    let mut browser = Browser::new(&server);
    let before = browser.page();
    browser.sign_in(&key);
    for page in [before, browser.page().ok()] {
        let policy = page.header("content-security-policy");
        for word in [
            "default-src 'none'",
            "style-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(word), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(
            (page.header("x-frame-options"), page.header("cache-control")),
            ("DENY", "no-store")
        );
        let html = text(&page);
        assert!(!html.contains("<script") && !html.contains("style=") && !html.contains("<style"));
        assert!(!html.contains(&key), "the key is in no page");
    }
    let style = server.house.get("/page.css").ok();
    assert!(style.header("content-type").starts_with("text/css"));
}

#[test]
fn behind_a_proxy_with_tls_the_cookie_is_secure() {
    let (server, [key]) = Guarded::with(["lena --role read"], &[]);
    let origin = "https://models.example";
    let http = client().redirect(Policy::none()).build().unwrap();
    let request = http.post(server.house.url("/sign-in")).header("host", "models.example");
    let answer = send(request.header("origin", origin).body(format!("key={key}")));
    let cookie = answer.header("set-cookie");
    assert!(cookie.ends_with("; Secure"), "{cookie}");
}

#[test]
fn other_origins_read_nothing_unless_they_are_named() {
    let shop = "https://shop.example";
    let flags = ["--cors-origin", "https://shop.example,http://127.0.0.1:3000"];
    let (server, [key]) = Guarded::with(["shop --role generate"], &flags);
    let read = |origin: &str| {
        send(server.request(&key, Method::GET, "/api/cache/stats").header("origin", origin)).ok()
    };
    assert_eq!(read(shop).header("access-control-allow-origin"), shop);
    assert!(read(shop).header("vary").to_lowercase().contains("origin"));
    assert!(!read("https://evil.example").headers.contains_key("access-control-allow-origin"));
    let preflight = |origin: &str| {
        let request = server.house.request(Method::OPTIONS, "/api/models/x.glb");
        let request = request.header("origin", origin);
        let request = request.header("access-control-request-method", "GET");
        send(request.header("access-control-request-headers", "x-meshmemo-api-key"))
    };
    let allowed = preflight(shop).ok();
    assert_eq!(allowed.header("access-control-allow-methods"), "GET,HEAD");
    assert!(allowed.header("access-control-allow-headers").contains("x-meshmemo-api-key"));
    assert!(!allowed.headers.contains_key("access-control-allow-credentials"));
    let refused = preflight("https://evil.example");
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
    let open = House::with(&["--cors-origin", "*"]);
    let read =
        open.request(Method::GET, "/api/cache/stats").header("origin", "https://any.example");
    assert_eq!(send(read).ok().header("access-control-allow-origin"), "*");
    let change =
        open.request(Method::POST, "/api/cache/clear").header("origin", "https://any.example");
    send(change.json(&json!({}))).problem(403);
}

#[test]
fn who_may_come_is_judged_by_address() {
    let house = House::with(&["--allow-from", "10.0.0.0/8,192.168.1.5"]);
    for path in ["/", "/api/health", "/api/cache/stats", "/nothing"] {
        let detail = house.get(path).problem(403);
        assert!(detail.contains("127.0.0.1") && detail.contains("--allow-from"), "{detail}");
    }
    let house = House::with(&["--allow-from", "127.0.0.0/8"]);
    house.get("/api/cache/stats").ok();
}

/// Listening to the network, with keys and with addresses, on a machine that has no other network.
#[test]
fn with_keys_or_addresses_a_server_listens_everywhere() {
    let (server, [key]) = Guarded::with(["ops --role admin"], &["--listen", "0.0.0.0:0"]);
    let local = server.house.url("").replace("0.0.0.0", "127.0.0.1");
    let http = client().build().unwrap();
    let stats = format!("{local}/api/cache/stats");
    send(http.get(&stats)).problem(401);
    send(http.get(&stats).bearer_auth(&key)).ok();
    assert!(server.log().contains("unencrypted"), "{}", server.log());
    let house = House::with(&["--listen", "[::]:0", "--allow-from", "127.0.0.1,::1"]);
    let local = house.url("").replace("[::]", "127.0.0.1");
    send(http.get(format!("{local}/api/cache/stats"))).ok();
    let rebound = http.get(format!("{local}/api/cache/stats")).header("host", "evil.example");
    send(rebound).problem(403);
}
