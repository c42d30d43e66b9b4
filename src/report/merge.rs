//! Shards put together: the JSON of each part of a run becomes the JSON of the whole.
//!
//! In: texts that `mqttspec run --shard K/N --json` wrote. Out: one such text, as if the parts had been one run.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::json::{score_of, summary_of};
use super::record::Record;

/// Puts the parts of a run together, each with the name by which messages call it. `order` are the ids of the suite in its
/// order; cases that it does not have come last, by id. Seconds are added up. Keys that are not known stay in the cases.
///
/// # Errors
/// A message for the user: a part that is no JSON of a run, parts of different brokers or suites, or a case that two have.
pub fn merge<'o>(parts: &[(String, String)], order: impl IntoIterator<Item = &'o str>) -> Result<String, String> {
    let mut read: Vec<(&str, Record, Json)> = Vec::new();
    for (name, text) in parts {
        let record = Record::read(text).map_err(|error| format!("{name}: {error}"))?;
        let json = serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        read.push((name, record, json));
    }
    let Some((first, model, _)) = read.first() else {
        return Err("there is nothing to be merged".to_owned());
    };
    for (name, record, _) in &read {
        let (a, b) = (&model.target, &record.target);
        if (&a.name, &a.version) != (&b.name, &b.version) {
            return Err(format!(
                "{first} is of {}, {name} of {}: these are no parts of one run",
                model.label(),
                record.label()
            ));
        }
        if model.mqttspec != record.mqttspec {
            return Err(format!(
                "{first} was written by mqttspec {}, {name} by {}: these are no parts of one run",
                model.mqttspec, record.mqttspec
            ));
        }
    }
    let places: BTreeMap<&str, usize> = order.into_iter().enumerate().map(|(i, id)| (id, i)).collect();
    let mut cases: BTreeMap<(usize, String), Json> = BTreeMap::new();
    let mut owner: BTreeMap<String, &str> = BTreeMap::new();
    for (name, record, json) in &read {
        let values = json["cases"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (case, value) in record.cases.iter().zip(values) {
            if let Some(other) = owner.insert(case.id.clone(), name) {
                return Err(format!("{other} and {name} both have {}", case.id));
            }
            let place = places.get(case.id.as_str()).copied().unwrap_or(usize::MAX);
            cases.insert((place, case.id.clone()), value.clone());
        }
    }
    let mut notes: Vec<&str> = Vec::new();
    for note in read.iter().flat_map(|(_, record, _)| &record.notes) {
        if !notes.contains(&note.as_str()) {
            notes.push(note);
        }
    }
    let under_load: Vec<&String> = read.iter().flat_map(|(_, r, _)| &r.crashes_under_load).collect();
    let seconds: f64 = read.iter().map(|(_, r, _)| r.seconds).sum();
    let mut whole = read[0].2.clone();
    whole["seconds"] = json!((seconds * 1000.0).round() / 1000.0);
    whole["interrupted"] = read.iter().any(|(_, r, _)| r.interrupted).into();
    whole["notes"] = json!(notes);
    whole["crashes_under_load"] = json!(under_load);
    whole["cases"] = cases.into_values().collect();
    // Counted over all, from what the cases say.
    let record: Record = serde_json::from_value(whole.clone()).map_err(|error| error.to_string())?;
    whole["summary"] = summary_of(&record.counts()).into();
    whole["scores"] = record.scores().iter().map(score_of).collect();
    Ok(format!("{whole:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::super::{json, testing};
    use super::*;

    /// A part of the example: the cases at these places.
    fn part(name: &str, places: &[usize]) -> (String, String) {
        let mut run = testing::run();
        let all = std::mem::take(&mut run.cases);
        run.cases = places.iter().map(|place| all[*place].clone()).collect();
        run.duration /= 2;
        run.crashes_under_load.clear();
        (name.to_owned(), json::run(&run))
    }

    #[test]
    fn the_parts_give_the_whole() {
        let mut run = testing::run();
        run.crashes_under_load.clear();
        let whole = json::run(&run);
        let order: Vec<&str> = run.cases.iter().map(|c| c.id.as_str()).collect();
        let parts = [part("a", &[7, 4, 0]), part("b", &[5, 6, 1, 2, 3])];
        let mut merged: Json = serde_json::from_str(&merge(&parts, order).unwrap()).unwrap();
        let whole: Json = serde_json::from_str(&whole).unwrap();
        // Halves of milliseconds are lost.
        assert!((merged["seconds"].as_f64().unwrap() - whole["seconds"].as_f64().unwrap()).abs() < 0.002);
        merged["seconds"] = whole["seconds"].clone();
        assert_eq!(merged, whole);
    }

    #[test]
    fn what_is_no_part_of_one_run_is_refused() {
        let refused = |parts: &[(String, String)]| merge(parts, []).unwrap_err();
        let a = part("a", &[0, 1]);
        assert_eq!(
            refused(&[a.clone(), part("b", &[1])]),
            "a and b both have qos2/dup-before-pubrel@v3.1.1"
        );
        let (name, text) = part("b", &[2]);
        let other = (name.clone(), text.replace("2.0.11", "2.0.12"));
        assert!(refused(&[a.clone(), other]).contains("is of mosquitto 2.0.11, b of mosquitto 2.0.12"));
        let other = (
            name,
            text.replacen("\"mqttspec\": \"0.1.0\"", "\"mqttspec\": \"0.2.0\"", 1),
        );
        assert!(refused(&[a.clone(), other]).contains("by 0.2.0"));
        assert!(refused(&[]).contains("nothing"));
        assert!(refused(&[("c".to_owned(), "{}".to_owned())]).starts_with("c: this is no JSON of a run"));
    }
}
