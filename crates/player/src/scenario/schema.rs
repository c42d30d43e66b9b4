//! The JSON Schema of scenario files, for editors. It is made from the same tables as the loader reads: the fields of
//! each packet, the keys and the grammar of steps.
//!
//! What no schema can say (a variable without a value, a missing control) the loader says. A row's `$x` may be
//! anywhere, so a key or value with a dollar in it is always let through.

use serde_json::{Map, Value, json};

use super::load::{
    ACTIONS, CLIENT_KEYS, CONDITIONS, DOES_WORDS, MANNER, MAX_TIMES, NEEDS, RECONNECT_KEYS, RESERVED, SNAPSHOTS,
    TOP_KEYS, wrong_keys,
};
use super::{Verb, fields};
use crate::source::DURATION_PATTERN as DURATION;
use crate::statements::Version;
use crate::wire::{FieldSpec, Kind, PacketType, Side};

/// A client's name; in a key with a row's variable anything may be.
const CLIENT: &str = "[a-z][a-z0-9_]*";

/// The schema (JSON Schema 2020-12).
pub fn schema() -> Value {
    let mut defs = Map::new();
    for packet_type in PacketType::ALL {
        defs.insert(format!("send.{packet_type}"), send_fields(packet_type));
        defs.insert(format!("expect.{packet_type}"), expected_fields(packet_type));
    }
    defs.extend(values());
    defs.extend(grammar(Side::Server));
    defs.extend(grammar(Side::Client));
    defs.values_mut().for_each(let_versions_in);
    // What is a value a version: `qos: { v3.1.1: 1, v5: 2 }`.
    defs.insert("each-version".to_owned(), by_version(&json!(true)));
    let mut properties = Map::new();
    for key in TOP_KEYS {
        properties.insert(key.to_owned(), top(key));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of mqttspec",
        "type": "object",
        "properties": properties,
        "required": ["format", "title", "versions", "clients", "steps"],
        "additionalProperties": false,
        // The side under test decides what each arrow means.
        "if": { "properties": { "tests": { "const": "client" } }, "required": ["tests"] },
        "then": scripts(Side::Client),
        "else": scripts(Side::Server),
        "$defs": defs,
    })
}

/// The schema as text, as it is committed.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// Whether the side under test may send this type at any version.
fn received(packet_type: PacketType, tests: Side) -> bool {
    Version::ALL.into_iter().any(|v| match tests {
        Side::Client => packet_type.from_client(v),
        Side::Server => packet_type.from_server(v),
    })
}

/// The name of a definition in the grammar of scripts that test this side.
fn of_side(name: &str, tests: Side) -> String {
    match tests {
        Side::Client => format!("client.{name}"),
        Side::Server => name.to_owned(),
    }
}

/// The scripts of a file that tests this side.
fn scripts(tests: Side) -> Value {
    let steps = reference(&of_side("steps", tests));
    json!({ "properties": { "steps": steps, "control": steps } })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn versions() -> Vec<&'static str> {
    Version::ALL.map(Version::name).to_vec()
}

/// Lets every map of fixed keys have a map a version too.
fn let_versions_in(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        if object.get("additionalProperties") == Some(&json!(false))
            && let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut)
        {
            for version in versions() {
                properties.entry(version).or_insert_with(|| json!(true));
            }
        }
        object.values_mut().for_each(let_versions_in);
    } else if let Some(items) = schema.as_array_mut() {
        items.iter_mut().for_each(let_versions_in);
    }
}

/// The schema, or a value a version.
fn or_a_version(schema: Value) -> Value {
    json!({ "anyOf": [schema, reference("each-version")] })
}

