//! What the hosted API of Stability takes for the same, on both of its engines.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use meshmemo_gateway::{Ask, Gateway, Keeping, Letter, Reason, RequestHead};
use meshmemo_gen::{Format, Parameters};

use crate::requests::{gateway, known};

const FAST: &str = "/v2beta/3d/stable-fast-3d";
const POINT_AWARE: &str = "/v2beta/3d/stable-point-aware-3d";

const CUP: &[u8] = b"cup of coffee";
const NAMED: &str = "form-data; name=\"image\"; filename=\"cup.png\"";

/// A field of a form, and what it says.
type Field = (&'static str, &'static str);

/// A form as a client writes it.
#[derive(Debug, Clone)]
struct Sent {
    path: String,
    boundary: &'static str,
    is_quoted: bool,
    parts: Vec<Part>,
    headers: Vec<Field>,
}

/// A part of a form: what it says of itself, and what is in it.
#[derive(Debug, Clone)]
struct Part {
    head: String,
    content: Vec<u8>,
}

fn part(disposition: &str, more: &str, content: &[u8]) -> Part {
    let head = format!("Content-Disposition: {disposition}\r\n{more}");
    Part { head, content: content.to_vec() }
}

fn field((name, value): Field) -> Part {
    part(&format!("form-data; name=\"{name}\""), "", value.as_bytes())
}

impl Sent {
    /// Sends a photo of a cup, and these fields.
    fn to(path: &str, fields: &[Field]) -> Self {
        let parts = [part(NAMED, "", CUP)].into_iter().chain(fields.iter().copied().map(field));
        let (path, parts) = (path.to_owned(), parts.collect());
        Self { path, boundary: "b", is_quoted: false, parts, headers: Vec::new() }
    }

    /// Sends the photo of a cup as another part.
    fn with_image(&self, image: Part) -> Self {
        let parts = [image].into_iter().chain(self.parts[1..].iter().cloned()).collect();
        Self { parts, ..self.clone() }
    }

    fn with_header(&self, header: Field) -> Self {
        let headers = self.headers.iter().copied().chain([header]).collect();
        Self { headers, ..self.clone() }
    }

    fn with_part(&self, part: Part) -> Self {
        let parts = self.parts.iter().cloned().chain([part]).collect();
        Self { parts, ..self.clone() }
    }

    fn letter(&self) -> Letter {
        let mut body = Vec::new();
        for Part { head, content } in &self.parts {
            body.extend(format!("--{}\r\n{head}\r\n", self.boundary).into_bytes());
            body.extend([content.as_slice(), b"\r\n"].concat());
        }
        body.extend(format!("--{}--\r\n", self.boundary).into_bytes());
        let quote = if self.is_quoted { "\"" } else { "" };
        let media_type = format!("multipart/form-data; boundary={quote}{}{quote}", self.boundary);
        let media_type = HeaderValue::from_str(&media_type).unwrap();
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media_type)]);
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_static(value));
        }
        let uri = self.path.parse().unwrap();
        Letter::new(RequestHead::new(Method::POST, &uri, headers), body.into())
    }

    fn key(&self, gateway: &Gateway) -> String {
        let known = known(gateway, &self.letter());
        assert_eq!(known.meaning.keeping, Keeping::Kept, "it is understood: {self:?}");
        known.generation_key.key(&known.meaning.variant).to_string()
    }

    fn keeping(&self) -> Keeping {
        known(&gateway("stability"), &self.letter()).meaning.keeping
    }
}

/// Requests whose keys must never change.
pub(crate) fn golden() -> Vec<Letter> {
    let of_fast = [
        ("texture_resolution", "2048"),
        ("foreground_ratio", "0.5"),
        ("remesh", "quad"),
        ("vertex_count", "5000"),
        ("extra", "x"),
    ];
    let of_point_aware = [
        ("seed", "7"),
        ("texture_resolution", "512"),
        ("foreground_ratio", "1.5"),
        ("remesh", "triangle"),
        ("target_type", "face"),
        ("target_count", "2000"),
        ("guidance_scale", "5.5"),
        ("extra", "x"),
    ];
    let json = ("accept", "application/json");
    let sent = [
        Sent::to(FAST, &[]),
        Sent::to(FAST, &of_fast).with_header(json),
        Sent::to(POINT_AWARE, &[("seed", "7")]),
        Sent::to(POINT_AWARE, &of_point_aware).with_header(json),
    ];
    sent.iter().map(Sent::letter).collect()
}

