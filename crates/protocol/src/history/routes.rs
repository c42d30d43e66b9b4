//! Which subscriptions match a topic: a tree of the levels of their filters.

use std::collections::HashMap;

use crate::wire::Text;
use crate::wire::filter::shared;

/// The filters of all sessions.
#[derive(Debug, Default)]
pub struct Routes {
    root: Node,
    len: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// By level. `+` and `#` are levels like any other.
    below: HashMap<Box<[u8]>, Node>,
    /// The subscriptions whose filters end here: their sessions and filters.
    here: Vec<(u64, Text)>,
}

/// A copy of its own: a filter is part of the whole packet's bytes.
pub fn owned(text: &Text) -> Text {
    text.as_bytes().to_vec().into()
}

/// The filter by which messages are matched: without `$share` and the name.
fn plain(filter: &Text) -> Text {
    shared(filter).unwrap_or_else(|| filter.clone())
}

impl Routes {
    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a subscription; again, it changes nothing.
    pub fn add(&mut self, session: u64, filter: &Text) {
        let mut node = &mut self.root;
        for level in plain(filter).as_bytes().split(|b| *b == b'/') {
            node = node.below.entry(level.into()).or_default();
        }
        if !node.here.iter().any(|(s, f)| *s == session && f == filter) {
            node.here.push((session, owned(filter)));
            self.len += 1;
        }
    }

    /// Removes a subscription, if it is there.
    pub fn remove(&mut self, session: u64, filter: &Text) {
        let plain = plain(filter);
        let levels: Vec<&[u8]> = plain.as_bytes().split(|b| *b == b'/').collect();
        if self.root.remove(&levels, session, filter) {
            self.len -= 1;
        }
    }

    /// The subscriptions that match this topic.
    pub fn matching(&self, topic: &Text) -> Vec<(u64, Text)> {
        let mut found = Vec::new();
        if self.len > 0 {
            let levels: Vec<&[u8]> = topic.as_bytes().split(|b| *b == b'/').collect();
            // A wildcard at the beginning does not match a `$` (section 4.7.2).
            self.root
                .collect(&levels, topic.as_bytes().first() != Some(&b'$'), &mut found);
        }
        found
    }
}

impl Node {
    fn remove(&mut self, levels: &[&[u8]], session: u64, filter: &Text) -> bool {
        let Some((level, rest)) = levels.split_first() else {
            let before = self.here.len();
            self.here.retain(|(s, f)| !(*s == session && f == filter));
            return self.here.len() < before;
        };
        let Some(node) = self.below.get_mut(*level) else {
            return false;
        };
        let removed = node.remove(rest, session, filter);
        if node.here.is_empty() && node.below.is_empty() {
            self.below.remove(*level);
        }
        removed
    }

    fn collect(&self, levels: &[&[u8]], wild: bool, found: &mut Vec<(u64, Text)>) {
        if let (true, Some(all)) = (wild, self.below.get(&b"#"[..])) {
            found.extend(all.here.iter().cloned());
        }
        let Some((level, rest)) = levels.split_first() else {
            found.extend(self.here.iter().cloned());
            return;
        };
        if let (true, Some(any)) = (wild, self.below.get(&b"+"[..])) {
            any.collect(rest, true, found);
        }
        // A topic with a wildcard is no topic.
        if let (false, Some(node)) = (matches!(*level, b"+" | b"#"), self.below.get(*level)) {
            node.collect(rest, true, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(routes: &Routes, topic: &str) -> Vec<u64> {
        let mut found: Vec<u64> = routes.matching(&topic.into()).into_iter().map(|(s, _)| s).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn filters_match_as_section_4_7_says() {
        let mut routes = Routes::default();
        for (session, filter) in [
            (1, "a/b"),
            (2, "a/+"),
            (3, "a/#"),
            (4, "#"),
            (5, "+/b"),
            (6, "$share/g/a/b"),
            (7, "$SYS/#"),
        ] {
            routes.add(session, &filter.into());
        }
        assert_eq!(sessions(&routes, "a/b"), [1, 2, 3, 4, 5, 6]);
        assert_eq!(sessions(&routes, "a"), [3, 4]);
        assert_eq!(sessions(&routes, "a/b/c"), [3, 4]);
        assert_eq!(sessions(&routes, "$SYS/x"), [7]);
        assert_eq!(sessions(&routes, "$SYS"), [7]);
        assert_eq!(sessions(&routes, "b"), [4]);
    }

    #[test]
    fn what_is_removed_takes_no_room() {
        let mut routes = Routes::default();
        routes.add(1, &"a/b/c".into());
        routes.add(1, &"a/b/c".into());
        routes.add(2, &"a/b".into());
        assert_eq!(routes.len(), 2);
        routes.remove(1, &"a/b/c".into());
        routes.remove(1, &"a/x".into());
        routes.remove(2, &"a/b".into());
        assert_eq!(routes.len(), 0);
        assert!(routes.root.below.is_empty());
    }
}
