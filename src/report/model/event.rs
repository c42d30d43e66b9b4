//! The events of an exchange.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::transcript::{Author, Direction};

/// One event of an exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub client: String,
    pub connection: u32,
    pub direction: Direction,
    pub author: Author,
    /// The step that caused or took it: its number in the order of the file from 1; 0 is the set-up.
    pub step: Option<u32>,
    /// Seconds since the case began.
    pub at: f64,
    pub kind: EventKind,
    /// In hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<Packet>,
    /// What the application of a client under test is told, in the language, or what it says. `None` for other events, and if
    /// the library just takes the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    Open,
    Upgrade,
    #[serde(rename = "text frame")]
    TextFrame,
    Packet,
    Fragment,
    Fin,
    Reset,
    #[serde(rename = "half close")]
    HalfClose,
    Application,
    Gap,
    Restart,
    Kill,
}

impl EventKind {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Open => "open",
            EventKind::Upgrade => "upgrade",
            EventKind::TextFrame => "text frame",
            EventKind::Packet => "packet",
            EventKind::Fragment => "fragment",
            EventKind::Fin => "fin",
            EventKind::Reset => "reset",
            EventKind::HalfClose => "half close",
            EventKind::Application => "application",
            EventKind::Gap => "gap",
            EventKind::Restart => "restart",
            EventKind::Kill => "kill",
        }
    }
}

/// A packet as it was decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    pub name: String,
    pub fields: Vec<Field>,
}

/// A field of a packet. What its value may be, `docs/json.md` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub value: Json,
}
