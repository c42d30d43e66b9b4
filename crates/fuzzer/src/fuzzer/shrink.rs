//! Makes a sequence as short as possible while it shows the same violation.

use std::sync::Arc;

use super::action::{Act, Connection, Message, Sequence};
use super::judge::{Verdict, judge};
use super::world::play;
use crate::reference::Config;

/// The shortest sequence found that still shows `verdict`: actions are dropped, then their options are made plain, until
/// nothing more can go. A sequence that does not show it comes back as it is.
pub fn shrink(config: &Arc<Config>, sequence: &Sequence, verdict: &Verdict) -> Sequence {
    shrink_while(sequence, |s| judge(&play(config, s)).iter().any(|v| v.is_like(verdict)))
}

/// The same for anything that a sequence may show.
pub fn shrink_while(sequence: &Sequence, shows: impl Fn(&Sequence) -> bool) -> Sequence {
    let mut best = sequence.clone();
    loop {
        let before = best.clone();
        drop_actions(&mut best, &shows);
        simplify(&mut best, &shows);
        if best == before {
            break;
        }
    }
    drop_clients(&mut best, &shows);
    best
}

/// Drops runs of actions, long ones first.
fn drop_actions(best: &mut Sequence, shows: &impl Fn(&Sequence) -> bool) {
    let mut run = best.actions.len().div_ceil(2);
    while run > 0 {
        let mut at = 0;
        while at < best.actions.len() {
            let mut shorter = best.clone();
            shorter.actions.drain(at..(at + run).min(best.actions.len()));
            if shows(&shorter) {
                *best = shorter;
            } else {
                at += run;
            }
        }
        run /= 2;
    }
}

fn simplify(best: &mut Sequence, shows: &impl Fn(&Sequence) -> bool) {
    for at in 0..best.actions.len() {
        while let Some(plainer) = (plainer(&best.actions[at].act).into_iter())
            .filter(|act| *act != best.actions[at].act)
            .map(|act| with(best, at, act))
            .find(shows)
        {
            *best = plainer;
        }
    }
}

fn with(sequence: &Sequence, at: usize, act: Act) -> Sequence {
    let mut changed = sequence.clone();
    changed.actions[at].act = act;
    changed
}

/// The same act with one option less, or a plainer value.
fn plainer(act: &Act) -> Vec<Act> {
    match act {
        Act::Connect(how) => {
            let mut list = vec![Connection {
                automatic: true,
                will: how.will.clone(),
                clean: how.clean,
                expiry: how.expiry,
                ..Connection::default()
            }];
            list.push(Connection {
                will: None,
                ..how.clone()
            });
            list.push(Connection {
                receive_maximum: None,
                ..how.clone()
            });
            list.push(Connection {
                maximum_packet_size: None,
                ..how.clone()
            });
            list.push(Connection {
                alias_maximum: 0,
                ..how.clone()
            });
            list.push(Connection {
                automatic: true,
                ..how.clone()
            });
            list.push(Connection {
                clean: true,
                expiry: 0,
                ..how.clone()
            });
            if let Some(will) = &how.will {
                for will in [
                    super::WillMessage {
                        expiry: None,
                        ..will.clone()
                    },
                    super::WillMessage {
                        retain: false,
                        ..will.clone()
                    },
                    super::WillMessage {
                        delay: 0,
                        ..will.clone()
                    },
                ] {
                    list.push(Connection {
                        will: Some(will),
                        ..how.clone()
                    });
                }
            }
            list.into_iter().map(Act::Connect).collect()
        }
        Act::Subscribe { filters, id } => {
            let mut list = Vec::new();
            for at in 0..filters.len().max(1) - 1 {
                let mut fewer = filters.clone();
                fewer.remove(at);
                list.push(Act::Subscribe {
                    filters: fewer,
                    id: *id,
                });
            }
            list.push(Act::Subscribe {
                filters: filters.clone(),
                id: None,
            });
            list.push(Act::Subscribe {
                filters: filters.iter().map(|(f, options)| (*f, options & 0b11)).collect(),
                id: *id,
            });
            list
        }
        Act::Unsubscribe(filters) if filters.len() > 1 => {
            filters.iter().map(|filter| Act::Unsubscribe(vec![*filter])).collect()
        }
        Act::Publish(message) => [
            Message {
                topic: message.topic,
                qos: message.qos,
                retain: message.retain,
                size: 1,
                ..Message::default()
            },
            Message {
                retain: false,
                ..message.clone()
            },
            Message {
                expiry: None,
                ..message.clone()
            },
            Message {
                alias: None,
                ..message.clone()
            },
            Message {
                properties: false,
                ..message.clone()
            },
            Message {
                size: 1,
                ..message.clone()
            },
        ]
        .map(Act::Publish)
        .to_vec(),
        Act::Disconnect { code, .. } => vec![
            Act::Disconnect {
                code: *code,
                expiry: None,
            },
            Act::Disconnect { code: 0, expiry: None },
        ],
        Act::Acknowledge { kind, .. } => vec![Act::Acknowledge { kind: *kind, code: 0 }],
        _ => Vec::new(),
    }
}

/// Leaves out the clients that do nothing.
fn drop_clients(best: &mut Sequence, shows: &impl Fn(&Sequence) -> bool) {
    for client in (0..best.versions.len()).rev() {
        if best.versions.len() > 1 && best.actions.iter().all(|a| a.client != client) {
            let mut fewer = best.clone();
            fewer.versions.remove(client);
            fewer
                .actions
                .iter_mut()
                .filter(|a| a.client > client)
                .for_each(|a| a.client -= 1);
            if shows(&fewer) {
                *best = fewer;
            }
        }
    }
}
