//! What a scenario is once it is read: checked, with rows and versions resolved.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::source::{Place, Source};
use crate::statements::{Statement, StatementId, Version, catalogue};
use crate::wire::{PacketType, Side};

/// One scenario file.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub header: Arc<Header>,
    /// One a version and row, in the order: rows as written, within a row the versions, oldest first.
    pub cases: Vec<Case>,
}

/// What all cases of a scenario share.
#[derive(Debug, Clone)]
pub struct Header {
    /// The path below the scenarios' folder without its ending, such as `qos2/dup-before-pubrel`.
    pub path: String,
    pub source: Arc<Source>,
    /// It is the scenario of its path inside the program, and no file of the user's.
    pub embedded: bool,
    /// The side under test; the script plays the other one. `tests: client` is the client, else it is the broker.
    pub tests: Side,
    pub title: String,
    pub about: Option<String>,
    pub snapshot: SnapshotForm,
}

/// The conditions under which a case is played: those of its file, and what its row adds or replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// MUST unless `level: should` is given.
    pub level: ScenarioLevel,
    /// Whether a failure rests on the rigour clause alone; `None` if that follows from what the case proves.
    pub rigour: Option<bool>,
    pub needs: Vec<Need>,
    /// Plays alone, since it touches the whole broker.
    pub serial: bool,
    /// Moves so much that it would disturb the times of others: it is played after them, one at a time, with a broker
    /// of its own if one can be started.
    pub heavy: bool,
    /// The verdict depends on the time at which things happen, though no step states a bound.
    pub timing: bool,
    /// Words by which cases are selected: those that are written, and one each for `timing`, `heavy` and the form of
    /// the snapshot.
    pub tags: Vec<String>,
    /// Deadline of the case without its declared waits; 30 s unless given.
    pub timeout: Duration,
}

impl Default for Conditions {
    /// Those of a file that names none.
    fn default() -> Conditions {
        Conditions {
            level: ScenarioLevel::Must,
            rigour: None,
            needs: Vec::new(),
            serial: false,
            heavy: false,
            timing: false,
            tags: Vec::new(),
            timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScenarioLevel {
    Must,
    Should,
}

/// What the snapshot of a case shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SnapshotForm {
    /// The exchange.
    #[default]
    Exchange,
    /// One line: the rows of the scenario share a table.
    Table,
    /// The verdict and what was sent: the broker may answer in many ways, and in another one in every run (which member
    /// of a shared subscription gets a message, what of two things that race comes first).
    Sent,
}

/// What a target must have for a case to be played: a feature such as `restart`, or a limit such as
/// `max_packet: 268435460`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub feature: String,
    pub wanted: Wanted,
}

/// What of a feature or limit is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    There,
    /// `retain: false`: a broker without it.
    Missing,
    /// `max_qos: 2` is at least 2, `max_qos: 0..1` both ends included.
    Limit {
        from: u64,
        to: u64,
    },
}

/// One scenario at one version (and row): the unit that is run, named, judged and snapshotted.
#[derive(Debug, Clone)]
pub struct Case {
    pub outline: Outline,
    pub script: Script,
}

impl Deref for Case {
    type Target = Outline;

    fn deref(&self) -> &Outline {
        &self.outline
    }
}

impl AsRef<Outline> for Case {
    fn as_ref(&self) -> &Outline {
        &self.outline
    }
}

impl AsRef<Outline> for Outline {
    fn as_ref(&self) -> &Outline {
        self
    }
}

/// What a case is called and what it is about: all of it but its script. To list cases takes no more.
#[derive(Debug, Clone)]
pub struct Outline {
    /// `qos2/dup-before-pubrel@v3.1.1` or `fixed-header/flags[PUBREL]@v5`.
    pub id: String,
    pub header: Arc<Header>,
    pub version: Version,
    /// Every version that is spoken in the case: its own, and those of clients that name another one.
    pub speaks: BTreeSet<Version>,
    /// The row's name.
    pub row: Option<String>,
    pub proves: Vec<StatementId>,
    /// The title with the row's values filled in.
    pub title: String,
    pub conditions: Arc<Conditions>,
}

