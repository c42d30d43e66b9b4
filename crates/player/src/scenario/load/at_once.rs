//! `at once:` what several clients write without waiting for anything in between.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cx::Cx;
use crate::scenario::{Send, Split, StepKind};
use crate::source::Node;

impl Cx<'_> {
    /// `at once: [a -> PUBLISH: {}, b -> PUBLISH: {}]`
    pub fn at_once(&mut self, value: &Node) -> Option<StepKind> {
        let steps = self.steps(value, "`at once`")?;
        let mut writers = BTreeSet::new();
        for step in &steps {
            let (message, help) = match &step.what {
                StepKind::Send {
                    client,
                    what: Send::Write(write),
                } => {
                    if write.split != Split::Whole || write.pause != Duration::ZERO {
                        (
                            "in `at once` each client writes once".to_owned(),
                            "`split` and `pause` are for a step of their own",
                        )
                    } else if !writers.insert(client.clone()) {
                        (
                            format!("`{client}` writes twice in one `at once`"),
                            "several packets of one client go into one write by `together`",
                        )
                    } else {
                        continue;
                    }
                }
                _ => (
                    "`at once` may contain only packets and bytes that clients send".to_owned(),
                    "such as `a -> PUBLISH: { topic: $ns/a }`",
                ),
            };
            let place = step.place.clone();
            self.error_help(&place, message, help);
            return None;
        }
        if writers.len() < 2 {
            self.error(&value.place, "`at once` has writes of at least two clients");
            return None;
        }
        Some(StepKind::AtOnce(steps.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_text, messages};
    use crate::scenario::{Step, StepKind};

    fn text(steps: &str) -> String {
        format!(
            "format: 1\ntitle: T\nversions: [v5]\nclients: {{ a: {{}}, b: {{}} }}\nsteps:\n  - at once: {steps}\n  - a <- PINGRESP\n"
        )
    }

    #[test]
    fn the_writes_of_several_clients_are_steps_of_their_own() {
        let scenario = load_text(&text(
            "[a -> PINGREQ, 'b -> bytes: c0 00']"
                .replace("'b -> bytes: c0 00'", "{ b -> bytes: c0 00 }")
                .as_str(),
        ));
        let first: &Step = &scenario.cases[0].script.steps[0];
        let StepKind::AtOnce(writes) = &first.what else {
            panic!("{first:?}")
        };
        let numbers: Vec<u32> = writes.iter().map(|s| s.number).collect();
        assert_eq!((first.number, numbers), (0, vec![1, 2]));
        assert_eq!(scenario.cases[0].script.steps[1].number, 3);
    }

    #[test]
    fn what_is_no_single_write_of_another_client_is_an_error() {
        for (steps, told) in [
            ("[a -> PINGREQ, a -> PINGREQ]", "`a` writes twice"),
            ("[a -> PINGREQ]", "at least two clients"),
            ("[a -> PINGREQ, b -> open]", "only packets and bytes"),
            ("[a -> PINGREQ, b <- PINGRESP]", "only packets and bytes"),
            ("[a -> PINGREQ, b -> PINGREQ: { split: 1 }]", "writes once"),
        ] {
            let found = messages(&text(steps));
            assert!(found.len() == 1 && found[0].contains(told), "{steps}: {found:?}");
        }
    }
}
