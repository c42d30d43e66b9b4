//! One walk over the steps of a script, and what is asked of a script as a whole: how long it waits, whether it
//! restarts the broker, whether its verdict depends on time.
//!
//! A case has up to two exchanges. What is asked of one exchange takes its steps; what is asked of the case asks both.

use std::time::Duration;

use super::{Case, Expect, Part, Script, Send, Step, StepKind, Steps, Within, Write};
use crate::wire::PacketType;

/// Which of a case's two exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Case,
    Control,
}

impl Script {
    /// The steps of each exchange: those of the case, then those of the control if there is one.
    pub fn exchanges(&self) -> impl Iterator<Item = &Steps> {
        std::iter::once(&self.steps).chain(&self.control)
    }

    /// The steps of one exchange. A case without a control has its own steps for both.
    pub fn exchange(&self, which: Which) -> &Steps {
        match (which, &self.control) {
            (Which::Control, Some(steps)) => steps,
            _ => &self.steps,
        }
    }

    /// How long both exchanges together ask to wait.
    pub fn declared_waits(&self) -> Duration {
        self.exchanges().map(|steps| declared_waits(steps)).sum()
    }

    /// Whether one of its exchanges restarts or kills the broker.
    pub fn restarts(&self) -> bool {
        self.exchanges()
            .any(|steps| every(steps).any(|step| matches!(step.what, StepKind::Broker(_))))
    }
}

impl Case {
    /// Whether the case's verdict depends on the time at which things happen: it says `timing: true`, or one of its
    /// exchanges sets a lower bound or a span of silence.
    ///
    /// A `wait` alone is no bound: to be later than it asks does no harm. Neither is a deadline: what came in time for
    /// us came in time for everyone, however late we were.
    pub fn is_timed(&self) -> bool {
        let bounded = |step: &Step| match &step.what {
            StepKind::Expect { what, .. } => {
                what.within().from.is_some() || matches!(what, Expect::Nothing { quiet: Some(_) })
            }
            _ => false,
        };
        self.conditions.timing || self.script.exchanges().any(|steps| every(steps).any(bounded))
    }
}

impl Step {
    /// The runs of steps that are in this one: the alternatives of a `one of`, the steps of a `repeat`, an
    /// `in any order` or an `at once`.
    pub fn children(&self) -> &[Steps] {
        match &self.what {
            StepKind::OneOf(alternatives) => alternatives,
            StepKind::InAnyOrder(steps) | StepKind::AtOnce(steps) | StepKind::Repeat { steps, .. } => {
                std::slice::from_ref(steps)
            }
            StepKind::Send { .. }
            | StepKind::Expect { .. }
            | StepKind::Does { .. }
            | StepKind::Wait(_)
            | StepKind::Broker(_)
            | StepKind::Note(_) => &[],
        }
    }

    /// What the step makes a client send, if anything.
    pub fn sends(&self) -> Option<&Send> {
        match &self.what {
            StepKind::Send { what, .. } => Some(what),
            _ => None,
        }
    }
}

impl Write {
    /// Whether a packet of this type is among what is written.
    pub fn sends(&self, packet_type: PacketType) -> bool {
        let is_it = |part: &Part| matches!(part, Part::Packet(packet) if packet.packet_type == packet_type);
        self.parts.iter().any(is_it)
    }
}

impl Expect {
    /// What the expectation says of its time.
    pub fn within(&self) -> Within {
        match self {
            Expect::Packet(pattern) => pattern.within,
            Expect::Bytes { within, .. } | Expect::Closed { within } | Expect::Refused { within, .. } => *within,
            Expect::Nothing { .. } => Within::default(),
        }
    }
}

/// Every step, nested ones too, each before those that are in it: in the order of the file.
pub fn every(steps: &[Step]) -> impl Iterator<Item = &Step> {
    let mut open = vec![steps];
    std::iter::from_fn(move || {
        loop {
            let run = open.pop()?;
            let Some((step, rest)) = run.split_first() else {
                continue;
            };
            open.push(rest);
            open.extend(step.children().iter().rev().map(|steps| &steps[..]));
            return Some(step);
        }
    })
}

/// How many packets the steps of an exchange await at most: each expectation one, in a `repeat` once in each iteration.
pub fn awaited(steps: &[Step]) -> usize {
    let of = |step: &Step| match &step.what {
        StepKind::Repeat { times, steps } => awaited(steps).saturating_mul(*times as usize),
        StepKind::Expect { .. } => 1,
        _ => step
            .children()
            .iter()
            .map(|steps| awaited(steps))
            .fold(0, usize::saturating_add),
    };
    steps.iter().map(of).fold(0, usize::saturating_add)
}

/// How long nothing happens in the steps of an exchange at least, by what they say themselves: pauses, spans of
/// silence, and what may not come before its time. An answer is not reckoned to take any.
pub fn silence(steps: &[Step]) -> Duration {
    let silent = |step: &Step| match &step.what {
        StepKind::Wait(time) => *time,
        StepKind::Repeat { times, steps } => silence(steps) * *times,
        StepKind::Expect {
            what: Expect::Nothing { quiet },
            ..
        } => quiet.unwrap_or_default(),
        StepKind::Expect { what, .. } => what.within().from.unwrap_or_default(),
        _ => step
            .children()
            .iter()
            .map(|steps| silence(steps))
            .max()
            .unwrap_or_default(),
    };
    steps.iter().map(silent).sum()
}