/// The key at the top of a file.
fn top(key: &str) -> Value {
    let statements = json!({ "type": "array", "items": { "type": "string" } });
    let column = json!({ "type": "array", "minItems": 1 });
    let (about, mut schema) = match key {
        "format" => ("The version of the language.", json!({ "const": 1 })),
        "title" => (
            "One line: what the broker does.",
            json!({ "type": "string", "minLength": 1 }),
        ),
        "about" => (
            "How the standard's text settles what is expected.",
            json!({ "type": "string" }),
        ),
        "versions" => (
            "The versions of MQTT at which it is played.",
            json!({ "type": "array", "items": { "enum": versions() }, "minItems": 1, "uniqueItems": true }),
        ),
        "proves" => (
            "The statements that it proves, by version; a plain list if there is one version.",
            json!({ "anyOf": [statements, by_version(&statements)] }),
        ),
        "level" => (
            "A violation of a SHOULD is a warning.",
            json!({ "enum": ["must", "should"] }),
        ),
        "rigour" => (
            "Whether nothing but the rigour clause of 5.0 (section 4.13.1) obliges the server; unless given, that follows from `proves`.",
            json!({ "type": "boolean" }),
        ),
        "needs" => ("What a target must have for it to be played.", needs()),
        "serial" => (
            "It affects the whole broker and is played alone.",
            json!({ "type": "boolean" }),
        ),
        "heavy" => (
            "It transfers so much data that it is played after all others, one at a time.",
            json!({ "type": "boolean" }),
        ),
        "timing" => ("Its verdict depends on time.", json!({ "type": "boolean" })),
        "snapshot" => (
            "What its snapshot shows: one table of all rows, or the verdict and what was sent.",
            json!({ "enum": SNAPSHOTS.map(|(word, ..)| word) }),
        ),
        "tags" => (
            "Words by which cases are selected.",
            json!({ "type": "array", "items": { "type": "string", "pattern": "^[a-z0-9-]+$" } }),
        ),
        "timeout" => ("The deadline of a case, 30s unless given.", reference("duration")),
        "each" => (
            "One case for each row: a list of rows, or a map of lists for every combination.",
            json!({ "anyOf": [
                { "type": "array", "items": row(), "minItems": 1 },
                { "type": "object", "additionalProperties": { "anyOf": [column, by_version(&column)] }, "minProperties": 1 },
            ] }),
        ),
        "clients" => ("The clients, and how each starts.", clients()),
        "tests" => (
            "The side under test; the broker unless given.",
            json!({ "enum": ["broker", "client"] }),
        ),
        "control" => (
            "The same exchange without the fault; it must succeed.",
            json!({ "type": "array" }),
        ),
        _ => ("The exchange.", json!({ "type": "array" })),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), about.into());
    }
    schema
}

/// A row of `each`: columns of any name, and the keys that are none.
fn row() -> Value {
    let own = ["proves", "versions"].into_iter().chain(CONDITIONS);
    let mut properties: Map<String, Value> = own.map(|key| (key.to_owned(), top(key))).collect();
    properties.insert("name".to_owned(), json!({ "type": ["string", "number"] }));
    json!({ "type": "object", "properties": properties, "minProperties": 1 })
}

fn by_version(schema: &Value) -> Value {
    let properties: Map<String, Value> = versions().into_iter().map(|v| (v.to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "minProperties": 1, "additionalProperties": false })
}

fn needs() -> Value {
    let names = |numbered: bool| -> Vec<&str> {
        NEEDS
            .iter()
            .filter(|(_, n)| *n == numbered)
            .map(|(name, _)| *name)
            .collect()
    };
    let range = json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^([0-9]+\\.\\.[0-9]*|\\.\\.[0-9]+)$" }] });
    let limits = names(true).into_iter().map(|name| (name.to_owned(), range.clone()));
    let missing = names(false)
        .into_iter()
        .map(|name| (name.to_owned(), json!({ "const": false })));
    let valued: Map<String, Value> = limits.chain(missing).collect();
    json!({ "type": "array", "items": { "anyOf": [
        { "enum": names(false) },
        { "type": "object", "properties": valued, "minProperties": 1, "maxProperties": 1, "additionalProperties": false },
    ] } })
}

