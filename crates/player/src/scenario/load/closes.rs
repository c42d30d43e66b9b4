//! Whether a peer that closes every connection would meet a script.

use crate::scenario::{Expect, PacketPattern, Step, StepKind, Take};
use crate::wire::PacketType;

/// Whether there is a way through the steps on which a close or refusal is all that is waited for. Of a client under
/// test, `of_client`, the CONNECT is nothing: whoever connects and closes at once sends one.
pub(super) fn only_closes(steps: &[Step], of_client: bool) -> bool {
    let mut closes = false;
    for step in steps {
        match &step.what {
            StepKind::Expect { what, .. } => match what {
                Expect::Packet(PacketPattern { how: Take::Maybe, .. }) | Expect::Nothing { .. } => {}
                Expect::Packet(pattern) if of_client && pattern.packet_type == PacketType::Connect => {}
                Expect::Packet(_) | Expect::Bytes { .. } => return false,
                Expect::Closed { .. } | Expect::Refused { .. } => closes = true,
            },
            StepKind::InAnyOrder(_) => return false,
            StepKind::OneOf(alternatives) => {
                if !alternatives.iter().any(|steps| only_closes(steps, of_client)) {
                    return false;
                }
                closes = true;
            }
            StepKind::Repeat { steps, .. } if has_packet(steps, of_client) => return false,
            StepKind::Repeat { steps, .. } => closes |= only_closes(steps, of_client),
            StepKind::Send { .. }
            | StepKind::AtOnce(_)
            | StepKind::Does { .. }
            | StepKind::Wait(_)
            | StepKind::Broker(_)
            | StepKind::Note(_) => {}
        }
    }
    closes
}

fn has_packet(steps: &[Step], of_client: bool) -> bool {
    steps.iter().any(|step| match &step.what {
        StepKind::Expect { what, .. } => match what {
            Expect::Packet(pattern) => {
                pattern.how != Take::Maybe && !(of_client && pattern.packet_type == PacketType::Connect)
            }
            Expect::Bytes { .. } => true,
            _ => false,
        },
        StepKind::InAnyOrder(_) => true,
        StepKind::OneOf(alternatives) => !alternatives.iter().any(|steps| only_closes(steps, of_client)),
        StepKind::Repeat { steps, .. } => has_packet(steps, of_client),
        _ => false,
    })
}
