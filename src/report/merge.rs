//! Shards put together: the parts of a run become the whole.
//!
//! In: texts that `mqttspec run --shard K/N --json` wrote. Out: one run, as if the parts had been one.

use std::collections::BTreeMap;

use super::model::{Case, Run};
use crate::suite::Shard;

/// Puts the shards of a run together, each with the name by which messages call it. `order` are the ids of the suite in
/// its order; cases that it does not have come last, by id. Seconds are added up.
///
/// # Errors
/// A message of one line for the user: a part that is no JSON of a run, a shard that is missing or that two parts are, or
/// parts of different brokers, suites or selections.
pub fn merge<'o>(parts: &[(String, String)], order: impl IntoIterator<Item = &'o str>) -> Result<Run, String> {
    let mut read: Vec<(&str, Run)> = Vec::new();
    for (name, text) in parts {
        read.push((name, Run::read(text).map_err(|error| format!("{name}: {error}"))?));
    }
    are_of_one_run(&read)?;
    are_complete(&read)?;
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
        whole.unplayed += part.unplayed;
        whole.crashes_under_load.extend(part.crashes_under_load);
        for note in part.notes {
            if !whole.notes.contains(&note) {
                whole.notes.push(note);
            }
        }
        // In UTC, the earlier text is the earlier time.
        whole.started = match (whole.started, part.started) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if whole.user_label != part.user_label {
            whole.user_label = None;
        }
        if let Some(more) = part.snapshots {
            let sum = whole.snapshots.get_or_insert_default();
            sum.compared += more.compared;
            sum.changed += more.changed;
        }
    }
    whole.shard = None;
    whole.seconds = (whole.seconds * 1000.0).round() / 1000.0;
    whole.cases = cases.into_values().map(|(_, case)| case).collect();
    let there = whole.cases.len() + whole.unplayed;
    match &whole.selection {
        Some(selection) if selection.cases != there => {
            Err(format!("the parts have {there} of {} selected cases", selection.cases))
        }
        _ => Ok(whole),
    }
}

/// Whether the parts are of one target, suite and selection.
fn are_of_one_run(parts: &[(&str, Run)]) -> Result<(), String> {
    let Some((first, model)) = parts.first() else {
        return Ok(());
    };
    let not = "these are not parts of one run";
    for (name, run) in parts {
        let (a, b) = (&model.target, &run.target);
        if (&a.name, &a.version) != (&b.name, &b.version) {
            return Err(format!(
                "{first} is of {}, {name} of {}: {not}",
                model.label(),
                run.label()
            ));
        }
        if a.transport != b.transport {
            let (a, b) = (a.transport, b.transport);
            return Err(format!("{first} was played over {a}, {name} over {b}: {not}"));
        }
        if model.mqttspec != run.mqttspec {
            return Err(format!(
                "{first} was written by mqttspec {}, {name} by {}: {not}",
                model.mqttspec, run.mqttspec
            ));
        }
        if let (Some(a), Some(b)) = (&model.selection, &run.selection) {
            if a.suite != b.suite {
                return Err(format!(
                    "{first} and {name} were played with different scenarios: {not}"
                ));
            }
            if a.digest != b.digest {
                return Err(format!("{first} and {name} are shards of different selections: {not}"));
            }
        }
    }
    Ok(())
}