/// The same request as other clients, and the same one at another time, write it.
fn in_other_words(base: &Sent) -> Vec<Sent> {
    let of_type = |media_type| part(NAMED, &format!("Content-Type: {media_type}\r\n"), CUP);
    let called =
        |name: &str| part(&format!("form-data; name=\"image\"; filename=\"{name}\""), "", CUP);
    let image_last = base.parts.iter().skip(1).chain(&base.parts[..1]).cloned().collect();
    let backwards = base.parts.iter().rev().cloned().collect();
    let mut same = vec![
        Sent { boundary: "another", ..base.clone() },
        Sent { is_quoted: true, ..base.clone() },
        Sent { boundary: "------------------------d74496d66958873e", ..base.clone() },
        Sent { parts: image_last, ..base.clone() },
        Sent { parts: backwards, ..base.clone() },
        base.with_image(of_type("application/octet-stream")),
        base.with_image(of_type("image/png")),
        base.with_image(called("image")),
        base.with_image(called("a photo of a cup.jpeg")),
    ];
    let irrelevant = [
        ("stability-client-id", "my-app"),
        ("stability-client-user-id", "DiscordUser#9999"),
        ("stability-client-version", "1.2.1"),
        ("user-agent", "python-requests/2.34.2"),
        ("accept-encoding", "gzip, deflate"),
        ("x-forwarded-for", "10.0.0.7"),
        ("accept", "*/*"),
        ("accept", "model/*"),
        ("accept", "model/gltf-binary"),
        ("accept", "Model/GLTF-Binary"),
    ];
    same.extend(irrelevant.map(|header| base.with_header(header)));
    same
}

/// Checks which requests are the same as one, and which are not, nor are like each other.
fn check(base: &Sent, same: &[Sent], other: &[Sent]) {
    let same: Vec<_> = in_other_words(base).into_iter().chain(same.iter().cloned()).collect();
    assert!(same.len() >= 15 && other.len() >= 15);
    let gateway = gateway("stability");
    let base_key = base.key(&gateway);
    for sent in &same {
        assert_eq!(sent.key(&gateway), base_key, "{sent:?} is the same as {base:?}");
    }
    let mut keys = vec![base_key];
    for sent in other {
        let key = sent.key(&gateway);
        assert!(!keys.contains(&key), "{sent:?} is like none before it");
        keys.push(key);
    }
}

/// What makes every request another one: its photo, its query, what is taken for an answer, and what is
/// not known.
fn otherwise(base: &Sent) -> Vec<Sent> {
    vec![
        base.with_image(part(NAMED, "", b"a cat")),
        Sent { path: format!("{}?a=1", base.path), ..base.clone() },
        base.with_header(("accept", "application/json")),
        base.with_header(("accept", "application/json, */*")),
        base.with_header(("accept", "model/obj")),
        base.with_part(field(("extra", "1"))),
        base.with_part(field(("extra", "1.0"))),
        base.with_part(field(("extra", ""))),
        base.with_part(field(("Remesh", "none"))),
        base.with_part(field(("@accept", "model/obj"))),
        base.with_part(field(("@path", FAST))),
        base.with_part(field(("output_format", "glb"))),
    ]
}

#[test]
fn stable_fast_3d_counts_its_own_fields_and_keeps_those_of_the_other_engine() {
    let base = Sent::to(FAST, &[]);
    let with = |fields: &[Field]| Sent::to(FAST, fields);
    let same = [
        with(&[("texture_resolution", "1024")]),
        with(&[("foreground_ratio", "0.85")]),
        with(&[("foreground_ratio", "0.8500")]),
        with(&[("foreground_ratio", "00.85")]),
        with(&[("remesh", "none")]),
        with(&[("vertex_count", "-1")]),
        with(&[("vertex_count", "-01")]),
        with(&[
            ("vertex_count", "-1"),
            ("remesh", "none"),
            ("foreground_ratio", "0.85"),
            ("texture_resolution", "1024"),
        ]),
        with(&[("remesh", "none")]).with_image(part(NAMED, "Content-Type: image/webp\r\n", CUP)),
    ];
    let mut other = otherwise(&base);
    other.extend([
        with(&[("texture_resolution", "512")]),
        with(&[("texture_resolution", "2048")]),
        with(&[("foreground_ratio", "0.1")]),
        with(&[("foreground_ratio", "0.851")]),
        with(&[("foreground_ratio", "1")]),
        with(&[("remesh", "triangle")]),
        with(&[("remesh", "quad")]),
        with(&[("vertex_count", "0")]),
        with(&[("vertex_count", "20000")]),
        with(&[("vertex_count", "20000"), ("remesh", "quad")]),
        with(&[("seed", "0")]),
        with(&[("seed", "1")]),
        with(&[("target_type", "none")]),
        with(&[("target_count", "1000")]),
        with(&[("guidance_scale", "3")]),
        Sent::to(POINT_AWARE, &[("seed", "1")]),
    ]);
    check(&base, &same, &other);
}