fn clients() -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": { "pattern": format!("^(?!({})$){CLIENT}$", RESERVED.join("|")) },
        "additionalProperties": reference("client"),
    })
}

fn client() -> Value {
    let mut properties = Map::new();
    for key in CLIENT_KEYS {
        let schema = match key {
            "version" => {
                or_a_version(json!({ "anyOf": [{ "enum": versions() }, { "type": "string", "pattern": r"^\$" }] }))
            }
            "session" => or_a_version(reference("session")),
            "connect" => json!({ "anyOf": [{ "type": "boolean" }, reference("send.CONNECT")] }),
            "connack" => reference("send.CONNACK"),
            "subscribe" => json!({ "anyOf": [reference("filters"), reference("send.SUBSCRIBE")] }),
            _ => json!({ "enum": ["auto", "script"] }),
        };
        properties.insert(key.to_owned(), schema);
    }
    properties.extend(versions().into_iter().map(|v| (v.to_owned(), reference("client"))));
    json!({ "type": ["object", "null"], "properties": properties, "additionalProperties": false })
}

/// The kinds of values.
fn values() -> Map<String, Value> {
    let dollar = json!({ "type": "string", "pattern": r"\$" });
    let options = json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }, { "type": "object" }] });
    let made = json!({ "type": "object", "properties": {
        "hex": reference("bytes"), "size": reference("number"), "fill": true, "start": { "type": "string" },
    }, "additionalProperties": false });
    let defs = json!({
        "client": client(),
        "duration": { "type": "string", "pattern": format!(r"^{DURATION}$|\$") },
        "session": { "type": "string", "pattern": format!(r"^(kept|clean|{DURATION})$|\$") },
        "within": { "type": "string", "pattern": format!(r"^{DURATION}(\.\.({DURATION})?)?$|\$") },
        "number": { "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": r"^(0x[0-9a-fA-F]+|[0-9]+)$|\$" },
        ] },
        "boolean": { "anyOf": [{ "type": "boolean" }, dollar] },
        "text": { "anyOf": [{ "type": ["string", "number", "boolean", "null"] }, made] },
        "numbers": { "anyOf": [reference("number"), { "type": "array", "items": reference("number") }] },
        "texts": { "anyOf": [{ "type": "array", "items": reference("text") }, dollar] },
        "pairs": { "anyOf": [
            { "type": "object" },
            { "type": "array", "items": { "type": ["array", "object"] } },
            dollar,
        ] },
        "filters": { "anyOf": [
            { "type": "object", "additionalProperties": options },
            { "type": "array", "items": { "type": ["object", "string"] } },
            dollar,
        ] },
        "bytes": {
            "type": ["string", "integer"],
            "description": "Hex, \"text\", s\"text\" with its length, $variables, # comments.",
        },
        "code": { "anyOf": [
            { "type": ["integer", "string", "null"] },
            { "type": "object" },
        ] },
        "length": { "anyOf": [reference("number"), { "type": "string", "pattern": r"^([0-9a-fA-F]{2} ?)+$|\$" }] },
        "split": { "anyOf": [reference("number"), { "type": "array", "items": reference("number"), "minItems": 1 }] },
    });
    defs.as_object().cloned().unwrap_or_default()
}

/// The value of a field that is sent.
fn sent(spec: &FieldSpec) -> Value {
    match &spec.kind {
        Kind::Bool => reference("boolean"),
        Kind::Number { max } => json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": max },
            { "type": "string", "pattern": r"^(0x[0-9a-fA-F]+|[0-9]+|absent)$|\$" },
        ] }),
        Kind::Text | Kind::Binary | Kind::Payload => reference("text"),
        Kind::Numbers { .. } => reference("numbers"),
        Kind::Texts => reference("texts"),
        Kind::Pairs => reference("pairs"),
        Kind::List(_) => reference("filters"),
        Kind::Map(fields) => {
            let mut all: Map<String, Value> = fields.iter().map(|f| (f.name.to_owned(), sent(f))).collect();
            all.extend(
                versions()
                    .into_iter()
                    .map(|v| (v.to_owned(), json!({ "type": "object" }))),
            );
            json!({ "anyOf": [
                { "type": "object", "properties": all, "patternProperties": { r"^\$[a-z]": true }, "additionalProperties": false },
                { "type": "string", "pattern": r"^absent$|\$" },
            ] })
        }
    }
}

