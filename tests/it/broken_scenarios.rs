//! Every file in `fixtures/broken/` gives exactly the message in `NAME.stderr`.
//!
//! With `MQTTSPEC_BLESS=1` the messages are written instead of compared; read them before they are committed.

use std::fs;
use std::path::Path;

use mqttspec::scenario::{Files, render_all};

#[test]
fn every_broken_scenario_gives_its_message() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken");
    let bless = std::env::var_os("MQTTSPEC_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut files: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "yaml")) {
        count += 1;
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let Err(errors) = Files::of_file(file).load_all() else {
            wrong.push(format!("{name} is not broken"));
            continue;
        };
        let folder = format!("{}/", dir.display());
        let found = render_all(&errors, false).replace(&folder, "");
        assert!(!found.contains('\u{1b}'), "{name}: control characters");
        let golden = file.with_extension("stderr");
        if bless {
            fs::write(&golden, &found).unwrap();
        } else {
            let expected = fs::read_to_string(&golden).unwrap_or_default();
            if found != expected {
                wrong.push(format!("--- {name}, expected\n{expected}--- found\n{found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 40, "only {count} broken scenarios");
}

#[test]
fn every_message_has_its_scenario() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken");
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "stderr") {
            assert!(path.with_extension("yaml").exists(), "{}", path.display());
        }
    }
}
