//! The walk: every fault × every scenario that claims the statement, played against the embedded broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::ways;
use crate::play::{Player, Settings, Stage};
use crate::reference::{Disobedience, Disobey};
use crate::scenario::Case;
use crate::statements::{StatementId, catalogue};
use crate::suite::{CaseResult, Session, Target, Verdict};

/// How many faults run in parallel, each with a broker of its own.
const SIDE_BY_SIDE: usize = 12;
/// How long to wait for an expected packet. The broker is in this process, and many faults result in silence.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often an experiment is repeated if the machine was too slow for it: first so, then with the response timeout of a
/// run.
const PLAYS: usize = 3;
const PATIENT_PLAYS: usize = 20;
/// Cases of one scenario in parallel.
const FEW: usize = 6;

/// The result of one scenario with one fault in a statement that it claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    pub statement: StatementId,
    /// The fault, as [`Disobey::parse`] reads it.
    pub token: String,
    /// The scenario's path.
    pub scenario: String,
    pub noticed: bool,
    /// What the rules found in cases that noticed it, if none of it is the statement that is broken.
    pub instead: BTreeSet<StatementId>,
}

/// The machine was too slow for a verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{case} could not be played against a broker that breaks {token}: the machine is too slow")]
pub struct TooSlow {
    pub case: String,
    pub token: String,
}

/// Statement and scenario, and whether the scenario catches a fault in it.
type Claims<'a> = BTreeMap<(StatementId, &'a str), bool>;

/// What the cases of one scenario show of one fault.
#[derive(Debug, Default)]
struct Seen {
    /// For each statement that the scenario claims, whether a case failed.
    claims: BTreeMap<StatementId, bool>,
    instead: BTreeSet<StatementId>,
}

/// All results.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    pub all: Vec<Noticed>,
}

impl Walk {
    /// Claims that no fault confirms, as `STATEMENT SCENARIO`, and faults that no scenario catches, as `TOKEN *`.
    pub fn missed(&self) -> Vec<String> {
        let (claims, tokens) = self.seen();
        let claims = claims
            .into_iter()
            .filter(|(_, seen)| !seen)
            .map(|((statement, scenario), _)| format!("{statement} {scenario}"));
        let tokens = tokens.into_iter().filter(|(_, seen)| !seen);
        claims.chain(tokens.map(|(token, _)| format!("{token} *"))).collect()
    }

    /// `TOKEN STATEMENT` for each statement that a rule blames for a fault in another one.
    pub fn blamed_instead(&self) -> Vec<String> {
        let pairs = self
            .all
            .iter()
            .flat_map(|n| n.instead.iter().map(move |found| (&n.token, found)));
        let pairs: BTreeSet<String> = pairs.map(|(token, found)| format!("{token} {found}")).collect();
        pairs.into_iter().collect()
    }

    /// The numbers of claims and of faults.
    pub fn counts(&self) -> (usize, usize) {
        let (claims, tokens) = self.seen();
        (claims.len(), tokens.len())
    }

    /// A scenario proves a statement if it catches one of the faults that break the statement.
    fn seen(&self) -> (Claims<'_>, BTreeMap<&str, bool>) {
        let mut claims = Claims::new();
        let mut tokens = BTreeMap::<&str, bool>::new();
        for n in &self.all {
            *claims.entry((n.statement, n.scenario.as_str())).or_default() |= n.noticed;
            *tokens.entry(n.token.as_str()).or_default() |= n.noticed;
        }
        (claims, tokens)
    }
}

/// What is walked, and with which settings.
pub struct Walker<'a> {
    pub cases: &'a [Arc<Case>],
    /// Makes the broker with a fault.
    pub target: &'a dyn Fn(Disobey) -> Target,
    /// The faults to try.
    pub takes: &'a dyn Fn(&Disobedience) -> bool,
    /// How cases are played, except for the response timeout.
    pub settings: Settings,
    /// How many faults run in parallel, each with a broker of its own.
    pub side_by_side: usize,
    /// Called after each fault, with the number of faults that are done and the number of all.
    pub done: &'a dyn Fn(usize, usize),
}

/// Plays every claim against every fault that breaks it. `target` makes the embedded broker with a fault; `done` is called
/// after each fault, with the numbers of done ones and of all.
///
/// # Errors
/// If a case could not be judged because the machine was too slow each time.
pub async fn walk(
    cases: &[Arc<Case>],
    target: fn(Disobey) -> Target,
    done: impl Fn(usize, usize),
) -> Result<Walk, TooSlow> {
    let walker = Walker {
        cases,
        target: &target,
        takes: &|_| true,
        settings: Settings::default(),
        side_by_side: SIDE_BY_SIDE,
        done: &done,
    };
    walk_with(walker).await
}

