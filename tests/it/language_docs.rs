//! The examples in docs/language.md are scenarios and steps that load.

use std::sync::Arc;

use mqttspec::scenario::{Source, load, render_all};

/// An example that has only steps is put into a scenario with these clients.
const AROUND: &str = "format: 1
title: T
versions: [v5]
clients: { a: {}, b: {}, c: {}, d: {} }
";

#[test]
fn every_example_loads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/language.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for block in page.split("```yaml\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let text = if block.starts_with("- ") {
            let steps: String = block.lines().map(|line| format!("  {line}\n")).collect();
            format!("{AROUND}steps:\n{steps}control: [c <- PINGRESP]\n")
        } else {
            block.to_owned()
        };
        let source = Arc::new(Source {
            file: "docs/language.md".to_owned(),
            text,
        });
        if let Err(errors) = load(&source, "example") {
            panic!("{}\n{}", source.text, render_all(&errors, false));
        }
        count += 1;
    }
    assert!(count >= 8, "only {count} examples");
}
