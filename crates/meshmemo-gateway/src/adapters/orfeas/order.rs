//! What is ordered of the studio, as its schema reads it: whole numbers may be written otherwise, names
//! of formats may not.

use meshmemo_gen::{FieldError, Format, Parameters};
use serde_json::{Map, Value as Json, json};

use crate::adapter::Unclear;

/// A size in mm: its name, its default, the most it may be; the least is 1.
const SIZES: [(&str, u32, u32); 3] =
    [("width", 100, 1000), ("height", 100, 1000), ("depth", 20, 500)];
const QUALITY: (u32, u32) = (7, 10);
/// The fields that are read; all others are handed on, and are part of the key.
const KNOWN: [&str; 4] = ["job_id", "format", "dimensions", "quality"];

/// Bytes of an order, how many fields of it are not known here, and bytes of their names.
const ORDER_MAX_BYTES: usize = 64 << 10;
const FIELDS_MAX: usize = 64;
const NAME_MAX_BYTES: usize = 100;

/// What is ordered of the studio.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The format of the model.
    pub format: Format,
    /// Width, height and depth in mm.
    pub size_mm: [u32; 3],
    /// From 1 to 10.
    pub quality: u32,
    /// What else was sent, and what was sent beside the sizes.
    rest: Map<String, Json>,
    rest_of_size: Map<String, Json>,
}

impl Order {
    /// What a studio makes if nothing is said, in a format and a quality.
    pub fn plain(format: Format, quality: u32) -> Self {
        let size_mm = SIZES.map(|(_, default, _)| default);
        Self { format, size_mm, quality, rest: Map::new(), rest_of_size: Map::new() }
    }

    /// Reads an order.
    ///
    /// # Errors
    /// What the studio is to refuse in its own words.
    pub fn read(body: &[u8]) -> Result<Self, Unclear> {
        if body.len() > ORDER_MAX_BYTES {
            return Err(Unclear("the order is too long".to_owned()));
        }
        let sent: Map<String, Json> = serde_json::from_slice(body)
            .map_err(|error| Unclear(format!("the order is no JSON object: {error}")))?;
        let format = match sent.get("format") {
            None => Format::Stl,
            Some(Json::String(name)) => {
                name.parse().map_err(|_| Unclear("`format` is none there is".to_owned()))?
            }
            Some(_) => return Err(Unclear("`format` is no text".to_owned())),
        };
        let mut order = Self::plain(format, QUALITY.0);
        if let Some(quality) = sent.get("quality") {
            order.quality = whole("quality", quality, QUALITY.1)?;
        }
        match sent.get("dimensions") {
            None => {}
            Some(Json::Object(sizes)) => order.take_sizes(sizes)?,
            Some(_) => return Err(Unclear("`dimensions` is no object".to_owned())),
        }
        order.rest = sent.into_iter().filter(|(name, _)| !KNOWN.contains(&&**name)).collect();
        let names = order.rest.keys().chain(order.rest_of_size.keys());
        let names: Vec<_> = names.map(String::len).collect();
        if names.len() > FIELDS_MAX || names.iter().any(|bytes| *bytes > NAME_MAX_BYTES) {
            return Err(Unclear("the order has too many fields, or too long ones".to_owned()));
        }
        Ok(order)
    }

    /// Orders what was asked for by the native door.
    ///
    /// # Errors
    /// The first size that the studio can not make.
    pub(super) fn of_parameters(parameters: &Parameters) -> Result<Self, FieldError> {
        let Parameters { format, quality, width_mm, height_mm, depth_mm, .. } = parameters;
        let mut order = Self::plain(*format, u32::from(*quality));
        let asked = [("width_mm", *width_mm), ("height_mm", *height_mm), ("depth_mm", *depth_mm)];
        for (index, (name, number)) in asked.into_iter().enumerate() {
            let most = SIZES[index].2;
            let sized = (1..=most).find(|it| f64::from(*it).to_bits() == number.to_bits());
            order.size_mm[index] = sized.ok_or_else(|| {
                let range = format!("a whole number from 1 to {most}, for this backend");
                FieldError::new(name, &number.to_string(), range)
            })?;
        }
        Ok(order)
    }

