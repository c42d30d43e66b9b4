//! The page of a real run whose broker delivers text that would inject HTML into a page without escaping.

use std::fs;

use crate::support::command::mqttspec_in;
use crate::support::page::data;

const EVIL: &str = "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>";

const SCENARIO: &str = r#"format: 1
title: "What is passed on stays text: </title><script>document.title='broken'</script>"
versions: [v3.1.1, v5]
proves: { v3.1.1: [MQTT-3.3.1-4], v5: [MQTT-3.3.1-4] }
clients:
  sub: { subscribe: { $ns/#: 0 } }
  pub: {}
steps:
  - pub -> PUBLISH: { topic: "$ns/EVIL", payload: "EVIL" }
  - sub <- PUBLISH: { topic: "$ns/EVIL", payload: "another" }
"#;

#[test]
fn text_from_a_broker_is_escaped() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("own")).unwrap();
    fs::write(dir.path().join("own/evil.yaml"), SCENARIO.replace("EVIL", EVIL)).unwrap();
    mqttspec_in(dir.path(), &["run", "--scenarios", "own", "--html", "page.html"])
        .assert()
        .code(1);
    let page = fs::read_to_string(dir.path().join("page.html")).unwrap();
    assert_eq!(page.matches("<script").count(), 2, "the page's own two");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img"));
    let data = data(&page);
    // The text is on the page: in the packets, in the findings, and in the script.
    assert!(data["packets"].to_string().contains("onerror"));
    assert!(data["cases"][0]["title"].as_str().unwrap().contains("<script>"));
    assert!(data["scripts"][0][2].as_str().unwrap().contains(EVIL));
    assert_eq!(data["cases"][0]["cells"][0]["v"], 1);
}
