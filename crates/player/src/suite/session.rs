//! A session with one target: instances are had as cases need them, and each case comes out judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore, SemaphorePermit, mpsc};

use crate::play::{PlayEnd, Played, Player, Settings};
use crate::scenario::Case;
use crate::sut::{Instance, Launcher};

use super::judge::Judge;
use super::load::Load;
use super::{CaseResult, Rigour, RunEvent, Target, Verdict};

/// A void experiment is played so often before it is given up.
const PLAYS: u32 = 3;
/// The number of void experiments that are replayed in parallel: fewer than before, because the machine was too slow.
const AGAIN: usize = 4;
/// How far back a run looks to see whether the machine is busy.
const LATELY: Duration = Duration::from_secs(2);
/// On a machine that is not busy this process gets the processor within this time, which is a quarter of what voids a timing
/// experiment.
const PUNCTUAL: Duration = Duration::from_millis(60);
/// How much of a broker's log a crash shows, in bytes.
const LOG: usize = 16 * 1024;

/// A target with the brokers that are running for it.
pub struct Session {
    pub(super) target: Target,
    strict: bool,
    rigour: Rigour,
    events: Option<mpsc::UnboundedSender<RunEvent>>,
    /// The instances that cases use in parallel, the target's own first and then one for each setup.
    pub(super) places: Vec<Arc<Place>>,
    side_by_side: Semaphore,
    /// The number of places in `side_by_side` that go when they are free.
    surplus: AtomicUsize,
    own: Semaphore,
    heavy: Semaphore,
    again: Semaphore,
    /// A broker that is only an address has gone: nothing more can be played.
    gone: AtomicBool,
    bad: AtomicUsize,
    load: std::sync::Mutex<Load>,
    notes: Mutex<Vec<String>>,
    /// The shared instances that have gone away.
    deaths: Mutex<BTreeMap<usize, Death>>,
}

/// Where cases are played: the target itself, or one of its setups.
pub(super) struct Place {
    launcher: Arc<dyn Launcher>,
    pub(super) player: Player,
    /// The instance that cases use in parallel; `None` before the first and after one has died.
    shared: Mutex<Option<Shared>>,
}

/// An instance that cases use in parallel.
#[derive(Clone)]
pub(super) struct Shared {
    /// Tells it from every other of the program.
    number: usize,
    pub(super) instance: Arc<dyn Instance>,
}

/// The end of a shared instance.
struct Death {
    how: String,
    /// The cases that were played there and do not end a broker alone.
    cases: Vec<String>,
    /// One that was played there does.
    explained: bool,
}

impl Place {
    fn new(launcher: &Arc<dyn Launcher>, player: Player) -> Place {
        Place {
            launcher: Arc::clone(launcher),
            player,
            shared: Mutex::new(None),
        }
    }

    /// The shared instance; started if there is none.
    pub(super) async fn instance(&self) -> Result<Shared, String> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let mut slot = self.shared.lock().await;
        if let Some(shared) = slot.as_ref().filter(|shared| shared.instance.alive()) {
            return Ok(shared.clone());
        }
        let instance = self.launcher.launch().await.map_err(|e| e.to_string())?;
        let shared = Shared {
            number: STARTED.fetch_add(1, Ordering::Relaxed),
            instance: instance.into(),
        };
        Ok(slot.insert(shared).clone())
    }

    /// The same place, with a response timeout so many times as long and an instance of its own.
    pub(super) fn patient(&self, times: u32) -> Place {
        Place::new(&self.launcher, self.player.patient(times))
    }

    /// Forgets an instance that has gone away, unless a new one is there already.
    async fn lost(&self, number: usize) {
        let mut slot = self.shared.lock().await;
        if slot.as_ref().is_some_and(|shared| shared.number == number) {
            *slot = None;
        }
    }
}

/// What is to be said of a session as a whole.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    pub notes: Vec<String>,
    pub crashes_under_load: Vec<String>,
}

