//! Whether an answer is a result that may be kept: complete, and what was asked for.

use http::header;
use meshmemo_gen::{Format, mesh};
use serde_json::Value as Json;

use crate::adapter::{Expected, Said};
use crate::answer::BackendAnswer;
use crate::base64_text::decode_uri;

/// Judges an answer.
///
/// # Errors
/// Why it may not be kept.
pub(crate) fn judge(expected: &Expected, answer: &BackendAnswer) -> Result<(), String> {
    if !expected.statuses.contains(&answer.status.as_u16()) {
        return Err(format!("its status is {}", answer.status));
    }
    if let Some(encoding) = answer.headers.get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err("it is compressed, though nobody asked for that".to_owned());
    }
    if answer.body.is_empty() {
        return Err("it is empty".to_owned());
    }
    let has_end = matches!(expected.format, Some(Format::Glb | Format::Stl | Format::Ply))
        || expected.model_field.is_some();
    if !answer.is_framed && !has_end {
        return Err("nothing tells its end from a broken connection".to_owned());
    }
    if let Some(said) = expected.said {
        judge_words(said, expected.model_field.is_some(), answer)?;
    }
    match &expected.model_field {
        None => judge_model(expected, &answer.body),
        Some(pointer) => judge_model(expected, &unwrap(&answer.body, pointer)?),
    }
}

/// Judges what an answer says of itself, where it says anything.
fn judge_words(said: Said, is_json: bool, answer: &BackendAnswer) -> Result<(), String> {
    let header = answer.headers.get_all(said.header).iter();
    let in_header = header.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
    let json = is_json.then(|| serde_json::from_slice::<Json>(&answer.body).ok()).flatten();
    let in_field = json.and_then(|json| Some(json.pointer(said.field)?.as_str()?.to_owned()));
    let mut words = in_header.chain(in_field);
    match words.find(|word| word != said.word) {
        None => Ok(()),
        Some(word) => Err(format!("it says `{word}` of itself, and not `{}`", said.word)),
    }
}

/// Takes the model out of the JSON around it.
///
/// # Errors
/// Why there is none.
pub(crate) fn unwrap(body: &[u8], pointer: &str) -> Result<Vec<u8>, String> {
    let json: Json = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let text = json.pointer(pointer).and_then(Json::as_str);
    let text = text.ok_or_else(|| format!("there is no text at `{pointer}`"))?;
    decode_uri(text).ok_or_else(|| format!("the text at `{pointer}` is no base64"))
}

fn judge_model(expected: &Expected, model: &[u8]) -> Result<(), String> {
    let Some(format) = expected.format else { return Ok(()) };
    mesh::check(model, format).map_err(|error| error.to_string())?;
    // The other formats have their textures elsewhere, or none.
    if expected.is_textured && format == Format::Glb && !mesh::is_textured(model) {
        return Err("a texture was asked for, and the model has none".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use meshmemo_gen::{Parameters, relief};

    use super::*;
    use crate::base64_text::encode;

    fn glb() -> Vec<u8> {
        let photo = include_bytes!("../../../examples/images/horse.png");
        let coarse = Parameters { quality: 1, ..Parameters::default() };
        relief::generate(photo, &coarse, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    fn answer(body: impl Into<Bytes>) -> BackendAnswer {
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        BackendAnswer { status, headers, body: body.into(), is_framed: true, reason: None }
    }

    fn why(expected: &Expected, answer: &BackendAnswer) -> String {
        judge(expected, answer).unwrap_err()
    }

    #[test]
    fn only_a_whole_model_of_the_format_is_a_result() {
        let (glb, expected) = (glb(), Expected::model(Format::Glb));
        judge(&expected, &answer(glb.clone())).unwrap();
        let textured = Expected { is_textured: true, ..expected.clone() };
        judge(&textured, &answer(glb.clone())).unwrap();
        assert!(why(&expected, &answer("")).contains("empty"));
        assert!(why(&expected, &answer("<html>")).contains("GLB"));
        assert!(why(&expected, &answer(glb[..glb.len() - 4].to_vec())).contains("announces"));
        assert!(why(&Expected::model(Format::Stl), &answer(glb.clone())).contains("STL"));
        let other = BackendAnswer { status: StatusCode::CREATED, ..answer(glb.clone()) };
        assert!(why(&expected, &other).contains("201"));
        let mut compressed = answer(glb);
        let gzip = HeaderValue::from_static("gzip");
        compressed.headers.insert(header::CONTENT_ENCODING, gzip);
        assert!(why(&expected, &compressed).contains("compressed"));
    }

    #[test]
    fn what_has_no_length_of_its_own_must_be_framed() {
        let obj = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n";
        let expected = Expected::model(Format::Obj);
        judge(&expected, &answer(obj)).unwrap();
        let unframed = BackendAnswer { is_framed: false, ..answer(obj) };
        assert!(why(&expected, &unframed).contains("broken connection"));
        let any = Expected { format: None, ..expected };
        assert!(judge(&any, &unframed).is_err() && judge(&any, &answer("anything")).is_ok());
        let unframed = BackendAnswer { is_framed: false, ..answer(glb()) };
        judge(&Expected::model(Format::Glb), &unframed).unwrap();
    }

    #[test]
    fn what_an_answer_says_of_itself_counts_where_it_says_anything() {
        let said = Said { header: "finish-reason", field: "/reason", word: "SUCCESS" };
        let expected = Expected { said: Some(said), ..Expected::model(Format::Glb) };
        judge(&expected, &answer(glb())).unwrap();
        for (word, is_good) in [("SUCCESS", true), ("CONTENT_FILTERED", false)] {
            let mut told = answer(glb());
            told.headers.insert("finish-reason", HeaderValue::from_static(word));
            assert_eq!(judge(&expected, &told).is_ok(), is_good, "{word}");
            let pointer = Some("/model".to_owned());
            let inside = Expected { model_field: pointer, ..expected.clone() };
            let json = format!(r#"{{"model": "{}", "reason": "{word}"}}"#, encode(&glb()));
            assert_eq!(judge(&inside, &answer(json)).is_ok(), is_good, "{word}");
        }
    }

    #[test]
    fn a_model_inside_of_json_is_looked_at() {
        let pointer = Some("/artifacts/0/base64".to_owned());
        let expected = Expected { model_field: pointer, ..Expected::model(Format::Glb) };
        let around = |text: &str| answer(format!(r#"{{"artifacts": [{{"base64": "{text}"}}]}}"#));
        let glb = glb();
        judge(&expected, &around(&encode(&glb))).unwrap();
        let uri = format!("data:model/gltf-binary;base64,{}", encode(&glb));
        judge(&expected, &around(&uri)).unwrap();
        assert!(why(&expected, &around(&encode(&glb[..200]))).contains("GLB"));
        assert!(why(&expected, &around("not base64!")).contains("no base64"));
        assert!(why(&expected, &answer("{}")).contains("no text at"));
        assert!(why(&expected, &answer("no JSON")).contains("no JSON"));
    }
}
