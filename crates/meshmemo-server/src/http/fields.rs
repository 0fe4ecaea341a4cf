//! The fields of a JSON request: texts and numbers; what nests is passed over.
//!
//! Read field by field rather than into a tree, which would take many times the body's size.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The fields in their order, those given twice included.
pub(super) struct Fields(pub(super) Vec<(String, Scalar)>);

/// The value of a field; a number is written as a form would have it.
pub(super) enum Scalar {
    Null,
    Text(String),
    Number(String),
    /// What no field is.
    Other,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the fields of a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            if fields.len() == crate::limits::FIELDS_MAX {
                return Err(A::Error::custom("there are too many fields"));
            }
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Scalar, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number.to_string()))
    }

    /// Writes `7.0` as `7`, which `Display` does by itself.
    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_a_form_has_them() {
        let Fields(fields) = serde_json::from_str(
            r#"{"quality": 7.0, "depth_mm": 2.5, "seed": 18446744073709551615, "label": null}"#,
        )
        .unwrap();
        let texts: Vec<_> = fields
            .iter()
            .map(|(_, value)| match value {
                Scalar::Null => "null",
                Scalar::Other => "other",
                Scalar::Text(text) | Scalar::Number(text) => text,
            })
            .collect();
        assert_eq!(texts, ["7", "2.5", "18446744073709551615", "null"]);
    }

    #[test]
    fn what_nests_is_passed_over() {
        for nested in [r#"[{"a": 0}]"#, r#"{"a": [1]}"#, "true"] {
            let json = format!(r#"{{"image": {nested}, "quality": 1}}"#);
            let Fields(fields) = serde_json::from_str(&json).unwrap();
            assert!(matches!(fields[0].1, Scalar::Other) && fields.len() == 2, "{json}");
        }
        for wrong in ["[]", "7", "{", r#"{"image": [}"#] {
            assert!(serde_json::from_str::<Fields>(wrong).is_err(), "{wrong}");
        }
    }
}
