//! Which statements the broker breaks on purpose, and at which seam (docs/design.md, the reference broker).
//!
//! In: tokens such as `v5:MQTT-4.3.3-10`, or `v5:MQTT-4.3.3-10/b` for another way of breaking the same statement. Out:
//! what each seam needs to know.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use super::combined::Combined;
use super::duty::{DUTIES, Duty};
use super::sabotage::{Act, acts};
use super::tolerance;
use crate::statements::{StatementId, Version, catalogue};

/// The faults that are injected. The default is none.
#[derive(Debug, Clone, Default)]
pub struct Disobey {
    tokens: Vec<String>,
    /// Seam 1: a client's violation of these is ignored.
    tolerated: BTreeSet<StatementId>,
    /// Seam 2.
    acts: Vec<&'static Act>,
    /// Seam 3.
    duties: BTreeSet<Duty>,
    /// Wrong decisions where features meet.
    combined: BTreeSet<Combined>,
}

/// At which seam a statement is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seam {
    /// A client's violation is let through.
    Tolerance,
    /// Packets or closes are changed in transit.
    Sabotage,
    /// The broker takes a wrong decision.
    Duty,
}

/// One way of breaking one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disobedience {
    pub statement: StatementId,
    /// `None` is the first way, `Some('b')` the second, ...
    pub variant: Option<char>,
    pub seam: Seam,
    /// What the broker does wrong.
    pub what: String,
}

impl Disobedience {
    /// The text that [`Disobey::parse`] reads, such as `v5:MQTT-4.3.3-10/b`.
    pub fn token(&self) -> String {
        match self.variant {
            None => self.statement.to_string(),
            Some(letter) => format!("{}/{letter}", self.statement),
        }
    }
}

/// The token names nothing that can be broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDisobeyError {
    /// The message of the catalogue.
    #[error("{0}")]
    NoStatement(String),
    #[error("no fault is called `{0}`; `combined:` is followed by one of {names}", names = combined_names())]
    NoCombined(String),
    #[error("no fault breaks {0}: no exchange with the broker would show it, or the broker has nothing to break")]
    NotPossible(String),
}

impl Disobey {
    /// Reads one token. `combined:NAME` is a fault that shows only in a combination ([`Combined`]).
    ///
    /// # Errors
    /// If the statement is not in the catalogue, or cannot be broken in that way.
    pub fn parse(token: &str) -> Result<Disobey, ParseDisobeyError> {
        Disobey::parse_all([token])
    }

    /// Reads several tokens, whose faults are all injected together.
    ///
    /// # Errors
    /// As [`Disobey::parse`], for the first that is wrong.
    pub fn parse_all<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Disobey, ParseDisobeyError> {
        let mut disobey = Disobey::default();
        for token in tokens {
            disobey.add(token)?;
        }
        Ok(disobey)
    }

    /// Every fault that can be injected, by statement and variant.
    pub fn all() -> &'static [Disobedience] {
        static ALL: LazyLock<Vec<Disobedience>> = LazyLock::new(Disobey::list);
        &ALL
    }

    fn list() -> Vec<Disobedience> {
        let mut all = Vec::new();
        for row in DUTIES {
            for version in Version::ALL {
                for id in row.ids.at(version) {
                    all.extend(disobedience(version, id, Seam::Duty, row.what));
                }
            }
        }
        for act in acts() {
            for (version, id) in act.statements() {
                all.extend(disobedience(version, id, Seam::Sabotage, act.what));
            }
        }
        let broken: BTreeSet<StatementId> = all
            .iter()
            .filter(|d| d.variant.is_none())
            .map(|d| d.statement)
            .collect();
        for statement in tolerance::all() {
            all.push(Disobedience {
                statement,
                // If the server's own side of a statement can be broken too, that comes first and this is variant `x`.
                variant: broken.contains(&statement).then_some('x'),
                seam: Seam::Tolerance,
                what: "does not react to the client's violation".to_owned(),
            });
        }
        all.sort_by_key(|d| (d.statement, d.variant));
        // An act that has to see packets of both directions is in its table twice.
        all.dedup();
        all
    }

    /// Whether no fault is injected.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether the broker fulfils this duty.
    pub fn obeys(&self, duty: Duty) -> bool {
        !self.duties.contains(&duty)
    }

    /// Whether the broker takes this wrong decision.
    pub fn has(&self, fault: Combined) -> bool {
        self.combined.contains(&fault)
    }

    /// Whether a client's violation of this statement is let through.
    pub fn lets_through(&self, statement: StatementId) -> bool {
        !self.tolerated.is_empty() && tolerance::covers(&self.tolerated, statement)
    }

    /// The first token that needs more than changing packets and closes in transit: only the reference broker itself can
    /// break it. `None`: a [`Proxy`](super::Proxy) in front of any broker can do all of it.
    pub fn needs_the_core(&self) -> Option<&str> {
        let token = self.tokens.iter().find(|token| {
            if token.starts_with(COMBINED) {
                return true;
            }
            let (id, variant) = split_variant(token);
            let is_meant = |d: &&Disobedience| d.statement.to_string() == id && d.variant == variant;
            let statement = catalogue().resolve(id).map(|s| s.id);
            statement.is_ok_and(tolerance::is_before_an_act)
                || Disobey::all().iter().filter(is_meant).any(|d| d.seam != Seam::Sabotage)
        });
        token.map(String::as_str)
    }

    /// The changes to packets and closes in transit.
    pub fn acts(&self) -> &[&'static Act] {
        &self.acts
    }

    fn add(&mut self, token: &str) -> Result<(), ParseDisobeyError> {
        if let Some(name) = token.strip_prefix(COMBINED) {
            let fault = Combined::named(name).ok_or_else(|| ParseDisobeyError::NoCombined(name.to_owned()))?;
            self.combined.insert(fault);
            self.tokens.push(token.to_owned());
            return Ok(());
        }
        let (id, variant) = split_variant(token);
        let statement = catalogue().resolve(id).map_err(ParseDisobeyError::NoStatement)?.id;
        let is_named = |id: &str| split_variant(id) == (statement.id, variant);
        let mut found = Disobey::all()
            .iter()
            .filter(|d| d.statement == statement && d.variant == variant)
            .peekable();
        if found.peek().is_none() {
            return Err(ParseDisobeyError::NotPossible(token.to_owned()));
        }
        if found.any(|d| d.seam == Seam::Tolerance) || variant.is_none() && tolerance::is_before_an_act(statement) {
            self.tolerated.insert(statement);
        }
        self.acts
            .extend(acts().filter(|act| act.statements().any(|(v, id)| v == statement.version && is_named(id))));
        let rows = DUTIES
            .iter()
            .filter(|row| row.ids.at(statement.version).iter().any(|id| is_named(id)));
        self.duties.extend(rows.map(|row| row.duty));
        self.tokens.push(match variant {
            None => statement.to_string(),
            Some(letter) => format!("{statement}/{letter}"),
        });
        Ok(())
    }
}

