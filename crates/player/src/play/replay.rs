//! Runs the matcher over a recorded exchange, with the same result as live.

use std::sync::Arc;

use crate::scenario::{Case, Which};
use crate::transcript::{Event, Happened, Transcript};

use super::matcher::{Input, Matcher};
use super::{Advice, PlayEnd, Settings};

/// Plays `case` over what `transcript` recorded, without a broker.
pub fn replay(
    case: &Case,
    which: Which,
    transcript: &Transcript,
    settings: &Arc<Settings>,
) -> (Transcript, PlayEnd, Vec<Advice>) {
    let mut matcher = Matcher::new(case, which, transcript.scripted, &transcript.namespace, settings);
    for input in inputs(transcript) {
        matcher.input(Input::Local(input.at(), Happened::Clock));
        // What is to be done was done: its events and that it is done come next.
        matcher.poll();
        matcher.input(input);
    }
    matcher.poll();
    matcher.finish()
}

/// All input of the matcher, in its order.
fn inputs(transcript: &Transcript) -> impl Iterator<Item = Input> {
    let mut local = transcript.local.iter().peekable();
    let mut events = transcript.events.iter().zip(0_u32..).peekable();
    std::iter::from_fn(move || {
        let next = events.peek().map_or(u32::MAX, |(_, index)| *index);
        match local.next_if(|local| local.before <= next) {
            Some(local) => Some(Input::Local(local.at, local.what.clone())),
            None => events.next().map(|(event, _)| Input::Event(untaken(event))),
        }
    })
}

/// An event as the driver first reported it: no step has taken it.
fn untaken(event: &Event) -> Event {
    let step = if event.is_from_peer() { None } else { event.step.clone() };
    Event { step, ..event.clone() }
}
