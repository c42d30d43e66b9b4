//! A suite of cases that is selected, played and judged from Rust.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::play::{Player, Settings};
use crate::scenario::{Case, Files, Outline};
use crate::statements::Version;
use crate::suite::{self, LookLimit, Rigour, RunOptions, Selection, nearest};
use crate::sut::{Known, ProfileError};
use crate::wire::Side;

use super::{Broom, Conformance, Diaries, RunError, SuiteError, Target, seed};

/// Cases to play, and how they are judged.
#[derive(Debug, Clone)]
#[must_use = "a suite does nothing before it is run"]
pub struct Suite {
    files: Files,
    selection: Selection,
    known: Vec<Arc<Known>>,
    response_timeout: Option<Duration>,
    options: RunOptions,
}

impl Suite {
    /// The scenarios that the crate carries.
    pub fn embedded() -> Suite {
        Suite::of(Files::embedded())
    }

    /// The scenarios that the crate carries for clients.
    pub fn of_clients() -> Suite {
        Suite::of(Files::embedded_for(Side::Client))
    }

    /// The scenarios in a folder of the caller's own.
    pub fn of_dir(folder: impl AsRef<Path>) -> Suite {
        Suite::of(Files::of_dir(folder.as_ref()))
    }

    fn of(files: Files) -> Suite {
        Suite {
            files,
            selection: Selection::default(),
            known: Vec::new(),
            response_timeout: None,
            options: RunOptions {
                asks_first: true,
                second_look: Some(LookLimit::default()),
                ..RunOptions::default()
            },
        }
    }

