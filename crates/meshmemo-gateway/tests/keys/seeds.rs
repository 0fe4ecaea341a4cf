//! What becomes of results of a server that draws at random.

use meshmemo_gateway::{Keeping, Reason, Unseeded};

use crate::requests::{CUP, GENERIC, gateway_with, known, letter};

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
