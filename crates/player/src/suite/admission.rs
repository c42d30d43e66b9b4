//! Whether the target lets clients in: asked once for each place and version that cases use, before the first case.
//!
//! A broker that refuses every client would otherwise fail every case, each with a report of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::scenario::Case;
use crate::statements::Version;
use crate::sut::Answer;

use super::Session;
use super::session::Place;

/// What each version got, oldest version first.
type Answers = BTreeMap<Version, Answer>;

impl Session {
    /// Starts the instances that the cases share, and sends one CONNECT at each version that the cases speak there, with
    /// the login that they use. A version that the broker does not serve is noted: its cases are skipped.
    ///
    /// # Errors
    /// One line: the broker could not be started or reached, refuses a client, or does not serve a version that its
    /// profile names.
    pub async fn admit(&mut self, cases: &[Arc<Case>]) -> Result<(), String> {
        let mut used: BTreeMap<usize, BTreeSet<Version>> = BTreeMap::new();
        for case in cases {
            if let Ok(setup) = self.target.setup_for(case) {
                used.entry(Session::place_of(setup)).or_default().extend(&case.speaks);
            }
        }
        let mut asked = JoinSet::new();
        for (number, versions) in used {
            let place = Arc::clone(&self.places[number]);
            asked.spawn(async move { (number, place.ask(&versions).await) });
        }
        let mut answers = BTreeMap::new();
        while let Some(joined) = asked.join_next().await {
            match joined {
                Ok((number, answered)) => answers.insert(number, answered?),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            };
        }
        for (number, answers) in answers {
            self.admitted(number, &answers)?;
        }
        Ok(())
    }

    /// Judges what a place answered.
    fn admitted(&mut self, number: usize, answers: &Answers) -> Result<(), String> {
        let place = &self.places[number];
        let served = |answer: &Answer| matches!(answer, Answer::Offered { .. });
        let is_level = |answer: &Answer| matches!(answer, Answer::NotOffered { .. } | Answer::Closed);
        let some_served = answers.values().any(served);
        let mut refused = Vec::new();
        for (version, answer) in answers.iter().filter(|(_, answer)| !served(answer)) {
            // At another configuration of the same broker the version was found to be served.
            if some_served && number == 0 && is_level(answer) && !self.target.states_versions {
                let why = format!("{version} {}", answer.words(*version));
                self.target.not_offered.insert(*version, why);
            } else {
                refused.push((*version, answer));
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        let with_login = place.player.settings.login.is_some();
        let setup = number.checked_sub(1).map(|n| self.target.setups[n].name.as_str());
        Err(refusal(&self.target.info.name, setup, &refused, with_login))
    }
}

impl Place {
    /// What the shared instance answers at each of `versions` for which it has an address.
    async fn ask(&self, versions: &BTreeSet<Version>) -> Result<Answers, String> {
        let instance = self.instance().await?.instance;
        let mut answers = Answers::new();
        // A login alone does not have to be enough where the broker authenticates in the enhanced way.
        if self.player.settings.auth.is_some() {
            return Ok(answers);
        }
        for version in versions {
            if let Some(address) = instance.address(*version) {
                let answer = self.player.ask(&address, *version).await;
                answers.insert(*version, answer.map_err(|error| error.to_string())?);
            }
        }
        Ok(answers)
    }
}

/// Who refuses what, and what to set.
fn refusal(target: &str, setup: Option<&str>, refused: &[(Version, &Answer)], with_login: bool) -> String {
    let whose = match setup {
        Some(setup) => format!("{target} (setup `{setup}`)"),
        None => target.to_owned(),
    };
    let said: Vec<String> = refused
        .iter()
        .map(|(version, answer)| format!("{version} {}", answer.words(*version)))
        .collect();
    let hint = if refused.iter().any(|(_, a)| matches!(a, Answer::Refused { .. })) {
        if with_login {
            "check the user name and password of `login` in the profile"
        } else {
            "set `login` in the profile, or let clients in without one (mosquitto: `allow_anonymous true`)"
        }
    } else {
        "name the versions that the broker serves under `versions` in the profile"
    };
    format!("{whose} lets no client in: {}; {hint}", said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_refused_and_what_to_set() {
        let (old, new) = (Answer::Refused { code: 5 }, Answer::Refused { code: 0x87 });
        let both = [(Version::V3_1_1, &old), (Version::V5, &new)];
        assert_eq!(
            refusal("mosquitto", None, &both, false),
            "mosquitto lets no client in: v3.1.1 is refused: 0x05 not authorized, v5 is refused: 0x87 Not authorized; set `login` \
             in the profile, or let clients in without one (mosquitto: `allow_anonymous true`)"
        );
        assert_eq!(
            refusal("mosquitto", Some("accounts"), &both[..1], true),
            "mosquitto (setup `accounts`) lets no client in: v3.1.1 is refused: 0x05 not authorized; check the user name and \
             password of `login` in the profile"
        );
        assert_eq!(
            refusal("b", None, &[(Version::V5, &Answer::NotOffered { code: 0x84 })], false),
            "b lets no client in: v5 is not served: 0x84 Unsupported Protocol Version; name the versions that the broker serves \
             under `versions` in the profile"
        );
    }
}
