//! What a removal removes.

use std::sync::Arc;
use std::time::Duration;

use crate::entry::Meta;
use crate::key::{Identity, Key};
use crate::summary::Summary;

/// What a removal removes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// One entry.
    Key(Key),
    /// Every entry.
    All,
    /// Every entry that a filter matches.
    Matching(Filter),
}

/// Conditions on an entry, all of which must hold; one that is left out always does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// It has this key.
    pub key: Option<Key>,
    /// It is an entry of this namespace.
    pub namespace: Option<Arc<str>>,
    /// It was made before this time, since the Unix epoch.
    pub created_before: Option<Duration>,
    /// The operator's name for the model that made it.
    pub model_id: Option<String>,
    /// What its label begins with.
    pub label_prefix: Option<String>,
}

impl Selector {
    /// Returns whether an entry is selected.
    pub fn selects(&self, summary: &Summary) -> bool {
        match self {
            Self::Key(key) => summary.key == *key,
            Self::All => true,
            Self::Matching(filter) => filter.matches(summary),
        }
    }

    /// Returns whether work on an entry may bring back what is selected. What it brings has no age
    /// yet, so that a condition on the age holds back nothing.
    pub(crate) fn concerns(&self, key: &Key, identity: &Identity, label: &str) -> bool {
        match self {
            Self::Key(selected) => selected == key,
            Self::All => true,
            Self::Matching(filter) => {
                filter.fits(key, &identity.namespace, &identity.model_id, label)
            }
        }
    }
}

impl Filter {
    /// Matches what an entry takes the place of, and nothing that has come since it was made.
    pub fn replaced_by(meta: &Meta) -> Self {
        let created_before = meta.created.checked_add(Duration::from_nanos(1));
        Self { key: Some(meta.key), created_before, ..Self::default() }
    }

    /// Returns whether an entry meets every condition.
    pub fn matches(&self, summary: &Summary) -> bool {
        self.created_before.is_none_or(|before| summary.created < before)
            && self.fits(&summary.key, &summary.namespace, &summary.model_id, &summary.label)
    }

    fn fits(&self, key: &Key, namespace: &str, model_id: &str, label: &str) -> bool {
        self.key.as_ref().is_none_or(|wanted| wanted == key)
            && self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
            && self.model_id.as_deref().is_none_or(|wanted| wanted == model_id)
            && self.label_prefix.as_deref().is_none_or(|prefix| label.starts_with(prefix))
    }
}
