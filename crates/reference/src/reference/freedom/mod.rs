//! Freedoms: the reference broker uses what the standards leave open, and remains correct.
//!
//! In: names from the catalogue of [freedoms](crate::statements::freedoms), such as `puback-late` or `delay=50`. Out: a
//! [`Free`], which says at each of three levels how the broker deviates. `core` asks for a [`Choice`], [`Editor`] changes
//! outgoing packets, and [`Style`] says when and in which pieces bytes are sent and received. The last two know nothing of
//! the broker, so they also work as a proxy in front of any other.

mod choice;
mod edits;
mod flow;
mod limits;
mod pieces;
mod sets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::statements::{Freedom, SwitchLevel, Version, freedoms};
pub use choice::Choice;
pub use edits::Editor;
use edits::{EDITS, Edit};
#[cfg(test)]
use flow::Outflow;
pub use flow::{Intake, Parcel, Style, read_late, write_freely};
pub use limits::{granted_at_most, limited};
pub use sets::{packs, random_set};

/// The freedoms in use. The default is none.
#[derive(Debug, Clone, Default)]
pub struct Free {
    /// The freedoms, each with its value, in the order given.
    used: Vec<(&'static Freedom, u32)>,
    choices: BTreeMap<Choice, usize>,
    edits: Vec<&'static Edit>,
}

/// The text is not a freedom that can be switched on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseFreeError {
    #[error("no freedom `{0}`; --list-free lists them")]
    Unknown(String),
    #[error("{0} has no switch: {1}")]
    NoSwitch(String, String),
    #[error("{0} takes no value")]
    NoValue(String),
    #[error("`{0}` is no whole number")]
    NotANumber(String),
}

impl Free {
    /// Reads a list such as `puback-late,delay=50`.
    ///
    /// # Errors
    /// If a name is not in the catalogue or has no switch, or a value is invalid.
    pub fn parse(list: &str) -> Result<Free, ParseFreeError> {
        Free::parse_all([list])
    }

    /// Reads several such lists; all of them are used together.
    ///
    /// # Errors
    /// As [`Free::parse`], for the first that is wrong.
    pub fn parse_all<'a>(lists: impl IntoIterator<Item = &'a str>) -> Result<Free, ParseFreeError> {
        let mut free = Free::default();
        for list in lists {
            for token in list.split(',').map(str::trim).filter(|t| !t.is_empty()) {
                free.add(token)?;
            }
        }
        Ok(free)
    }

    fn add(&mut self, token: &str) -> Result<(), ParseFreeError> {
        let (name, value) = match token.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (token, None),
        };
        let Some(freedom) = freedoms().iter().find(|f| f.name == name) else {
            return Err(ParseFreeError::Unknown(name.to_owned()));
        };
        if let Some(why) = &freedom.why_not {
            return Err(ParseFreeError::NoSwitch(name.to_owned(), why.clone()));
        }
        let value = match (value, freedom.value) {
            (None, default) => default.unwrap_or_default(),
            (Some(_), None) => return Err(ParseFreeError::NoValue(name.to_owned())),
            (Some(text), Some(_)) => text.parse().map_err(|_| ParseFreeError::NotANumber(text.to_owned()))?,
        };
        if let Some(choice) = Choice::named(name) {
            self.choices.insert(choice, self.used.len());
        }
        self.edits.extend(EDITS.iter().filter(|edit| edit.name == name));
        self.used.push((freedom, value));
        Ok(())
    }

    /// Every freedom that has a switch.
    pub fn all() -> impl Iterator<Item = &'static Freedom> {
        freedoms().iter().filter(|f| f.switch.is_some())
    }

    /// Whether no freedom is used.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// The first freedom that is a decision of the broker: only the reference broker can apply it. `None`: a
    /// [`Proxy`](super::Proxy) in front of any broker can apply all of them.
    pub fn needs_the_core(&self) -> Option<&str> {
        let core = self.used.iter().find(|(f, _)| f.switch == Some(SwitchLevel::Core));
        core.map(|(freedom, _)| freedom.name)
    }

    /// Whether the choice is taken for a client of this version.
    pub fn takes(&self, choice: Choice, version: Version) -> bool {
        self.held(choice)
            .is_some_and(|(freedom, _)| freedom.section(version).is_some())
    }

    /// The value of a choice that is taken.
    pub fn value(&self, choice: Choice) -> Option<u32> {
        self.held(choice).map(|(_, value)| *value)
    }

    fn held(&self, choice: Choice) -> Option<&(&'static Freedom, u32)> {
        self.used.get(*self.choices.get(&choice)?)
    }

    /// Whether a client never receives more than one message of QoS 1 or 2 before it acknowledges.
    pub fn takes_one_at_a_time(&self) -> bool {
        self.held(Choice::InFlightOne).is_some()
    }

    /// The value of the freedom with this name, if it is used.
    fn named(&self, name: &str) -> Option<u32> {
        let found = self.used.iter().find(|(freedom, _)| freedom.name == name);
        found.map(|(_, value)| *value)
    }

    /// The changes to outgoing packets.
    pub fn editor(&self) -> Editor {
        Editor::new(&self.edits)
    }

    /// When and in which pieces bytes are sent; `None` if as usual.
    pub fn style(&self) -> Option<Style> {
        Style::of(|name| self.named(name))
    }

    /// When input from a client is processed.
    pub fn intake(&self) -> Intake {
        Intake::of(|name| self.named(name))
    }
}

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.used.iter().map(|(freedom, value)| match freedom.value {
            Some(default) if default != *value => format!("{}={value}", freedom.name),
            _ => freedom.name.to_owned(),
        });
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}
