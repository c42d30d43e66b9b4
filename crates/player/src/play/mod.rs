//! Plays one case against one target: a driver with sockets around a pure matcher.
//!
//! Of a broker it plays the clients; of a client it plays the server that the client connects to, and tells its
//! application what to do.
//!
//! In: a [`Case`](crate::scenario::Case) and the [`Instance`](crate::sut::Instance) to play it against. Out:
//! [`Played`]: the transcript and how it ended. The matcher alone, fed with a recorded transcript, comes to the same
//! end.

mod action;
mod cleanup;
mod diary;
mod driver;
mod failure;
mod front;
mod lateness;
mod limits;
mod matcher;
mod namespace;
mod outcome;
mod plan;
mod player;
mod replay;
mod seen;
mod serving;
mod settings;
mod signs;

pub use action::Action;
pub use cleanup::{Lost, Traces, remove, retained};
pub use diary::{Diary, Left, read as read_diary};
pub use failure::{Awaited, Failure, FailureKind, Sought};
pub use front::Front;
pub use lateness::Lateness;
pub use matcher::{Input, Matcher, Poll};
pub use namespace::{Namespaces, is_namespace};
pub use outcome::{Advice, Mismatch, PlayEnd, Played, Stage, seconds};
pub use player::Player;
pub use replay::replay;
pub use seen::Seen;
pub use settings::{Limits, Settings};
pub use signs::{answer_times, longest_wait, stray_topic};