/// Every field of a type at any version, under each of its names.
fn fields_of(
    fields: impl Fn(Version) -> &'static [FieldSpec],
    value: impl Fn(&FieldSpec) -> Value,
) -> Map<String, Value> {
    let mut all = Map::new();
    for version in [Version::V5, Version::V3_1_1, Version::V3_1] {
        for spec in fields(version) {
            for name in std::iter::once(spec.name).chain(spec.also.iter().copied()) {
                // The newest version comes first: its will has the most fields.
                all.entry(name).or_insert_with(|| or_a_version(value(spec)));
            }
        }
    }
    all
}

fn fields_schema(name: &str, mut properties: Map<String, Value>) -> Value {
    properties.extend(versions().into_iter().map(|v| (v.to_owned(), reference(name))));
    json!({ "anyOf": [
        // A row of `each` may name the field too.
        { "type": "object", "properties": properties, "patternProperties": { r"^\$[a-z]": true }, "additionalProperties": false },
        { "type": "null" },
        { "type": "string", "pattern": r"^\$" },
    ] })
}

fn send_fields(packet_type: PacketType) -> Value {
    let mut properties = fields_of(|version| fields::sent(packet_type, version), sent);
    let wrong = Version::ALL.into_iter().flat_map(|v| wrong_keys(packet_type, v));
    for key in wrong.chain(MANNER) {
        let schema = match key {
            "flags" => json!({ "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 15 },
                { "type": "string", "pattern": r"^0x0?[0-9a-fA-F]$|\$" },
            ] }),
            "remaining_length" | "property_length" => reference("length"),
            "truncate" => reference("number"),
            "connect_flags" => json!({ "type": ["integer", "string"] }),
            "properties" => json!({ "anyOf": [
                { "type": "object", "properties": { "hex": reference("bytes") }, "additionalProperties": false },
                { "type": "string", "pattern": r"^\$" },
            ] }),
            "split" => reference("split"),
            "pause" => reference("duration"),
            "probe" | "text_frame" => reference("boolean"),
            _ => reference("bytes"),
        };
        properties.insert(key.to_owned(), schema);
    }
    fields_schema(&format!("send.{packet_type}"), properties)
}

fn expected_fields(packet_type: PacketType) -> Value {
    // `or`, `not`, ranges and variables make text of what is a number otherwise.
    let value = |spec: &FieldSpec| match &spec.kind {
        Kind::Bool => json!({ "type": ["boolean", "string"] }),
        Kind::Number { max } => json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": max },
            { "type": "string" },
        ] }),
        Kind::Numbers { .. } | Kind::Texts => json!({ "type": ["array", "integer", "string"] }),
        Kind::Pairs => json!({ "type": ["array", "object", "string"] }),
        _ => json!({ "type": ["string", "number", "boolean", "null", "object"] }),
    };
    let mut properties = fields_of(|version| fields::awaited(packet_type, version), value);
    properties.insert("within".to_owned(), reference("within"));
    fields_schema(&format!("expect.{packet_type}"), properties)
}