#[test]
fn stable_point_aware_3d_counts_its_own_fields_and_a_count_only_of_something() {
    let base = Sent::to(POINT_AWARE, &[("seed", "7")]);
    let with = |fields: &[Field]| Sent::to(POINT_AWARE, &[&[("seed", "7")], fields].concat());
    let same = [
        with(&[("texture_resolution", "1024")]),
        with(&[("foreground_ratio", "1.3")]),
        with(&[("foreground_ratio", "1.300")]),
        with(&[("remesh", "none")]),
        with(&[("target_type", "none")]),
        with(&[("target_count", "1000")]),
        with(&[("target_count", "20000")]),
        with(&[("target_type", "none"), ("target_count", "100")]),
        with(&[("guidance_scale", "3")]),
        with(&[("guidance_scale", "3.0")]),
        Sent::to(POINT_AWARE, &[("seed", "007")]),
    ];
    let mut other = otherwise(&base);
    other.extend([
        Sent::to(POINT_AWARE, &[("seed", "1")]),
        Sent::to(POINT_AWARE, &[("seed", "4294967294")]),
        with(&[("texture_resolution", "512")]),
        with(&[("texture_resolution", "2048")]),
        with(&[("foreground_ratio", "1")]),
        with(&[("foreground_ratio", "2.0")]),
        with(&[("remesh", "triangle")]),
        with(&[("remesh", "quad")]),
        with(&[("target_type", "vertex")]),
        with(&[("target_type", "face")]),
        with(&[("target_type", "vertex"), ("target_count", "100")]),
        with(&[("target_type", "face"), ("target_count", "100")]),
        with(&[("guidance_scale", "1")]),
        with(&[("guidance_scale", "10")]),
        with(&[("guidance_scale", "3.5")]),
        with(&[("vertex_count", "-1")]),
        Sent::to(FAST, &[("seed", "7")]),
    ]);
    check(&base, &same, &other);
    let gateway = gateway("stability");
    let faces = with(&[("target_type", "face")]).key(&gateway);
    let counted = with(&[("target_count", "1000"), ("target_type", "face")]).key(&gateway);
    assert_eq!(faces, counted, "where something is counted, its default is 1000");
}

#[test]
fn a_seed_of_0_is_none_to_the_engine_that_draws_and_nothing_to_the_other_one() {
    let random = Keeping::PassedThrough(Reason::RandomSeed);
    for fields in [&[][..], &[("seed", "0")], &[("seed", "00")], &[("seed", "-0")]] {
        assert_eq!(Sent::to(POINT_AWARE, fields).keeping(), random, "{fields:?}");
    }
    let json = Sent::to(POINT_AWARE, &[]).with_header(("accept", "application/json"));
    assert_eq!(json.keeping(), random);
    assert_eq!(Sent::to(POINT_AWARE, &[("seed", "1")]).keeping(), Keeping::Kept);
    assert_eq!(Sent::to(FAST, &[("seed", "0")]).keeping(), Keeping::Kept);
    assert_eq!(Sent::to(FAST, &[]).keeping(), Keeping::Kept);
}

