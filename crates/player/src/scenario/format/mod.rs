//! The canonical text of a scenario file: one order of keys, one way to indent, quote and break lines.
//!
//! In: a file's text. Out: the text that it should have, with every comment, or the loader's diagnostics if the file
//! is malformed. The result is loaded again and compared with the original: text that means something else is never
//! returned.

mod comments;
mod emit;
mod order;
mod quote;
mod same;
mod tree;

use std::sync::Arc;

use super::{Diagnostic, Scenario, Source, load};
use crate::source::parse;

/// The longest line that is made if there is a choice, in characters. Titles, block scalars and comments may be longer.
pub const WIDTH: usize = 120;

/// The canonical text of a scenario file. `path` is the scenario's path, as for [`load`].
///
/// The text ends with a line feed and has no byte order mark and no carriage return. Formatting it again changes
/// nothing.
///
/// # Errors
/// Everything that is wrong with the file. Also one error of the file as a whole if its canonical text would not load
/// as the same cases, which is a fault of the formatter.
pub fn format(source: &Arc<Source>, path: &str) -> Result<String, Vec<Diagnostic>> {
    let before = load(source, path)?;
    let lines = with_line_feeds(source);
    let text = emit::text(&tree::read(&lines, &parse(&lines)?));
    let after = Arc::new(Source {
        file: source.file.clone(),
        text,
    });
    let fault = |why: &str| {
        let message = format!("the file is left unchanged: {why}");
        vec![Diagnostic::of_file(source.file.clone(), message).help("this is a bug in `mqttspec fmt`")]
    };
    let reread = load(&after, path).map_err(|_| fault("its canonical text would be malformed"))?;
    if !is_same(&before, &reread) {
        return Err(fault("its canonical text would mean something else"));
    }
    if remarks(&lines)? != remarks(&after)? {
        return Err(fault("its canonical text would lose a comment"));
    }
    Ok(after.text.clone())
}

/// The text without a byte order mark and with line feeds alone. YAML reads each line break as a line feed (1.2.2,
/// section 5.4).
fn with_line_feeds(source: &Arc<Source>) -> Arc<Source> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    if text.len() == source.text.len() && !text.contains('\r') {
        return Arc::clone(source);
    }
    Arc::new(Source {
        file: source.file.clone(),
        text: text.replace("\r\n", "\n").replace('\r', "\n"),
    })
}

/// Every comment of a text, sorted.
fn remarks(source: &Arc<Source>) -> Result<Vec<String>, Vec<Diagnostic>> {
    let root = parse(source)?;
    let found = comments::find(&source.text, &root).into_iter();
    let mut remarks: Vec<String> = found.map(|c| source.text[c].to_owned()).collect();
    remarks.sort_unstable();
    Ok(remarks)
}

/// Whether two scenarios have the same header and the same cases, wherever these are in their files.
fn is_same(one: &Scenario, other: &Scenario) -> bool {
    same::shown(one) == same::shown(other)
}
