//! How a scalar is written on one line: plain if no one can take it for something else, else in quotes of one kind.

/// Words that YAML readers or the language itself take for something else than text.
const WORDS: [&str; 14] = [
    "any", "absent", "not", "or", "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan",
];

/// Text that is written in quotes, with as few quotes as it needs: none; else double ones; single ones around double
/// quotes and backslashes.
pub(super) fn rewritten(written: &str, text: &str) -> String {
    // An escape says more than the character that it stands for.
    let escapes = written.starts_with('"')
        && !written.contains('\n')
        && written.replace(r"\\", "").replace("\\\"", "").contains('\\');
    if escapes {
        return written.to_owned();
    }
    if is_bare(text) {
        return text.to_owned();
    }
    quoted(text)
}

/// Text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let unseen = |c: char| c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}');
    if text.contains(unseen) {
        let mut all = String::from('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => all.extend(['\\', c]),
                '\n' => all.push_str("\\n"),
                '\t' => all.push_str("\\t"),
                c if unseen(c) => all.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => all.push(c),
            }
        }
        all.push('"');
        return all;
    }
    if text.contains(['"', '\\']) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    format!("\"{text}\"")
}

/// Whether text means the same without quotes, in a block and in a flow collection, to any reader of YAML and to the
/// language.
fn is_bare(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '$' | '§' | '_'));
    let reserved = |c: char| c.is_control() || "\"'{}[],:&*!|>%@`\\".contains(c);
    let lower = text.to_ascii_lowercase();
    begins
        && !text.contains(reserved)
        && !text.ends_with(char::is_whitespace)
        && !text.contains(" #")
        && !text.contains("..")
        && !WORDS.contains(&&*lower)
        && !lower.starts_with("not ")
        && !lower.contains(" or ")
        && !is_hex(text)
}

/// Whether any of it may be bytes in hex: these are in quotes everywhere, digits or not.
fn is_hex(text: &str) -> bool {
    let pairs = |word: &str| word.len().is_multiple_of(2) && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut words = text.split(' ');
    words.any(|w| w.len() == 2 && pairs(w)) || pairs(&text.replace(' ', ""))
}

/// Whether plain text can be in a flow collection too.
pub(super) fn fits_flow(plain: &str) -> bool {
    !plain.is_empty() && !plain.contains([',', '[', ']', '{', '}']) && !plain.ends_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_stay_where_they_are_needed() {
        for (written, text, wanted) in [
            ("\"hello\"", "hello", "hello"),
            ("'to you'", "to you", "to you"),
            ("\"$ns/#\"", "$ns/#", "$ns/#"),
            ("\"$m\"", "$m", "$m"),
            ("'§3.3/puback'", "§3.3/puback", "§3.3/puback"),
            ("''", "", "\"\""),
            ("'30 0d'", "30 0d", "\"30 0d\""),
            ("\"c3 a9\"", "c3 a9", "\"c3 a9\""),
            ("\"$x 00\"", "$x 00", "\"$x 00\""),
            ("'#'", "#", "\"#\""),
            ("'any'", "any", "\"any\""),
            ("'a or b'", "a or b", "\"a or b\""),
            ("'not you'", "not you", "\"not you\""),
            ("'1'", "1", "\"1\""),
            ("'No'", "No", "\"No\""),
            ("'a: b'", "a: b", "\"a: b\""),
            ("\"${ns}x\"", "${ns}x", "\"${ns}x\""),
            ("\"s\\\"x\\\"\"", "s\"x\"", "'s\"x\"'"),
            ("'it''s \"x\"'", "it's \"x\"", "'it''s \"x\"'"),
            ("\"\\u00e9\"", "é", "\"\\u00e9\""),
            ("\"\\u200b\"", "\u{200b}", "\"\\u200b\""),
            ("\"a\\tb\"", "a\tb", "\"a\\tb\""),
            ("\"a\n\n  b\"", "a\nb", "\"a\\nb\""),
            ("\"a \"", "a ", "\"a \""),
        ] {
            assert_eq!(rewritten(written, text), wanted, "{written}");
        }
    }
}
