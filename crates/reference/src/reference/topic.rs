//! Topic names and topic filters (3.1.1 and 5.0, section 4.7): which filters are valid, and what they match.
//!
//! All of it works on bytes, so that nothing is normalised (v3.1.1:MQTT-4.7.3-4, v5:MQTT-4.7.3-4).

use crate::wire::Text;

/// Why a string is not a topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterFault {
    /// It is empty.
    Empty,
    /// `#` is not alone in its level, or not in the last one.
    MultiLevel,
    /// `+` is not alone in its level.
    SingleLevel,
    /// `$share/` without a share name of its own.
    ShareName,
    /// A share name with a wildcard in it, or with no filter behind it.
    ShareFilter,
}

/// Checks a filter that is not a shared one.
pub fn check_filter(filter: &[u8]) -> Result<(), FilterFault> {
    if filter.is_empty() {
        return Err(FilterFault::Empty);
    }
    let mut levels = filter.split(|b| *b == b'/').peekable();
    while let Some(level) = levels.next() {
        if level.contains(&b'#') && (level.len() > 1 || levels.peek().is_some()) {
            return Err(FilterFault::MultiLevel);
        }
        if level.contains(&b'+') && level.len() > 1 {
            return Err(FilterFault::SingleLevel);
        }
    }
    Ok(())
}

/// Checks a filter as a v5 client may send it: a shared one too (5.0, section 4.8.2).
pub fn check_v5_filter(filter: &[u8]) -> Result<(), FilterFault> {
    let Some(rest) = filter.strip_prefix(b"$share/") else {
        // `$share` alone is an ordinary filter: the prefix of a shared one has its slash.
        return check_filter(filter);
    };
    let name = rest.split(|b| *b == b'/').next().unwrap_or_default();
    if name.is_empty() {
        return Err(FilterFault::ShareName);
    }
    if name.iter().any(|b| matches!(b, b'+' | b'#')) {
        return Err(FilterFault::ShareFilter);
    }
    match rest.get(name.len() + 1..) {
        None | Some([]) => Err(FilterFault::ShareFilter),
        Some(filter) => check_filter(filter),
    }
}

/// The share name and the filter behind it, if the filter has the form of a shared one.
pub fn shared(filter: &Text) -> Option<(Text, Text)> {
    let bytes = filter.as_bytes();
    let rest = bytes.strip_prefix(b"$share/")?;
    let name = rest.iter().position(|b| *b == b'/')?;
    let start = bytes.len() - rest.len();
    Some((
        filter.slice(start..start + name),
        filter.slice(start + name + 1..filter.len()),
    ))
}

/// Whether it contains a wildcard character.
pub fn has_wildcard(text: &[u8]) -> bool {
    text.iter().any(|b| matches!(b, b'+' | b'#'))
}

/// Whether the filter matches the topic name by its levels alone. `$` is an ordinary character here.
pub fn matches_levels(filter: &[u8], topic: &[u8]) -> bool {
    let mut topic = topic.split(|b| *b == b'/');
    for level in filter.split(|b| *b == b'/') {
        if level == b"#" {
            return true;
        }
        match topic.next() {
            Some(name) if level == b"+" || level == name => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

/// Whether a wildcard in the first level of the filter meets a topic that starts with `$`, which it must not match
/// (v3.1.1:MQTT-4.7.2-1, v5:MQTT-4.7.2-1).
pub fn is_hidden(filter: &[u8], topic: &[u8]) -> bool {
    topic.starts_with(b"$") && (filter.starts_with(b"+") || filter.starts_with(b"#"))
}

/// Whether the filter matches the topic name.
pub fn matches(filter: &[u8], topic: &[u8]) -> bool {
    !is_hidden(filter, topic) && matches_levels(filter, topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        // 4.7.1.2, 4.7.1.3, 4.7.2 and 4.7.3, with their examples.
        let table: &[(&str, &[&str], &[&str])] = &[
            (
                "sport/tennis/player1/#",
                &[
                    "sport/tennis/player1",
                    "sport/tennis/player1/ranking",
                    "sport/tennis/player1/score/wimbledon",
                ],
                &["sport/tennis", "sport/tennis/player12"],
            ),
            ("sport/#", &["sport", "sport/", "sport/a"], &["sports", "Sport"]),
            ("#", &["a", "/", "a/b/c", "/a"], &["$SYS", "$SYS/a"]),
            (
                "sport/tennis/+",
                &["sport/tennis/player1", "sport/tennis/"],
                &["sport/tennis", "sport/tennis/a/b"],
            ),
            ("sport/+", &["sport/"], &["sport"]),
            ("+/+", &["/finance", "a/b"], &["finance", "$SYS/a", "a/b/c"]),
            ("/+", &["/finance"], &["finance", "/a/b"]),
            ("+", &["finance"], &["/finance", "$x"]),
            (
                "+/tennis/#",
                &["a/tennis", "a/tennis/b", "/tennis/x"],
                &["a/b/tennis", "$a/tennis"],
            ),
            ("$SYS/#", &["$SYS", "$SYS/a"], &["SYS/a"]),
            ("$SYS/monitor/+", &["$SYS/monitor/Clients"], &["$SYS/monitor"]),
            ("a/$b/+", &["a/$b/c"], &[]),
            ("a//b", &["a//b"], &["a/b", "a/x/b"]),
            ("a/+/b", &["a//b", "a/x/b"], &["a/b"]),
            ("ACCOUNTS", &["ACCOUNTS"], &["Accounts", "ACCOUNTS/"]),
            ("é", &["é"], &["e\u{301}"]),
            ("\u{feff}a", &["\u{feff}a"], &["a"]),
        ];
        for (filter, yes, no) in table {
            for topic in *yes {
                assert!(
                    matches(filter.as_bytes(), topic.as_bytes()),
                    "{filter} should match {topic}"
                );
            }
            for topic in *no {
                assert!(
                    !matches(filter.as_bytes(), topic.as_bytes()),
                    "{filter} should not match {topic}"
                );
            }
        }
    }

    #[test]
    fn filters_are_checked() {
        for good in ["a", "/", "#", "+", "+/#", "a/+/b/#", "/+", "a b", "$share", "a//#"] {
            assert_eq!(check_v5_filter(good.as_bytes()), Ok(()), "{good}");
        }
        let bad = [
            ("", FilterFault::Empty),
            ("a#", FilterFault::MultiLevel),
            ("#/a", FilterFault::MultiLevel),
            ("a/#/b", FilterFault::MultiLevel),
            ("##", FilterFault::MultiLevel),
            ("a+", FilterFault::SingleLevel),
            ("+a/b", FilterFault::SingleLevel),
            ("a/b+/c", FilterFault::SingleLevel),
            ("++", FilterFault::SingleLevel),
            ("$share//a", FilterFault::ShareName),
            ("$share/", FilterFault::ShareName),
            ("$share/g", FilterFault::ShareFilter),
            ("$share/g/", FilterFault::ShareFilter),
            ("$share/g+/a", FilterFault::ShareFilter),
            ("$share/#/a", FilterFault::ShareFilter),
            ("$share/g/a#", FilterFault::MultiLevel),
        ];
        for (filter, fault) in bad {
            assert_eq!(check_v5_filter(filter.as_bytes()), Err(fault), "{filter}");
        }
    }

    #[test]
    fn a_shared_filter_is_taken_apart() {
        assert_eq!(shared(&"$share/g/a/#".into()), Some(("g".into(), "a/#".into())));
        assert_eq!(shared(&"$share/g".into()), None);
        assert_eq!(shared(&"a/$share/g".into()), None);
    }
}
