//! Requirements of scenarios and capabilities of targets share one list of names.

use std::collections::BTreeSet;

use mqttspec::sut::Supports;
use serde_json::Value;

/// The requirements in the schema of scenarios: features, and limits with a number.
fn needs() -> BTreeSet<String> {
    let schema = mqttspec::scenario::schema();
    let kinds = schema["properties"]["needs"]["items"]["anyOf"]
        .as_array()
        .expect("a requirement is a feature or a limit");
    let features = kinds.iter().filter_map(|kind| kind["enum"].as_array()).flatten();
    let limits = kinds.iter().filter_map(|kind| kind["properties"].as_object());
    (features.filter_map(Value::as_str).map(str::to_owned))
        .chain(limits.flat_map(|limits| limits.keys().cloned()))
        .collect()
}

#[test]
fn every_need_of_a_scenario_is_a_name_that_a_target_can_state() {
    let needs = needs();
    assert!(needs.contains("restart") && needs.contains("max_qos"), "{needs:?}");
    let stated: BTreeSet<String> = Supports::names().map(|(name, _)| name.to_owned()).collect();
    let unknown: Vec<&String> = needs.difference(&stated).collect();
    assert!(unknown.is_empty(), "no target can state {unknown:?}");
}