/// As [`walk`], with all settings left to the caller.
///
/// # Errors
/// As those of [`walk`].
pub async fn walk_with(walker: Walker<'_>) -> Result<Walk, TooSlow> {
    let room = Arc::new(Semaphore::new(walker.side_by_side));
    let mut tasks = JoinSet::new();
    for (disobedience, statements) in broken_by().into_iter().filter(|(d, _)| (walker.takes)(d)) {
        let claiming: Vec<Arc<Case>> = walker
            .cases
            .iter()
            .filter(|c| c.proves.iter().any(|s| statements.contains(s)))
            .cloned()
            .collect();
        if claiming.is_empty() {
            continue;
        }
        let token = disobedience.token();
        let target = Disobey::parse(&token).unwrap_or_else(|e| panic!("what is listed can be parsed: {e}"));
        let (room, target, settings) = (Arc::clone(&room), (walker.target)(target), walker.settings.clone());
        tasks.spawn(async move {
            let _permit = room.acquire().await;
            let trial = Arc::new(Trial::new(&target, &settings, token));
            let seen = trial.walk(&statements, claiming).await;
            trial.end().await;
            seen
        });
    }
    let total = tasks.len();
    let mut walk = Walk::default();
    while let Some(way) = tasks.join_next().await {
        walk.all
            .extend(way.unwrap_or_else(|panic| panic!("a way could not be walked: {panic}"))?);
        (walker.done)(total - tasks.len(), total);
    }
    walk.all
        .sort_by(|a, b| (a.statement, &a.token, &a.scenario).cmp(&(b.statement, &b.token, &b.scenario)));
    Ok(walk)
}

/// Each fault, and the statements that it breaks.
fn broken_by() -> Vec<(&'static Disobedience, BTreeSet<StatementId>)> {
    let mut all: BTreeMap<String, (&Disobedience, BTreeSet<StatementId>)> = BTreeMap::new();
    for statement in catalogue().iter() {
        for way in ways(statement) {
            let entry = all.entry(way.token()).or_insert_with(|| (way, BTreeSet::new()));
            entry.1.insert(statement.id);
        }
    }
    all.into_values().collect()
}

/// Sessions with one broker that has a fault.
struct Trial {
    token: String,
    session: Session,
    /// For cases without a verdict under a short response timeout. It starts its broker when it is first used.
    patient: Session,
}

impl Trial {
    fn new(target: &Target, settings: &Settings, token: String) -> Trial {
        let session = |settings| Session::new(target, &Player::new(settings, 1), true, None);
        Trial {
            token,
            session: session(Settings {
                patience: PATIENCE,
                ..settings.clone()
            }),
            patient: session(settings.clone()),
        }
    }

    /// Plays the claiming cases, and returns for each claim whether it was confirmed.
    async fn walk(
        self: &Arc<Self>,
        statements: &BTreeSet<StatementId>,
        cases: Vec<Arc<Case>>,
    ) -> Result<Vec<Noticed>, TooSlow> {
        let mut scenarios: BTreeMap<String, Vec<Arc<Case>>> = BTreeMap::new();
        for case in cases {
            scenarios.entry(case.header.path.clone()).or_default().push(case);
        }
        let mut tasks = JoinSet::new();
        for (scenario, cases) in scenarios {
            let (trial, statements) = (Arc::clone(self), statements.clone());
            tasks.spawn(async move {
                let seen = trial.scenario(&statements, &cases).await;
                seen.map(|seen| (scenario, seen))
            });
        }
        let mut all = Vec::new();
        for done in tasks.join_all().await {
            let (scenario, seen) = done?;
            all.extend(seen.claims.into_iter().map(|(statement, noticed)| Noticed {
                statement,
                token: self.token.clone(),
                scenario: scenario.clone(),
                noticed,
                instead: seen.instead.clone(),
            }));
        }
        Ok(all)
    }

