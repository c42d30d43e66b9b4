//! Values of the contract: properties by their names, binary data as hex.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Nonsense;
use crate::wire::property::{DataType, property, property_named};
use crate::wire::{Properties, PropertyValue, Text};

/// The name of the User Property list, which is the only property that may occur more than once here.
const USER_PROPERTIES: &str = "user_properties";

/// Text as a string. The contract carries well-formed UTF-8 only, so an ill-formed string is replaced; the loader
/// rejects commands with such strings.
pub(super) fn text(text: &Text) -> Value {
    match text.as_str() {
        Some(text) => json!(text),
        None => json!(String::from_utf8_lossy(text.as_bytes())),
    }
}

/// The properties of a packet or will: an object, empty if there is none.
pub(super) fn properties(properties: &Properties) -> Value {
    let mut object = Map::new();
    for one in &properties.0 {
        let Some(spec) = property(one.id) else { continue };
        match &one.value {
            PropertyValue::Byte(n) => object.insert(spec.name.to_owned(), json!(n)),
            PropertyValue::U16(n) => object.insert(spec.name.to_owned(), json!(n)),
            PropertyValue::U32(n) | PropertyValue::VarInt(n) => object.insert(spec.name.to_owned(), json!(n)),
            PropertyValue::Text(value) => object.insert(spec.name.to_owned(), text(value)),
            PropertyValue::Binary(bytes) => object.insert(spec.name.to_owned(), json!(hex::encode(bytes))),
            PropertyValue::Pair(name, value) => {
                let pairs = object.entry(USER_PROPERTIES).or_insert_with(|| json!([]));
                if let Some(pairs) = pairs.as_array_mut() {
                    pairs.push(json!([text(name), text(value)]));
                }
                None
            }
        };
    }
    Value::Object(object)
}

/// The properties of a packet by their names in the contract.
pub fn named(all: &Properties) -> Map<String, Value> {
    match properties(all) {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// A member of an object that has to be there, in the form that `read` accepts.
pub(super) fn needed<T>(object: &Value, key: &str, read: impl Fn(&Value) -> Option<T>) -> Result<T, Nonsense> {
    let value = object.get(key).ok_or_else(|| Nonsense(format!("no `{key}`")))?;
    read(value).ok_or_else(|| Nonsense(format!("`{key}` has no such value: {value}")))
}

/// A member that may be missing or null.
pub(super) fn given<T>(object: &Value, key: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Nonsense> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => needed(object, key, read).map(Some),
    }
}

pub(super) fn number<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    T::try_from(value.as_u64()?).ok()
}

pub(super) fn string(value: &Value) -> Option<Text> {
    value.as_str().map(Text::from)
}

pub(super) fn binary(value: &Value) -> Option<Bytes> {
    hex::decode(value.as_str()?).ok().map(Bytes::from)
}

/// Reads what [`properties`] writes.
pub(super) fn read_properties(value: &Value) -> Result<Properties, Nonsense> {
    let mut read = Properties::default();
    let Some(object) = value.get("properties").filter(|value| !value.is_null()) else {
        return Ok(read);
    };
    let object = object
        .as_object()
        .ok_or_else(|| Nonsense("`properties` is no object".to_owned()))?;
    for (name, value) in object {
        let wrong = || Nonsense(format!("`{name}` has no such value: {value}"));
        if name == USER_PROPERTIES {
            let id = crate::wire::property::id::USER_PROPERTY;
            for pair in value.as_array().ok_or_else(wrong)? {
                let part = |n| pair.get(n).and_then(string).ok_or_else(wrong);
                read.push(id, PropertyValue::Pair(part(0)?, part(1)?));
            }
            continue;
        }
        let spec = property_named(name).ok_or_else(|| Nonsense(format!("no property `{name}`")))?;
        let value = match spec.data_type {
            DataType::Byte => number(value).map(PropertyValue::Byte),
            DataType::U16 => number(value).map(PropertyValue::U16),
            DataType::U32 => number(value).map(PropertyValue::U32),
            DataType::VarInt => number(value).map(PropertyValue::VarInt),
            DataType::Text => string(value).map(PropertyValue::Text),
            DataType::Binary => binary(value).map(PropertyValue::Binary),
            DataType::Pair => None,
        };
        read.push(spec.id, value.ok_or_else(wrong)?);
    }
    Ok(read)
}