/// Whether each shard is there once. A whole run is the only shard of itself.
fn are_complete(parts: &[(&str, Run)]) -> Result<(), String> {
    let [(first, model), others @ ..] = parts else {
        return Ok(());
    };
    let Some(Shard { count, .. }) = model.shard else {
        return match others {
            [] => Ok(()),
            _ => Err(format!("{first} is no shard: `run --shard K/N --json` writes one")),
        };
    };
    let mut found: BTreeMap<u32, &str> = BTreeMap::new();
    for (name, run) in parts {
        let Some(shard) = run.shard else {
            return Err(format!("{name} is no shard: `run --shard K/N --json` writes one"));
        };
        if shard.count != count {
            return Err(format!(
                "{first} is one of {count} shards, {name} one of {}",
                shard.count
            ));
        }
        if let Some(other) = found.insert(shard.index, name) {
            return Err(format!("{other} and {name} are both {shard}"));
        }
    }
    let missing: Vec<String> = (1..=count)
        .filter(|index| !found.contains_key(index))
        .map(|index| index.to_string())
        .collect();
    match missing.as_slice() {
        [] => Ok(()),
        [one] => Err(format!("shard {one} of {count} is missing")),
        [some @ .., last] => Err(format!("shards {} and {last} of {count} are missing", some.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Snapshots;
    use super::super::{json, testing};
    use super::*;

    /// A shard of the example: the cases at these places.
    fn part(name: &str, index: u32, count: u32, places: &[usize]) -> (String, String) {
        let mut run = testing::run();
        let all = std::mem::take(&mut run.cases);
        run.cases = places.iter().map(|place| all[*place].clone()).collect();
        run.duration /= 2;
        run.crashes_under_load.clear();
        run.about.shard = Some(Shard { index, count });
        (name.to_owned(), json::run(&run))
    }

    #[test]
    fn the_parts_give_the_whole() {
        let mut run = testing::run();
        run.crashes_under_load.clear();
        let whole = Run::from(&run);
        let order: Vec<&str> = run.cases.iter().map(|c| c.id.as_str()).collect();
        let parts = [part("a", 2, 2, &[7, 4, 0]), part("b", 1, 2, &[5, 6, 1, 2, 3])];
        let mut merged = merge(&parts, order).unwrap();
        // Halves of milliseconds are lost.
        assert!((merged.seconds - whole.seconds).abs() < 0.002);
        merged.seconds = whole.seconds;
        assert_eq!(merged, whole);
        assert_eq!(merged.write(), json::run(&run));
        // A whole run is its only part.
        let alone = [("whole".to_owned(), json::run(&run))];
        assert_eq!(merge(&alone, []).unwrap().cases.len(), whole.cases.len());
    }

    #[test]
    fn what_each_part_says_of_itself_is_added_up() {
        let changed = |(name, text): (String, String), change: fn(&mut Run)| {
            let mut run = Run::read(&text).unwrap();
            change(&mut run);
            (name, run.write())
        };
        let a = changed(part("a", 1, 2, &[0, 1, 2]), |run| {
            run.started = Some("2026-11-30T16:31:00Z".to_owned());
            run.snapshots = Some(Snapshots {
                compared: 3,
                changed: 1,
            });
            (run.interrupted, run.unplayed) = (true, 2);
        });
        let b = changed(part("b", 2, 2, &[3, 4, 5]), |run| {
            run.snapshots = Some(Snapshots {
                compared: 2,
                changed: 1,
            });
            run.user_label = None;
        });
        let merged = merge(&[a, b], []).unwrap();
        assert_eq!(merged.started.as_deref(), Some("2026-11-30T16:30:00Z"));
        assert_eq!(
            merged.snapshots,
            Some(Snapshots {
                compared: 5,
                changed: 2
            })
        );
        assert_eq!((merged.interrupted, merged.unplayed), (true, 2));
        assert_eq!((merged.user_label, merged.shard), (None, None));
    }

    fn refused(parts: &[(String, String)]) -> String {
        let message = merge(parts, []).unwrap_err();
        assert_eq!(message.lines().count(), 1, "{message}");
        message
    }

    #[test]
    fn what_is_no_part_of_one_run_is_refused() {
        let a = part("a", 1, 2, &[0, 1]);
        let (name, text) = part("b", 2, 2, &[2, 3, 4, 5, 6, 7]);
        let other = |from: &str, to: &str| {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            refused(&[a.clone(), (name.clone(), changed)])
        };
        assert!(other("2.0.11", "2.0.12").contains("is of mosquitto 2.0.11, b of mosquitto 2.0.12"));
        assert!(other("\"mqttspec\": \"0.1.0\"", "\"mqttspec\": \"0.2.0\"").contains("by 0.2.0"));
        assert!(other("\"transport\": \"mqtt\"", "\"transport\": \"wss\"").contains("over mqtt, b over wss"));
        assert!(other("fedcba9876543210", "0").contains("a and b were played with different scenarios"));
        assert!(other("0123456789abcdef", "0").contains("a and b are shards of different selections"));
        assert!(refused(&[]).contains("nothing"));
        assert!(refused(&[("c".to_owned(), "{}".to_owned())]).starts_with("c: this is not the JSON of a run"));
    }

    #[test]
    fn each_shard_has_to_be_there_once() {
        let (a, b) = (part("a", 1, 4, &[0, 1]), part("b", 3, 4, &[2, 3]));
        assert_eq!(refused(&[a.clone(), b.clone()]), "shards 2 and 4 of 4 are missing");
        assert_eq!(refused(std::slice::from_ref(&b)), "shards 1, 2 and 4 of 4 are missing");
        assert_eq!(
            refused(&[a.clone(), part("c", 1, 4, &[])]),
            "a and c are both shard 1 of 4"
        );
        assert_eq!(
            refused(&[a.clone(), part("c", 2, 3, &[])]),
            "a is one of 4 shards, c one of 3"
        );
        assert_eq!(refused(&[part("a", 1, 2, &[0])]), "shard 2 of 2 is missing");
        // A case that no shard has.
        let short = [part("a", 1, 2, &[0, 1]), part("b", 2, 2, &[2, 3])];
        assert_eq!(refused(&short), "the parts have 4 of 8 selected cases");
        let doubled = [part("a", 1, 2, &[0, 1]), part("b", 2, 2, &[1, 2])];
        assert_eq!(refused(&doubled), "a and b both have qos2/dup-before-pubrel@v3.1.1");
        let whole = ("whole".to_owned(), json::run(&testing::run()));
        let no_shard = "whole is no shard: `run --shard K/N --json` writes one";
        assert_eq!(refused(&[a.clone(), whole.clone()]), no_shard);
        assert_eq!(refused(&[whole, a]), no_shard);
    }
}