    /// Plays the cases of one scenario, and returns for each statement that it claims whether a case failed, and what the
    /// rules blame. A grid has
    /// hundreds of cases and one that fails is enough: they are played a few at a time, and only while a claim of
    /// theirs is open.
    async fn scenario(
        self: &Arc<Self>,
        statements: &BTreeSet<StatementId>,
        cases: &[Arc<Case>],
    ) -> Result<Seen, TooSlow> {
        let mut seen = Seen::default();
        let claims = cases.iter().flat_map(|case| &case.proves);
        let claims = claims.filter(|s| statements.contains(s)).map(|s| (*s, false));
        seen.claims.extend(claims);
        // On a busy machine a setup may take longer than the short response timeout: claims that were not confirmed are
        // tried again with a longer one.
        for patient in [false, true] {
            for few in cases.chunks(FEW) {
                let is_open = |case: &&Arc<Case>| case.proves.iter().any(|s| seen.claims.get(s) == Some(&false));
                let open: Vec<Arc<Case>> = few.iter().filter(is_open).cloned().collect();
                for (case, result) in self.play_all(open, patient).await? {
                    let noticed = notices(&result);
                    for statement in &case.proves {
                        if let Some(seen) = seen.claims.get_mut(statement) {
                            *seen |= noticed;
                        }
                    }
                    if noticed {
                        seen.instead.extend(blamed_instead(&result, statements));
                    }
                }
            }
        }
        Ok(seen)
    }

    /// Plays cases in parallel.
    async fn play_all(
        self: &Arc<Self>,
        cases: Vec<Arc<Case>>,
        patient: bool,
    ) -> Result<Vec<(Arc<Case>, CaseResult)>, TooSlow> {
        let mut tasks = JoinSet::new();
        for case in cases {
            let trial = Arc::clone(self);
            tasks.spawn(async move {
                let result = trial.play(&case, patient).await;
                result.map(|result| (case, result))
            });
        }
        tasks.join_all().await.into_iter().collect()
    }

    /// A machine that is too slow voids an experiment, which is then repeated: there was no verdict.
    async fn play(&self, case: &Case, patient: bool) -> Result<CaseResult, TooSlow> {
        let impatient = [(&self.session, PLAYS)].into_iter().filter(|_| !patient);
        for (session, plays) in impatient.chain([(&self.patient, PATIENT_PLAYS)]) {
            for _ in 0..plays {
                let result = session.case(case).await;
                let reason = result.reason.as_deref().unwrap_or_default();
                if result.verdict != Verdict::Error || !reason.starts_with("machine too slow") {
                    return Ok(result);
                }
            }
        }
        Err(TooSlow {
            case: case.id.clone(),
            token: self.token.clone(),
        })
    }

    async fn end(&self) {
        self.session.end().await;
        self.patient.end().await;
    }
}

/// Whether the case failed through its script or a rule about what it claims. A failure in the setup or in a fence is
/// no proof, and neither is a broker that no longer answers CONNECT although the script was satisfied.
pub fn notices(result: &CaseResult) -> bool {
    let script = result
        .failure
        .as_ref()
        .is_some_and(|f| matches!(f.stage, Stage::Script | Stage::Account));
    let claimed: BTreeSet<_> = result.proves.iter().collect();
    let mut found = result.findings.iter().filter(|f| f.rule.is_some());
    let rule = found.any(|f| f.statement.is_some_and(|id| claimed.contains(&id)));
    result.verdict == Verdict::Fail && (script || rule)
}

/// The statements that the rules find violated, if none of `broken` is among them: a report names these before what the
/// case proves. A script that fails names what its case proves, and with it the statement that is broken.
fn blamed_instead(result: &CaseResult, broken: &BTreeSet<StatementId>) -> Vec<StatementId> {
    let found: Vec<StatementId> = result.breaches().filter_map(|f| f.statement).collect();
    if found.iter().any(|s| broken.contains(s)) {
        return Vec::new();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::Version;

    fn noticed(id: &'static str, token: &str, scenario: &str, noticed: bool) -> Noticed {
        Noticed {
            statement: StatementId::new(Version::V5, id),
            token: token.to_owned(),
            scenario: scenario.to_owned(),
            noticed,
            instead: BTreeSet::new(),
        }
    }

    #[test]
    fn a_pair_of_fault_and_blamed_statement_is_told_once() {
        let mut one = noticed("A", "v5:A", "one", true);
        one.instead.insert(StatementId::new(Version::V5, "B"));
        let two = Noticed {
            scenario: "two".to_owned(),
            ..one.clone()
        };
        let walk = Walk {
            all: vec![one, two, noticed("A", "v5:A/b", "one", true)],
        };
        assert_eq!(walk.blamed_instead(), ["v5:A v5:B"]);
    }

    #[test]
    fn a_claim_needs_one_way_and_a_way_one_claim() {
        let walk = Walk {
            all: vec![
                noticed("A", "v5:A", "one", true),
                noticed("A", "v5:A/b", "one", false),
                noticed("A", "v5:A", "two", false),
                noticed("A", "v5:A/b", "two", false),
            ],
        };
        assert_eq!(walk.missed(), ["v5:A two", "v5:A/b *"]);
        assert_eq!(walk.counts(), (2, 2));
    }
}
