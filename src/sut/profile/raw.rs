//! A profile exactly as the file has it, for serde. Whatever needs more than its form is checked later, in `check`, where the
//! places are at hand. Text is taken as text here: a number in its place arrives as it was written.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::supports::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with the keys of a profile")]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) process: Option<Process>,
    pub(super) mqtt: Option<Mqtt>,
    pub(super) mqtts: Option<Mqtt>,
    pub(super) ws: Option<Mqtt>,
    pub(super) wss: Option<Mqtt>,
    pub(super) unix: Option<Mqtt>,
    pub(super) tls: Option<Tls>,
    pub(super) versions: Option<Vec<String>>,
    pub(super) login: Option<Login>,
    pub(super) settle: Option<String>,
    pub(super) patience: Option<String>,
    #[serde(default)]
    pub(super) supports: Vec<Support>,
    #[serde(default)]
    pub(super) denies: Vec<String>,
    #[serde(default)]
    pub(super) users: BTreeMap<String, Login>,
    pub(super) auth: Option<Auth>,
    pub(super) jobs: Option<u32>,
    pub(super) instances: Option<u32>,
    #[serde(default)]
    pub(super) isolate: bool,
    pub(super) snapshots: Option<String>,
    #[serde(default)]
    pub(super) setups: BTreeMap<String, Setup>,
    #[serde(default)]
    pub(super) known: Vec<Known>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map that says what is different in this setup")]
pub(super) struct Setup {
    pub(super) command: Option<Vec<String>>,
    #[serde(default)]
    pub(super) files_over: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    pub(super) mqtt: Option<Mqtt>,
    pub(super) login: Option<Login>,
    #[serde(default)]
    pub(super) supports: Vec<Support>,
    pub(super) denies: Option<Vec<String>>,
    #[serde(default)]
    pub(super) users: BTreeMap<String, Login>,
    pub(super) auth: Option<Auth>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map that says how to start the broker")]
pub(super) struct Process {
    pub(super) command: Vec<String>,
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) files_over: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) certificates: Option<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    pub(super) version: Option<Vec<String>>,
    pub(super) install: Option<String>,
    pub(super) ready_timeout: Option<String>,
    pub(super) stop_timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a map with ca, certificate, key, server_name and insecure"
)]
pub(super) struct Tls {
    pub(super) ca: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) server_name: Option<String>,
    #[serde(default)]
    pub(super) insecure: bool,
}

/// One address, or one for each version.
pub(super) enum Mqtt {
    One(String),
    PerVersion(BTreeMap<String, String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with username and password")]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with method, good and bad")]
pub(super) struct Auth {
    pub(super) method: String,
    #[serde(default)]
    pub(super) good: Vec<String>,
    #[serde(default)]
    pub(super) bad: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map that describes one known deviation")]
pub(super) struct Known {
    pub(super) case: String,
    pub(super) fails: String,
    pub(super) broker: Option<String>,
    #[serde(default)]
    pub(super) over: Vec<String>,
    #[serde(default)]
    pub(super) sometimes: bool,
    #[serde(default)]
    pub(super) varies: bool,
    pub(super) because: Option<String>,
    pub(super) see: Option<String>,
    pub(super) bytes: Option<String>,
    #[serde(default)]
    pub(super) untriaged: bool,
}

/// One entry of `supports`: a name, or a name and its value.
pub(super) struct Support {
    pub(super) name: String,
    pub(super) value: Value,
}

impl<'de> Deserialize<'de> for Mqtt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mqtt, D::Error> {
        struct Addresses;
        impl<'de> Visitor<'de> for Addresses {
            type Value = Mqtt;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an address such as mqtt://127.0.0.1:$port, or a map with one for each version")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Mqtt, E> {
                Ok(Mqtt::One(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mqtt, A::Error> {
                let mut addresses = BTreeMap::new();
                while let Some((version, address)) = map.next_entry()? {
                    addresses.insert(version, address);
                }
                Ok(Mqtt::PerVersion(addresses))
            }
        }
        deserializer.deserialize_any(Addresses)
    }
}

impl<'de> Deserialize<'de> for Support {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Support, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = Support;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a feature such as restart, or a limit such as `max_qos: 1`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Support, E> {
                Ok(Support {
                    name: text.to_owned(),
                    value: Value::Listed,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Support, A::Error> {
                let Some((name, value)) = map.next_entry()? else {
                    return Err(A::Error::custom(
                        "an empty map, where a limit such as `max_qos: 1` is meant",
                    ));
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom("one name in each entry of the list, please"));
                }
                Ok(Support { name, value })
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number, true or false")
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
                Ok(Value::Flag(flag))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Number(number))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}
