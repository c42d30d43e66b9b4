//! `in any order`: which packet meets which expectation.

use crate::scenario::{Expect, Scope, Step, StepKind, Take};
use crate::transcript::{StepId, What};

use super::client::Arrived;
use super::probe::{Met, Probe, Refusal};
use super::{Matcher, Maybe};
use crate::play::FailureKind;

/// This many times an expectation is tried on a packet, to find an assignment that fits the variables too. Scripts need
/// a handful; the bound is for one whose every expectation fits every packet.
const TRIES: usize = 20_000;

/// What changes when several expectations are met.
#[derive(Debug)]
pub struct Several {
    /// The client, the event and the step that takes it.
    takes: Vec<(usize, usize, StepId)>,
    /// Those that nothing has met yet. They may still be met later, as any other `maybe`.
    maybes: Vec<Maybe>,
    scope: Scope,
}

/// One of the expectations: on which client, what, and its step.
type Wanted<'s> = (usize, &'s Expect, &'s Step);

impl Matcher {
    /// Whether everything is there that `steps` expect, each taking one packet; `maybe` ones may stay unmet.
    ///
    /// The assignment is a maximum matching between expectations and packets, and if that does not fit the variables
    /// that they share, one that does: no order of writing or of arrival can spoil it.
    pub(super) fn in_any_order(&self, steps: &[Step]) -> Probe<Several> {
        let wanted: Vec<Wanted<'_>> = steps
            .iter()
            .filter_map(|step| match &step.what {
                StepKind::Expect { client, what } => Some((self.client(client), what, step)),
                _ => None,
            })
            .collect();
        let mut candidates: Vec<Vec<usize>> = wanted.iter().map(|(c, what, _)| self.candidates(*c, what)).collect();
        let mut holder: Vec<(usize, usize)> = Vec::new();
        let mut unmet = Vec::new();
        let maybe = |want: usize| is_maybe(wanted[want].1);
        // What must be met comes first: who has a packet keeps one when others get theirs.
        let (maybes, needed): (Vec<usize>, Vec<usize>) = (0..wanted.len()).partition(|want| maybe(*want));
        for want in needed.into_iter().chain(maybes) {
            if !assign(want, &candidates, &mut holder, &mut Vec::new()) && !maybe(want) {
                unmet.push(want);
            }
        }
        if let Some(&first) = unmet.first() {
            let (client, what, _) = wanted[first];
            // A packet that no expectation takes blocks the step for good; otherwise the right one may still come.
            let taken = |event: usize| holder.iter().any(|(e, _)| *e == event);
            let ended = self.clients[client].ended().is_some();
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
        // The matching first: without shared variables it is right, whatever the number of packets.
        for (want, events) in candidates.iter_mut().enumerate() {
            let held = holder.iter().find(|(_, w)| *w == want).map(|(event, _)| *event);
            events.sort_by_key(|event| Some(*event) != held);
        }
        let mut search = Search {
            matcher: self,
            wanted: &wanted,
            candidates: &candidates,
            taken: Vec::new(),
            tries: TRIES,
        };
        match search.fit(self.scope.clone()) {
            Some(scope) => Probe::Met(self.several(&wanted, &search.taken, scope)),
            None => {
                let found = holder.iter().map(|(event, _)| *event).max();
                Probe::Failed(Refusal::new(FailureKind::NoAssignment, found))
            }
        }
    }

    fn several(&self, wanted: &[Wanted<'_>], taken: &[Option<usize>], scope: Scope) -> Several {
        let mut several = Several {
            takes: Vec::new(),
            maybes: Vec::new(),
            scope,
        };
        for (&(client, what, step), event) in wanted.iter().zip(taken) {
            match (event, what) {
                (Some(event), _) => several.takes.push((client, *event, self.program.id_of(step))),
                (None, Expect::Packet(pattern)) => several.maybes.push(Maybe {
                    client,
                    pattern: pattern.clone(),
                    step: self.program.id_of(step),
                    reached: several.scope.enter_repeat(),
                }),
                (None, _) => {}
            }
        }
        several
    }

    /// Marks what several expectations take.
    pub(super) fn take_several(&mut self, several: Several) {
        self.maybes.extend(several.maybes);
        for (client, event, id) in several.takes {
            let met = Met {
                takes: vec![event],
                maybes: Vec::new(),
                scope: several.scope.clone(),
                ends: false,
                advice: Vec::new(),
            };
            self.take(client, met, Some(id));
        }
    }

    fn candidates(&self, client: usize, what: &Expect) -> Vec<usize> {
        let fits = |event: &usize| self.meets(*event, what, &mut self.scope.clone());
        // What needs a step comes first: a repeat that no one need take must not push it out.
        let mut inbox: Vec<&Arrived> = self.inbox(client).collect();
        inbox.sort_by_key(|a| a.needless);
        inbox.into_iter().map(|a| a.event).filter(fits).collect()
    }

    fn fits_any(&self, event: usize, wanted: &[Wanted<'_>]) -> bool {
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
                    && pattern
                        .matches(decoded, topic.as_ref(), self.version_of(event), scope)
                        .is_ok()
            }
            Expect::Bytes { pattern, .. } => raw.bytes().is_some_and(|b| pattern.matches(b, scope).is_ok()),
            _ => false,
        }
    }
}

fn is_maybe(what: &Expect) -> bool {
    matches!(what, Expect::Packet(pattern) if pattern.how == Take::Maybe)
}

/// The search for an assignment that fits the variables, in the order of writing.
struct Search<'m> {
    matcher: &'m Matcher,
    wanted: &'m [Wanted<'m>],
    candidates: &'m [Vec<usize>],
    /// The events of the first expectations; `None` for a `maybe` that takes nothing.
    taken: Vec<Option<usize>>,
    tries: usize,
}

impl Search<'_> {
    /// Finds packets for the expectations that have none yet, and says what is bound then.
    fn fit(&mut self, scope: Scope) -> Option<Scope> {
        let Some(&(_, what, _)) = self.wanted.get(self.taken.len()) else {
            return Some(scope);
        };
        let candidates = &self.candidates[self.taken.len()];
        for &event in candidates {
            if self.taken.contains(&Some(event)) {
                continue;
            }
            self.tries = self.tries.checked_sub(1)?;
            let mut bound = scope.clone();
            if self.matcher.meets(event, what, &mut bound)
                && let Some(fits) = self.go_on(Some(event), bound)
            {
                return Some(fits);
            }
        }
        if is_maybe(what) { self.go_on(None, scope) } else { None }
    }

    fn go_on(&mut self, event: Option<usize>, scope: Scope) -> Option<Scope> {
        self.taken.push(event);
        let fits = self.fit(scope);
        if fits.is_none() {
            self.taken.pop();
        }
        fits
    }
}

/// Finds a packet for `want`, moving others to other packets if that makes room.
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
