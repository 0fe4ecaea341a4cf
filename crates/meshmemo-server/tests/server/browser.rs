//! The page in a real browser: it signs in, makes a model, and other pages get nowhere.

use std::process::Command;

use crate::guarded::Guarded;
use crate::house::photo_path;
use crate::models_open::{assert_passes, tool};

#[test]
fn a_person_signs_in_makes_a_model_and_signs_out() {
    let (server, [key]) = Guarded::with(["lena --role admin"], &[]);
    let mut script = Command::new("node");
    script.arg(tool("target/tools/node/sign_in.mjs"));
    script.args([&server.house.url(""), &key]).arg(photo_path("coffee.png"));
    assert_passes(&mut script);
    assert_eq!(server.stats(&key)["generations"], 1);
    assert_eq!(server.stats(&key)["current_items"], 1, "no page of others has cleared the cache");
}
