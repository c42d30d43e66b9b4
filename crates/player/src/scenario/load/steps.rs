//! The grammar of steps: each is one key that says who does what, and its value.

use std::sync::Arc;

use super::cx::Cx;
use super::packets::{Manner, join};
use super::rows::versions_of;
use crate::scenario::bytes::Use;
use crate::scenario::{BrokerAction, Expect, PacketPattern, Part, Place, Send, Step, StepKind, Take, Within, Write};
use crate::source::{Node, What, meant, quoted};

/// What is after `c -> ` alongside packets and the keys with a value.
pub(in crate::scenario) const ACTIONS: [(&str, Send); 6] = [
    ("open", Send::Open),
    ("close", Send::Close),
    ("reset", Send::Reset),
    ("half close", Send::HalfClose),
    ("stop reading", Send::StopReading),
    ("read", Send::Read),
];
/// The keys of steps that name no client; `only` is followed by versions.
pub(in crate::scenario) const KEYWORDS: [&str; 8] = [
    "one of",
    "in any order",
    "at once",
    "repeat",
    "wait",
    "broker",
    "note",
    "only",
];
/// What is after `c <- ` alongside packets.
pub(in crate::scenario) const AWAITED: [&str; 6] = ["bytes", "nothing", "closed", "refused", "one of", "in any order"];
/// How often a `repeat` may turn.
pub(in crate::scenario) const MAX_TIMES: u64 = 100_000;

/// The one key of a step, with its value.
struct Entry<'n> {
    key: &'n Node,
    value: std::borrow::Cow<'n, Node>,
    place: Place,
}