    /// Adds the scenarios in a folder.
    pub fn also_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.files = self.files.also_dir(folder.as_ref());
        self
    }

    /// Selects cases by their id, their scenario or a folder, as `mqttspec run -e` does: `qos2/*`, `retain/`,
    /// `connect/basic@v5`. Several calls add up; with a leading `!` cases are taken out again. Former ids go on
    /// working.
    ///
    /// # Errors
    /// No case fits the pattern, or the scenarios are malformed.
    pub fn select(mut self, pattern: &str) -> Result<Self, SuiteError> {
        let outlines = self.outlines()?;
        let of_today = suite::renamed(pattern, &outlines).map(|renamed| renamed.globs);
        let globs = of_today.unwrap_or_else(|| vec![pattern.to_owned()]);
        for glob in &globs {
            check_pattern(glob, &outlines)?;
        }
        self.selection.globs.extend(globs);
        Ok(self)
    }

    /// Only cases of these versions of MQTT.
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.selection.versions.extend(versions);
        self
    }

    /// Only cases with one of these tags.
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.selection.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Only cases that prove one of these statements; globs such as `MQTT-3.1.*` or `v5:MQTT-4.3.3-10`.
    pub fn statements<S: Into<String>>(mut self, statements: impl IntoIterator<Item = S>) -> Self {
        self.selection.statements.extend(statements.into_iter().map(Into::into));
        self
    }

    /// The deviations that are known: YAML text with the key `known`, as in a profile and as `mqttspec run
    /// --write-known` writes it. A case that fails as listed is no failure; one that is listed and passes is. The files
    /// of `known_from` are relative to the current folder.
    ///
    /// # Errors
    /// The text is malformed, a pattern fits no case of the set, or two causes claim the same failure.
    pub fn known(mut self, yaml: &str) -> Result<Self, SuiteError> {
        let known = Known::parse(yaml, Path::new("known"))?;
        let outlines = self.outlines()?;
        check_known(&known, outlines.iter().map(|case| case.id.as_str()))?;
        self.known.extend(known);
        Ok(self)
    }

    /// A violation of a SHOULD is a failure too.
    pub fn strict(mut self) -> Self {
        self.options.strict = true;
        self
    }

    /// What a failure is that rests on the rigour clause of 5.0 (section 4.13.1) alone; a failure by default.
    pub fn rigour(mut self, rigour: Rigour) -> Self {
        self.options.rigour = rigour;
        self
    }

    /// Whether the target is asked before the first case if it lets clients in, which is the default. Without it, a peer that
    /// lets no client in fails every case.
    pub fn asks_first(mut self, asks: bool) -> Self {
        self.options.asks_first = asks;
        self
    }

    /// What playing failed cases once more, alone and with a longer response timeout, may cost. `None`: they count as they
    /// failed. The default is a minute and 500 cases.
    pub fn second_look(mut self, limit: Option<LookLimit>) -> Self {
        self.options.second_look = limit;
        self
    }

    /// Stops the run after this many unexpected results.
    pub fn max_fail(mut self, count: usize) -> Self {
        self.options.max_fail = Some(count);
        self
    }

    /// Sets the response timeout: how long a step waits for a packet or a close that it expects.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = Some(timeout);
        self
    }

    /// The selected cases with their scripts, in the order of the set.
    ///
    /// # Errors
    /// The scenarios are malformed, or nothing is selected.
    pub fn cases(&self) -> Result<Vec<Arc<Case>>, SuiteError> {
        self.cases_of(|_| true)
    }

    /// The selected cases of the scenarios whose path is `wanted`.
    pub(super) fn cases_of(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Arc<Case>>, SuiteError> {
        let scenarios = self.files.load(wanted).map_err(SuiteError::Scenarios)?;
        let cases = scenarios.into_iter().flat_map(|s| s.cases);
        let taken: Vec<Arc<Case>> = cases.filter(|case| self.selection.takes(case)).map(Arc::new).collect();
        if taken.is_empty() {
            Err(SuiteError::Nothing)
        } else {
            Ok(taken)
        }
    }

    /// The selected cases without their scripts, which costs a tenth.
    ///
    /// # Errors
    /// The scenarios are malformed, or nothing is selected.
    pub fn list(&self) -> Result<Vec<Outline>, SuiteError> {
        let mut outlines = self.outlines()?;
        outlines.retain(|case| self.selection.takes(case));
        if outlines.is_empty() {
            Err(SuiteError::Nothing)
        } else {
            Ok(outlines)
        }
    }

    fn outlines(&self) -> Result<Vec<Outline>, SuiteError> {
        self.files.outlines().map_err(SuiteError::Scenarios)
    }

    /// Plays the cases against a target, on a runtime of its own, and waits for the end. Not to be called inside a
    /// runtime: see [`Suite::run_async`].
    ///
    /// # Errors
    /// The selection holds no case, or the target cannot be used. A case that fails is no error.
    pub fn run(&self, target: Target) -> Result<Conformance, RunError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let result = runtime.block_on(self.run_async(target));
        // What removes folders of brokers may end; nothing else is waited for.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    }

    /// Plays the cases against a target, inside a tokio runtime with its timers and sockets enabled.
    ///
    /// # Errors
    /// As [`Suite::run`].
    pub async fn run_async(&self, target: Target) -> Result<Conformance, RunError> {
        let cases = self.cases()?;
        let options = RunOptions {
            asks_first: self.options.asks_first && !target.is_changed(),
            second_look: self.options.second_look.filter(|_| !target.is_changed()),
            ..self.options.clone()
        };
        let (target, player) = self.prepare(target).await?;
        // What a broker of our own holds goes with it.
        let open =
            (!target.launcher.starts_its_own()).then(|| Diaries::in_folder(None).begin(&target.info.address, seed()));
        let settings = Settings {
            diary: open.as_ref().map(|open| Arc::clone(&open.diary)),
            ..Settings::clone(&player.settings)
        };
        let player = player.with(settings);
        let (events, _) = tokio::sync::mpsc::unbounded_channel();
        let (_stop, stopped) = tokio::sync::watch::channel(false);
        let result = suite::run(&cases, &target, &player, &options, events, stopped).await;
        if let Some(open) = &open {
            // What cannot be removed is in no other test's way: each run has names of its own.
            Broom::after_run(&target, &player.settings, open).await;
        }
        result.map(Conformance).map_err(RunError::Start)
    }

    /// The target with what this suite knows of it, and who plays against it.
    pub(super) async fn prepare(&self, target: Target) -> Result<(suite::Target, Player), RunError> {
        let mut ready = target.ready(|_| ()).await?;
        let transport = ready.target.info.transport;
        let shown = self.known.iter().filter(|known| known.shows_over(transport));
        ready.target.known.extend(shown.cloned());
        ready.settings.patience = self.response_timeout.unwrap_or(ready.settings.patience);
        Ok((ready.target, Player::new(ready.settings, seed())))
    }

    /// Whether a violation of a SHOULD is a failure.
    #[cfg(feature = "harness")]
    pub(super) fn is_strict(&self) -> bool {
        self.options.strict
    }

    /// What a failure is that rests on the rigour clause alone.
    #[cfg(feature = "harness")]
    pub(super) fn weighs_rigour(&self) -> Rigour {
        self.options.rigour
    }
}

