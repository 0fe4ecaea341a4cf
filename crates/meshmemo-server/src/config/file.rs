//! The configuration file: TOML, with a setting a line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use etcetera::BaseStrategy;

use super::SETTINGS;

/// Returns the file that is read if none is named: the first of the usual ones that is there.
pub(super) fn find() -> Option<PathBuf> {
    let here = PathBuf::from("meshmemo.toml");
    let strategy = etcetera::choose_base_strategy().ok();
    let configured = strategy.map(|s| s.config_dir().join("meshmemo").join("meshmemo.toml"));
    [Some(here), configured].into_iter().flatten().find(|path| path.is_file())
}

/// Reads the settings of a file, as text.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration file {} can not be read", path.display()))?;
    parse(&text).with_context(|| format!("in the configuration file {}", path.display()))
}

fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let table: toml::Table = text.parse()?;
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        if !SETTINGS.iter().any(|setting| setting.name == name) {
            bail!("`{name}` is not a setting{}", nearest(&name));
        }
        let text = match value {
            // The one setting that is a table, or a list of tables.
            value @ (toml::Value::Table(_) | toml::Value::Array(_)) if name == "generic" => {
                toml::Table::from_iter([(name.clone(), value)]).to_string()
            }
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(flag) => if flag { "on" } else { "off" }.to_owned(),
            toml::Value::Array(items) => {
                let items = items.iter().map(|item| item.as_str().map(str::to_owned));
                let items: Option<Vec<_>> = items.collect();
                items.with_context(|| format!("`{name}` must be a list of texts"))?.join(",")
            }
            _ => bail!("`{name}` must be a text or a number"),
        };
        settings.insert(name, text);
    }
    Ok(settings)
}

/// Names the setting that was probably meant.
fn nearest(name: &str) -> String {
    let name = name.replace('-', "_");
    let distance = |setting: &&super::Setting| strsim::damerau_levenshtein(setting.name, &name);
    match SETTINGS.iter().min_by_key(distance) {
        Some(setting) if distance(&setting) <= 3 => format!("; did you mean `{}`?", setting.name),
        _ => {
            let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
            format!("; there are: {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_text() {
        let settings =
            parse("listen = \"127.0.0.1:9000\"\nmax_entries = 5\ncache = false").unwrap();
        assert_eq!(settings["listen"], "127.0.0.1:9000");
        assert_eq!(settings["max_entries"], "5");
        assert_eq!(settings["cache"], "off");
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        for (text, hint) in [
            ("max-memory = 1", "did you mean `max_memory`"),
            ("max_entrys = 1", "did you mean `max_entries`"),
            ("something_else_entirely = 1", "there are: listen"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}
