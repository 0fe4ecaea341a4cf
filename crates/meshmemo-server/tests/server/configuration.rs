//! Flag over environment over file over default, as `config check` and `config show` tell it.

use std::fs;
use std::path::Path;

use crate::desk::Desk;

#[test]
fn a_configuration_with_an_unknown_key_is_told_the_nearest_one() {
    let desk = Desk::new();
    fs::write(desk.path("bad.toml"), "max_entrys = 5\n").unwrap();
    let said = desk.run(&["config", "check", "bad.toml"]).failed(1);
    assert!(said.contains("`max_entrys`") && said.contains("`max_entries`"), "{said}");
    fs::write(desk.path("good.toml"), "max_entries = 5\nttl = \"24h\"\n").unwrap();
    desk.run(&["config", "check", "good.toml"]).ok();
    fs::write(desk.path("good.toml"), "max_entries = 0\n").unwrap();
    let said = desk.run(&["config", "check", "good.toml"]).failed(1);
    assert!(said.contains("`max_entries`") && said.contains("good.toml"), "{said}");
}

/// Returns value and source of a setting, as `config show` tells them.
fn shown(desk: &Desk, environment: &[(&str, &str)], args: &[&str], name: &str) -> (String, String) {
    let args = [&["config", "show", "--json"], args].concat();
    let setting = desk.run_in(environment, &args).ok().json()[name].take();
    let text = |field: &str| setting[field].as_str().unwrap().to_owned();
    (text("value"), text("source"))
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let desk = Desk::new();
    let own: &[(&str, &str)] = &[("MESHMEMO_MAX_ENTRIES", "3"), ("CACHE_MAX_SIZE", "4")];
    let show = |environment, args| shown(&desk, environment, args, "max_entries");
    let is = |(value, source): (String, String), expected: &str, from: &str| {
        assert!(value == expected && source.contains(from), "{value} from {source}");
    };
    is(show(&[], &[]), "1000", "default");
    fs::write(desk.path("meshmemo.toml"), "max_entries = 5\n").unwrap();
    is(show(&[], &[]), "5", "meshmemo.toml");
    is(show(&own[1..], &[]), "4", "CACHE_MAX_SIZE");
    is(show(own, &[]), "3", "MESHMEMO_MAX_ENTRIES");
    is(show(own, &["--max-entries", "2"]), "2", "--max-entries");
    fs::write(desk.path("other.toml"), "max_entries = 6\n").unwrap();
    is(show(&[], &["--config", "other.toml"]), "6", "other.toml");
}

#[test]
fn the_variables_of_other_services_are_understood() {
    let desk = Desk::new();
    for (variable, value, name, expected) in [
        ("CACHE_MAX_MEMORY_MB", "64", "max_memory", "64MiB"),
        ("CACHE_MAX_SIZE", "9", "max_entries", "9"),
        ("CACHE_TTL_SECONDS", "60", "ttl", "60"),
        ("DISABLE_RESULT_CACHE", "1", "cache", "off"),
    ] {
        let (value, source) = shown(&desk, &[(variable, value)], &[], name);
        assert_eq!(value, expected, "{variable}");
        assert!(source.contains(variable), "{source}");
    }
}

#[test]
fn the_file_in_the_users_configuration_is_found() {
    let desk = Desk::new();
    fs::create_dir(desk.path("meshmemo")).unwrap();
    fs::write(desk.path("meshmemo/meshmemo.toml"), "ttl = \"7d\"\n").unwrap();
    let (value, source) = shown(&desk, &[], &[], "ttl");
    assert_eq!(value, "7d");
    assert!(Path::new(&source).ends_with("meshmemo/meshmemo.toml"), "{source}");
}