impl Session {
    /// A session against `target`. `events` receives what happens.
    pub fn new(
        target: &Target,
        player: &Player,
        strict: bool,
        events: Option<mpsc::UnboundedSender<RunEvent>>,
    ) -> Session {
        let mut places = vec![Arc::new(Place::new(&target.launcher, player.clone()))];
        places.extend(target.setups.iter().map(|setup| {
            let settings = Settings {
                patience: player.settings.patience,
                settle: player.settings.settle,
                diary: player.settings.diary.clone(),
                ..setup.settings.clone()
            };
            Arc::new(Place::new(&setup.launcher, player.with(settings)))
        }));
        Session {
            target: target.clone(),
            strict,
            rigour: Rigour::default(),
            events,
            places,
            side_by_side: Semaphore::new(target.jobs.max(1)),
            surplus: AtomicUsize::new(0),
            own: Semaphore::new(target.instances.max(1)),
            heavy: Semaphore::new(1),
            again: Semaphore::new(AGAIN),
            gone: AtomicBool::new(false),
            bad: AtomicUsize::new(0),
            load: std::sync::Mutex::new(Load::new(player.settings.patience, target.jobs.max(1))),
            notes: Mutex::new(Vec::new()),
            deaths: Mutex::new(BTreeMap::new()),
        }
    }

    /// The same session with another weight for failures that rest on the rigour clause alone.
    pub fn weighing(self, rigour: Rigour) -> Session {
        Session { rigour, ..self }
    }

    /// Starts the instance that cases share, so that a target that cannot be started is reported once and not by every
    /// case.
    ///
    /// # Errors
    /// Why no broker could be started.
    pub async fn open(&self) -> Result<(), String> {
        self.places[0].instance().await.map(|_| ())
    }

    /// Plays one case as soon as there is room for it, and judges it.
    pub async fn case(&self, case: &Case) -> CaseResult {
        let result = self.untold_case(case).await;
        self.tell_of(&result);
        result
    }

