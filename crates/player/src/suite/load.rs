//! Whether the load of the run gets in the way of its verdicts: how fast the broker answers, and whether cases get messages of
//! other cases.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::play::{Played, answer_times, seconds, stray_topic};

/// How many of the last answers are looked at.
const WINDOW: usize = 200;
/// From how many on a percentile says something.
const ENOUGH: usize = 40;
/// Answers are slow if 95 % take up to more than the response timeout divided by this.
const SLOW: u32 = 2;
/// What the number of cases in parallel is lowered to aim for: the response timeout divided by this.
const AIM: u32 = 4;

/// What was seen of the load in a run.
#[derive(Debug)]
pub(super) struct Load {
    response_timeout: Duration,
    /// The last answer times of cases that began since `since`.
    window: VecDeque<Duration>,
    /// When the number of cases that are played became `jobs`; `None` while there are still more.
    since: Option<Instant>,
    /// The number of cases in parallel at the start.
    began_with: usize,
    /// The same now.
    jobs: usize,
    /// The answer time that 95 % did not exceed when the number was first lowered.
    slow: Option<Duration>,
    /// The same when it was last lowered.
    last: Option<Duration>,
    /// Cases that got messages of other cases.
    strays: usize,
    /// One of those messages: the case and the topic.
    example: Option<(String, String)>,
}

impl Load {
    pub(super) fn new(response_timeout: Duration, jobs: usize) -> Load {
        Load {
            response_timeout,
            window: VecDeque::with_capacity(WINDOW),
            since: Some(Instant::now()),
            began_with: jobs,
            jobs,
            slow: None,
            last: None,
            strays: 0,
            example: None,
        }
    }

    /// Takes what a case shows that began at `began`. Says how many cases fewer are to be played in parallel from now on.
    pub(super) fn note(&mut self, id: &str, played: &Played, began: Instant) -> usize {
        let exchanges = || std::iter::once(&played.transcript).chain(&played.control);
        if let Some(topic) = exchanges().find_map(stray_topic) {
            self.strays += 1;
            self.example.get_or_insert_with(|| (id.to_owned(), topic));
        }
        self.answered(exchanges().flat_map(answer_times), began)
    }

    /// The number of cases that are played is as low as was asked for.
    pub(super) fn is_lowered(&mut self) {
        self.since = Some(Instant::now());
    }

    fn answered(&mut self, times: impl Iterator<Item = Duration>, began: Instant) -> usize {
        // What began beside more cases than are played now says nothing of their number.
        if self.since.is_none_or(|since| began < since) {
            return 0;
        }
        for time in times {
            if self.window.len() == WINDOW {
                self.window.pop_front();
            }
            self.window.push_back(time);
        }
        let Some(slow) = self.percentile().filter(|time| *time > self.response_timeout / SLOW) else {
            return 0;
        };
        // A broker that is as slow with fewer clients is not slow because of them.
        let is_helpful = self.last.is_none_or(|last| slow < last * 3 / 4);
        if self.jobs == 1 || !is_helpful {
            return 0;
        }
        self.last = Some(slow);
        self.slow.get_or_insert(slow);
        // The time to an answer grows about as the number of clients does.
        let share = (self.response_timeout / AIM).as_secs_f64() / slow.as_secs_f64();
        let fewer = ((self.jobs as f64 * share) as usize).clamp(1, self.jobs - 1);
        let by = self.jobs - fewer;
        self.jobs = fewer;
        self.since = None;
        self.window.clear();
        by
    }

    /// The time that 95 % of the last answers did not exceed; `None` if there are too few.
    fn percentile(&self) -> Option<Duration> {
        if self.window.len() < ENOUGH {
            return None;
        }
        let mut times: Vec<Duration> = self.window.iter().copied().collect();
        times.sort_unstable();
        Some(times[times.len() * 95 / 100])
    }

    /// Whether there was a sign that cases got in each other's way.
    pub(super) fn is_disturbed(&self) -> bool {
        self.slow.is_some() || self.strays > 0
    }

    /// What a user should know. `starts_its_own`: the run starts the broker.
    pub(super) fn notes(&self, starts_its_own: bool) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(slow) = self.slow {
            notes.push(format!(
                "answers took {} (95 %), and the response timeout is {}: {} cases in parallel were too many, the rest were played \
                 with {}; use --jobs {3}, or `jobs: {3}` in a profile",
                seconds(slow),
                seconds(self.response_timeout),
                self.began_with,
                self.jobs
            ));
        }
        if let Some((id, topic)) = &self.example {
            let cases = match self.strays {
                1 => "1 case".to_owned(),
                n => format!("{n} cases"),
            };
            let cure = if starts_its_own {
                "set `isolate: true` in the profile"
            } else {
                "set `isolate: true` in a profile with a `process`, or use --jobs 1"
            };
            notes.push(format!(
                "{cases} got messages of other cases, which the broker should not have delivered there, and may fail because of them: \
                 {cure} (the first: {id} got {topic})"
            ));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64, count: usize) -> impl Iterator<Item = Duration> {
        std::iter::repeat_n(Duration::from_millis(ms), count)
    }

    /// Answer times of cases that begin now.
    fn now(load: &mut Load, times: impl Iterator<Item = Duration>) -> usize {
        load.answered(times, Instant::now())
    }

    #[test]
    fn slow_answers_lower_the_number_of_cases_in_proportion() {
        let mut load = Load::new(Duration::from_secs(2), 64);
        let at_first = Instant::now();
        // A few slow ones among many are no sign.
        assert_eq!(now(&mut load, ms(10, 190).chain(ms(1900, 5))), 0);
        assert!(!load.is_disturbed());
        assert_eq!(now(&mut load, ms(1800, 200)), 64 - 17);
        assert!(load.is_disturbed());
        // Until there are so few, and of cases that began before that, nothing is measured.
        assert_eq!(now(&mut load, ms(1800, 200)), 0);
        load.is_lowered();
        assert_eq!(load.answered(ms(1800, 200), at_first), 0);
        assert_eq!(now(&mut load, ms(1200, 39)), 0);
        assert_eq!(now(&mut load, ms(1200, 1)), 17 - 7);
        load.is_lowered();
        assert_eq!(now(&mut load, ms(100, 200)), 0);
        assert_eq!(
            load.notes(false),
            [
                "answers took 1.8 s (95 %), and the response timeout is 2 s: 64 cases in parallel were too many, the rest were played \
                 with 7; use --jobs 7, or `jobs: 7` in a profile"
            ]
        );
    }

    #[test]
    fn a_broker_that_is_as_slow_with_fewer_is_left_at_that() {
        let mut load = Load::new(Duration::from_secs(2), 64);
        assert_eq!(now(&mut load, ms(1500, 60)), 64 - 21);
        load.is_lowered();
        assert_eq!(now(&mut load, ms(1400, 200)), 0);
    }

    #[test]
    fn one_case_at_a_time_is_the_least() {
        let mut load = Load::new(Duration::from_millis(100), 2);
        assert_eq!(now(&mut load, ms(5000, 60)), 1);
        load.is_lowered();
        assert_eq!(now(&mut load, ms(500, 60)), 0);
    }

    #[test]
    fn a_run_without_a_sign_has_no_note() {
        let mut load = Load::new(Duration::from_secs(2), 64);
        assert_eq!(now(&mut load, ms(3, 500)), 0);
        assert_eq!(load.notes(true), Vec::<String>::new());
    }
}
