//! Plays the clients of a capture against a broker, and tells where its answers differ from the captured ones.
//!
//! In: the streams of a capture with their transcripts, and the broker's address. Out: [`Replayed`]. What is
//! compared is meaning: identifiers that the broker chooses, texts for people and times that run may be others.

mod answers;
mod before;
mod drive;
mod edit;
mod plan;

use std::time::Duration;

use crate::sut::Dialer;
use crate::wire::{Text, Version};

pub use drive::replay;

/// How a capture is played.
#[derive(Debug, Clone)]
pub struct Options {
    /// This many times as fast as it was captured; without it as fast as the answers come.
    pub speed: Option<f64>,
    /// The prefix of every topic and client identifier, for a shared broker.
    pub rename: Option<String>,
    /// Takes the place of what the capture logs in with.
    pub login: Option<Login>,
    /// Streams that begin midway get a CONNECT of ours.
    pub assume_connect: bool,
    /// How long an answer may take.
    pub patience: Duration,
    /// Opens connections, with the certificates that the target needs.
    pub dialer: Dialer,
}

/// A user name, and a password if there is one.
#[derive(Debug, Clone)]
pub struct Login {
    pub username: Text,
    pub password: Option<bytes::Bytes>,
}

/// The result.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    pub lines: Vec<Line>,
    /// Streams that were not played, and why.
    pub left_out: Vec<(u32, String)>,
    pub differences: Vec<Difference>,
    /// How many differences there are beyond those that are kept.
    pub more: usize,
    /// Messages that are not compared, since the capture does not show their subscription: stream and how many.
    pub foreign: Vec<(u32, u64)>,
    /// Packets of the captured broker that were compared.
    pub compared: u64,
    pub sent: u64,
}

/// A stream that was played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the capture.
    pub number: u32,
    pub version: Version,
    /// As the capture has it.
    pub client_id: Option<Text>,
}

/// The target's answer is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The stream's number in the capture.
    pub stream: u32,
    /// The packet in the capture; `None` for what only the target sent.
    pub packet: Option<u64>,
    /// Since the beginning of the capture, or for what only the target sent since that of the replay.
    pub at: Duration,
    /// Such as `SUBACK reason_codes: captured 0x00, came 0x80`.
    pub text: String,
}
