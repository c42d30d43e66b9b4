//! Shards put together: the parts of a run become the whole.
//!
//! In: texts that `mqttspec run --shard K/N --json` wrote. Out: one run, as if the parts had been one.

use std::collections::BTreeMap;

use super::model::{Case, Run};

/// Puts the parts of a run together, each with the name by which messages call it. `order` are the ids of the suite in
/// its order; cases that it does not have come last, by id. Seconds are added up.
///
/// # Errors
/// A message for the user: a part that is no JSON of a run, parts of different brokers or suites, or a case that two
/// have.
pub fn merge<'o>(parts: &[(String, String)], order: impl IntoIterator<Item = &'o str>) -> Result<Run, String> {
    let mut read: Vec<(&str, Run)> = Vec::new();
    for (name, text) in parts {
        read.push((name, Run::read(text).map_err(|error| format!("{name}: {error}"))?));
    }
    are_of_one_run(&read)?;
    let places: BTreeMap<&str, usize> = order.into_iter().enumerate().map(|(i, id)| (id, i)).collect();
    let mut read = read.into_iter();
    let Some((first, mut whole)) = read.next() else {
        return Err("there is nothing to merge".to_owned());
    };
    let mut cases: BTreeMap<(usize, String), (&str, Case)> = BTreeMap::new();
    let mut gather = |name, part: Vec<Case>| {
        for case in part {
            let place = places.get(case.id.as_str()).copied().unwrap_or(usize::MAX);
            if let Some((other, case)) = cases.insert((place, case.id.clone()), (name, case)) {
                return Err(format!("{other} and {name} both have {}", case.id));
            }
        }
        Ok(())
    };
    gather(first, std::mem::take(&mut whole.cases))?;
    for (name, part) in read {
        gather(name, part.cases)?;
        whole.seconds += part.seconds;
        whole.interrupted |= part.interrupted;
        whole.crashes_under_load.extend(part.crashes_under_load);
        for note in part.notes {
            if !whole.notes.contains(&note) {
                whole.notes.push(note);
            }
        }
    }
    whole.seconds = (whole.seconds * 1000.0).round() / 1000.0;
    whole.cases = cases.into_values().map(|(_, case)| case).collect();
    Ok(whole)
}

fn are_of_one_run(parts: &[(&str, Run)]) -> Result<(), String> {
    let Some((first, model)) = parts.first() else {
        return Ok(());
    };
    for (name, run) in parts {
        let (a, b) = (&model.target, &run.target);
        if (&a.name, &a.version) != (&b.name, &b.version) {
            return Err(format!(
                "{first} is of {}, {name} of {}: these are not parts of one run",
                model.label(),
                run.label()
            ));
        }
        if model.mqttspec != run.mqttspec {
            return Err(format!(
                "{first} was written by mqttspec {}, {name} by {}: these are not parts of one run",
                model.mqttspec, run.mqttspec
            ));
        }
    }
    Ok(())
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
        let whole = Run::from(&run);
        let order: Vec<&str> = run.cases.iter().map(|c| c.id.as_str()).collect();
        let parts = [part("a", &[7, 4, 0]), part("b", &[5, 6, 1, 2, 3])];
        let mut merged = merge(&parts, order).unwrap();
        // Halves of milliseconds are lost.
        assert!((merged.seconds - whole.seconds).abs() < 0.002);
        merged.seconds = whole.seconds;
        assert_eq!(merged, whole);
        assert_eq!(merged.write(), json::run(&run));
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
        assert!(refused(&[a, other]).contains("by 0.2.0"));
        assert!(refused(&[]).contains("nothing"));
        assert!(refused(&[("c".to_owned(), "{}".to_owned())]).starts_with("c: this is not the JSON of a run"));
    }
}