impl Outline {
    /// What a failure of the case is: of a SHOULD if the scenario says so, and if every statement that the case
    /// proves is a SHOULD by the catalogue (those of 3.1 above all). A case that proves nothing has the level of its
    /// scenario.
    pub fn level(&self) -> ScenarioLevel {
        let is_should = |id: &StatementId| catalogue().get(*id).is_some_and(|s| !s.level.is_must());
        if !self.proves.is_empty() && self.proves.iter().all(is_should) {
            return ScenarioLevel::Should;
        }
        self.conditions.level
    }

    /// Whether nothing but the rigour clause of 5.0 (section 4.13.1) obliges a server to react to the error that the
    /// case is about: its scenario says so, or every statement that it proves binds a server only so far as it
    /// detects an error.
    pub fn rests_on_rigour(&self) -> bool {
        let rests = |id: &StatementId| catalogue().get(*id).is_some_and(Statement::rests_on_rigour);
        let follows = || !self.proves.is_empty() && self.proves.iter().all(rests);
        let of_broker = self.header.tests == Side::Server;
        of_broker && self.version == Version::V5 && self.conditions.rigour.unwrap_or_else(follows)
    }
}

impl Case {
    /// The side whose part the script plays: the other one is under test.
    pub fn scripted(&self) -> Side {
        match self.header.tests {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    /// Whether the target must have this feature.
    pub fn needs(&self, feature: &str) -> bool {
        self.conditions.needs.iter().any(|need| need.feature == feature)
    }
}

/// Steps in their order. They are shared: a case is played several times, and a `repeat` goes through its steps
/// again and again.
pub type Steps = Arc<[Step]>;

/// The clients and steps of a case.
#[derive(Debug, Clone)]
pub struct Script {
    pub clients: Vec<ClientSpec>,
    pub steps: Steps,
    /// The same exchange without the fault. Its clients are those of the case, on connections of their own.
    pub control: Option<Steps>,
}

/// How a client begins.
#[derive(Debug, Clone)]
pub struct ClientSpec {
    pub name: Arc<str>,
    pub place: Place,
    /// What it speaks: `version:`, else the version of the case.
    pub version: Version,
    pub start: Start,
    /// The CONNECT it sends: fields given under `connect:`; empty for the defaults. Used by `c -> open` too only if
    /// a step sends `CONNECT` itself, so not here. If the client is under test, the options that it is told.
    pub connect: PacketTemplate,
    /// The CONNACK that a client under test receives: fields given under `connack:`.
    pub connack: PacketTemplate,
    /// The SUBSCRIBE that follows, where `subscribe:` is given.
    pub subscribe: Option<PacketTemplate>,
    /// `acks: auto`.
    pub acks: Acks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Connected (and subscribed) before the first step.
    Connected,
    /// TCP only: `connect: false`.
    TcpOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Steps send every acknowledgement.
    Script,
    /// The harness answers PUBLISH, PUBREC and PUBREL as a good client does.
    Auto,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its number in the order of the file, over the whole script with nested steps, from 0; `control` goes on
    /// counting.
    pub number: u32,
    /// The step's own text in the file.
    pub place: Place,
    pub what: StepKind,
}

#[derive(Debug, Clone)]
pub enum StepKind {
    /// `c -> ...`; if the client is under test, `c <- ...`
    Send { client: Arc<str>, what: Send },
    /// `c <- ...`; if the client is under test, `c -> ...`
    Expect { client: Arc<str>, what: Expect },
    /// `c does ...` and `c tries ...`: a client under test is told to do something by its application.
    Does { client: Arc<str>, what: Does },
    /// `one of:`, also `c <- one of:`; the alternative whose first expectation is met first, in the order written, is
    /// gone through.
    OneOf(Vec<Steps>),
    /// `in any order:`, also `c <- in any order:`. Each is a `StepKind::Expect` with `Expect::Packet` or
    /// `Expect::Bytes`.
    InAnyOrder(Steps),
    /// `at once:`; each is a `StepKind::Send` with `Send::Write`, of another client, and without `split` or `pause`.
    AtOnce(Steps),
    /// `repeat:`; `$i` counts from 1.
    Repeat { times: u32, steps: Steps },
    /// `wait:`
    Wait(Duration),
    /// `broker: restart` and `broker: kill`
    Broker(BrokerAction),
    /// `note:` shown in the trace, nothing else.
    Note(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerAction {
    Restart,
    Kill,
}

impl std::fmt::Display for BrokerAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            BrokerAction::Restart => "restart",
            BrokerAction::Kill => "kill",
        })
    }
}

