//! Sequences over real connections: the clients of [`super::client`] against any broker that can be dialled.
//!
//! In: how a broker is reached, and what to play. Out: the sequence as it was played, its transcript, and whether it reached its
//! end.
//!
//! A fence (PINGREQ and PINGRESP) replaces every wait: what a client has sent before it has been processed when the
//! answer comes. Deliveries to other clients may come later. So nothing follows from what has not come, except at the end of a
//! sequence: if a message is missing then, the clients go on reading for [`Broker::patience`].
//!
//! Before a client ends a connection, or takes its session over, a fence makes sure that the broker has processed what it sent.
//! Otherwise an RST could discard an acknowledgement, and the broker would be right to send the message again.

mod finish;
mod play;
mod wire;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::action::{Action, Sequence};
use super::client::Limits;
use super::judge::{Verdict, certain, judge_within};
use super::ledger::Terms;
use crate::transcript::{Lifecycle, Transcript};
use crate::transport::{Address, Dialer};
use crate::wire::{Text, Version};
use play::Live;

/// Brokers count whole seconds, from the last full one, and look at their timers now and then.
const MARGIN: Duration = Duration::from_secs(3);

/// Restarts or kills a broker and waits until it can be reached again.
pub type Restart = dyn Fn(Lifecycle) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// A broker, and how it is reached.
#[derive(Clone)]
pub struct Broker {
    pub dialer: Dialer,
    /// The address of each version that it speaks.
    pub addresses: BTreeMap<Version, Address>,
    /// User name and password of every CONNECT. They are not part of transcripts.
    pub login: Option<(Text, Option<Bytes>)>,
    /// What it offers at 3.x, where CONNACK states no limits.
    pub limits: Limits,
    /// How long an answer may take: CONNACK, PINGRESP. Longer, and the sequence is cut short.
    pub timeout: Duration,
    /// How long a delivery may take before it counts as lost.
    pub patience: Duration,
    /// `None` if sequences must not restart it.
    pub restart: Option<Arc<Restart>>,
}

/// How often clients wait for the answer to a PINGREQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fences {
    /// After each action, the client that acted.
    Acting,
    /// After each action, every client.
    All,
}

/// What sequences may contain beyond what clients do at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Menu {
    pub waits: bool,
    pub restarts: bool,
    pub kills: bool,
}

/// What to play.
#[derive(Debug, Clone)]
pub enum Plan {
    /// The sequence of a seed, as far as the broker's answers allow it, after the first actions of another one.
    New {
        seed: u64,
        versions: Vec<Version>,
        begin: Arc<[Action]>,
        menu: Menu,
    },
    /// This sequence.
    Again(Sequence),
}

/// A sequence that was played.
#[derive(Debug)]
pub struct Played {
    pub sequence: Sequence,
    pub transcript: Transcript,
    /// Pairs of state and action that were reached ([`super::Coverage`]).
    pub pairs: Vec<u64>,
    /// Packets in both directions.
    pub packets: u64,
    /// Why the sequence was cut short. Nothing is known then of what has not come.
    pub cut_short: Option<CutShort>,
}

/// Why a sequence ended before its end. None of these is a violation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CutShort {
    #[error("no connection could be opened: {0}")]
    Unreachable(String),
    #[error("no answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("the broker accepted no client")]
    NotLetIn,
    #[error("the broker does not stop sending")]
    Flood,
    #[error("the broker could not be restarted: {0}")]
    Restart(String),
}

impl Played {
    /// What it shows of the broker.
    pub fn verdicts(&self, patience: Duration) -> Vec<Verdict> {
        match self.cut_short {
            None => judge_within(&self.transcript, terms(patience)),
            Some(_) => certain(&self.transcript),
        }
    }
}

fn terms(patience: Duration) -> Terms {
    Terms {
        delivery: patience,
        retained: patience,
        margin: MARGIN,
        will_at_session_end: false,
    }
}

/// Plays a sequence in a namespace that nobody else uses: 8 characters, so that packets have the sizes of other sequences.
pub async fn play(broker: &Broker, namespace: &str, plan: &Plan, fences: Fences) -> Played {
    play_until(broker, namespace, plan, fences, Until::TheEnd).await
}

/// How much of a sequence is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Its actions.
    LastAction,
    /// Also the end that every sequence has: sessions are resumed and drained, and a new client asks for retained messages.
    TheEnd,
}

/// The same, or only its actions. Nothing follows then from what has not come.
pub async fn play_until(broker: &Broker, namespace: &str, plan: &Plan, fences: Fences, until: Until) -> Played {
    let mut live = Live::new(broker, namespace, plan, fences);
    let cut_short = match live.run(plan).await {
        Ok(()) if until == Until::TheEnd => live.finish().await.err(),
        Ok(()) => None,
        Err(why) => Some(why),
    };
    live.played(cut_short)
}
