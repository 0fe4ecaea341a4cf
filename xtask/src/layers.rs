//! Which crate may depend on which, from `cargo metadata`.
//!
//! Tests may use any crate, so dependencies for development are not looked at.

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::program;
use crate::repository::Repository;
use crate::violation::Violation;

const LIBRARIES: &[&str] = &[
    "meshmemo",
    "meshmemo-macros",
    "meshmemo-tiers",
    "meshmemo-gen",
    "meshmemo-gateway",
    "meshmemo-advisor",
];

/// Each crate, and the crates of this workspace that it may depend on. ARCHITECTURE.md has the
/// picture.
const ALLOWED: &[(&str, &[&str])] = &[
    ("meshmemo", &["meshmemo-macros"]),
    ("meshmemo-macros", &[]),
    ("meshmemo-tiers", &["meshmemo"]),
    ("meshmemo-gen", &["meshmemo"]),
    ("meshmemo-gateway", &["meshmemo", "meshmemo-gen"]),
    ("meshmemo-advisor", &["meshmemo"]),
    ("meshmemo-server", LIBRARIES),
    ("meshmemo-python", LIBRARIES),
    ("meshmemo-bench", LIBRARIES),
    ("xtask", &[]),
];

/// A crate of this workspace.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The path of its `Cargo.toml` from the top directory.
    pub(crate) manifest: String,
    /// What it needs to be built or to run, from this workspace or not.
    dependencies: Vec<String>,
}

/// Asks cargo for the crates of the workspace.
pub(crate) fn members(repository: &Repository) -> Result<Vec<Member>> {
    let printed = program::run(Command::new("cargo").current_dir(repository.root()).args([
        "metadata",
        "--no-deps",
        "--format-version=1",
    ]))?;
    let metadata: Metadata =
        serde_json::from_slice(&printed).context("cannot read what `cargo metadata` printed")?;
    Ok(metadata.members())
}

/// Finds dependencies against the direction, and crates the table does not know.
pub(crate) fn check(members: &[Member]) -> Vec<Violation> {
    members.iter().flat_map(|member| check_member(member, members)).collect()
}

fn check_member(member: &Member, members: &[Member]) -> Vec<Violation> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == member.name) else {
        let reason = format!("{} has no layer: add it to the table in layers.rs", member.name);
        return vec![Violation::new(&member.manifest, reason)];
    };
    let is_member = |name: &str| members.iter().any(|other| other.name == name);
    let against = |name: &&String| is_member(name) && !allowed.contains(&name.as_str());
    let mut forbidden: Vec<_> = member.dependencies.iter().filter(against).collect();
    forbidden.sort();
    forbidden.dedup();
    let violation = |name| {
        let reason = format!("{} must not depend on {name}: {}", member.name, only(allowed));
        Violation::new(&member.manifest, reason)
    };
    forbidden.into_iter().map(violation).collect()
}

fn only(allowed: &[&str]) -> String {
    match allowed {
        [] => String::from("it may depend on no crate of this workspace"),
        _ => format!("of this workspace it may depend on {}", allowed.join(", ")),
    }
}

/// The part of `cargo metadata` that is read here.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: String,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// None for a normal one, else `build` or `dev`.
    kind: Option<String>,
}

impl Metadata {
    fn members(self) -> Vec<Member> {
        let root = self.workspace_root;
        let member = |package: Package| Member {
            name: package.name,
            manifest: match package.manifest_path.strip_prefix(&root) {
                Some(inside) => inside.trim_start_matches(['/', '\\']).replace('\\', "/"),
                None => package.manifest_path,
            },
            dependencies: package
                .dependencies
                .into_iter()
                .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
                .map(|dependency| dependency.name)
                .collect(),
        };
        self.packages.into_iter().map(member).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, dependencies: &[&str]) -> Member {
        Member {
            name: String::from(name),
            manifest: format!("crates/{name}/Cargo.toml"),
            dependencies: dependencies.iter().map(|name| String::from(*name)).collect(),
        }
    }

    fn check_texts(members: &[Member]) -> Vec<String> {
        check(members).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_intended_direction_passes() {
        let members = [
            member("meshmemo", &["meshmemo-macros", "bytes"]),
            member("meshmemo-macros", &["syn"]),
            member("meshmemo-tiers", &["meshmemo"]),
            member("meshmemo-gen", &["meshmemo", "image"]),
            member("meshmemo-gateway", &["meshmemo", "meshmemo-gen"]),
            member("meshmemo-server", &["meshmemo", "meshmemo-gateway", "meshmemo-tiers"]),
        ];
        assert_eq!(check_texts(&members), Vec::<String>::new());
    }

    #[test]
    fn an_edge_against_the_direction_is_reported_once() {
        let members =
            [member("meshmemo", &["meshmemo-gen", "meshmemo-gen"]), member("meshmemo-gen", &[])];
        assert_eq!(
            check_texts(&members),
            ["crates/meshmemo/Cargo.toml: meshmemo must not depend on meshmemo-gen: \
                of this workspace it may depend on meshmemo-macros"]
        );
    }

    #[test]
    fn a_crate_without_a_layer_is_reported() {
        assert_eq!(
            check_texts(&[member("meshmemo-new", &[])]),
            ["crates/meshmemo-new/Cargo.toml: meshmemo-new has no layer: \
                add it to the table in layers.rs"]
        );
    }

    #[test]
    fn nothing_may_depend_on_what_only_starts_things() {
        for (name, allowed) in ALLOWED {
            for top in ["meshmemo-server", "meshmemo-python", "meshmemo-bench", "xtask"] {
                assert!(!allowed.contains(&top), "{name} → {top}");
            }
        }
    }

    #[test]
    fn dependencies_for_development_are_not_looked_at() {
        let text = r#"{"workspace_root": "/w", "packages": [{
            "name": "meshmemo", "manifest_path": "/w/crates/meshmemo/Cargo.toml",
            "dependencies": [
                {"name": "bytes", "kind": null},
                {"name": "cc", "kind": "build"},
                {"name": "meshmemo-gen", "kind": "dev"}
            ]}]}"#;
        let members = serde_json::from_str::<Metadata>(text).unwrap().members();
        assert_eq!(members[0].manifest, "crates/meshmemo/Cargo.toml");
        assert_eq!(members[0].dependencies, ["bytes", "cc"]);
    }
}