/// What an engine refuses has no meaning: it is to say so itself.
#[test]
fn what_is_out_of_range_or_written_strangely_is_passed_through() {
    let unread = Keeping::PassedThrough(Reason::NotUnderstood);
    let of_both: &[(&str, &[&str])] = &[
        ("texture_resolution", &["", "256", "1024.0", "01024", " 1024", "high"]),
        ("remesh", &["", "None", "quads", "none "]),
        (
            "foreground_ratio",
            &["", "0.09", "2.1", "1,5", "1e0", "+1", ".9", "1.", " 1", "nan", "inf"],
        ),
    ];
    let of_fast: &[(&str, &[&str])] = &[
        ("foreground_ratio", &["1.01", "1.3"]),
        ("vertex_count", &["", "-2", "20001", "5.0", "1e3", "+5", "0x5", "99999999999999999999"]),
    ];
    let of_point_aware: &[(&str, &[&str])] = &[
        ("foreground_ratio", &["0.85", "0.99"]),
        ("guidance_scale", &["", "0.9", "10.1", "-3", "three"]),
        ("target_type", &["", "faces", "Face"]),
        ("target_count", &["", "99", "20001", "100.0", "many"]),
        ("seed", &["", "-1", "4294967295", "7.0", "1e1", "7 ", "random"]),
    ];
    for (path, own) in [(FAST, of_fast), (POINT_AWARE, of_point_aware)] {
        for (name, values) in of_both.iter().chain(own) {
            for value in *values {
                let seed = (path == POINT_AWARE && *name != "seed").then_some(("seed", "7"));
                let fields: Vec<_> = seed.into_iter().chain([(*name, *value)]).collect();
                assert_eq!(Sent::to(path, &fields).keeping(), unread, "{path}: {name}={value}");
            }
        }
    }
}

/// To one reader a form is this, to another one that: the engine is to say which.
#[test]
fn a_form_without_one_image_and_what_is_there_twice_is_passed_through() {
    let unread = Keeping::PassedThrough(Reason::NotUnderstood);
    let seed = "form-data; name=\"seed\"";
    for base in [Sent::to(FAST, &[]), Sent::to(POINT_AWARE, &[("seed", "7")])] {
        let malformed = [
            Sent { parts: base.parts[1..].to_vec(), ..base.clone() },
            base.with_image(part("form-data; name=\"image\"", "", CUP)),
            base.with_image(part("form-data; name=\"photo\"; filename=\"cup.png\"", "", CUP)),
            base.with_part(part(NAMED, "", CUP)),
            base.with_part(field(("image", "cup"))),
            base.with_part(field(("remesh", "none"))).with_part(field(("remesh", "none"))),
            base.with_part(field(("extra", "1"))).with_part(field(("extra", "2"))),
            base.with_part(part("form-data; name=\"remesh\"; filename=\"a\"", "", b"none")),
            base.with_part(part("form-data; name=\"extra\"; filename=\"a\"", "", b"none")),
            base.with_part(part("form-data; name=\"extra\"", "", b"\xff\xfe")),
            base.with_part(part(seed, "Content-Type: text/plain; charset=utf-16\r\n", b"7")),
            base.with_part(part(seed, "Content-Transfer-Encoding: base64\r\n", b"Nw==")),
            base.with_part(part("form-data; name=seed", "", b"7")),
            base.with_header(("content-type", "multipart/form-data; boundary=b")),
            base.with_header(("content-encoding", "gzip")),
        ];
        for sent in malformed {
            assert_eq!(sent.keeping(), unread, "{sent:?}");
        }
        let whole = base.letter();
        let cut = Letter { body: whole.body.slice(..whole.body.len() - 8), ..whole };
        assert_eq!(known(&gateway("stability"), &cut).meaning.keeping, unread);
    }
}

/// It asks the engine that draws nothing, and like any other client of it.
#[test]
fn the_native_door_asks_stable_fast_3d_and_shares_its_keys() {
    let gateway = gateway("stability");
    let write = |parameters: Parameters, given: &[&str]| {
        let given = given.iter().map(|field| (*field).to_owned()).collect();
        gateway.write("default", None, &Ask { photo: CUP.into(), parameters, given })
    };
    for given in [&[][..], &["format"]] {
        let (letter, known) = write(Parameters::default(), given).unwrap();
        assert_eq!(letter.head.path, FAST);
        let by_door = known.generation_key.key(&known.meaning.variant).to_string();
        assert_eq!(by_door, Sent::to(FAST, &[]).key(&gateway), "{given:?}");
    }
    for field in ["quality", "width_mm", "height_mm", "depth_mm", "seed"] {
        let refused = write(Parameters { seed: Some(7), ..Parameters::default() }, &[field]);
        assert_eq!(refused.unwrap_err().field, field);
    }
    let stl = Parameters { format: Format::Stl, ..Parameters::default() };
    assert_eq!(write(stl, &["format"]).unwrap_err().field, "format");
}
