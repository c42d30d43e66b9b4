//! One case from beginning to end: the exchange, its control, and the clean-up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::scenario::{Case, ScenarioLevel, Which};
use crate::statements::Version;
use crate::sut::{Address, Answer, Instance, ProbeError, ask};
use crate::transcript::Transcript;
use crate::wire::Side;

use super::cleanup::{Lost, greeting, look_in};
use super::driver::{clean_up, play_exchange};
use super::namespace::Namespaces;
use super::outcome::NOT_PROVOKED;
use super::serving::serve_exchange;
use super::{Advice, Lateness, PlayEnd, Played, Seen, Settings};

/// A timing experiment is void if the harness was later than this.
const TIMED_LATENESS: Duration = Duration::from_millis(250);

/// How long a broker may take at least to answer the CONNECT that asks whether it lets clients in.
const ASKED: Duration = Duration::from_secs(5);

/// How long the end of a broker's process may be in coming after its ports have closed.
const REAPED: Duration = Duration::from_secs(5);

/// How long a broker that closed a connection without an answer may take to close its ports, if it is ending.
const MOMENT: Duration = Duration::from_millis(100);

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

/// One exchange of a case, as it was played.
struct Exchange {
    /// When it began. The adapter of a client was there by then: how busy the machine was while it started says nothing of the
    /// exchange.
    began: Instant,
    transcript: Transcript,
    end: PlayEnd,
    advice: Vec<Advice>,
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
        self.patient(2)
    }

    /// The same player with so many times the response timeout.
    pub fn patient(&self, times: u32) -> Player {
        let mut settings = Settings::clone(&self.settings);
        settings.patience *= times;
        self.with(settings)
    }

    /// The same player with other settings.
    pub fn with(&self, settings: Settings) -> Player {
        Player {
            settings: Arc::new(settings),
            ..self.clone()
        }
    }

    /// Sends one CONNECT with the login of the cases, and says how the broker answers it.
    ///
    /// # Errors
    /// The address cannot be reached, or does not speak MQTT.
    pub async fn ask(&self, address: &Address, version: Version) -> Result<Answer, ProbeError> {
        let connect = greeting(version, &self.namespaces.next(), self.settings.login.as_ref());
        ask(
            &self.settings.dialer,
            address,
            &connect,
            self.settings.patience.max(ASKED),
        )
        .await
    }

    /// Plays a case once.
    pub async fn play(&self, case: &Case, instance: &dyn Instance) -> Played {
        let mut played = self.with_control(case, instance).await;
        if case.header.tests == Side::Client {
            // What a client holds ends with the case, so there is nothing to clean up.
            return played;
        }
        let namespace = self.namespaces.next();
        let cleaned = clean_up(&played, instance, &self.settings, &namespace).await;
        if let (Ok(_), Some(diary)) = (&cleaned, &self.settings.diary) {
            for transcript in std::iter::once(&played.transcript).chain(&played.control) {
                diary.done(&transcript.namespace);
            }
        }
        let ended = self.how_it_ended(case, &played.end, &cleaned, instance).await;
        // A case that has failed says more than that its traces could not be removed; whether the broker is still there
        // is then for the next case to find out, or for `alive`.
        match (cleaned, &played.end) {
            (Err(Lost::Gone(why)), PlayEnd::Met) => played.end = PlayEnd::BrokerGone(why),
            // A process that is there and slow to answer is no crash: the case is played again.
            (Err(Lost::Silent(why)), PlayEnd::Met) => played.end = PlayEnd::Late(why),
            _ => {}
        }
        if let Some(how) = ended {
            played.end = PlayEnd::BrokerGone(format!("the broker ended ({how})"));
        } else if !instance.alive() {
            played.end = PlayEnd::BrokerGone("the broker ended".to_owned());
        }
        played
    }

    /// The case, and its control if that has something to say.
    async fn with_control(&self, case: &Case, instance: &dyn Instance) -> Played {
        let Exchange {
            began,
            transcript,
            mut end,
            advice,
        } = self.one(case, Which::Case, instance).await;
        let mut control = None;
        let mut control_advice = Vec::new();
        let mut missed = None;
        // What only should be may be missing, and then too the control says whether this is a broker at all.
        let met = matches!(end, PlayEnd::Met);
        let is_should = case.level() == ScenarioLevel::Should && matches!(end, PlayEnd::Failed(_));
        if (met || is_should) && case.script.control.is_some() {
            let played = self.one(case, Which::Control, instance).await;
            control = Some(played.transcript);
            control_advice = played.advice;
            if met || !matches!(played.end, PlayEnd::Met) {
                missed = match std::mem::replace(&mut end, played.end) {
                    PlayEnd::Failed(failure) => Some(failure),
                    _ => None,
                };
            }
        }
        if let Some(late) = self.void(case, &end, began) {
            end = PlayEnd::Late(late);
        }
        Played {
            transcript,
            control,
            end,
            advice,
            control_advice,
            missed,
        }
    }

    /// One exchange, with the side under test.
    async fn one(&self, case: &Case, which: Which, instance: &dyn Instance) -> Exchange {
        match case.header.tests {
            Side::Client => self.serve(case, which, instance).await,
            Side::Server => self.exchange(case, which, instance).await,
        }
    }

    /// Plays an exchange with one of the adapters of `instance`. One that is of no more use is ended, and replaced by a
    /// new one when the next case needs it.
    async fn serve(&self, case: &Case, which: Which, instance: &dyn Instance) -> Exchange {
        let namespace = self.namespaces.next();
        let unplayed = |end: PlayEnd| Exchange {
            began: Instant::now(),
            transcript: Transcript {
                scripted: Side::Server,
                version: case.version,
                namespace: namespace.clone(),
                events: Vec::new(),
                local: Vec::new(),
                bindings: Vec::new(),
            },
            end,
            advice: Vec::new(),
        };
        let Some(adapters) = instance.adapters() else {
            return unplayed(PlayEnd::Skipped("the target is a broker".to_owned()));
        };
        let adapter = match adapters.take().await {
            Ok(adapter) => adapter,
            Err(error) => return unplayed(PlayEnd::Error(error.to_string())),
        };
        if let Some(onlooker) = &self.settings.onlooker {
            let _ = onlooker.send(Seen::Began(which));
        }
        let began = Instant::now();
        let (transcript, end, advice, adapter) = serve_exchange(case, which, &namespace, adapter, &self.settings).await;
        match adapter {
            Some(adapter) => adapters.give_back(adapter),
            None if matches!(end, PlayEnd::BrokerGone(_)) => adapters.lose(),
            None => {}
        }
        Exchange {
            began,
            transcript,
            end,
            advice,
        }
    }

    /// How a broker of our own ended; `None` if it is there. A process that ends closes its connections and ports before
    /// its end can be seen, so after a visit that was not answered its end is awaited for a while.
    async fn how_it_ended(
        &self,
        case: &Case,
        end: &PlayEnd,
        cleaned: &Result<bool, Lost>,
        instance: &dyn Instance,
    ) -> Option<String> {
        let mut is_gone = matches!(cleaned, Err(Lost::Gone(_))) || matches!(end, PlayEnd::BrokerGone(_));
        if matches!(cleaned, Ok(false)) && !is_gone {
            // It may be one that answers no CONNECT without more than a login: such a broker takes the next one too.
            if let Some(how) = instance.ended(MOMENT).await {
                return Some(how);
            }
            let address = instance.address(case.version)?;
            let again = look_in(&address, case.version, &self.settings, &self.namespaces.next()).await;
            is_gone = matches!(again, Err(Lost::Gone(_)));
        }
        if is_gone || !instance.alive() {
            instance.ended(REAPED).await
        } else {
            None
        }
    }

    async fn exchange(&self, case: &Case, which: Which, instance: &dyn Instance) -> Exchange {
        let began = Instant::now();
        let (transcript, end, advice) =
            play_exchange(case, which, &self.namespaces.next(), instance, &self.settings).await;
        Exchange {
            began,
            transcript,
            end,
            advice,
        }
    }

    /// Why the experiment proves nothing: the harness itself was too late for its bounds.
    fn void(&self, case: &Case, end: &PlayEnd, began: Instant) -> Option<String> {
        // It may take hours, in which the machine sleeps, and no one would want to do everything again.
        if self.settings.by_hand {
            return None;
        }
        let late = self.lateness.since(began);
        let bound = match end {
            // A failure may be one of ours: an answer that was there, and that we saw too late.
            PlayEnd::Failed(failure) if failure.timed_out() => self.settings.patience / PATIENCE_PARTS,
            // So may an end of the connection: the other side does not wait forever for what we send. Where a case depends on its
            // times, it waits less.
            PlayEnd::Failed(failure) if failure.lost_connection() && case.is_timed() => {
                TIMED_LATENESS.min(self.settings.patience / PATIENCE_PARTS)
            }
            PlayEnd::Failed(failure) if failure.lost_connection() => self.settings.patience / PATIENCE_PARTS,
            // What an application was told to send may be on its way.
            PlayEnd::Skipped(reason) if reason.starts_with(NOT_PROVOKED) => self.settings.patience / PATIENCE_PARTS,
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