/// What the application of a client under test is told.
#[derive(Debug, Clone)]
pub struct Does {
    pub verb: Verb,
    /// The packet that the client sends if it does as it is told and chooses nothing itself; `None` for `reconnect`.
    pub packet: Option<PacketTemplate>,
    /// `tries`: the library may refuse, and the script goes on. After `does`, a refusal skips the case.
    pub may_refuse: bool,
}

/// What an application can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Connect,
    Publish,
    Subscribe,
    Unsubscribe,
    Reconnect,
    Disconnect,
    /// At 5.0: goes on with the authentication, or authenticates again.
    Auth,
    /// Acknowledges a message by hand.
    Ack,
}

impl Verb {
    /// Every verb, in the order of the documentation.
    pub const ALL: [Verb; 8] = [
        Verb::Connect,
        Verb::Publish,
        Verb::Subscribe,
        Verb::Unsubscribe,
        Verb::Reconnect,
        Verb::Disconnect,
        Verb::Auth,
        Verb::Ack,
    ];

    /// The word in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Connect => "connect",
            Verb::Publish => "publish",
            Verb::Subscribe => "subscribe",
            Verb::Unsubscribe => "unsubscribe",
            Verb::Reconnect => "reconnect",
            Verb::Disconnect => "disconnect",
            Verb::Auth => "auth",
            Verb::Ack => "ack",
        }
    }

    /// The packet that its fields are those of; `None` if it takes none.
    pub fn packet_type(self) -> Option<PacketType> {
        match self {
            Verb::Connect => Some(PacketType::Connect),
            Verb::Publish => Some(PacketType::Publish),
            Verb::Subscribe => Some(PacketType::Subscribe),
            Verb::Unsubscribe => Some(PacketType::Unsubscribe),
            Verb::Reconnect => None,
            Verb::Disconnect => Some(PacketType::Disconnect),
            Verb::Auth => Some(PacketType::Auth),
            Verb::Ack => Some(PacketType::PubAck),
        }
    }
}

/// What a client does.
#[derive(Debug, Clone)]
pub enum Send {
    Write(Write),
    Open,
    /// As `Open`, over WebSocket and with these subprotocols on offer.
    OpenOffering(Vec<String>),
    /// FIN, then drain until the broker closes or response timeout ends.
    Close,
    HalfClose,
    /// RST, then the target's `settle`.
    Reset,
    StopReading,
    Read,
}

/// Bytes to be written, and how.
#[derive(Debug, Clone)]
pub struct Write {
    /// One after the other, in one write unless `split`.
    pub parts: Vec<Part>,
    pub split: Split,
    /// Between the writes of a `split`.
    pub pause: Duration,
    /// `probe: true`: sent even beyond a limit that the target stated.
    pub probe: bool,
    /// `text_frame: true`: over WebSocket, and in text frames where binary ones are due.
    pub text_frame: bool,
}

#[derive(Debug, Clone)]
pub enum Part {
    Packet(PacketTemplate),
    /// `bytes:`
    Bytes(ByteTemplate),
    /// `frame:`: the first byte, a computed remaining length, the rest.
    Frame(ByteTemplate),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// One write.
    Whole,
    /// One write each, the rest last.
    At(Vec<usize>),
    /// `split: 1`: byte by byte (or n bytes at a time).
    Every(usize),
}

/// A packet to be sent: its fields as given, everything else at the defaults that make it valid.
#[derive(Debug, Clone)]
pub struct PacketTemplate {
    pub packet_type: PacketType,
    pub place: Place,
    pub fields: Vec<FieldExpr>,
    /// The low four bits of the first byte.
    pub flags: Option<u8>,
    /// Written as given.
    pub remaining_length: Option<Bytes>,
    pub connect_flags: Option<u8>,
    /// `connect_flags: 0x03|$login`: the flags are given, and yet the target's login is carried and its two flags are
    /// set.
    pub places_login: bool,
    /// `properties: { hex: ... }`: replaces the block.
    pub properties: Option<ByteTemplate>,
    pub property_length: Option<Bytes>,
    pub append: Option<ByteTemplate>,
    pub truncate: usize,
}

