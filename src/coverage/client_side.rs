//! The other side: the statements that bind the client, and the cases that test clients.
//!
//! Only cases with `tests: client` count here. That a broker refuses what a client must not send is a case of the broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Caught, Coverage, Evidence, Exceptions, Part};
use crate::client;
use crate::scenario::Case;
use crate::statements::{Binds, Statement, StatementId};

/// What the tests of clients show of one statement that binds the client.
#[derive(Debug, Clone)]
pub struct ClientSide {
    /// The cases that prove it, by id.
    pub cases: Vec<String>,
    /// The scenarios that these belong to, by path.
    pub scenarios: BTreeSet<String>,
    /// Whether one of them fails when the reference client breaks the statement.
    pub caught: Caught,
}

impl ClientSide {
    /// Whether an exchange with a scripted server can show a violation.
    pub fn is_observable(&self) -> bool {
        !matches!(self.caught, Caught::NotPossible(_))
    }

    /// Whether an exchange with a scripted server could show a violation, and no case does.
    pub fn is_gap(&self) -> bool {
        self.is_observable() && (self.cases.is_empty() || self.caught.is_missed())
    }
}

/// The cases that test clients, by the statements that they prove.
pub(super) struct Proofs<'a> {
    proving: BTreeMap<StatementId, Vec<&'a Case>>,
    breakable: BTreeSet<StatementId>,
    without: Exceptions,
    /// The cases are those inside the program, each claim of which a test confirms.
    is_confirmed: bool,
}

impl<'a> Proofs<'a> {
    pub fn of(cases: impl Iterator<Item = &'a Arc<Case>>, evidence: &Evidence) -> Proofs<'a> {
        let mut proving: BTreeMap<StatementId, Vec<&Case>> = BTreeMap::new();
        for case in cases {
            for statement in &case.proves {
                proving.entry(*statement).or_default().push(case);
            }
        }
        Proofs {
            proving,
            breakable: client::statements(),
            without: Exceptions::without_a_client_case(),
            is_confirmed: matches!(evidence, Evidence::Listed(_)),
        }
    }

    /// The client's side of a statement; `None` if it binds the server alone.
    pub fn side(&self, statement: &Statement) -> Option<ClientSide> {
        if statement.binds == Binds::Server {
            return None;
        }
        let cases = self.proving.get(&statement.id).map(Vec::as_slice).unwrap_or_default();
        let caught = match (&statement.client_unobservable, cases) {
            (Some(why), _) => Caught::NotPossible(why.clone()),
            (None, []) => {
                let reason = self.without.entry(&statement.id.to_string());
                Caught::No(reason.unwrap_or("no case proves it").to_owned())
            }
            _ if !self.is_confirmed => Caught::Unknown,
            _ if self.breakable.contains(&statement.id) => Caught::Yes,
            _ => Caught::No("the reference client cannot break it".to_owned()),
        };
        Some(ClientSide {
            cases: cases.iter().map(|case| case.id.clone()).collect(),
            scenarios: cases.iter().map(|case| case.header.path.clone()).collect(),
            caught,
        })
    }
}

/// The figures of the tests of clients, for one part of the catalogue or for several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientTotals {
    /// How many statements bind the client alone.
    pub client: usize,
    /// How many bind client and server.
    pub both: usize,
    /// How many of these a scripted server can observe.
    pub observable: usize,
    /// How many of the observable ones have a case that tests clients.
    pub with_a_case: usize,
    /// How many of the observable ones are caught when the reference client breaks them.
    pub caught: usize,
}

impl ClientTotals {
    /// The figures of one part.
    pub fn of(coverage: &Coverage, part: Part) -> ClientTotals {
        ClientTotals::count(coverage, |id| id.version == part.version && id.is_own() == part.own)
    }

    /// The figures of everything.
    pub fn all(coverage: &Coverage) -> ClientTotals {
        ClientTotals::count(coverage, |_| true)
    }

    fn count(coverage: &Coverage, takes: impl Fn(StatementId) -> bool) -> ClientTotals {
        let mut totals = ClientTotals::default();
        for row in coverage.rows.iter().filter(|row| takes(row.statement.id)) {
            let Some(side) = &row.client else { continue };
            if row.statement.binds == Binds::Both {
                totals.both += 1;
            } else {
                totals.client += 1;
            }
            if side.is_observable() {
                totals.observable += 1;
                totals.with_a_case += usize::from(!side.cases.is_empty());
                totals.caught += usize::from(side.caught == Caught::Yes);
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Files;
    use crate::wire::Side;

    fn coverage() -> Coverage {
        let scenarios = Files::embedded_for(Side::Client)
            .load_all()
            .expect("the embedded scenarios are well-formed");
        let cases: Vec<Arc<Case>> = scenarios.into_iter().flat_map(|s| s.cases).map(Arc::new).collect();
        Coverage::of(&cases, &Evidence::Listed(Exceptions::default()))
    }

    #[test]
    fn a_statement_that_binds_the_server_has_no_client_side() {
        let coverage = coverage();
        for row in &coverage.rows {
            assert_eq!(
                row.client.is_none(),
                row.statement.binds == Binds::Server,
                "{}",
                row.statement.id
            );
        }
        let totals = ClientTotals::all(&coverage);
        assert_eq!((totals.client + totals.both, totals.observable), (271, 266));
        let parts = Part::ALL.map(|part| ClientTotals::of(&coverage, part));
        assert_eq!(parts.iter().map(|t| t.client + t.both).sum::<usize>(), 271);
        assert!(totals.caught <= totals.with_a_case && totals.with_a_case <= totals.observable);
    }

    #[test]
    fn cases_that_test_clients_prove_nothing_of_brokers() {
        for row in &coverage().rows {
            assert!(row.cases.is_empty(), "{}", row.statement.id);
        }
    }

    /// The list names what has no case, and nothing else.
    #[test]
    fn every_statement_without_a_case_has_its_reason() {
        let without = Exceptions::without_a_client_case();
        let listed: BTreeSet<String> = without.entries.iter().map(|entry| entry.what.clone()).collect();
        let coverage = coverage();
        let found = coverage.rows.iter().filter(|row| {
            let side = row.client.as_ref();
            side.is_some_and(|side| side.is_observable() && side.cases.is_empty())
        });
        let found: BTreeSet<String> = found.map(|row| row.statement.id.to_string()).collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn what_is_not_confirmed_is_not_tried() {
        let mut coverage = coverage();
        let id = "v5:MQTT-4.3.2-4";
        let row = |coverage: &Coverage| {
            let mut rows = coverage.rows.iter();
            let row = rows.find(|row| row.statement.id.to_string() == id);
            row.and_then(|row| row.client.clone()).expect("it binds the client")
        };
        assert_eq!(row(&coverage).caught, Caught::Yes);
        coverage = Coverage::of(&[], &Evidence::None);
        assert_eq!(row(&coverage).caught, Caught::No("no case proves it".to_owned()));
    }
}