/// Checks that a pattern fits a case: one that fits none is most likely a slip, also if others fit.
///
/// # Errors
/// [`SuiteError::NoSuchCase`] with the nearest id.
pub fn check_pattern(pattern: &str, cases: &[impl AsRef<Outline>]) -> Result<(), SuiteError> {
    let alone = Selection {
        globs: vec![pattern.trim_start_matches('!').to_owned()],
        ..Selection::default()
    };
    if cases.iter().any(|case| alone.takes(case.as_ref())) {
        Ok(())
    } else {
        Err(SuiteError::NoSuchCase {
            pattern: pattern.to_owned(),
            nearest: nearest(pattern, cases),
        })
    }
}

/// Checks a list of known deviations against the ids of all cases.
///
/// # Errors
/// Every pattern that fits no case, most likely a slip or a case that was renamed, and every failure that two causes
/// claim.
pub fn check_known<'c>(known: &[Arc<Known>], ids: impl IntoIterator<Item = &'c str>) -> Result<(), SuiteError> {
    match suite::check_known(known, ids) {
        diagnostics if diagnostics.is_empty() => Ok(()),
        diagnostics => Err(SuiteError::Known(ProfileError { diagnostics })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str =
        "known:\n  - case: qos2/dup-before-pubrel@*\n    fails: v5:MQTT-4.3.3-10\n    untriaged: true\n";

    #[test]
    fn a_pattern_that_fits_nothing_names_the_nearest() {
        let error = Suite::embedded().select("qos2/dup-before-pubre").unwrap_err();
        let SuiteError::NoSuchCase { pattern, nearest } = error else {
            panic!("{error}");
        };
        assert_eq!(pattern, "qos2/dup-before-pubre");
        assert!(nearest.is_some_and(|n| n.starts_with("qos2/dup-before-pubrel")));
    }

    #[test]
    fn a_selection_without_a_case_is_an_error() {
        let suite = Suite::embedded().tags(["no-such-tag"]);
        assert!(matches!(suite.cases(), Err(SuiteError::Nothing)));
        assert!(matches!(suite.list(), Err(SuiteError::Nothing)));
    }

    #[test]
    fn the_outlines_are_those_of_the_cases() {
        let suite = Suite::embedded().select("qos1/").unwrap().versions([Version::V5]);
        let outlines: Vec<String> = suite.list().unwrap().into_iter().map(|case| case.id).collect();
        let cases: Vec<String> = suite.cases().unwrap().iter().map(|case| case.id.clone()).collect();
        assert_eq!(outlines, cases);
        assert!(cases.iter().all(|id| id.starts_with("qos1/") && id.ends_with("@v5")));
    }

    #[test]
    fn a_known_list_has_to_name_cases() {
        assert!(Suite::embedded().known(KNOWN).is_ok());
        let other = KNOWN.replace("dup-before", "no-such");
        let Err(SuiteError::Known(error)) = Suite::embedded().known(&other) else {
            panic!("no case has this name");
        };
        let text = error.to_string();
        assert!(
            text.starts_with("error: no case fits `qos2/no-such-pubrel@*`\n --> known:2:11"),
            "{text}"
        );
    }

    #[test]
    fn a_malformed_known_list_is_an_error_at_its_line() {
        let text = KNOWN.replace("fails:", "fials:");
        let Err(SuiteError::Known(error)) = Suite::embedded().known(&text) else {
            panic!("it is no list");
        };
        assert!(error.to_string().contains("known:3:"), "{error}");
    }
}