/// `name: value` of a packet to be sent.
#[derive(Debug, Clone)]
pub struct FieldExpr {
    /// As the language names it, such as `packet_id` ([`crate::wire::field_names`]).
    pub name: String,
    pub place: Place,
    pub value: Expr,
}

/// A value that may name variables.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Bool(bool),
    Int(u64),
    /// Text with variables in it, such as `$ns/a`.
    Text(TextTemplate),
    /// `{ hex: "ff fe" }`
    Hex(ByteTemplate),
    /// A variable that is alone, such as `$m`, `$c.receive_maximum + 1`: keeps its kind.
    Var {
        var: Var,
        plus: i64,
    },
    /// `{ size: n, fill: x }`
    Fill {
        len: u64,
        byte: u8,
    },
    /// `{ start: $ns/, size: n, fill: x }`: text that is filled up to `len` bytes, at most 65 535.
    Padded {
        start: TextTemplate,
        len: usize,
        byte: u8,
    },
    /// `absent`: an optional field that is left out on purpose, such as the login that the profile would give.
    Absent,
    List(Vec<Expr>),
    /// Named values: a will, one subscription. Pairs of a user property list are two-element `List`s.
    Map(Vec<(String, Expr)>),
}

/// A variable: `$m`, or `$c.server_keep_alive` from the CONNACK of client `c`, or `$auth.good.1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Var(pub String);

/// Text with variables in it. `$$` is already one dollar; `$share` and `$SYS` are plain text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextTemplate(pub Vec<TextPart>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPart {
    Plain(String),
    Var(Var),
}

/// Bytes in the notation of the language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ByteTemplate(pub Vec<BytePart>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BytePart {
    Bytes(Vec<u8>),
    /// `"text"`: its bytes.
    Text(TextTemplate),
    /// `s"text"`: two bytes of length and the text.
    String(TextTemplate),
    /// `$m`: a number as two bytes, big-endian; text and binary data as they are.
    Id(Var),
    /// `$login`: user name and password as two fields of a CONNECT's payload; nothing if the target asks for none.
    Login,
    /// `03|$login`: connect flags, with the flags of the login set if the target asks for one.
    LoginFlags(u8),
    /// `..`, in expectations only.
    AnyByte,
    /// `...`, in expectations only, last.
    Rest,
}

/// What a client waits for.
#[derive(Debug, Clone)]
pub enum Expect {
    Packet(PacketPattern),
    /// One packet of exactly these bytes.
    Bytes {
        pattern: ByteTemplate,
        within: Within,
    },
    /// A fence, after this span of silence.
    Nothing {
        quiet: Option<Duration>,
    },
    Closed {
        within: Within,
    },
    /// Closed after the goodbye that the version permits; the code is advice.
    Refused {
        code: Option<Pattern>,
        within: Within,
    },
}

/// `within: 3s..15s`: counts from the end of the previous step and replaces response timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Within {
    pub from: Option<Duration>,
    pub to: Option<Duration>,
}

/// A packet that is waited for.
#[derive(Debug, Clone)]
pub struct PacketPattern {
    pub packet_type: PacketType,
    pub place: Place,
    pub fields: Vec<FieldPattern>,
    pub how: Take,
    pub within: Within,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The oldest not yet taken with the same key.
    Oldest,
    /// `next`: the very next packet.
    Next,
    /// `maybe`: if it is there when a later step of this client or a fence decides.
    Maybe,
}

/// `name: pattern` of a packet that is waited for.
#[derive(Debug, Clone)]
pub struct FieldPattern {
    pub name: String,
    pub place: Place,
    pub pattern: Pattern,
}

/// What a field may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// Equal to this; an unbound variable that is alone is bound.
    Is(Expr),
    Not(Box<Pattern>),
    /// `0x81 or 0x82`
    OneOf(Vec<Pattern>),
    /// `55..60`, both ends included; `55..` and `..60` end at the bound of the field.
    Range(Option<u64>, Option<u64>),
    /// Anything, also its absence.
    Any,
    /// Not on the wire.
    Absent,
    /// Element by element, for lists that hold patterns (`reason_codes: [0x00, 0x87 or 0x8f]`).
    List(Vec<Pattern>),
    /// The named parts match, others are free: the will, one subscription.
    Map(Vec<(String, Pattern)>),
}
