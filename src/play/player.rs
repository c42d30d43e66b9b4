//! One case from beginning to end: the exchange, its control, and the clean-up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::scenario::{Case, ScenarioLevel, Which};
use crate::sut::Instance;

use super::cleanup::Lost;
use super::driver::{clean_up, play_exchange};
use super::namespace::Namespaces;
use super::{Lateness, PlayEnd, Played, Settings};

/// A timing experiment is void if the harness was later than this.
const TIMED_LATENESS: Duration = Duration::from_millis(250);

/// A timeout is void if the harness was late by more than this fraction of the response timeout. An answer goes through
/// a handful of tasks, and through as many of the broker's on the same machine; if each of them is late by so much,
/// all of the response timeout is gone and no one was at fault.
const PATIENCE_PARTS: u32 = 8;

/// Plays cases against a target; one serves a whole run.
#[derive(Debug, Clone)]
pub struct Player {
    pub settings: Arc<Settings>,
    pub lateness: Lateness,
    pub namespaces: Arc<Namespaces>,
}

impl Player {
    /// A player; must be made within a tokio runtime.
    pub fn new(settings: Settings, seed: u64) -> Player {
        Player {
            settings: Arc::new(settings),
            lateness: Lateness::start(),
            namespaces: Arc::new(Namespaces::new(seed)),
        }
    }

    /// The same player with twice the response timeout: for an experiment that was void, on a machine that is slow. To
    /// wait longer for what must come makes no verdict wrong.
    pub fn more_patient(&self) -> Player {
        let mut settings = Settings::clone(&self.settings);
        settings.patience *= 2;
        self.with(settings)
    }

    /// The same player with other settings.
    pub fn with(&self, settings: Settings) -> Player {
        Player {
            settings: Arc::new(settings),
            ..self.clone()
        }
    }

    /// Plays a case once.
    pub async fn play(&self, case: &Case, instance: &dyn Instance) -> Played {
        let began = Instant::now();
        let (transcript, mut end, advice) = self.exchange(case, Which::Case, instance).await;
        let mut control = None;
        let mut control_advice = Vec::new();
        let mut missed = None;
        // What only should be may be missing, and then too the control says whether this is a broker at all.
        let met = matches!(end, PlayEnd::Met);
        let is_should = case.level() == ScenarioLevel::Should && matches!(end, PlayEnd::Failed(_));
        if (met || is_should) && case.script.control.is_some() {
            let (transcript, control_end, advice) = self.exchange(case, Which::Control, instance).await;
            control = Some(transcript);
            control_advice = advice;
            if met || !matches!(control_end, PlayEnd::Met) {
                missed = match std::mem::replace(&mut end, control_end) {
                    PlayEnd::Failed(failure) => Some(failure),
                    _ => None,
                };
            }
        }
        if let Some(late) = self.void(case, &end, began) {
            end = PlayEnd::Late(late);
        }
        let mut played = Played {
            transcript,
            control,
            end,
            advice,
            control_advice,
            missed,
        };
        let namespace = self.namespaces.next();
        let cleaned = clean_up(&played, instance, &self.settings, &namespace).await;
        if let (Ok(()), Some(diary)) = (&cleaned, &self.settings.diary) {
            for transcript in std::iter::once(&played.transcript).chain(&played.control) {
                diary.done(&transcript.namespace);
            }
        }
        // A case that has failed says more than that its traces could not be removed; whether the broker is still there
        // is then for the next case to find out, or for `alive`.
        match (cleaned, &played.end) {
            (Err(Lost::Gone(why)), PlayEnd::Met) => played.end = PlayEnd::BrokerGone(why),
            // A process that is there and slow to answer is no crash: the case is played again.
            (Err(Lost::Silent(why)), PlayEnd::Met) => played.end = PlayEnd::Late(why),
            _ => {}
        }
        if !instance.alive() {
            played.end = PlayEnd::BrokerGone("the broker's process has ended".to_owned());
        }
        played
    }

    async fn exchange(
        &self,
        case: &Case,
        which: Which,
        instance: &dyn Instance,
    ) -> (crate::transcript::Transcript, PlayEnd, Vec<super::Advice>) {
        play_exchange(case, which, &self.namespaces.next(), instance, &self.settings).await
    }

    /// Why the experiment proves nothing: the harness itself was too late for its bounds.
    fn void(&self, case: &Case, end: &PlayEnd, began: Instant) -> Option<String> {
        let late = self.lateness.since(began);
        let bound = match end {
            // A failure may be one of ours: an answer that was there, and that we saw too late.
            PlayEnd::Failed(failure) if failure.timed_out() => self.settings.patience / PATIENCE_PARTS,
            PlayEnd::Failed(_) | PlayEnd::Met if case.is_timed() => TIMED_LATENESS,
            _ => return None,
        };
        (late > bound).then(|| {
            format!(
                "the harness or its disk was {} late; at most {} is allowed",
                super::outcome::seconds(late),
                super::outcome::seconds(bound)
            )
        })
    }
}
