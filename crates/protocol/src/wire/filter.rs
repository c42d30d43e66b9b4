//! Topic names against topic filters (section 4.7 of 3.1.1 and 5.0).

use super::Text;

/// How a topic name and a filter stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    Yes,
    No,
    /// Only if a wildcard at the beginning of the filter matched a `$` at the beginning of the topic, which it must
    /// not.
    DollarOnly,
}

/// The filter and the topic that a message has. The bytes are compared as they are.
pub fn matches(filter: &Text, topic: &Text) -> Match {
    let (filter, topic) = (filter.as_bytes(), topic.as_bytes());
    if !levels_match(filter, topic) {
        return Match::No;
    }
    let wild = matches!(filter.first(), Some(b'+' | b'#'));
    if wild && topic.first() == Some(&b'$') {
        Match::DollarOnly
    } else {
        Match::Yes
    }
}

/// The filter inside `$share/name/filter`; `None` if it is no shared subscription.
pub fn shared(filter: &Text) -> Option<Text> {
    let rest = filter.as_bytes().strip_prefix(b"$share/")?;
    let slash = rest.iter().position(|b| *b == b'/')?;
    (slash > 0).then(|| filter.slice(7 + slash + 1..filter.len()))
}

fn levels_match(filter: &[u8], topic: &[u8]) -> bool {
    let mut levels = topic.split(|b| *b == b'/');
    for part in filter.split(|b| *b == b'/') {
        match (part, levels.next()) {
            // `#` also stands for the level above it: `a/#` matches `a`.
            (b"#", _) => return true,
            (_, None) => return false,
            (b"+", Some(_)) => {}
            (part, Some(level)) if part == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn m(filter: &str, topic: &str) -> Match {
        matches(&filter.into(), &topic.into())
    }

    #[test]
    fn wildcards_match_as_the_examples_of_the_standard_say() {
        for (filter, topic) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            ("sport/#", "sport"),
            ("#", "a"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("$SYS/#", "$SYS/a"),
            ("$SYS/monitor/+", "$SYS/monitor/Clients"),
        ] {
            assert_eq!(m(filter, topic), Match::Yes, "{filter} {topic}");
        }
        for (filter, topic) in [
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("a", "A"),
            ("a", "a/"),
            ("/a", "a"),
        ] {
            assert_eq!(m(filter, topic), Match::No, "{filter} {topic}");
        }
        assert_eq!(m("#", "$SYS/a"), Match::DollarOnly);
        assert_eq!(m("+/monitor", "$SYS/monitor"), Match::DollarOnly);
    }

    #[test]
    fn a_shared_subscription_holds_a_filter() {
        assert_eq!(shared(&"$share/g/a/+".into()), Some("a/+".into()));
        assert_eq!(shared(&"$share/g".into()), None);
        assert_eq!(shared(&"a/b".into()), None);
    }
}