    /// The same, with the result told by the caller.
    pub(super) async fn untold_case(&self, case: &Case) -> CaseResult {
        let result = match self.target.setup_for(case) {
            Err(reason) => self.judge().unplayed(case, Verdict::Skip, reason),
            Ok(setup) => self.play(case, &self.places[Session::place_of(setup)]).await,
        };
        if result.is_bad() {
            self.bad.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Plays one case at once at one of `places`, which stand for those of the session.
    pub(super) async fn case_at(&self, case: &Case, places: &[Arc<Place>]) -> CaseResult {
        let place = match self.target.setup_for(case) {
            Err(reason) => return self.judge().unplayed(case, Verdict::Skip, reason),
            Ok(setup) => &places[Session::place_of(setup)],
        };
        let began = Instant::now();
        let played = if place.launcher.starts_its_own() {
            Box::pin(self.play_alone(case, place)).await
        } else {
            Box::pin(self.play_shared(case, place)).await
        };
        self.judged(case, played, began)
    }

    /// Tells what came of a case.
    pub(super) fn tell_of(&self, result: &CaseResult) {
        self.tell(|| RunEvent::CaseEnded(Arc::new(result.clone())));
    }

    fn judge(&self) -> Judge<'_> {
        Judge {
            target: &self.target,
            strict: self.strict,
            rigour: self.rigour,
        }
    }

    /// The response timeout of the run.
    pub(super) fn response_timeout(&self) -> Duration {
        self.places[0].player.settings.patience
    }

    /// Whether there was a sign that cases got in each other's way.
    pub(super) fn is_disturbed(&self) -> bool {
        self.load().is_disturbed()
    }

    /// Nothing that holds it can be interrupted halfway.
    fn load(&self) -> std::sync::MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the cases of a setup are played, or of the target itself (`None`).
    pub(super) fn place_of(setup: Option<usize>) -> usize {
        setup.map_or(0, |number| number + 1)
    }

    /// How a case is played: the settings of the target, or of the setup that it needs.
    pub fn settings_for(&self, case: &Case) -> Arc<Settings> {
        let setup = self.target.setup_for(case).ok().flatten();
        let place = &self.places[Session::place_of(setup)];
        Arc::clone(&place.player.settings)
    }

    /// How many results were bad so far.
    pub fn bad(&self) -> usize {
        self.bad.load(Ordering::Relaxed)
    }

    /// Whether a broker that is only an address has gone: nothing more can be played.
    pub fn gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Says something of the run as a whole.
    pub async fn note(&self, note: String) {
        self.tell(|| RunEvent::Note(note.clone()));
        self.notes.lock().await.push(note);
    }

    /// Ends the broker, if it is ours.
    pub async fn end(&self) -> Ended {
        for place in &self.places {
            if let Some(shared) = place.shared.lock().await.take() {
                shared.instance.stop().await;
            }
        }
        let notes = self.load().notes(self.target.launcher.starts_its_own());
        for note in notes {
            self.note(note).await;
        }
        let mut crashes_under_load = Vec::new();
        for death in std::mem::take(&mut *self.deaths.lock().await).into_values() {
            // If one case ends the broker alone, the others were only there.
            if !death.explained {
                let cases = death.cases.join(", ");
                self.note(format!("crash under load while {cases} ran: {}", death.how))
                    .await;
                crashes_under_load.extend(death.cases);
            }
        }
        Ended {
            notes: std::mem::take(&mut *self.notes.lock().await),
            crashes_under_load,
        }
    }

    /// Notes that a shared instance went away while a case was played there, and whether that case ends a broker alone.
    async fn died(&self, number: usize, how: String, case: &Case, alone: bool) {
        let mut deaths = self.deaths.lock().await;
        let death = deaths.entry(number).or_insert_with(|| Death {
            how,
            cases: Vec::new(),
            explained: false,
        });
        death.explained |= alone;
        if !alone {
            death.cases.push(case.id.clone());
        }
    }

    fn tell(&self, event: impl FnOnce() -> RunEvent) {
        if let Some(events) = &self.events {
            // A dropped receiver is not an error.
            let _ = events.send(event());
        }
    }

    /// Whether this process got the processor in time lately, and a timer beside it would be measured right.
    pub(super) fn is_punctual(&self) -> bool {
        let lately = Instant::now().checked_sub(LATELY);
        lately.is_some_and(|lately| self.places[0].player.lateness.since(lately) <= PUNCTUAL)
    }

    /// Whether a case gets an instance of its own, if the run starts its brokers.
    pub(super) fn needs_its_own(&self, case: &Case) -> bool {
        self.target.isolate || case.script.restarts() || case.conditions.serial || case.conditions.heavy
    }

    async fn play(&self, case: &Case, place: &Place) -> CaseResult {
        let heavy = case.conditions.heavy;
        let _heavy = if heavy { self.heavy.acquire().await.ok() } else { None };
        let own = place.launcher.starts_its_own() && self.needs_its_own(case);
        let began;
        // On the heap: all cases of a run wait for room, and those that do are small so.
        let outcome = if own {
            let _permit = self.own.acquire().await;
            began = Instant::now();
            Box::pin(self.play_alone(case, place)).await
        } else {
            let permit = self.side_by_side.acquire().await.ok();
            began = Instant::now();
            let outcome = Box::pin(self.play_shared(case, place)).await;
            if let Outcome::Played { played, .. } = &outcome.0 {
                let fewer = self.load().note(&case.id, played, began);
                self.surplus.fetch_add(fewer, Ordering::Relaxed);
            }
            let less = |surplus: usize| surplus.checked_sub(1);
            let surplus = (self.surplus).fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            if let (Ok(before), Some(permit)) = (surplus, permit) {
                permit.forget();
                if before == 1 {
                    self.load().is_lowered();
                }
            }
            outcome
        };
        self.judged(case, outcome, began)
    }

    fn judged(&self, case: &Case, (outcome, plays, log): (Outcome, u32, Option<String>), began: Instant) -> CaseResult {
        let mut result = match outcome {
            Outcome::Played { played, crashed } => self.judge().judge(case, *played, crashed),
            Outcome::NoBroker(why) => self.judge().unplayed(case, Verdict::Error, why),
        };
        result.duration = began.elapsed();
        result.plays = plays;
        result.log = log;
        result
    }

    /// On an instance that no one else uses. A broker that goes away here was brought down by this case alone.
    async fn play_alone(&self, case: &Case, place: &Place) -> (Outcome, u32, Option<String>) {
        let mut tries = Tries::new(self, place);
        loop {
            self.tell(|| RunEvent::CaseBegan { id: case.id.clone() });
            let launched = place.launcher.launch_alone(case.needs("websocket"));
            let instance = match launched.await {
                Ok(instance) => instance,
                Err(error) => return (Outcome::NoBroker(error.to_string()), tries.plays, None),
            };
            let played = tries.play(case, &*instance).await;
            let crashed = matches!(played.end, PlayEnd::BrokerGone(_)) && !instance.alive();
            let log = crashed.then(|| instance.log_tail(LOG)).flatten();
            instance.stop().await;
            if matches!(played.end, PlayEnd::Late(_)) && tries.another().await {
                continue;
            }
            return (Outcome::played(played, crashed), tries.plays, log);
        }
    }

    /// On the instance that all use. If it goes away, this case is played again alone.
    async fn play_shared(&self, case: &Case, place: &Place) -> (Outcome, u32, Option<String>) {
        let mut tries = Tries::new(self, place);
        loop {
            self.tell(|| RunEvent::CaseBegan { id: case.id.clone() });
            let Shared { number, instance } = match place.instance().await {
                Ok(shared) => shared,
                Err(error) => return (Outcome::NoBroker(error), tries.plays, None),
            };
            let played = tries.play(case, &*instance).await;
            match &played.end {
                PlayEnd::Late(_) if tries.another().await => continue,
                PlayEnd::BrokerGone(how) if place.launcher.starts_its_own() => {
                    place.lost(number).await;
                    let plays = tries.plays;
                    // It may be void again, and a task that waits for a place must not hold one.
                    drop(tries);
                    let (outcome, more, log) = Box::pin(self.play_alone(case, place)).await;
                    let alone = matches!(outcome, Outcome::Played { crashed: true, .. });
                    self.died(number, how.clone(), case, alone).await;
                    return (outcome, plays + more, log);
                }
                PlayEnd::BrokerGone(why) => {
                    self.note(format!("the broker went away while {} was played: {why}", case.id))
                        .await;
                    self.gone.store(true, Ordering::Relaxed);
                }
                _ => {}
            }
            return (Outcome::played(played, false), tries.plays, None);
        }
    }
}

/// The plays of one case, and who plays it: the more patient, the more of them were void.
struct Tries<'s> {
    session: &'s Session,
    player: Player,
    plays: u32,
    again: Option<SemaphorePermit<'s>>,
}

impl<'s> Tries<'s> {
    fn new(session: &'s Session, place: &Place) -> Tries<'s> {
        Tries {
            session,
            player: place.player.clone(),
            plays: 0,
            again: None,
        }
    }

    async fn play(&mut self, case: &Case, instance: &dyn Instance) -> Played {
        self.plays += 1;
        self.player.play(case, instance).await
    }

    /// Makes ready to play a void experiment again, when there is room for it; `false` if it has been played often
    /// enough.
    async fn another(&mut self) -> bool {
        if self.plays >= PLAYS {
            return false;
        }
        self.player = self.player.more_patient();
        if self.again.is_none() {
            self.again = self.session.again.acquire().await.ok();
        }
        true
    }
}

enum Outcome {
    Played { played: Box<Played>, crashed: bool },
    NoBroker(String),
}

impl Outcome {
    fn played(played: Played, crashed: bool) -> Outcome {
        Outcome::Played {
            played: Box::new(played),
            crashed,
        }
    }
}