/// The keys of what a client sends, as patterns, with the schema of their values.
fn sends(with_manner: bool) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = PacketType::ALL
        .into_iter()
        .map(|t| (t.name().to_owned(), reference(&format!("send.{t}"))))
        .collect();
    let whole = json!({ "type": "object", "properties": {
        "hex": reference("bytes"), "parts": reference("parts"), "split": reference("split"),
        "pause": reference("duration"), "probe": reference("boolean"), "text_frame": reference("boolean"),
    }, "additionalProperties": false });
    let bytes = |more: Vec<Value>| {
        let mut any = vec![reference("bytes")];
        any.extend(more);
        json!({ "anyOf": any })
    };
    if with_manner {
        all.push(("(bytes|frame)".to_owned(), bytes(vec![whole.clone()])));
        all.push(("together".to_owned(), json!({ "anyOf": [reference("parts"), whole] })));
        let actions: Vec<&str> = ACTIONS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| *name != "open")
            .collect();
        let actions = actions.join("|");
        let names = json!({ "type": "array", "items": { "type": "string", "pattern": "^[A-Za-z0-9._-]+$" } });
        let names = json!({ "anyOf": [names, { "type": "string", "pattern": r"^\$" }] });
        let offer = json!({ "type": "object", "properties": { "subprotocols": names },
            "required": ["subprotocols"], "additionalProperties": false });
        all.push(("open".to_owned(), json!({ "anyOf": [{ "type": "null" }, offer] })));
        all.push((format!("({actions})"), json!({ "type": "null" })));
    } else {
        all.push(("(bytes|frame)".to_owned(), bytes(vec![])));
    }
    all
}

/// The value of `c -> reconnect`.
fn reconnect() -> Value {
    let value = |key: &str| match key {
        "resumed" => reference("boolean"),
        "session" => reference("session"),
        "connect" => reference("send.CONNECT"),
        _ => reference("expect.CONNACK"),
    };
    let properties: Map<String, Value> = RECONNECT_KEYS
        .into_iter()
        .map(|key| (key.to_owned(), or_a_version(value(key))))
        .collect();
    json!({ "anyOf": [
        { "type": "null" },
        { "type": "object", "properties": properties, "additionalProperties": false },
    ] })
}

/// The keys of what a client waits for.
fn expectations(tests: Side) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = PacketType::ALL
        .into_iter()
        .filter(|t| received(*t, tests))
        .map(|t| (format!("((next|maybe) +)?{t}"), reference(&format!("expect.{t}"))))
        .collect();
    let object =
        |properties: Value| json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let exact = object(json!({ "hex": reference("bytes"), "within": reference("within") }));
    all.push(("bytes".to_owned(), json!({ "anyOf": [reference("bytes"), exact] })));
    all.push((
        "nothing".to_owned(),
        json!({ "anyOf": [{ "type": "null" }, reference("duration")] }),
    ));
    all.push((
        "closed".to_owned(),
        json!({ "anyOf": [{ "type": "null" }, object(json!({ "within": reference("within") }))] }),
    ));
    let code = object(json!({ "code": reference("code"), "within": reference("within") }));
    all.push((
        "refused".to_owned(),
        json!({ "anyOf": [{ "type": ["null", "integer", "string"] }, code] }),
    ));
    all
}

/// The keys of what the application of a client under test is told.
fn commands() -> Vec<(String, Value)> {
    let words = DOES_WORDS.map(|(word, _)| word).join("|");
    let value = |verb: Verb| match verb.packet_type() {
        None => json!({ "type": "null" }),
        Some(PacketType::Subscribe) => json!({ "anyOf": [reference("filters"), reference("send.SUBSCRIBE")] }),
        Some(PacketType::Unsubscribe) => json!({ "anyOf": [reference("texts"), reference("send.UNSUBSCRIBE")] }),
        Some(packet_type) => reference(&format!("send.{packet_type}")),
    };
    let key = |verb: Verb| format!("{CLIENT} +({words}) +{}", verb.name());
    Verb::ALL.into_iter().map(|verb| (key(verb), value(verb))).collect()
}

