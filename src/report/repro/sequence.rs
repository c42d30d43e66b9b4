//! The order in which steps are executed, from their numbers and the iterations of the `repeat`s around them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::scenario::{Step, StepKind};
use crate::transcript::StepId;

/// The steps of an exchange by the numbers that a transcript has for them.
#[derive(Debug)]
pub struct Sequence<'s> {
    steps: BTreeMap<u32, Place<'s>>,
}

#[derive(Debug)]
struct Place<'s> {
    step: &'s Step,
    /// The numbers of the `repeat`s around it, the outermost first.
    repeats: Vec<u32>,
    /// Whether it is a step of another step.
    is_nested: bool,
}

impl<'s> Sequence<'s> {
    pub fn of(steps: &'s [Step]) -> Sequence<'s> {
        let mut all = Sequence { steps: BTreeMap::new() };
        all.add(steps, &[], false);
        all
    }

    fn add(&mut self, steps: &'s [Step], around: &[u32], is_nested: bool) {
        for step in steps {
            // In a transcript 0 is the set-up.
            let number = step.number + 1;
            let place = Place {
                step,
                repeats: around.to_vec(),
                is_nested,
            };
            self.steps.insert(number, place);
            let mut inside = around.to_vec();
            if matches!(step.what, StepKind::Repeat { .. }) {
                inside.push(number);
            }
            step.children().iter().for_each(|steps| self.add(steps, &inside, true));
        }
    }

    /// The step with this number; `None` for the set-up.
    pub fn step(&self, number: u32) -> Option<&'s Step> {
        self.steps.get(&number).map(|place| place.step)
    }

    /// Whether a step is a part of another one, such as a `repeat` or an alternative.
    pub fn is_nested(&self, number: u32) -> bool {
        self.steps.get(&number).is_some_and(|place| place.is_nested)
    }

    /// Every step with its number, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'s Step)> {
        self.steps.iter().map(|(number, place)| (*number, place.step))
    }

    fn around(&self, number: u32) -> &[u32] {
        self.steps.get(&number).map_or(&[], |place| &place.repeats)
    }

    /// Which of two steps is executed first.
    pub fn order(&self, a: &StepId, b: &StepId) -> Ordering {
        let shared = self.around(a.number).iter().zip(self.around(b.number));
        for (depth, (one, other)) in shared.enumerate() {
            if one != other {
                break;
            }
            match a.turns.get(depth).cmp(&b.turns.get(depth)) {
                Ordering::Equal => {}
                decided => return decided,
            }
        }
        a.number.cmp(&b.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Files;

    fn id(number: u32, turns: &[u32]) -> StepId {
        StepId {
            number,
            turns: turns.to_vec(),
        }
    }

    #[test]
    fn iterations_of_one_repeat_come_before_its_steps() {
        let repeat = "  - repeat:\n      times: 2\n      steps:\n        - c -> PINGREQ\n        - c <- PINGRESP\n";
        let head =
            "format: 1\ntitle: A PINGREQ is answered\nversions: [v5]\nproves: [MQTT-3.12.4-1]\nclients:\n  c: {}\n";
        let text = format!("{head}steps:\n{repeat}{repeat}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b.yaml"), text).unwrap();
        let scenarios = Files::of_dir(folder.path()).load_all().unwrap();
        let sequence = Sequence::of(&scenarios[0].cases[0].script.steps);
        // repeat 1, its steps 2 and 3; repeat 4, its steps 5 and 6.
        assert!(sequence.is_nested(2) && !sequence.is_nested(4));
        assert_eq!(sequence.order(&id(3, &[1]), &id(2, &[2])), Ordering::Less);
        assert_eq!(sequence.order(&id(3, &[2]), &id(5, &[1])), Ordering::Less);
        assert_eq!(sequence.order(&id(2, &[2]), &id(2, &[2])), Ordering::Equal);
        assert_eq!(sequence.order(&id(0, &[]), &id(2, &[1])), Ordering::Less);
        assert_eq!(sequence.iter().count(), 6);
    }
}
