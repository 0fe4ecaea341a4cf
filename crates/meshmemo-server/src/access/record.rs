//! What is known of a key: all but the key itself.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::role::{Right, Role};
use super::token::is_id;

/// The namespace that stands for all of them, for keys that only read.
const EVERY: &str = "*";
/// How long a name may be.
const NAME_MAX_CHARS: usize = 64;
/// What a name may be, for errors.
pub const NAME_FORM: &str = "1 to 64 of the letters a-z, digits, `-`, `_` and `.`";

/// What is known of a key: all but the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// The part of the key that may be shown.
    pub id: String,
    /// Whose it is, for people.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Whose entries it makes and sees; `*` sees everybody's.
    pub namespace: String,
    /// Whether it may have models made anew that the cache has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub regenerate: bool,
    /// Requests per minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u32>,
    /// Places in the queue, working or waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<usize>,
    /// Bytes that the namespace may store in each tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When it was made, in seconds since the Unix epoch.
    pub created: u64,
    /// The BLAKE3 of the key, as `Token` takes it: 64 hexadecimal digits.
    pub hash: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is what serde calls")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Returns whether this is the namespace that stands for all of them.
fn every_namespace(namespace: &str) -> bool {
    namespace == EVERY
}

/// Returns whether a text may be the name of a key or of a namespace.
pub fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    (1..=NAME_MAX_CHARS).contains(&text.len()) && text.chars().all(is_plain)
}

impl KeyRecord {
    /// Returns whether the key may do something.
    pub fn may(&self, right: Right) -> bool {
        match right {
            Right::Fetch | Right::Read => true,
            Right::Generate => self.role != Role::Read,
            Right::Regenerate => self.role == Role::Admin || self.regenerate,
            Right::Observe => self.role == Role::Admin || every_namespace(&self.namespace),
            Right::Manage => self.role == Role::Admin,
        }
    }

    /// Returns whether the key sees the entries of all namespaces.
    pub fn sees_all(&self) -> bool {
        self.role == Role::Admin || every_namespace(&self.namespace)
    }

    /// Checks one record by itself.
    ///
    /// # Errors
    /// The field that is not what it may be.
    pub fn check(&self) -> Result<()> {
        let Self { id, name, role, namespace, regenerate, rpm, queue, bytes, hash, .. } = self;
        if !is_id(id) {
            bail!("the id `{}` is not 12 hexadecimal digits", shown(id));
        }
        if !is_name(name) {
            bail!("the name `{}` is not {NAME_FORM}", shown(name));
        }
        if every_namespace(namespace) && *role != Role::Read {
            bail!("the key `{name}` is for `{role}`: only `read` may have the namespace `*`");
        }
        if !every_namespace(namespace) && !is_name(namespace) {
            bail!("the namespace `{}` is not {NAME_FORM}", shown(namespace));
        }
        if *regenerate && *role == Role::Read {
            bail!("the key `{name}` is for `read`, which regenerates nothing");
        }
        for (limit, is_zero) in
            [("rpm", *rpm == Some(0)), ("queue", *queue == Some(0)), ("bytes", *bytes == Some(0))]
        {
            if is_zero {
                bail!("`{limit}` of the key `{name}` is 0, but must be at least 1, or left out");
            }
        }
        if bytes.is_some() && every_namespace(namespace) {
            bail!("the key `{name}` stores nothing that `bytes` could bound");
        }
        if blake3::Hash::from_hex(hash).is_err() {
            bail!("the hash of the key `{name}` is not 64 hexadecimal digits");
        }
        Ok(())
    }
}

/// Checks records together.
///
/// # Errors
/// What is wrong with one of them, or two that can not both hold.
pub(super) fn check_all(records: &[KeyRecord]) -> Result<()> {
    for (place, record) in records.iter().enumerate() {
        record.check()?;
        let before = &records[..place];
        if before.iter().any(|other| other.id == record.id) {
            bail!("the id `{}` stands for two keys", record.id);
        }
        if before.iter().any(|other| other.name == record.name) {
            bail!("two keys are called `{}`", record.name);
        }
        let shared = before.iter().find(|other| other.namespace == record.namespace);
        if let Some(other) = shared.filter(|other| other.bytes != record.bytes) {
            bail!(
                "`{}` and `{}` share the namespace `{}`, but have different limits of bytes: a \
                 namespace has one",
                other.name,
                record.name,
                record.namespace
            );
        }
    }
    Ok(())
}

/// Cuts off what would fill the screen.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::access::Token;

    pub(in crate::access) fn record(name: &str, token: &Token) -> KeyRecord {
        KeyRecord {
            id: token.id().to_owned(),
            name: name.to_owned(),
            role: Role::Generate,
            namespace: name.to_owned(),
            regenerate: false,
            rpm: None,
            queue: None,
            bytes: None,
            created: 1_790_000_000,
            hash: token.hash().to_string(),
        }
    }

    fn drawn(name: &str) -> KeyRecord {
        record(name, &Token::draw().unwrap())
    }

    #[test]
    fn what_can_not_hold_is_refused_by_name() {
        let change = |change: fn(&mut KeyRecord)| {
            let mut record = drawn("cup");
            change(&mut record);
            record.check().unwrap_err().to_string()
        };
        for (error, word) in [
            (change(|it| it.id = "xyz".into()), "id `xyz`"),
            (change(|it| it.name = "A B".into()), "name `A B`"),
            (change(|it| it.namespace = String::new()), "namespace ``"),
            (change(|it| it.namespace = "*".into()), "only `read`"),
            (change(|it| it.rpm = Some(0)), "`rpm`"),
            (change(|it| it.bytes = Some(0)), "`bytes`"),
            (change(|it| it.hash = "00".into()), "hash"),
        ] {
            assert!(error.contains(word), "{error}");
        }
        let reader = KeyRecord { role: Role::Read, regenerate: true, ..drawn("cup") };
        assert!(reader.check().is_err());
    }

    #[test]
    fn two_that_can_not_both_hold_are_refused() {
        let (cup, vase) = (drawn("cup"), drawn("vase"));
        check_all(&[cup.clone(), vase.clone()]).unwrap();
        for (other, word) in [
            (KeyRecord { id: cup.id.clone(), ..vase.clone() }, "two keys"),
            (KeyRecord { name: "cup".into(), ..vase.clone() }, "called `cup`"),
            (KeyRecord { namespace: "cup".into(), bytes: Some(1), ..vase }, "a namespace has one"),
        ] {
            let error = check_all(&[cup.clone(), other]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn each_role_may_what_it_is_for() {
        use Right::{Fetch, Generate, Manage, Observe, Read, Regenerate};
        let all = [Generate, Regenerate, Fetch, Read, Observe, Manage];
        let rights = |role, namespace: &str, regenerate| {
            let namespace = namespace.to_owned();
            let record = KeyRecord { role, namespace, regenerate, ..drawn("cup") };
            all.into_iter().filter(|right| record.may(*right)).collect::<Vec<_>>()
        };
        assert_eq!(rights(Role::Read, "cup", false), [Fetch, Read]);
        assert_eq!(rights(Role::Read, "*", false), [Fetch, Read, Observe]);
        assert_eq!(rights(Role::Generate, "cup", false), [Generate, Fetch, Read]);
        assert_eq!(rights(Role::Generate, "cup", true), [Generate, Regenerate, Fetch, Read]);
        assert_eq!(rights(Role::Admin, "cup", false), all);
    }
}
