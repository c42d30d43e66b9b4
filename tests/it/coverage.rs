//! `docs/coverage.md` is the output of the program, and the program reports that everything is covered.

use std::path::Path;
use std::sync::Arc;

use mqttspec::coverage::{Coverage, Evidence, Exceptions, markdown};
use mqttspec::scenario::{Case, Files};
use mqttspec::wire::Side;

fn coverage() -> Coverage {
    let scenarios = [Side::Server, Side::Client].into_iter().flat_map(|tests| {
        let files = Files::embedded_for(tests);
        files.load_all().expect("the embedded scenarios are well-formed")
    });
    let cases: Vec<Arc<Case>> = scenarios.flat_map(|s| s.cases).map(Arc::new).collect();
    Coverage::of(&cases, &Evidence::Listed(Exceptions::embedded()))
}

#[test]
fn the_page_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/coverage.md");
    let page = std::fs::read_to_string(file).expect("docs/coverage.md can be read");
    assert!(
        page == markdown(&coverage()),
        "docs/coverage.md is out of date; run `mqttspec coverage --markdown > docs/coverage.md`"
    );
}
