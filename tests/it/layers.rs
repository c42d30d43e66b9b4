//! Each module of the program uses only those before it, and only those that are listed here.
//!
//! In: the text of `src` and of `docs/design.md`. The list has an arrow for each use of another module. An arrow that is no
//! longer used must be removed, so that the list stays exact.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules in their order, each with the modules that it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("statements", &[]),
    ("wire", &["statements"]),
    ("transport", &[]),
    ("adapter", &["wire", "transport"]),
    ("secret", &["wire"]),
    ("transcript", &["wire", "secret"]),
    ("conversation", &["wire", "transport", "transcript"]),
    ("rules", &["statements", "wire", "transcript"]),
    ("history", &["statements", "wire", "transcript", "rules"]),
    (
        "capture",
        &[
            "statements",
            "wire",
            "secret",
            "transcript",
            "conversation",
            "rules",
            "history",
        ],
    ),
    ("reference", &["statements", "wire", "transport"]),
    ("client", &["statements", "wire", "transport", "adapter"]),
    (
        "fuzzer",
        &[
            "statements",
            "wire",
            "transport",
            "transcript",
            "rules",
            "history",
            "reference",
        ],
    ),
    ("scenario", &["source", "statements", "wire"]),
    (
        "sut",
        &["source", "statements", "wire", "adapter", "transport", "conversation"],
    ),
    (
        "play",
        &[
            "statements",
            "wire",
            "adapter",
            "transport",
            "transcript",
            "conversation",
            "scenario",
            "sut",
        ],
    ),
    (
        "suite",
        &[
            "source",
            "statements",
            "wire",
            "transport",
            "transcript",
            "rules",
            "history",
            "scenario",
            "sut",
            "play",
        ],
    ),
    (
        "tap",
        &[
            "statements",
            "wire",
            "secret",
            "transcript",
            "conversation",
            "rules",
            "history",
            "capture",
            "sut",
        ],
    ),
    ("replay", &["wire", "transcript", "conversation", "capture", "sut"]),
    (
        "report",
        &[
            "source",
            "statements",
            "wire",
            "transport",
            "secret",
            "transcript",
            "rules",
            "history",
            "capture",
            "scenario",
            "sut",
            "play",
            "suite",
        ],
    ),
    (
        "coverage",
        &[
            "statements",
            "wire",
            "transcript",
            "reference",
            "client",
            "fuzzer",
            "scenario",
            "sut",
            "play",
            "suite",
        ],
    ),
    (
        "harness",
        &[
            "statements",
            "wire",
            "adapter",
            "transport",
            "reference",
            "client",
            "scenario",
            "sut",
            "play",
            "suite",
            "report",
        ],
    ),
    (
        "campaign",
        &[
            "source",
            "statements",
            "wire",
            "transport",
            "transcript",
            "reference",
            "fuzzer",
            "scenario",
            "sut",
            "play",
            "suite",
            "report",
            "harness",
        ],
    ),
    (
        "cli",
        &[
            "source",
            "statements",
            "wire",
            "secret",
            "transport",
            "transcript",
            "capture",
            "reference",
            "client",
            "scenario",
            "sut",
            "play",
            "suite",
            "tap",
            "replay",
            "report",
            "coverage",
            "harness",
            "campaign",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files at and below a path.
fn rust_files(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            rust_files(&entry.unwrap().path(), files);
        }
    } else if path.extension().is_some_and(|e| e == "rs") {
        files.push(path.to_owned());
    }
}

/// The text without comments. A `//` inside a string removes the rest of its line too, which names no module.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The identifier at the beginning of a text.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The first identifier of each path in a group: of `a::b, c::{d, e}}` these are `a` and `c`. The text begins after the
/// brace that opens the group.
fn group(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut depth = 1;
    let mut begins = true;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => begins = true,
            c if c.is_whitespace() => {}
            _ if begins => {
                names.push(identifier(&text[at..]));
                begins = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// The names after the root of the crate in a path: a single one, or those of a group.
fn behind_root(rest: &str) -> Vec<&str> {
    match rest.trim_start().strip_prefix('{') {
        Some(inside) => group(inside),
        None => vec![identifier(rest.trim_start())],
    }
}

/// The names at the root of the crate that a file's code uses, by `crate::` or by a chain of `super::`. `depth` is that of
/// the file's own module: 1 for a module of the root.
fn roots_used(code: &str, depth: usize) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, word) in code.match_indices("crate::") {
        // `$crate::` counts too; `my_crate::` does not.
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            used.extend(behind_root(&code[at + word.len()..]));
        }
    }
    let mut rest = code;
    while let Some(at) = rest.find("super::") {
        let mut supers = 0;
        rest = &rest[at..];
        while let Some(behind) = rest.strip_prefix("super::") {
            supers += 1;
            rest = behind;
        }
        // One more `super::` from a module inside the file, such as its tests.
        if supers >= depth {
            used.extend(behind_root(rest));
        }
    }
    used.into_iter().map(str::to_owned).collect()
}