/// How long the steps of an exchange ask to wait at most: the deadline of the case comes on top.
pub fn declared_waits(steps: &[Step]) -> Duration {
    steps.iter().map(waits).sum()
}

fn waits(step: &Step) -> Duration {
    match &step.what {
        StepKind::Wait(time) => *time,
        StepKind::Repeat { times, steps } => declared_waits(steps) * *times,
        StepKind::Expect {
            what: Expect::Nothing { quiet },
            ..
        } => quiet.unwrap_or_default(),
        StepKind::Expect { what, .. } => what.within().to.unwrap_or_default(),
        // Of alternatives the one that takes longest.
        _ => step
            .children()
            .iter()
            .map(|steps| declared_waits(steps))
            .max()
            .unwrap_or_default(),
    }
}

/// Whether a client of the exchange stops reading: its sockets then get a small receive buffer.
pub fn stops_reading(steps: &[Step]) -> bool {
    every(steps).any(|step| matches!(step.sends(), Some(Send::StopReading)))
}

/// Whether a client of the exchange ends one direction of its connection alone.
pub fn half_closes(steps: &[Step]) -> bool {
    every(steps).any(|step| matches!(step.sends(), Some(Send::HalfClose)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Source, load, render_all};
    use super::*;

    /// A case with these steps, and with these of a control; each is in a line of its own.
    fn case(steps: &[&str], control: &[&str]) -> Case {
        let list = |steps: &[&str]| steps.iter().map(|s| format!("  - {s}\n")).collect::<String>();
        let text = format!(
            "format: 1\ntitle: T\nversions: [v5]\nneeds: [restart]\nserial: true\nclients: {{ c: {{}} }}\nsteps:\n{}control:\n{}",
            list(steps),
            list(control)
        );
        let source = Arc::new(Source {
            file: "a.yaml".to_owned(),
            text,
        });
        let scenario = load(&source, "a").unwrap_or_else(|errors| panic!("{}", render_all(&errors, false)));
        scenario.cases[0].clone()
    }

    const PLAIN: &str = "c <- PINGRESP";

    #[test]
    fn nested_steps_come_in_the_order_of_the_file() {
        let nested = "repeat: { times: 2, steps: [{ one of: [[c <- PINGRESP, c -> PINGREQ], [c <- PUBACK: { packet_id: 1 }]] }, wait: 1s] }";
        let case = case(&[nested, "c -> PINGREQ"], &[PLAIN]);
        let numbers: Vec<u32> = every(&case.script.steps).map(|s| s.number).collect();
        assert_eq!(numbers, (0..7).collect::<Vec<u32>>());
        assert_eq!(
            every(&case.script.steps).filter(|s| !s.children().is_empty()).count(),
            2
        );
    }

    #[test]
    fn waits_count_by_turn_and_by_the_longest_way() {
        let steps = [
            "repeat: { times: 3, steps: [wait: 2s] }",
            "one of: [[c <- PINGRESP: { within: 1s }, wait: 1s], [c <- PUBACK: { packet_id: 1, within: 4s }]]",
            "in any order: [c <- PINGRESP, c <- PUBACK: { packet_id: 1 }]",
            "c <- nothing: 500ms",
        ];
        let case = case(&steps, &[PLAIN]);
        assert_eq!(declared_waits(&case.script.steps), Duration::from_millis(10_500));
    }

    #[test]
    fn the_waits_of_a_control_are_its_own_and_the_cases() {
        let case = case(&["wait: 1s", PLAIN], &["wait: 40s", PLAIN]);
        let waits = |which| declared_waits(case.script.exchange(which));
        assert_eq!(waits(Which::Case), Duration::from_secs(1));
        assert_eq!(waits(Which::Control), Duration::from_secs(40));
        assert_eq!(case.script.declared_waits(), Duration::from_secs(41));
    }

    #[test]
    fn a_control_alone_may_restart_the_broker() {
        assert!(case(&[PLAIN], &["broker: restart", PLAIN]).script.restarts());
        assert!(!case(&[PLAIN], &[PLAIN]).script.restarts());
    }

    #[test]
    fn a_control_alone_may_half_close_and_stop_reading() {
        let case = case(
            &[PLAIN],
            &[
                "repeat: { times: 2, steps: [c -> stop reading, c -> half close] }",
                PLAIN,
            ],
        );
        let asked = |which| {
            let steps = case.script.exchange(which);
            (stops_reading(steps), half_closes(steps))
        };
        assert_eq!(asked(Which::Case), (false, false));
        assert_eq!(asked(Which::Control), (true, true));
    }

    #[test]
    fn what_is_awaited_counts_each_iteration() {
        let case = case(
            &[
                PLAIN,
                "repeat: { times: 100, steps: [c -> PINGREQ, c <- PINGRESP, repeat: { times: 3, steps: [c <- PINGRESP] }] }",
            ],
            &[PLAIN],
        );
        let plain = awaited(case.script.exchange(Which::Control));
        assert_eq!(awaited(case.script.exchange(Which::Case)), plain + 400);
    }

    #[test]
    fn a_control_alone_may_hang_on_time() {
        assert!(!case(&["wait: 1s", PLAIN], &["wait: 1s", PLAIN]).is_timed());
        assert!(case(&[PLAIN], &["c <- nothing: 1s"]).is_timed());
        assert!(
            case(
                &[PLAIN],
                &["repeat: { times: 2, steps: [c <- PINGRESP: { within: 1s..2s }] }"]
            )
            .is_timed()
        );
    }
}
