//! `in any order`: which packet meets which expectation.

use crate::scenario::{Expect, Scope, Step, StepKind, Take};
use crate::transcript::What;

use super::client::Arrived;
use super::probe::{Met, Probe, Refusal};
use super::{Matcher, Maybe};
use crate::play::FailureKind;

impl Matcher {
    /// Takes what meets all of `steps`, each by one packet, where everything is there; `maybe` ones may stay unmet.
    ///
    /// The assignment is a maximum matching between expectations and packets, so that no order of writing or of arrival
    /// can spoil it.
    pub(super) fn in_any_order(&mut self, steps: &[Step]) -> Probe {
        let wanted: Vec<(usize, &Expect, &Step)> = steps
            .iter()
            .filter_map(|step| match &step.what {
                StepKind::Expect { client, what } => Some((self.client(client), what, step)),
                _ => None,
            })
            .collect();
        let candidates: Vec<Vec<usize>> = wanted.iter().map(|(c, what, _)| self.candidates(*c, what)).collect();
        let mut holder: Vec<(usize, usize)> = Vec::new();
        let mut unmet = Vec::new();
        for (want, (_, what, _)) in wanted.iter().enumerate() {
            let mut seen = Vec::new();
            if !assign(want, &candidates, &mut holder, &mut seen) && !is_maybe(what) {
                unmet.push(want);
            }
        }
        if let Some(&first) = unmet.first() {
            let (client, what, _) = wanted[first];
            // A packet that no expectation takes stands in the way for good; else the right one may still come.
            let taken = |event: usize| holder.iter().any(|(e, _)| *e == event);
            let ended = self.clients[client].ended.is_some();
            return match self.probe(client, what, &self.scope) {
                Probe::Failed(refusal)
                    if ended || refusal.found.is_some_and(|e| !taken(e) && !self.fits_any(e, &wanted)) =>
                {
                    Probe::Failed(refusal)
                }
                Probe::Failed(refusal) => Probe::Pending(refusal.why),
                Probe::Pending(why) => Probe::Pending(why),
                Probe::Met(_) => Probe::Pending(FailureKind::MissingSome),
            };
        }
        // Bindings are made in the order of writing; a variable that two expectations share must come out the same.
        let mut scope = self.scope.clone();
        let mut takes = Vec::new();
        for (want, (client, what, step)) in wanted.iter().enumerate() {
            let Some(&(event, _)) = holder.iter().find(|(_, w)| *w == want) else {
                continue;
            };
            if !self.meets(event, what, &mut scope) {
                return Probe::Failed(Refusal::new(FailureKind::NoAssignment, Some(event)));
            }
            takes.push((*client, event, self.id_of(step)));
        }
        // A `maybe` whose packet is not there yet may still meet it later, as any other `maybe`.
        let late: Vec<Maybe> = (0..wanted.len())
            .filter(|want| holder.iter().all(|(_, w)| w != want))
            .filter_map(|want| match wanted[want] {
                (client, Expect::Packet(pattern), step) => Some(Maybe {
                    client,
                    pattern: pattern.clone(),
                    step: self.id_of(step),
                    reached: scope.enter_repeat(),
                }),
                _ => None,
            })
            .collect();
        self.maybes.extend(late);
        for (client, event, id) in takes {
            let met = Met {
                takes: vec![event],
                maybes: Vec::new(),
                scope: scope.clone(),
                ends: false,
                advice: Vec::new(),
            };
            self.take(client, met, Some(id));
        }
        Probe::Met(Met {
            takes: Vec::new(),
            maybes: Vec::new(),
            scope,
            ends: false,
            advice: Vec::new(),
        })
    }

    fn candidates(&self, client: usize, what: &Expect) -> Vec<usize> {
        let fits = |event: &usize| self.meets(*event, what, &mut self.scope.clone());
        // What needs a step comes first: a repeat that nobody need take must not push it out.
        let mut inbox: Vec<&Arrived> = self.inbox(client).collect();
        inbox.sort_by_key(|a| a.needless);
        inbox.into_iter().map(|a| a.event).filter(fits).collect()
    }

    fn fits_any(&self, event: usize, wanted: &[(usize, &Expect, &Step)]) -> bool {
        wanted
            .iter()
            .any(|(client, what, _)| self.candidates(*client, what).contains(&event))
    }

    fn meets(&self, event: usize, what: &Expect, scope: &mut Scope) -> bool {
        let What::Packet { raw, decoded, topic } = &self.events[event].what else {
            return false;
        };
        match what {
            Expect::Packet(pattern) => {
                decoded.packet_type == Some(pattern.packet_type)
                    && pattern.matches(decoded, topic.as_ref(), self.version, scope).is_ok()
            }
            Expect::Bytes { pattern, .. } => raw.bytes().is_some_and(|b| pattern.matches(b, scope).is_ok()),
            _ => false,
        }
    }
}

fn is_maybe(what: &Expect) -> bool {
    matches!(what, Expect::Packet(pattern) if pattern.how == Take::Maybe)
}

/// Finds a packet for `want`, moving others to other packets where that makes room.
fn assign(want: usize, candidates: &[Vec<usize>], holder: &mut Vec<(usize, usize)>, seen: &mut Vec<usize>) -> bool {
    for &event in &candidates[want] {
        if seen.contains(&event) {
            continue;
        }
        seen.push(event);
        match holder.iter().position(|(e, _)| *e == event) {
            None => {
                holder.push((event, want));
                return true;
            }
            Some(at) => {
                let other = holder[at].1;
                if assign(other, candidates, holder, seen) {
                    // `other` has found another packet: its old place is free.
                    holder.retain(|(e, w)| !(*e == event && *w == other));
                    holder.push((event, want));
                    return true;
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::assign;

    #[test]
    fn an_early_choice_makes_room_for_a_later_one() {
        let candidates = [vec![1, 2], vec![1]];
        let mut holder = Vec::new();
        for want in 0..2 {
            assert!(assign(want, &candidates, &mut holder, &mut Vec::new()));
        }
        holder.sort_unstable();
        assert_eq!(holder, [(1, 1), (2, 0)]);
    }

    #[test]
    fn what_has_no_packet_stays_unmet() {
        let candidates = [vec![1], vec![1]];
        let mut holder = Vec::new();
        assert!(assign(0, &candidates, &mut holder, &mut Vec::new()));
        assert!(!assign(1, &candidates, &mut holder, &mut Vec::new()));
    }
}
