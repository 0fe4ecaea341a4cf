//! A removal as gateways tell one another of it.

use std::time::Duration;

use meshmemo::{Filter, Key, Selector};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::limits::REDIS_CLOCKS_APART_MAX;

/// A removal as gateways tell one another of it. What is left out, any entry has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Notice {
    /// The gateway that removed.
    pub(super) by: String,
    /// When, in nanoseconds since the Unix epoch.
    pub(super) at_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(flatten)]
    shape: Shape,
    /// Only what was made before, in nanoseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_before_ns: Option<u64>,
}

/// What a removal goes by besides keys and times. Of one shape, the latest removal is all that matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_prefix: Option<String>,
}

impl Notice {
    /// Says what a gateway removes now.
    pub(super) fn new(by: &str, selector: &Selector, now: Duration) -> Self {
        let filter = match selector {
            Selector::Key(key) => Filter { key: Some(*key), ..Filter::default() },
            Selector::Matching(filter) => filter.clone(),
            _ => Filter::default(),
        };
        let Filter { key, namespace, created_before, model_id, label_prefix } = filter;
        let namespace = namespace.map(|name| name.to_string());
        Self {
            by: by.to_owned(),
            at_ns: ns(now),
            key: key.map(|key| key.to_string()),
            shape: Shape { namespace, model_id, label_prefix },
            created_before_ns: created_before.map(ns),
        }
    }

    /// Returns what to remove of what there is now. Nothing that was made after the removal is meant; how
    /// far the clocks of gateways are apart is allowed for.
    pub(super) fn selector(&self, now: Duration) -> Selector {
        let at = Duration::from_nanos(self.at_ns);
        let is_late = now.saturating_sub(at) > REDIS_CLOCKS_APART_MAX;
        let late = is_late.then_some(at + REDIS_CLOCKS_APART_MAX);
        let given = self.created_before_ns.map(Duration::from_nanos);
        let created_before =
            given.map_or(late, |given| Some(late.map_or(given, |it| it.min(given))));
        let key: Option<Key> = self.key.as_ref().and_then(|key| key.parse().ok());
        match (key, created_before) {
            (Some(key), None) => Selector::Key(key),
            (None, None) if self.shape == Shape::default() => Selector::All,
            (key, created_before) => Selector::Matching(self.shape.filter(key, created_before)),
        }
    }

    /// Returns what to remove whenever that is: nothing that was made after the removal.
    pub(super) fn late_selector(&self) -> Selector {
        self.selector(Duration::MAX)
    }

    /// Returns whether another one removes the same, at whatever time.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        Self { at_ns: other.at_ns, ..self.clone() } == *other
    }

    /// Returns until when it reaches: what was made later is not meant.
    pub(super) fn reaches_ns(&self) -> u64 {
        self.created_before_ns.map_or(self.at_ns, |before| before.min(self.at_ns))
    }

    /// Returns the removal's shape as text and until when it reaches; nothing if it is of one key.
    pub(super) fn epoch(&self) -> Option<(String, u64)> {
        let shape = serde_json::to_string(&self.shape).ok()?;
        self.key.is_none().then_some((shape, self.reaches_ns()))
    }
}

/// Returns what a shape stands for that was removed until a time.
pub(super) fn of_epoch(shape: &str, reaches_ns: u64) -> Option<Selector> {
    let shape: Shape = serde_json::from_str(shape).ok()?;
    let created_before = Duration::from_nanos(reaches_ns) + REDIS_CLOCKS_APART_MAX;
    Some(Selector::Matching(shape.filter(None, Some(created_before))))
}

impl Shape {
    fn filter(&self, key: Option<Key>, created_before: Option<Duration>) -> Filter {
        Filter {
            key,
            namespace: self.namespace.as_deref().map(Into::into),
            created_before,
            model_id: self.model_id.clone(),
            label_prefix: self.label_prefix.clone(),
        }
    }
}

/// Sums up the text of a notice, so that nobody removes what a bit on the way has made of it.
pub(super) fn sum(text: &str) -> String {
    format!("{:016x}", XxHash3_64::oneshot(text.as_bytes()))
}

pub(super) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(selector: &Selector, at: u64, now: u64) -> Selector {
        let notice = Notice::new("a", selector, Duration::from_secs(at));
        let text = serde_json::to_string(&notice).unwrap();
        let received: Notice = serde_json::from_str(&text).unwrap();
        assert_eq!(received, notice);
        received.selector(Duration::from_secs(now))
    }

    #[test]
    fn what_is_told_at_once_is_the_same_and_what_is_told_late_spares_what_is_newer() {
        let key = Selector::Key(Key::from_bytes([7; 32]));
        let mut filter = Filter { namespace: Some("own".into()), ..Filter::default() };
        let own = Selector::Matching(filter.clone());
        for selector in [Selector::All, key, own] {
            assert_eq!(sent(&selector, 100, 101), selector);
            let Selector::Matching(late) = sent(&selector, 100, 1000) else {
                panic!("{selector:?}")
            };
            assert_eq!(
                late.created_before,
                Some(Duration::from_secs(100) + REDIS_CLOCKS_APART_MAX)
            );
        }
        filter.created_before = Some(Duration::from_secs(50));
        let old = Selector::Matching(filter);
        assert_eq!(sent(&old, 100, 1000), old);
    }

    #[test]
    fn removals_of_one_shape_have_one_epoch_and_those_of_keys_none() {
        let epoch =
            |selector: &Selector, at| Notice::new("a", selector, Duration::from_nanos(at)).epoch();
        assert_eq!(epoch(&Selector::Key(Key::from_bytes([7; 32])), 1), None);
        assert_eq!(epoch(&Selector::All, 5), Some(("{}".to_owned(), 5)));
        let label_prefix = Some("cup".to_owned());
        let created_before = Some(Duration::from_nanos(3));
        let mut filter = Filter { label_prefix, created_before, ..Filter::default() };
        let (shape, reaches) = epoch(&Selector::Matching(filter.clone()), 5).unwrap();
        assert_eq!(reaches, 3);
        filter.created_before = Some(Duration::from_nanos(3) + REDIS_CLOCKS_APART_MAX);
        assert_eq!(of_epoch(&shape, reaches), Some(Selector::Matching(filter)));
    }
}
