//! Statement by statement: its cases, and whether they notice its violation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::client_side::{ClientSide, Proofs};
use super::{Exceptions, Walk, ways};
use crate::reference::UNBREAKABLE;
use crate::scenario::Case;
use crate::statements::{Observe, Statement, StatementId, catalogue};
use crate::wire::Side;

/// The evidence for what the scenarios catch.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// The scenarios inside the program, all of whose claims are confirmed except for those on the list.
    Listed(Exceptions),
    /// A walk with exactly these cases, and the list for the reasons.
    Walked(Walk, Exceptions),
    /// None: the scenarios are not those inside the program, and no walk was made.
    None,
}

/// Whether a case fails when the statement is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caught {
    Yes,
    No(String),
    /// It has no fault that an exchange with a server would show, for this reason.
    NotPossible(String),
    /// Not tried.
    Unknown,
}

impl Caught {
    /// Whether a case could fail, and none is known to.
    pub(super) fn is_missed(&self) -> bool {
        matches!(self, Caught::No(_) | Caught::Unknown)
    }

    /// `yes`, `no`, `n/a` or `unknown`.
    pub fn word(&self) -> &'static str {
        match self {
            Caught::Yes => "yes",
            Caught::No(_) => "no",
            Caught::NotPossible(_) => "n/a",
            Caught::Unknown => "unknown",
        }
    }

    /// Why it is not `yes`.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Caught::No(reason) | Caught::NotPossible(reason) => Some(reason),
            Caught::Yes | Caught::Unknown => None,
        }
    }
}

/// One statement.
#[derive(Debug, Clone)]
pub struct Row {
    pub statement: &'static Statement,
    /// The cases that prove it, by id.
    pub cases: Vec<String>,
    /// The scenarios that these belong to, by path.
    pub scenarios: BTreeSet<String>,
    pub caught: Caught,
    /// What the tests of clients show of it; `None` if it binds the server alone.
    pub client: Option<ClientSide>,
}

impl Row {
    /// Whether an exchange with a server could show a violation of the statement, and no case does.
    pub fn is_gap(&self) -> bool {
        self.statement.observe.is_observable() && (self.cases.is_empty() || self.caught.is_missed())
    }
}

/// Every statement of the catalogue, by version and id.
#[derive(Debug, Clone)]
pub struct Coverage {
    pub rows: Vec<Row>,
}

impl Coverage {
    /// The coverage of these cases, whichever side they test.
    pub fn of(cases: &[Arc<Case>], evidence: &Evidence) -> Coverage {
        let mut proving: BTreeMap<StatementId, Vec<&Case>> = BTreeMap::new();
        let of_side = |side| cases.iter().filter(move |case| case.header.tests == side);
        for case in of_side(Side::Server) {
            for statement in &case.proves {
                proving.entry(*statement).or_default().push(case);
            }
        }
        let noticed = match evidence {
            Evidence::Walked(walk, _) => walk.all.iter().filter(|n| n.noticed).map(|n| n.statement).collect(),
            _ => BTreeSet::new(),
        };
        let clients = Proofs::of(of_side(Side::Client), evidence);
        let row = |statement: &'static Statement| {
            let cases = proving.get(&statement.id).map(Vec::as_slice).unwrap_or_default();
            let scenarios: BTreeSet<String> = cases.iter().map(|c| c.header.path.clone()).collect();
            Row {
                statement,
                cases: cases.iter().map(|c| c.id.clone()).collect(),
                caught: caught(statement, &scenarios, evidence, &noticed),
                client: clients.side(statement),
                scenarios,
            }
        };
        Coverage {
            rows: catalogue().iter().map(row).collect(),
        }
    }
}

fn caught(
    statement: &'static Statement,
    scenarios: &BTreeSet<String>,
    evidence: &Evidence,
    noticed: &BTreeSet<StatementId>,
) -> Caught {
    if let Some(why) = not_observable(statement) {
        return Caught::NotPossible(why.to_owned());
    }
    if ways(statement).is_empty() {
        let reason = UNBREAKABLE
            .iter()
            .find(|(v, id, _)| (*v, *id) == (statement.id.version, statement.id.id));
        let reason = reason.map_or("the reference broker has nothing to break", |(_, _, reason)| reason);
        return Caught::NotPossible(reason.to_owned());
    }
    if scenarios.is_empty() {
        return Caught::No("no case proves it".to_owned());
    }
    let (list, seen) = match evidence {
        Evidence::None => return Caught::Unknown,
        Evidence::Walked(_, list) => (list, noticed.contains(&statement.id)),
        Evidence::Listed(list) => {
            let token = statement.id.to_string();
            (list, scenarios.iter().any(|s| list.claim(&token, s).is_none()))
        }
    };
    if seen {
        return Caught::Yes;
    }
    let token = statement.id.to_string();
    let reason = scenarios.iter().find_map(|s| list.claim(&token, s));
    Caught::No(reason.unwrap_or("no case that claims it notices").to_owned())
}

/// Why no exchange with a server can show a violation of the statement.
pub fn not_observable(statement: &Statement) -> Option<&'static str> {
    match statement.observe {
        Observe::Wire | Observe::Time | Observe::Restart => None,
        Observe::Peer => Some("only a client that meets a server on purpose can show it"),
        Observe::Internal => Some("it cannot be observed from outside"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Files;

    fn cases() -> Vec<Arc<Case>> {
        let scenarios = Files::embedded()
            .load_all()
            .expect("the embedded scenarios are well-formed");
        scenarios.into_iter().flat_map(|s| s.cases).map(Arc::new).collect()
    }

    fn row<'a>(coverage: &'a Coverage, id: &str) -> &'a Row {
        let row = coverage.rows.iter().find(|r| r.statement.id.to_string() == id);
        row.expect("the statement is in the catalogue")
    }

    #[test]
    fn a_claim_that_is_not_on_the_list_is_noticed() {
        let cases = cases();
        let listed = Coverage::of(&cases, &Evidence::Listed(Exceptions::default()));
        assert_eq!(row(&listed, "v5:MQTT-3.12.4-1").caught, Caught::Yes);
        assert!(!row(&listed, "v5:MQTT-3.12.4-1").cases.is_empty());
        let list = Exceptions::read("v5:MQTT-3.12.4-1 *  # the reason").unwrap();
        let excepted = Coverage::of(&cases, &Evidence::Listed(list));
        let caught = &row(&excepted, "v5:MQTT-3.12.4-1").caught;
        assert_eq!((caught.word(), caught.reason()), ("no", Some("the reason")));
    }

    #[test]
    fn without_cases_or_evidence_nothing_is_caught() {
        let none = Coverage::of(&[], &Evidence::None);
        assert_eq!(row(&none, "v5:MQTT-3.12.4-1").caught.word(), "no");
        let unknown = Coverage::of(&cases(), &Evidence::None);
        assert_eq!(row(&unknown, "v5:MQTT-3.12.4-1").caught, Caught::Unknown);
        let walked = Coverage::of(&cases(), &Evidence::Walked(Walk::default(), Exceptions::default()));
        assert_eq!(row(&walked, "v5:MQTT-3.12.4-1").caught.word(), "no");
    }

    #[test]
    fn what_no_exchange_shows_has_its_reason() {
        let coverage = Coverage::of(&cases(), &Evidence::Listed(Exceptions::embedded()));
        for row in coverage.rows.iter().filter(|r| !r.statement.observe.is_observable()) {
            assert_eq!(row.caught.word(), "n/a", "{}", row.statement.id);
            assert!(row.caught.reason().is_some());
        }
    }
}