    fn take_sizes(&mut self, sizes: &Map<String, Json>) -> Result<(), Unclear> {
        for (index, (name, _, most)) in SIZES.into_iter().enumerate() {
            // Where there are sizes, all must be there.
            let size = sizes.get(name).ok_or_else(|| Unclear(format!("`{name}` is missing")))?;
            self.size_mm[index] = whole(name, size, most)?;
        }
        let is_other = |name: &String| SIZES.iter().all(|(known, ..)| known != name);
        let rest = sizes.iter().filter(|(name, _)| is_other(name));
        self.rest_of_size = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(())
    }

    /// Writes it as it is sent to the studio, but for the job.
    pub fn to_json(&self) -> Json {
        let mut json = Json::from(self.rest.clone());
        json["format"] = self.format.as_str().into();
        json["quality"] = self.quality.into();
        json["dimensions"] = self.sizes();
        json
    }

    /// Writes the sizes as they were read.
    pub(super) fn sizes(&self) -> Json {
        let [width, height, depth] = self.size_mm;
        let mut sizes = json!({ "width": width, "height": height, "depth": depth });
        for (name, value) in &self.rest_of_size {
            sizes[name] = value.clone();
        }
        sizes
    }

    /// Writes what nobody here knows.
    pub(super) fn rest_as_json(&self) -> Json {
        let mut json = Json::from(self.rest.clone());
        if !self.rest_of_size.is_empty() {
            json["dimensions"] = self.rest_of_size.clone().into();
        }
        json
    }

    /// Lists its numbers by the names of their parameters.
    pub(super) fn numbers(&self) -> [(&'static str, u32); 4] {
        let [width, height, depth] = self.size_mm;
        // Fields of these names that stand elsewhere are other ones.
        [("@width", width), ("@height", height), ("@depth", depth), ("@quality", self.quality)]
    }
}

/// Reads a whole number from 1 to `most`, as the schema does: also from a text, from a float without a
/// fraction, and `true` as 1.
fn whole(name: &str, value: &Json, most: u32) -> Result<u32, Unclear> {
    let refused = || Unclear(format!("`{name}` is not what the schema wants"));
    let number = match value {
        Json::Bool(flag) => f64::from(u8::from(*flag)),
        Json::Number(number) => number.as_f64().ok_or_else(refused)?,
        Json::String(text) => {
            let text = text.trim();
            let is_plain = text.bytes().all(|it| it.is_ascii_digit() || b"+-.".contains(&it));
            text.parse::<f64>().ok().filter(|_| is_plain).ok_or_else(refused)?
        }
        _ => return Err(refused()),
    };
    (1..=most).find(|whole| f64::from(*whole).to_bits() == number.to_bits()).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Order, Unclear> {
        Order::read(json.as_bytes())
    }

    #[test]
    fn an_order_is_read_as_the_studio_reads_it() {
        assert_eq!(read("{}").unwrap(), Order::plain(Format::Stl, 7));
        let written = [
            r#"{"quality": 7}"#,
            r#"{"quality": 7.0}"#,
            r#"{"quality": "7"}"#,
            r#"{"quality": "7.0", "format": "stl"}"#,
            r#"{"dimensions": {"width": 100, "height": "100", "depth": 20.0}}"#,
            r#"{"job_id": "any"}"#,
        ];
        for json in written {
            assert_eq!(read(json).unwrap(), Order::plain(Format::Stl, 7), "{json}");
        }
        assert_eq!(read(r#"{"quality": true}"#).unwrap().quality, 1);
        for json in [
            "[]",
            r#"{"format": "STL"}"#,
            r#"{"format": null}"#,
            r#"{"quality": 0}"#,
            r#"{"quality": 11}"#,
            r#"{"quality": 7.5}"#,
            r#"{"quality": "1e0"}"#,
            r#"{"quality": null}"#,
            r#"{"dimensions": null}"#,
            r#"{"dimensions": {"width": 100}}"#,
            r#"{"dimensions": {"width": 100, "height": 100, "depth": 501}}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_is_not_known_is_handed_on() {
        let order =
            read(r#"{"seed": 5, "dimensions": {"width":1,"height":2,"depth":3,"unit":"cm"}}"#);
        let order = order.unwrap();
        let sent = order.to_json();
        assert_eq!((&sent["seed"], &sent["dimensions"]["unit"]), (&json!(5), &json!("cm")));
        assert_eq!(Order::read(sent.to_string().as_bytes()).unwrap(), order);
        assert_eq!(order.rest_as_json(), json!({ "seed": 5, "dimensions": { "unit": "cm" } }));
    }
}