/// The sources of the packages that the program consists of.
const SOURCES: [&str; 5] = [
    "crates/protocol/src",
    "crates/reference/src",
    "crates/fuzzer/src",
    "crates/player/src",
    "src",
];

/// The modules at the root of a package.
fn modules(src: &Path) -> Vec<String> {
    fs::read_dir(src)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|e| e == "rs"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "lib" && name != "main")
        .collect()
}

/// For each module at the root of a package, the other such modules that it uses, and a file that uses them. A package has
/// those of the packages below it under the same names.
fn arrows() -> BTreeMap<String, BTreeMap<String, PathBuf>> {
    let sources = SOURCES.map(|src| root().join(src));
    let names: Vec<String> = sources.iter().flat_map(|src| modules(src)).collect();
    let mut arrows = BTreeMap::new();
    for (src, module) in sources
        .iter()
        .flat_map(|src| modules(src).into_iter().map(move |m| (src, m)))
    {
        let mut files = Vec::new();
        for path in [src.join(&module), src.join(format!("{module}.rs"))] {
            if path.exists() {
                rust_files(&path, &mut files);
            }
        }
        let used: &mut BTreeMap<String, PathBuf> = arrows.entry(module.clone()).or_default();
        for file in files {
            let within = file.strip_prefix(src).unwrap();
            // `a/mod.rs` is the module `a`, `a/b.rs` the module `a::b`.
            let depth = within.components().count() - usize::from(within.ends_with("mod.rs"));
            let text = fs::read_to_string(&file).unwrap();
            for name in roots_used(&code(&text), depth) {
                if name != module && names.contains(&name) {
                    used.entry(name)
                        .or_insert_with(|| file.strip_prefix(root()).unwrap().to_owned());
                }
            }
        }
    }
    arrows
}

#[test]
fn each_module_uses_what_is_listed_and_nothing_else() {
    let arrows = arrows();
    let listed: BTreeSet<&str> = LAYERS.iter().map(|(module, _)| *module).collect();
    let there: BTreeSet<&str> = arrows.keys().map(String::as_str).collect();
    assert_eq!(listed, there, "the listed modules, and those that exist");
    let mut wrong = Vec::new();
    for (module, may) in LAYERS {
        let used = &arrows[*module];
        for (name, file) in used.iter().filter(|(name, _)| !may.contains(&name.as_str())) {
            wrong.push(format!(
                "{module} uses {name} ({}), which is not listed",
                file.display()
            ));
        }
        for name in may.iter().filter(|name| !used.contains_key(**name)) {
            wrong.push(format!("{module} may use {name}, and does not"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_module_uses_only_those_before_it() {
    for (at, (module, may)) in LAYERS.iter().enumerate() {
        for name in *may {
            let before = LAYERS[..at].iter().any(|(earlier, _)| earlier == name);
            assert!(before, "{module} may use {name}, which does not come before it");
        }
    }
}

#[test]
fn the_documents_have_the_modules_in_the_same_order() {
    let order: Vec<&str> = LAYERS.iter().map(|(module, _)| *module).collect();
    let design = fs::read_to_string(root().join("docs/design.md")).unwrap();
    let table = design
        .split("| module | is |")
        .nth(1)
        .expect("docs/design.md has the table of modules");
    let rows: Vec<&str> = (table.lines().skip(2))
        .map_while(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(rows, order, "the table of docs/design.md");
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let docs: String = lib.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    // The chain consists of the names in backticks up to the one before a full stop.
    let begin = docs
        .find(&format!("`{}` →", order[0]))
        .expect("src/lib.rs has the modules in their order");
    let end = docs[begin..].find("`.").expect("the sentence ends with a module");
    let chain: Vec<&str> = docs[begin..begin + end]
        .split('→')
        .map(|name| name.trim().trim_matches('`'))
        .collect();
    assert_eq!(chain, order, "the sentence in src/lib.rs");
}

#[test]
fn a_use_is_found_in_every_form() {
    let found = |text: &str, depth| roots_used(&code(text), depth).into_iter().collect::<Vec<_>>();
    assert_eq!(found("use crate::wire::{Text, Version};", 1), ["wire"]);
    assert_eq!(
        found("use crate::{\n    rules::{self, Finding},\n    wire,\n};", 1),
        ["rules", "wire"]
    );
    assert_eq!(found("fn f() -> crate::play::Action { todo!() }", 2), ["play"]);
    assert_eq!(found("$crate::reference::sabotage::Act", 2), ["reference"]);
    assert_eq!(found("use super::super::sut::Address;", 2), ["sut"]);
    assert_eq!(found("use super::{sut, suite::run};", 1), ["suite", "sut"]);
    assert_eq!(found("use super::super::rule::Found;", 3), Vec::<String>::new());
    assert_eq!(found("// as crate::cli does\nlet a = 1;", 1), Vec::<String>::new());
    assert_eq!(found("use my_crate::wire;", 1), Vec::<String>::new());
}
