//! The page in a real browser: it signs in, makes a model, and other pages get nowhere.

use std::process::Command;

use crate::guarded::Guarded;
use crate::house::photo_path;
use crate::models_open::{assert_passed, assert_passes, tool};

/// How the script ends if the browser answers no more.
const BROWSER_HANGS: i32 = 3;

#[test]
fn a_person_signs_in_makes_a_model_and_signs_out() {
    let (server, [key]) = Guarded::with(["lena --role admin"], &[]);
    let script = || {
        let mut script = Command::new("node");
        script.arg(tool("target/tools/node/sign_in.mjs"));
        script.args([&server.house.url(""), &key]).arg(photo_path("coffee.png"));
        script
    };
    // A browser that answers no more on a busy machine says nothing of the server: once is no one's
    // fault, twice is.
    match script().output().unwrap() {
        hung if hung.status.code() == Some(BROWSER_HANGS) => assert_passes(&mut script()),
        ended => assert_passed(ended),
    }
    assert_eq!(server.stats(&key)["generations"], 1);
    assert_eq!(server.stats(&key)["current_items"], 1, "no page of others has cleared the cache");
}