impl Cx<'_> {
    /// A list of steps.
    pub fn steps(&mut self, node: &Node, what: &str) -> Option<Vec<Step>> {
        let items = self.list(node, what)?;
        let mut steps = Vec::with_capacity(items.len());
        let mut good = true;
        for item in items {
            // `- $how`, if the row's value is a list of steps. That list is elsewhere in the file.
            let is_filled_in = item.list().is_some() && !node.place.span.contains(&item.place.span.start);
            let found = if is_filled_in {
                self.steps(item, what)
            } else {
                self.step(item)
            };
            match found {
                Some(found) => steps.extend(found),
                None => good = false,
            }
        }
        good.then_some(steps)
    }

    /// The key and value of a step; plain text is a key without a value.
    fn entry<'n>(&mut self, item: &'n Node, what: &str) -> Option<Entry<'n>> {
        match &item.what {
            What::Scalar(_) if !item.is_null() => Some(Entry {
                key: item,
                value: std::borrow::Cow::Owned(Node::null(&item.place)),
                place: item.place.clone(),
            }),
            What::Map(entries) => match entries.as_slice() {
                [(key, value)] => Some(Entry {
                    key,
                    value: std::borrow::Cow::Borrowed(value),
                    place: join(&key.place, &value.place),
                }),
                [] => {
                    self.error(&item.place, format!("{what} is empty"));
                    None
                }
                [_, (second, _), ..] => {
                    self.error_help(
                        &second.place,
                        format!("{what} has one key; {} is a second one", quoted(second.key())),
                        "fields and `within` belong in the map of the packet; a new step starts with `-`",
                    );
                    None
                }
            },
            _ => {
                self.error(
                    &item.place,
                    format!("{what} is one key with its value, not {}", item.kind()),
                );
                None
            }
        }
    }

    pub fn number_step(&mut self) -> u32 {
        self.next_step += 1;
        self.next_step - 1
    }

    /// One item of a list of steps; `only v5:` yields several steps, or none.
    fn step(&mut self, item: &Node) -> Option<Vec<Step>> {
        let entry = self.entry(item, "a step")?;
        let key = entry.key.key();
        if let Some(versions) = key.strip_prefix("only ") {
            return self.only(&entry, versions);
        }
        let value = entry.value.as_ref();
        if !self.tests_client()
            && let Some(steps) = self.reconnect_step(entry.key, value)
        {
            return steps;
        }
        let number = self.number_step();
        let what = match key {
            "one of" => {
                let items = self.list(value, "`one of`")?;
                let alternatives = self.each(items, |cx, item| match item.list() {
                    Some(_) => cx.steps(item, "an alternative"),
                    None => cx.step(item),
                })?;
                self.check_alternatives(alternatives, value)?
            }
            "in any order" => self
                .steps(value, "`in any order`")
                .and_then(|s| self.any_order(s, value))?,
            "at once" => self.at_once(value)?,
            "repeat" => self.repeat(value)?,
            "wait" => StepKind::Wait(self.duration(value, "`wait`")?),
            "broker" if self.tests_client() => {
                self.error(
                    &entry.key.place,
                    "`broker` means nothing in a test of a client: the script is the broker",
                );
                return None;
            }
            "broker" => StepKind::Broker(self.broker(value)?),
            "note" => StepKind::Note(self.text(value, "`note`")?.to_owned()),
            _ => self.client_step(&entry)?,
        };
        Some(vec![Step {
            number,
            place: entry.place,
            what,
        }])
    }

    /// `only v5: [steps]`
    fn only(&mut self, entry: &Entry<'_>, versions: &str) -> Option<Vec<Step>> {
        let Some(found) = versions_of(versions) else {
            self.error_help(
                &entry.key.place,
                format!("`only` takes versions, not {}", quoted(versions)),
                "such as `only v5:` or `only v3.1, v3.1.1:`",
            );
            return None;
        };
        if let Some(stranger) = found.iter().find(|v| !self.versions.contains(v)) {
            self.error(&entry.key.place, format!("the scenario is not played at {stranger}"));
            return None;
        }
        if !found.contains(&self.version) {
            return Some(Vec::new());
        }
        self.steps(entry.value.as_ref(), "`only`")
    }

    fn repeat(&mut self, value: &Node) -> Option<StepKind> {
        self.map(value, "`repeat`", &["times", "steps"])?;
        let (Some(times), Some(steps)) = (value.get("times"), value.get("steps")) else {
            self.error(&value.place, "`repeat` needs `times` and `steps`");
            return None;
        };
        let times = self.number(times, "`times`", MAX_TIMES).filter(|n| {
            if *n == 0 {
                self.error(&times.place, "a `repeat` has at least one turn");
            }
            *n > 0
        });
        let steps = self.steps(steps, "`steps`")?;
        Some(StepKind::Repeat {
            times: times? as u32,
            steps: steps.into(),
        })
    }

    fn broker(&mut self, value: &Node) -> Option<BrokerAction> {
        match value.text() {
            Some("restart") => Some(BrokerAction::Restart),
            Some("kill") => Some(BrokerAction::Kill),
            found => {
                let shown = found.map_or(value.kind().to_owned(), quoted);
                self.error(&value.place, format!("`broker` is `restart` or `kill`, not {shown}"));
                None
            }
        }
    }

    /// `c -> ...` and `c <- ...`
    fn client_step(&mut self, entry: &Entry<'_>) -> Option<StepKind> {
        let key = entry.key.key();
        let arrow = key
            .find("->")
            .map(|at| (at, true))
            .or_else(|| key.find("<-").map(|at| (at, false)));
        let value = entry.value.as_ref();
        let Some((at, to_broker)) = arrow else {
            if let Some(told) = self.does_step(entry.key, value) {
                return told;
            }
            let help = meant(key, KEYWORDS, || {
                format!(
                    "a step is `client -> ...`, `client <- ...` or one of: {}",
                    KEYWORDS.join(", ")
                )
            });
            self.error_help(&entry.key.place, format!("{} is no step", quoted(key)), help);
            return None;
        };
        let name = key[..at].trim();
        let client = self.client(entry.key, name);
        // The script plays the side that is not under test.
        let sends = to_broker != self.tests_client();
        self.speaking(name, |cx| cx.said_or_heard(entry, client, at, sends))
    }

    /// What is before and behind the arrow, which begins at `at`, is read at the version of the client.
    fn said_or_heard(
        &mut self,
        entry: &Entry<'_>,
        client: Option<Arc<str>>,
        at: usize,
        sends: bool,
    ) -> Option<StepKind> {
        let key = entry.key.key();
        let what = key[at + 2..].trim();
        let place = entry
            .key
            .part(self.source, key.len() - key[at + 2..].trim_start().len()..key.len());
        let value = entry.value.as_ref();
        if sends {
            let what = self.send(what, &place, value);
            return Some(StepKind::Send {
                client: client?,
                what: what?,
            });
        }
        match what {
            "one of" => self.client_one_of(client?, value),
            "in any order" => {
                let client = client?;
                let items = self.list(value, "`in any order`")?;
                let steps = self.each(items, |cx, item| cx.expect_step(&client, item))?;
                self.any_order(steps, value)
            }
            _ => {
                let what = self.expect(what, &place, value);
                Some(StepKind::Expect {
                    client: client?,
                    what: what?,
                })
            }
        }
    }

    /// The arrow of what the script waits for.
    fn awaits(&self) -> &'static str {
        if self.tests_client() { "->" } else { "<-" }
    }

    pub fn client(&mut self, key: &Node, name: &str) -> Option<Arc<str>> {
        if let Some(found) = self.clients.iter().find(|c| ***c == *name) {
            return Some(Arc::clone(found));
        }
        let names: Vec<String> = self.clients.iter().map(|c| c.to_string()).collect();
        let start = key.key().find(name).unwrap_or(0);
        let place = key.part(self.source, start..start + name.len());
        let help = meant(name, names.iter().map(String::as_str), || {
            format!("the clients are: {}", names.join(", "))
        });
        self.error_help(&place, format!("no client {}", quoted(name)), help);
        None
    }

    /// What is after `c -> `.
    fn send(&mut self, what: &str, place: &Place, value: &Node) -> Option<Send> {
        if what == "open" && !value.is_null() {
            return self.offer(value).map(Send::OpenOffering);
        }
        if what == "open" && self.tests_client() {
            self.error_help(
                place,
                "only the client opens connections",
                "`c does connect` tells it to",
            );
            return None;
        }
        if let Some((name, action)) = ACTIONS.into_iter().find(|(name, _)| *name == what) {
            if !value.is_null() {
                self.error(&value.place, format!("`{name}` takes no value"));
                return None;
            }
            return Some(action);
        }
        let mut manner = Manner::default();
        let parts = match what {
            "together" => self.together(value, &mut manner)?,
            _ => vec![self.part(what, place, value, Some(&mut manner))?],
        };
        Some(Send::Write(Write {
            parts,
            split: manner.split,
            pause: manner.pause,
            probe: manner.probe,
            text_frame: manner.text_frame,
        }))
    }

    /// `open: { subprotocols: [x, mqtt] }`
    fn offer(&mut self, value: &Node) -> Option<Vec<String>> {
        self.map(value, "`open`", &["subprotocols"])?;
        let Some(list) = value.get("subprotocols") else {
            self.error(&value.place, "`open` takes nothing, or `{ subprotocols: [mqtt] }`");
            return None;
        };
        let items = self.list(list, "`subprotocols`")?;
        self.each(items, |cx, item| {
            let name = cx.text(item, "a subprotocol")?;
            // A token of HTTP, as far as subprotocols are named in practice (RFC 6455, section 4.1).
            let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            if !fits {
                cx.error(&item.place, "a subprotocol is letters, digits, `-`, `.` and `_`");
            }
            fits.then(|| name.to_owned())
        })
    }

    /// `together: [CONNECT: {}, bytes: "c0 00"]`, or a map with `parts` and how it is written.
    fn together(&mut self, value: &Node, manner: &mut Manner) -> Option<Vec<Part>> {
        let list = match value.map() {
            None => value,
            Some(_) => self.with_manner(value, "parts", manner)?,
        };
        let items = self.list(list, "`together`")?;
        if items.is_empty() {
            self.error(&list.place, "`together` names at least one packet");
            return None;
        }
        self.each(items, |cx, item| {
            let entry = cx.entry(item, "a packet of `together`")?;
            cx.part(entry.key.key(), &entry.key.place, entry.value.as_ref(), None)
        })
    }

    /// One packet, `bytes` or `frame`.
    fn part(&mut self, what: &str, place: &Place, value: &Node, manner: Option<&mut Manner>) -> Option<Part> {
        match what {
            "bytes" | "frame" => {
                let hex = match (value.map(), manner) {
                    (Some(_), Some(manner)) => self.with_manner(value, "hex", manner)?,
                    _ => value,
                };
                let template = self.bytes(hex, &format!("`{what}`"), Use::Sent)?;
                if template.0.is_empty() {
                    self.error(&hex.place, format!("`{what}` has at least one byte"));
                    return None;
                }
                Some(if what == "bytes" {
                    Part::Bytes(template)
                } else {
                    Part::Frame(template)
                })
            }
            _ if !what.is_empty() && what.bytes().all(|b| b.is_ascii_uppercase()) => {
                let packet_type = self.packet_type(what, place)?;
                self.packet_template(packet_type, place, value, manner)
                    .map(Part::Packet)
            }
            _ => {
                let mut allowed = vec!["a packet such as PUBLISH", "bytes", "frame"];
                if manner.is_some() {
                    allowed.push("together");
                    allowed.extend(ACTIONS.map(|(name, _)| name));
                    allowed.push("reconnect");
                }
                let help = match what {
                    "nothing" => format!("silence is waited for: `c {} nothing`", self.awaits()),
                    _ => meant(what, allowed.iter().copied(), || {
                        format!("allowed here: {}", allowed.join(", "))
                    }),
                };
                self.error_help(place, format!("{} cannot be sent", quoted(what)), help);
                None
            }
        }
    }

    /// A map with `main` and how it is written: the node under `main`.
    fn with_manner<'n>(&mut self, value: &'n Node, main: &str, manner: &mut Manner) -> Option<&'n Node> {
        let entries = self.map(value, "this", &[main, "split", "pause", "probe", "text_frame"])?;
        for (key, value) in entries
            .iter()
            .filter(|(k, _)| super::packets::MANNER.contains(&k.key()))
        {
            self.manner(key.key(), value, manner)?;
        }
        let found = value.get(main);
        if found.is_none() {
            self.error(&value.place, format!("no `{main}`"));
        }
        found
    }

    /// What is after `c <- `.
    fn expect(&mut self, what: &str, place: &Place, value: &Node) -> Option<Expect> {
        match what {
            "bytes" => {
                let (hex, within) = self.with_within(value, "hex")?;
                let pattern = self.bytes(hex.unwrap_or(value), "`bytes`", Use::Awaited)?;
                Some(Expect::Bytes { pattern, within })
            }
            "nothing" => {
                let quiet = if value.is_null() {
                    None
                } else {
                    Some(self.duration(value, "`nothing`")?)
                };
                Some(Expect::Nothing { quiet })
            }
            "closed" => {
                if !value.is_null() && value.map().is_none() {
                    self.error(&value.place, "`closed` takes no value except `{ within: 3s..15s }`");
                    return None;
                }
                let entries = self.map(value, "`closed`", &["within"])?;
                let within = match entries {
                    [(_, within)] => self.within(within)?,
                    _ => Within::default(),
                };
                Some(Expect::Closed { within })
            }
            "refused" => {
                let (code, within) = self.with_within(value, "code")?;
                let code = match code.or((!value.is_null() && value.map().is_none()).then_some(value)) {
                    Some(code) => Some(self.number_pattern(code, "a reason code", 0xff)?),
                    None => None,
                };
                Some(Expect::Refused { code, within })
            }
            _ => {
                let (how, name) = match what.split_once(' ') {
                    Some(("next", name)) => (Take::Next, name.trim()),
                    Some(("maybe", name)) => (Take::Maybe, name.trim()),
                    _ => (Take::Oldest, what),
                };
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase()) {
                    let allowed = ["a packet such as PUBACK", "next PACKET", "maybe PACKET"];
                    let help = meant(what, AWAITED, || {
                        format!("allowed here: {}, {}", allowed.join(", "), AWAITED.join(", "))
                    });
                    self.error_help(place, format!("{} cannot be waited for", quoted(what)), help);
                    return None;
                }
                let packet_type = self.packet_type(name, place)?;
                self.packet_pattern(packet_type, place, value, how).map(Expect::Packet)
            }
        }
    }

    /// A map with `main` and `within`; without a map the main value is the caller's.
    fn with_within<'n>(&mut self, value: &'n Node, main: &str) -> Option<(Option<&'n Node>, Within)> {
        if value.map().is_none() {
            return Some((None, Within::default()));
        }
        self.map(value, "this", &[main, "within"])?;
        let within = match value.get("within") {
            Some(node) => self.within(node)?,
            None => Within::default(),
        };
        if value.get(main).is_none() && main == "hex" {
            self.error(&value.place, "no `hex`");
            return None;
        }
        Some((value.get(main), within))
    }

    /// One expectation of `c <- one of:` or `c <- in any order:`.
    fn expect_step(&mut self, client: &Arc<str>, item: &Node) -> Option<Step> {
        let entry = self.entry(item, "an expectation")?;
        let number = self.number_step();
        let what = self.expect(entry.key.key(), &entry.key.place, entry.value.as_ref())?;
        Some(Step {
            number,
            place: entry.place,
            what: StepKind::Expect {
                client: Arc::clone(client),
                what,
            },
        })
    }

    /// `c <- one of:` with items that are each an expectation or a list of them.
    fn client_one_of(&mut self, client: Arc<str>, value: &Node) -> Option<StepKind> {
        let items = self.list(value, "`one of`")?;
        let alternatives = self.each(items, |cx, item| match item.list() {
            Some(list) => cx.each(list, |cx, one| cx.expect_step(&client, one)),
            None => cx.expect_step(&client, item).map(|step| vec![step]),
        })?;
        self.check_alternatives(alternatives, value)
    }

    fn any_order(&mut self, steps: Vec<Step>, node: &Node) -> Option<StepKind> {
        let packet = |step: &Step| {
            matches!(
                &step.what,
                StepKind::Expect {
                    what: Expect::Packet(_) | Expect::Bytes { .. },
                    ..
                }
            )
        };
        if let Some(other) = steps.iter().find(|s| !packet(s)) {
            let place = other.place.clone();
            self.error(
                &place,
                "`in any order` may contain only packets and bytes that are expected",
            );
            return None;
        }
        let timed = |step: &Step| match &step.what {
            StepKind::Expect {
                what: Expect::Packet(PacketPattern { within, .. }) | Expect::Bytes { within, .. },
                ..
            } => *within != Within::default(),
            _ => false,
        };
        if let Some(timed) = steps.iter().find(|s| timed(s)) {
            let place = timed.place.clone();
            self.error(
                &place,
                "`within` is not permitted in `in any order`: it counts from the previous step, and these have no order",
            );
            return None;
        }
        if steps.len() < 2 {
            self.error(&node.place, "`in any order` has at least two expectations");
            return None;
        }
        Some(StepKind::InAnyOrder(steps.into()))
    }

    fn check_alternatives(&mut self, alternatives: Vec<Vec<Step>>, node: &Node) -> Option<StepKind> {
        if alternatives.len() < 2 {
            self.error(&node.place, "`one of` has at least two alternatives");
            return None;
        }
        for alternative in &alternatives {
            let decides = alternative.first().is_some_and(|first| match &first.what {
                StepKind::Expect {
                    what: Expect::Packet(pattern),
                    ..
                } => pattern.how != Take::Maybe,
                StepKind::Expect { .. } | StepKind::InAnyOrder(_) => true,
                _ => false,
            });
            if !decides {
                let place = alternative.first().map_or(node.place.clone(), |s| s.place.clone());
                self.error(
                    &place,
                    "an alternative starts with the packet that selects it: `c <- ...`, without `maybe`",
                );
                return None;
            }
        }
        Some(StepKind::OneOf(alternatives.into_iter().map(Into::into).collect()))
    }
}
