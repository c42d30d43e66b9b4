//! What no scenario notices, with the reason: the list that is kept in step with the walk.

use crate::sut::Glob;

/// An entry of the list.
#[derive(Debug, Clone)]
pub struct Exception {
    /// `STATEMENT SCENARIO` for a claim, `TOKEN *` for a fault that no scenario catches, `TOKEN STATEMENT` for a
    /// statement that a rule blames in place of the broken one, `FREEDOM CASE` for a case that is too strict. `*` matches any text.
    pub what: String,
    /// With `sometimes:` before it for what not every walk finds.
    pub reason: String,
    glob: Glob,
}

/// The list.
#[derive(Debug, Clone, Default)]
pub struct Exceptions {
    pub entries: Vec<Exception>,
}

impl Exceptions {
    /// The list that is built into the program.
    pub fn embedded() -> Exceptions {
        Exceptions::read(include_str!("not-noticed.txt"))
            .unwrap_or_else(|line| panic!("not-noticed.txt: `{line}` gives no reason"))
    }

    /// The statements that rules blame for a fault in another one, which says the same of what the fault does.
    pub fn equals() -> Exceptions {
        Exceptions::read(include_str!("equals.txt"))
            .unwrap_or_else(|line| panic!("equals.txt: `{line}` gives no reason"))
    }

    /// The cases that fail although the broker is correct.
    pub fn too_strict() -> Exceptions {
        Exceptions::read(include_str!("too-strict.txt"))
            .unwrap_or_else(|line| panic!("too-strict.txt: `{line}` gives no reason"))
    }

    /// The statements that bind the client and have no case that tests clients.
    pub fn without_a_client_case() -> Exceptions {
        Exceptions::read(include_str!("no-client-case.txt"))
            .unwrap_or_else(|line| panic!("no-client-case.txt: `{line}` gives no reason"))
    }

    /// Reads `what  # reason`, one per line. Lines that start with `#` are comments.
    ///
    /// # Errors
    /// The line that has no reason.
    pub fn read(text: &str) -> Result<Exceptions, String> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        let entries = lines.map(|line| {
            let (what, reason) = line.split_once(" # ").ok_or_else(|| line.to_owned())?;
            let what = what.trim().to_owned();
            Ok(Exception {
                glob: Glob::new(what.clone()),
                what,
                reason: reason.trim().to_owned(),
            })
        });
        Ok(Exceptions {
            entries: entries.collect::<Result<_, String>>()?,
        })
    }

    /// The reason why a claim is not confirmed, if it is on the list.
    pub fn claim(&self, statement: &str, scenario: &str) -> Option<&str> {
        self.reason(&format!("{statement} {scenario}"))
    }

    /// The reason why no scenario catches a fault, if it is on the list.
    pub fn way(&self, token: &str) -> Option<&str> {
        self.reason(&format!("{token} *"))
    }

    /// The reason of an entry that is this text, or whose `*` match it.
    pub fn entry(&self, what: &str) -> Option<&str> {
        self.reason(what)
    }

    fn reason(&self, what: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|e| e.glob.matches(what))?;
        Some(&entry.reason)
    }

    /// What was found and is not on the list, and what is on the list and was not found.
    pub fn compare(&self, found: &[String]) -> (Vec<String>, Vec<String>) {
        let is_listed = |what: &&String| self.entries.iter().any(|e| e.glob.matches(what));
        let unlisted = found.iter().filter(|what| !is_listed(what)).cloned().collect();
        let is_found = |entry: &Exception| found.iter().any(|what| entry.glob.matches(what));
        let is_stale = |entry: &&Exception| !is_found(entry) && !entry.reason.starts_with("sometimes:");
        let stale = self.entries.iter().filter(is_stale);
        (unlisted, stale.map(|e| e.what.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Exceptions {
        Exceptions::read(
            "# a remark\n\nv5:MQTT-1 a/b  # why\nv5:MQTT-2/x *  # why not\nv5:MQTT-4 *  # sometimes: why\n",
        )
        .unwrap()
    }

    #[test]
    fn an_entry_gives_the_reason() {
        assert_eq!(list().claim("v5:MQTT-1", "a/b"), Some("why"));
        assert_eq!(list().claim("v5:MQTT-1", "a/c"), None);
        assert_eq!(list().way("v5:MQTT-2/x"), Some("why not"));
        assert_eq!(list().way("v5:MQTT-2"), None);
        assert_eq!(Exceptions::read("v5:MQTT-1 a/b").unwrap_err(), "v5:MQTT-1 a/b");
    }

    #[test]
    fn what_is_missing_and_what_is_stale_are_both_told() {
        let found = ["v5:MQTT-1 a/b".to_owned(), "v5:MQTT-3 *".to_owned()];
        let (unlisted, stale) = list().compare(&found);
        assert_eq!(unlisted, ["v5:MQTT-3 *"]);
        assert_eq!(stale, ["v5:MQTT-2/x *"]);
    }
}