impl fmt::Display for Disobey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tokens.join(", "))
    }
}

/// The observable statements that the broker cannot break, and why.
pub const UNBREAKABLE: &[(Version, &str, &str)] = &[
    (Version::V3_1, "§3.1/user-name-missing", READ_AS_ABSENT),
    (Version::V5, "§3.1.3.2.3/utf-8-payload", NOT_CHECKED),
    (Version::V5, "§3.3.2.3.2/utf-8-payload", NOT_CHECKED),
];
const NOT_CHECKED: &str = "a receiver may look into payloads, and the reference broker does not";
const READ_AS_ABSENT: &str = "a field that is missing here is decoded as one that was never announced";

/// What a token of a combined fault begins with.
const COMBINED: &str = "combined:";

fn combined_names() -> String {
    let names: Vec<&str> = Combined::ALL.iter().map(|fault| fault.name()).collect();
    names.join(", ")
}

/// `MQTT-1/b` is `MQTT-1` and `b`. Our own ids hold a slash too, but never a single letter behind it.
fn split_variant(token: &str) -> (&str, Option<char>) {
    if let Some((id, letter)) = token.rsplit_once('/')
        && let [letter] = letter.as_bytes()
    {
        return (id, Some(char::from(*letter)));
    }
    (token, None)
}

/// `None` if the catalogue does not have the statement.
fn disobedience(version: Version, id: &str, seam: Seam, what: &str) -> Option<Disobedience> {
    let (id, variant) = split_variant(id);
    Some(Disobedience {
        statement: catalogue().at(version, id)?.id,
        variant,
        seam,
        what: what.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_one_way_of_breaking_one_statement() {
        let all = Disobey::all();
        let tokens: BTreeSet<String> = all.iter().map(Disobedience::token).collect();
        let twice: Vec<String> = (tokens.iter())
            .filter(|token| all.iter().filter(|d| d.token() == **token).count() > 1)
            .cloned()
            .collect();
        assert!(twice.is_empty(), "{twice:?}");
        for token in tokens {
            let disobey = Disobey::parse(&token).expect("a token of the list");
            assert!(!disobey.is_empty());
            let seams = usize::from(!disobey.tolerated.is_empty()) + disobey.acts.len() + disobey.duties.len();
            assert!(seams > 0, "{token} breaks nothing");
        }
    }

    #[test]
    fn what_cannot_be_disobeyed_has_a_reason() {
        let can = |id: StatementId| Disobey::all().iter().any(|d| d.statement == id && d.variant.is_none());
        let has_reason = |id: StatementId| UNBREAKABLE.iter().any(|(v, i, _)| *v == id.version && *i == id.id);
        for statement in catalogue().iter().filter(|s| s.observe.is_observable()) {
            let breakable = can(statement.id) || statement.enforced_by.iter().any(|id| can(*id));
            assert!(
                breakable != has_reason(statement.id),
                "{}: can be disobeyed: {breakable}; has a reason why not: {}",
                statement.id,
                has_reason(statement.id)
            );
        }
    }

    #[test]
    fn a_combined_fault_is_named_by_a_token() {
        for fault in Combined::ALL {
            let disobey = Disobey::parse(&format!("combined:{}", fault.name())).expect("a combined fault");
            assert!(disobey.has(*fault) && !disobey.is_empty());
            assert!(disobey.needs_the_core().is_some());
        }
        let error = Disobey::parse("combined:nothing").expect_err("no such fault");
        assert!(error.to_string().contains("takeover-drops-queue"), "{error}");
    }

    #[test]
    fn what_is_no_statement_is_said() {
        assert!(matches!(
            Disobey::parse("v5:MQTT-9.9.9-9"),
            Err(ParseDisobeyError::NoStatement(_))
        ));
        assert!(matches!(
            Disobey::parse("v5:§3.1.3.2.3/utf-8-payload"),
            Err(ParseDisobeyError::NotPossible(_))
        ));
        assert!(matches!(
            Disobey::parse("v5:MQTT-4.3.3-10/q"),
            Err(ParseDisobeyError::NotPossible(_))
        ));
    }
}
