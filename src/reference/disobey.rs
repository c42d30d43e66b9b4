//! Which statements the broker breaks on purpose, and at which seam (DESIGN, section 7).
//!
//! In: tokens such as `v5:MQTT-4.3.3-10`, or `v5:MQTT-4.3.3-10/b` for another way of breaking the same statement. Out: for
//! each seam, what it has to know.

use std::collections::BTreeSet;
use std::fmt;

use super::duty::{DUTIES, Duty};
use super::sabotage::{Act, acts};
use super::tolerance;
use crate::statements::{StatementId, Version, catalogue};

/// What is broken on purpose. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Disobey {
    tokens: Vec<String>,
    /// Seam 1: a breach of these by a client passes.
    tolerated: BTreeSet<StatementId>,
    /// Seam 2.
    acts: Vec<&'static Act>,
    /// Seam 3.
    duties: BTreeSet<Duty>,
}

/// At which seam a statement is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seam {
    /// A client's breach is let through.
    Tolerance,
    /// Packets or closes are changed on their way.
    Sabotage,
    /// The broker decides wrongly.
    Duty,
}

/// One way of breaking one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disobedience {
    pub statement: StatementId,
    /// `None` is the first way, `Some('b')` the second, ...
    pub variant: Option<char>,
    pub seam: Seam,
    /// What the broker does.
    pub what: String,
}

impl Disobedience {
    /// What [`Disobey::parse`] reads, such as `v5:MQTT-4.3.3-10/b`.
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
    /// The catalogue's own message.
    #[error("{0}")]
    NoStatement(String),
    #[error("{0} cannot be disobeyed: no exchange with the broker would show it, or the broker has nothing to break")]
    NotPossible(String),
}

impl Disobey {
    /// Reads one token.
    ///
    /// # Errors
    /// Where the statement is not in the catalogue, or there is no such way of breaking it.
    pub fn parse(token: &str) -> Result<Disobey, ParseDisobeyError> {
        Disobey::parse_all([token])
    }

    /// Reads several tokens, all of which are disobeyed together.
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

    /// Everything that can be disobeyed, by statement and variant.
    pub fn all() -> Vec<Disobedience> {
        let mut all = Vec::new();
        for row in DUTIES {
            for version in Version::ALL {
                for id in row.ids(version) {
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
                // Where the server's own side of a statement can be broken too, that comes first and this is variant `x`.
                variant: broken.contains(&statement).then_some('x'),
                seam: Seam::Tolerance,
                what: "lets the client's breach through".to_owned(),
            });
        }
        all.sort_by(|a, b| (a.statement, a.variant).cmp(&(b.statement, b.variant)));
        all
    }

    /// Whether nothing is broken.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether this duty is done.
    pub fn obeys(&self, duty: Duty) -> bool {
        !self.duties.contains(&duty)
    }

    /// Whether a client's breach of this statement passes.
    pub fn lets_through(&self, statement: StatementId) -> bool {
        !self.tolerated.is_empty() && tolerance::covers(&self.tolerated, statement)
    }

    /// What is done to packets and closes on their way.
    pub fn acts(&self) -> &[&'static Act] {
        &self.acts
    }

    fn add(&mut self, token: &str) -> Result<(), ParseDisobeyError> {
        let (id, variant) = split_variant(token);
        let statement = catalogue().resolve(id).map_err(ParseDisobeyError::NoStatement)?.id;
        let found: Vec<Disobedience> = Disobey::all()
            .into_iter()
            .filter(|d| d.statement == statement && d.variant == variant)
            .collect();
        if found.is_empty() {
            return Err(ParseDisobeyError::NotPossible(token.to_owned()));
        }
        for disobedience in found {
            match disobedience.seam {
                Seam::Tolerance => {
                    self.tolerated.insert(statement);
                }
                Seam::Sabotage => self.acts.extend(acts().filter(|act| {
                    act.statements()
                        .any(|(v, id)| v == statement.version && split_variant(id) == (statement.id, variant))
                })),
                Seam::Duty => self.duties.extend(
                    (DUTIES.iter())
                        .filter(|row| {
                            (row.ids(statement.version).iter()).any(|id| split_variant(id) == (statement.id, variant))
                        })
                        .map(|row| row.duty),
                ),
            }
        }
        self.tokens.push(token.to_owned());
        Ok(())
    }
}

impl fmt::Display for Disobey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tokens.join(", "))
    }
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

/// `None` where the catalogue does not have the statement.
fn disobedience(version: Version, id: &str, seam: Seam, what: &str) -> Option<Disobedience> {
    let (id, variant) = split_variant(id);
    Some(Disobedience {
        statement: catalogue().at(version, id)?.id,
        variant,
        seam,
        what: what.to_owned(),
    })
}
