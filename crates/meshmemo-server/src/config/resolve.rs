//! Where each setting comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::{SETTINGS, Setting, default_data_dir, file};

/// What was typed, by setting.
pub type Given = BTreeMap<&'static str, String>;

/// Every setting, as text, with where it came from.
#[derive(Debug)]
pub struct Resolved {
    settings: BTreeMap<&'static str, (String, Source)>,
}

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag.
    Flag(String),
    /// An environment variable.
    Environment(&'static str),
    /// A configuration file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Environment(variable) => write!(f, "the environment variable {variable}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("the default"),
        }
    }
}

impl Resolved {
    /// Resolves every setting: flag over environment over file over default.
    ///
    /// # Errors
    /// A file that can not be read or has unknown keys.
    pub fn load(file: Option<&Path>, given: &Given) -> Result<Self> {
        let path = file.map(Path::to_path_buf).or_else(file::find);
        let in_file = path.as_deref().map(file::read).transpose()?.unwrap_or_default();
        let resolve = |setting: &'static Setting| {
            let flag = given.get(setting.name).map(|value| {
                (value.clone(), Source::Flag(format!("--{}", setting.name.replace('_', "-"))))
            });
            let in_file = in_file
                .get(setting.name)
                .map(|value| (value.clone(), Source::File(path.clone().unwrap_or_default())));
            let found = flag.or_else(|| environment(setting)).or(in_file);
            (setting.name, found.unwrap_or_else(|| default(setting)))
        };
        Ok(Self { settings: SETTINGS.iter().map(resolve).collect() }.with_auth())
    }

    /// Resolves a file alone, over the defaults.
    ///
    /// # Errors
    /// A file that can not be read or has unknown keys.
    pub fn of_file(path: &Path) -> Result<Self> {
        let in_file = file::read(path)?;
        let resolve = |setting: &'static Setting| {
            let found = in_file.get(setting.name);
            let found = found.map(|value| (value.clone(), Source::File(path.to_path_buf())));
            (setting.name, found.unwrap_or_else(|| default(setting)))
        };
        Ok(Self { settings: SETTINGS.iter().map(resolve).collect() }.with_auth())
    }

    /// Says who needs a key where nobody has: everybody, where there are keys.
    fn with_auth(mut self) -> Self {
        let auth = if self.api_keys().is_none() { "none" } else { "all" };
        if let Some((value, Source::Default)) = self.settings.get_mut("auth") {
            auth.clone_into(value);
        }
        self
    }

    /// Lists every setting with its value and its source.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, &Source)> {
        self.settings.iter().map(|(name, (value, source))| (*name, value.as_str(), source))
    }

    /// Returns the file of API keys, if there is one.
    pub fn api_keys(&self) -> Option<PathBuf> {
        self.file("api_keys")
    }

    /// Returns the file that a setting names, unless it is off.
    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        match self.text(name) {
            "" | "off" => None,
            path => Some(PathBuf::from(path)),
        }
    }

    pub(super) fn text(&self, name: &str) -> &str {
        &self.settings[name].0
    }

    pub(super) fn source(&self, name: &str) -> &Source {
        &self.settings[name].1
    }

    /// Reads a setting; where that fails, says what it is, where that came from and what it may be.
    pub(super) fn check<T>(
        &self,
        name: &str,
        range: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T> {
        let (text, source) = (self.text(name), self.source(name));
        read(text)
            .ok_or_else(|| anyhow!("`{name}` is `{text}` (from {source}), but must be {range}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn environment(setting: &'static Setting) -> Option<(String, Source)> {
    let read =
        |variable: &'static str| std::env::var(variable).ok().filter(|value| !value.is_empty());
    let own =
        read(setting.environment).map(|value| (value, Source::Environment(setting.environment)));
    own.or_else(|| {
        let alias = setting.also.as_ref()?;
        let value = (alias.convert)(&read(alias.environment)?);
        Some((value, Source::Environment(alias.environment)))
    })
}

fn default(setting: &Setting) -> (String, Source) {
    let value = match setting.name {
        "data_dir" => default_data_dir().unwrap_or_default(),
        _ => setting.default.to_owned(),
    };
    (value, Source::Default)
}