/// The grammar: steps, expectations, parts of a write.
fn grammar(tests: Side) -> Map<String, Value> {
    let (to, from) = match tests {
        Side::Server => ("->", "<-"),
        Side::Client => ("<-", "->"),
    };
    let name = |name: &str| of_side(name, tests);
    let mut keys: Vec<(String, Value)> = Vec::new();
    for (key, value) in sends(true) {
        keys.push((format!("{CLIENT} *{to} *{key}"), value));
    }
    // What is done to a connection is no write.
    let is_write = |key: &String| key.ends_with(|c: char| c.is_ascii_uppercase()) || is_bytes(key);
    let writes: Vec<(String, Value)> = sends(true)
        .into_iter()
        .filter(|(key, _)| is_write(key))
        .map(|(key, value)| (format!("{CLIENT} *{to} *{key}"), value))
        .collect();
    match tests {
        Side::Server => keys.push((format!("{CLIENT} *-> *reconnect"), reconnect())),
        Side::Client => keys.extend(commands()),
    }
    for (key, value) in expectations(tests) {
        keys.push((format!("{CLIENT} *{from} *{key}"), value));
    }
    let list = |name: &str| {
        json!({ "type": "array", "items": { "anyOf": [
        reference(name), { "type": "array", "items": reference(name), "minItems": 1 },
    ] }, "minItems": 2 })
    };
    let version = versions().join("|").replace('.', r"\.");
    keys.push((format!("{CLIENT} *{from} *one of"), list(&name("expectation"))));
    let any_order = |name: &str| json!({ "type": "array", "items": reference(name), "minItems": 2 });
    keys.push((
        format!("{CLIENT} *{from} *in any order"),
        any_order(&name("expectation")),
    ));
    keys.push(("at once".to_owned(), any_order(&name("write"))));
    keys.push(("one of".to_owned(), list(&name("step"))));
    keys.push(("in any order".to_owned(), any_order(&name("step"))));
    keys.push((
        format!("only +({version})([ ,]+(or +|and +)?({version}))*"),
        reference(&name("steps")),
    ));
    keys.push(("wait".to_owned(), reference("duration")));
    keys.push(("note".to_owned(), json!({ "type": "string" })));
    if tests == Side::Server {
        keys.push(("broker".to_owned(), json!({ "enum": ["restart", "kill"] })));
    }
    keys.push((
        "repeat".to_owned(),
        json!({ "type": "object", "properties": {
            "times": { "anyOf": [{ "type": "integer", "minimum": 1, "maximum": MAX_TIMES }, { "type": "string", "pattern": r"^\$" }] },
            "steps": reference(&name("steps")),
        }, "required": ["times", "steps"], "additionalProperties": false }),
    ));
    let mut defs = Map::new();
    defs.insert(
        name("steps"),
        json!({ "type": "array", "items": reference(&name("step")) }),
    );
    defs.insert(name("step"), one_key(keys));
    defs.insert(name("write"), one_key(writes));
    defs.insert(name("expectation"), one_key(expectations(tests)));
    if tests == Side::Server {
        defs.insert(
            "parts".to_owned(),
            json!({ "type": "array", "items": reference("part"), "minItems": 1 }),
        );
        defs.insert("part".to_owned(), one_key(sends(false)));
    }
    defs
}

fn is_bytes(key: &str) -> bool {
    matches!(key, "(bytes|frame)" | "together")
}

/// A map of one key, or the key alone as text where its value may be missing.
fn one_key(keys: Vec<(String, Value)>) -> Value {
    let whole: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
    // A row's variable in a key stands for anything.
    let alone = format!(r"^({})$|\$", whole.join("|"));
    let mut patterns: Map<String, Value> = keys
        .iter()
        .map(|(key, value)| (format!("^{key}$"), or_a_version(value.clone())))
        .collect();
    patterns.insert(r"\$".to_owned(), json!(true));
    json!({ "anyOf": [
        { "type": "string", "pattern": alone },
        { "type": "object", "minProperties": 1, "maxProperties": 1, "patternProperties": patterns, "additionalProperties": false },
    ] })
}
