//! What no single step shows: variables without a value, a scenario that a broker passes by closing whatever comes,
//! names that two runs would share.

use std::collections::BTreeSet;

use super::closes::only_closes;
use super::cx::Cx;
use crate::scenario::{
    BrokerAction, BytePart, ByteTemplate, Conditions, Expect, Expr, PacketPattern, PacketTemplate, Part, Pattern,
    Place, Script, Send, Start, Step, StepKind, Steps, Take, TextTemplate, Var, every,
};
use crate::source::{Node, meant, nearest};
use crate::wire::PacketType;

/// The variables that have a value at some point of a script.
type Bound = BTreeSet<String>;

impl Cx<'_> {
    /// Checks a whole script.
    pub fn check_script(&mut self, script: &Script, conditions: &Conditions, root: &Node) {
        for client in &script.clients {
            self.check_template(&client.connect, &Bound::new());
            self.check_template(&client.connack, &Bound::new());
            if !self.tests_client() {
                self.check_names_of(&client.connect, conditions);
            }
            if let Some(subscribe) = &client.subscribe {
                self.check_template(subscribe, &Bound::new());
                if !self.tests_client() {
                    self.check_names_of(subscribe, conditions);
                }
            }
        }
        for steps in script.exchanges() {
            self.check_steps(steps, &mut Bound::new());
            self.check_needs(steps, conditions);
            // Each client under test has a server of its own.
            if !self.tests_client() {
                self.check_namespace(steps, conditions);
            }
            let tcp_only = script.clients.iter().filter(|c| c.start == Start::TcpOnly);
            self.check_silence(steps, &mut tcp_only.map(|c| c.name.to_string()).collect());
        }
        if script.control.is_none() && only_closes(&script.steps, self.tests_client()) {
            let place = root.get("steps").map_or(root.place.clone(), |s| s.place.clone());
            self.error_help(
                &place,
                "the only expectation is a close or refusal, and there is no `control`",
                format!(
                    "a {} that closes every connection would pass: `control:` is the same exchange without the fault",
                    self.tested()
                ),
            );
        }
    }

    fn check_steps(&mut self, steps: &[Step], bound: &mut Bound) {
        for step in steps {
            match &step.what {
                StepKind::Send { what, .. } => {
                    if let Send::Write(write) = what {
                        for part in &write.parts {
                            match part {
                                Part::Packet(template) => self.check_template(template, bound),
                                Part::Bytes(bytes) | Part::Frame(bytes) => self.check_bytes(bytes, &step.place, bound),
                            }
                        }
                    }
                }
                StepKind::Expect { what, .. } => self.check_expect(what, &step.place, bound),
                StepKind::Does { what, .. } => {
                    if let Some(packet) = &what.packet {
                        self.check_template(packet, bound);
                    }
                }
                StepKind::OneOf(alternatives) => {
                    self.check_one_of(alternatives);
                    let after: Vec<Bound> = alternatives
                        .iter()
                        .map(|steps| {
                            let mut bound = bound.clone();
                            self.check_steps(steps, &mut bound);
                            bound
                        })
                        .collect();
                    // Only what every alternative binds is bound whichever is taken.
                    if let Some(common) = after.into_iter().reduce(|a, b| &a & &b) {
                        *bound = common;
                    }
                }
                StepKind::InAnyOrder(steps) | StepKind::AtOnce(steps) => self.check_steps(steps, bound),
                StepKind::Repeat { steps, .. } => {
                    let outer = bound.insert("i".to_owned());
                    self.check_steps(steps, bound);
                    if outer {
                        bound.remove("i");
                    }
                }
                StepKind::Wait(_) | StepKind::Broker(_) | StepKind::Note(_) => {}
            }
        }
    }

    fn check_expect(&mut self, expect: &Expect, place: &Place, bound: &mut Bound) {
        match expect {
            Expect::Packet(pattern) => {
                // What a `maybe` binds has no value if the packet does not come.
                let mut own = bound.clone();
                for field in &pattern.fields {
                    self.check_pattern(&field.pattern, &field.place, &mut own, true);
                }
                if pattern.how != Take::Maybe {
                    *bound = own;
                }
            }
            Expect::Bytes { pattern, .. } => {
                for part in &pattern.0 {
                    match part {
                        BytePart::Id(var) if is_free(var) => {
                            bound.insert(var.0.clone());
                        }
                        BytePart::Id(var) => self.check_var(var, place, bound),
                        BytePart::Text(text) | BytePart::String(text) => self.check_text(text, place, bound),
                        _ => {}
                    }
                }
            }
            Expect::Refused { code: Some(code), .. } => self.check_pattern(code, place, bound, false),
            Expect::Nothing { .. } | Expect::Closed { .. } | Expect::Refused { code: None, .. } => {}
        }
    }

    /// `binds`: a variable that is here alone may get its value here.
    fn check_pattern(&mut self, pattern: &Pattern, place: &Place, bound: &mut Bound, binds: bool) {
        match pattern {
            Pattern::Is(Expr::Var { var, plus: 0 }) if binds && is_free(var) => {
                bound.insert(var.0.clone());
            }
            Pattern::Is(expr) => self.check_expr(expr, place, bound),
            Pattern::Not(inner) => self.check_pattern(inner, place, bound, false),
            Pattern::OneOf(items) => items.iter().for_each(|p| self.check_pattern(p, place, bound, false)),
            Pattern::List(items) => items.iter().for_each(|p| self.check_pattern(p, place, bound, binds)),
            Pattern::Map(parts) => parts
                .iter()
                .for_each(|(_, p)| self.check_pattern(p, place, bound, binds)),
            Pattern::Range(..) | Pattern::Any | Pattern::Absent => {}
        }
    }

    fn check_template(&mut self, template: &PacketTemplate, bound: &Bound) {
        for field in &template.fields {
            self.check_expr(&field.value, &field.place, bound);
        }
        for bytes in [&template.properties, &template.append].into_iter().flatten() {
            self.check_bytes(bytes, &template.place, bound);
        }
    }

    fn check_expr(&mut self, expr: &Expr, place: &Place, bound: &Bound) {
        match expr {
            Expr::Text(text) | Expr::Padded { start: text, .. } => self.check_text(text, place, bound),
            Expr::Hex(bytes) => self.check_bytes(bytes, place, bound),
            Expr::Var { var, .. } => self.check_var(var, place, bound),
            Expr::List(items) => items.iter().for_each(|e| self.check_expr(e, place, bound)),
            Expr::Map(parts) => parts.iter().for_each(|(_, e)| self.check_expr(e, place, bound)),
            Expr::Bool(_) | Expr::Int(_) | Expr::Fill { .. } | Expr::Absent => {}
        }
    }

    fn check_text(&mut self, text: &TextTemplate, place: &Place, bound: &Bound) {
        text.vars().for_each(|var| self.check_var(var, place, bound));
    }

    fn check_bytes(&mut self, bytes: &ByteTemplate, place: &Place, bound: &Bound) {
        bytes.vars().for_each(|var| self.check_var(var, place, bound));
    }

    /// A variable must have a value here.
    fn check_var(&mut self, var: &Var, place: &Place, bound: &Bound) {
        let name = var.0.as_str();
        if name == "ns" || bound.contains(name) {
            return;
        }
        let Some((owner, fact)) = name.split_once('.') else {
            let place = self.var_place(name, place);
            if self.clients.iter().any(|c| **c == *name) {
                let help = format!("what its CONNACK says is `${name}.receive_maximum` and the like");
                return self.error_help(&place, format!("`${name}` is a client and has no value"), help);
            }
            let known: Vec<&str> = bound.iter().map(String::as_str).chain(["ns"]).collect();
            let help = nearest(name, known).map(|near| format!("did you mean `${near}`?"));
            let help = help.unwrap_or_else(|| {
                match name {
                    "i" => "`$i` counts the turns of a `repeat`",
                    _ => "a variable gets its value in a `<-` in which it is the whole value",
                }
                .to_owned()
            });
            return self.error_help(&place, format!("`${name}` has no value here"), help);
        };
        if !matches!(owner, "login" | "auth" | "users") && !self.clients.iter().any(|c| **c == *owner) {
            let names: Vec<String> = self.clients.iter().map(|c| c.to_string()).collect();
            let help = meant(owner, names.iter().map(String::as_str), || {
                format!("the clients are: {}", names.join(", "))
            });
            let place = self.var_place(name, place);
            self.error_help(&place, format!("`${owner}.{fact}` names no client"), help);
        }
    }

    /// The variable's own place, if it can be found within `place`.
    fn var_place(&self, name: &str, place: &Place) -> Place {
        let written = self.source.text.get(place.span.clone()).unwrap_or_default();
        let token = format!("${name}");
        let found = written.match_indices(&token).map(|(at, _)| at).find(|at| {
            let after = written[at + token.len()..].chars().next();
            !after.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        });
        match found {
            Some(at) => self
                .source
                .place(place.span.start + at..place.span.start + at + token.len()),
            None => place.clone(),
        }
    }

    /// The place of a text within `place`, where it is there as it is.
    fn text_place(&self, text: &str, place: &Place) -> Place {
        let written = self.source.text.get(place.span.clone()).unwrap_or_default();
        match written.rfind(text).filter(|_| !text.is_empty()) {
            Some(at) => self
                .source
                .place(place.span.start + at..place.span.start + at + text.len()),
            None => place.clone(),
        }
    }

    /// Before a CONNACK no PINGREQ may be sent, so silence there can only be reported by a time. `fresh` are the
    /// clients whose connection has been opened and has had no answer.
    fn check_silence(&mut self, steps: &[Step], fresh: &mut BTreeSet<String>) {
        for step in steps {
            match &step.what {
                StepKind::Send { client, what } => match what {
                    Send::Open | Send::OpenOffering(_) => {
                        fresh.insert(client.to_string());
                    }
                    Send::Close | Send::Reset => {
                        fresh.remove(&**client);
                    }
                    // The script is the broker.
                    Send::Write(write) if self.tests_client() && write.sends(PacketType::ConnAck) => {
                        fresh.remove(&**client);
                    }
                    _ => {}
                },
                StepKind::Expect { client, what } => match what {
                    Expect::Nothing { quiet: None } if fresh.contains(&**client) => self.error_help(
                        &step.place,
                        "`nothing` before the CONNACK needs a time",
                        "no PINGREQ may be sent there: `nothing: 1s`",
                    ),
                    Expect::Nothing { .. } => {}
                    Expect::Packet(pattern) if pattern.packet_type == PacketType::Auth => {}
                    _ if self.tests_client() => {}
                    _ => {
                        fresh.remove(&**client);
                    }
                },
                StepKind::OneOf(alternatives) => {
                    let after: Vec<BTreeSet<String>> = alternatives
                        .iter()
                        .map(|steps| {
                            let mut fresh = fresh.clone();
                            self.check_silence(steps, &mut fresh);
                            fresh
                        })
                        .collect();
                    if let Some(common) = after.into_iter().reduce(|a, b| &a & &b) {
                        *fresh = common;
                    }
                }
                StepKind::InAnyOrder(steps) | StepKind::AtOnce(steps) | StepKind::Repeat { steps, .. } => {
                    self.check_silence(steps, fresh);
                }
                StepKind::Does { .. } | StepKind::Wait(_) | StepKind::Broker(_) | StepKind::Note(_) => {}
            }
        }
    }

    /// Two alternatives that could take the same first packet leave open which is meant.
    fn check_one_of(&mut self, alternatives: &[Steps]) {
        for (i, second) in alternatives.iter().enumerate() {
            for first in &alternatives[..i] {
                let (Some(a), Some(b)) = (first.first(), second.first()) else {
                    continue;
                };
                if same_first(a, b) {
                    let error = self
                        .diagnostic(&b.place, "this alternative could take the same first packet as another")
                        .also(&a.place, "this one")
                        .help("distinguish them by a field, or use `maybe` for a packet that may or may not come");
                    self.report(error);
                    return;
                }
            }
        }
    }

    fn check_needs(&mut self, steps: &[Step], conditions: &Conditions) {
        for step in every(steps) {
            if let StepKind::Broker(action) = &step.what {
                let need = match action {
                    BrokerAction::Restart => "restart",
                    BrokerAction::Kill => "durable",
                };
                if !conditions.needs.iter().any(|n| n.feature == need) {
                    let help = format!("`needs: [{need}]`");
                    self.error_help(&step.place, format!("`broker: {action}` without the need for it"), help);
                }
            }
            let websocket = match &step.what {
                StepKind::Send { what, .. } => match what {
                    Send::Write(write) if write.text_frame => Some("`text_frame`"),
                    Send::OpenOffering(_) => Some("`subprotocols`"),
                    _ => None,
                },
                _ => None,
            };
            if let Some(what) = websocket
                && !conditions.needs.iter().any(|n| n.feature == "websocket")
            {
                self.error_help(
                    &step.place,
                    format!("{what} means nothing without WebSocket"),
                    "`needs: [websocket]` plays the scenario over it",
                );
            }
        }
    }

    /// Every topic, filter and client identifier carries `$ns`, so that cases run in parallel.
    fn check_namespace(&mut self, steps: &[Step], conditions: &Conditions) {
        for step in every(steps) {
            if let StepKind::Send {
                what: Send::Write(write),
                ..
            } = &step.what
            {
                for part in &write.parts {
                    if let Part::Packet(template) = part {
                        self.check_names_of(template, conditions);
                    }
                }
            }
        }
    }

    fn check_names_of(&mut self, template: &PacketTemplate, conditions: &Conditions) {
        if conditions.serial {
            return;
        }
        for field in &template.fields {
            let names: Vec<(&str, &Expr)> = match (template.packet_type, field.name.as_str()) {
                (PacketType::Publish, "topic") => vec![("topic", &field.value)],
                (PacketType::Connect, "client_id") => vec![("client identifier", &field.value)],
                (PacketType::Connect, "will") => part_of(&field.value, "topic").map(|t| ("topic", t)).collect(),
                (PacketType::Subscribe, "filters") => field
                    .value
                    .list()
                    .iter()
                    .flat_map(|one| part_of(one, "filter"))
                    .map(|f| ("filter", f))
                    .collect(),
                (PacketType::Unsubscribe, "filters") => field.value.list().iter().map(|f| ("filter", f)).collect(),
                _ => Vec::new(),
            };
            for (what, expr) in names {
                if lacks_namespace(expr, what) {
                    let literal = match expr {
                        Expr::Text(text) => text.literal(),
                        _ => None,
                    };
                    let place = self.text_place(&literal.unwrap_or_default(), &field.place);
                    self.error_help(
                        &place,
                        format!("a {what} without `$ns`"),
                        "cases and other runs run in parallel: use `$ns/a`; a case that cannot needs `serial: true`",
                    );
                }
            }
        }
    }
}

/// A variable that a script may bind.
fn is_free(var: &Var) -> bool {
    !var.0.contains('.') && !matches!(var.0.as_str(), "ns" | "i")
}

fn part_of<'e>(expr: &'e Expr, name: &'e str) -> impl Iterator<Item = &'e Expr> {
    let parts = match expr {
        Expr::Map(parts) => parts.as_slice(),
        _ => &[],
    };
    parts.iter().filter(move |(n, _)| n == name).map(|(_, e)| e)
}

fn lacks_namespace(expr: &Expr, what: &str) -> bool {
    let carries = |var: &Var| var.0 != "i" && !var.0.starts_with("login.") && !var.0.starts_with("users.");
    match expr {
        Expr::Text(text) => {
            let literal = text.literal().unwrap_or_default();
            // An empty one names nothing; what begins with a wildcard or `$` belongs to no one (see "Noise").
            let common = what == "filter" && literal.starts_with(['+', '#', '$']);
            !text.vars().any(carries) && !literal.is_empty() && !common
        }
        Expr::Padded { start, .. } => !start.vars().any(carries),
        Expr::Hex(template) => {
            let plain: Option<Vec<u8>> = template
                .0
                .iter()
                .map(|part| match part {
                    BytePart::Bytes(bytes) => Some(bytes.clone()),
                    BytePart::Text(text) => text.literal().map(String::into_bytes),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
                .map(|parts| parts.concat());
            // No broker can take what is not well-formed (1.5.3 and 5.0, 1.5.4) or empty for a name.
            !template.vars().any(carries)
                && plain.is_some_and(|b| !b.is_empty() && !b.contains(&0) && std::str::from_utf8(&b).is_ok())
        }
        Expr::Fill { .. } | Expr::Int(_) | Expr::Bool(_) => true,
        Expr::Var { var, .. } => !carries(var),
        Expr::Absent | Expr::List(_) | Expr::Map(_) => false,
    }
}

/// Whether two alternatives could be decided by the same packet or close.
fn same_first(a: &Step, b: &Step) -> bool {
    let (
        StepKind::Expect {
            client: client_a,
            what: a,
        },
        StepKind::Expect {
            client: client_b,
            what: b,
        },
    ) = (&a.what, &b.what)
    else {
        return false;
    };
    if client_a != client_b {
        return false;
    }
    match (a, b) {
        (Expect::Packet(a), Expect::Packet(b)) => a.packet_type == b.packet_type && !differ(a, b),
        (Expect::Bytes { pattern: a, .. }, Expect::Bytes { pattern: b, .. }) => a == b,
        (Expect::Closed { .. } | Expect::Refused { .. }, Expect::Closed { .. } | Expect::Refused { .. }) => true,
        (Expect::Nothing { .. }, Expect::Nothing { .. }) => true,
        (Expect::Refused { .. }, Expect::Packet(p)) | (Expect::Packet(p), Expect::Refused { .. }) => is_goodbye(p),
        _ => false,
    }
}

/// Whether the pattern takes the CONNACK or DISCONNECT of a refusal.
fn is_goodbye(pattern: &PacketPattern) -> bool {
    matches!(pattern.packet_type, PacketType::ConnAck | PacketType::Disconnect)
        && pattern.fields.iter().any(|f| {
            matches!(f.name.as_str(), "reason_code" | "return_code")
                && !known(&f.pattern).is_some_and(|c| c.iter().all(is_success))
        })
}

fn is_success(constant: &Constant) -> bool {
    matches!(constant, Constant::Number(n) if *n < 0x80)
}

/// Whether no packet meets both: a field of both has no value in common.
fn differ(a: &PacketPattern, b: &PacketPattern) -> bool {
    let is_code = |name: &str| matches!(name, "reason_code" | "return_code");
    let code = |p: &PacketPattern| p.fields.iter().find(|f| is_code(&f.name)).map(|f| known(&f.pattern));
    // An unnamed reason code means success.
    let refuses = |p: &PacketPattern| {
        code(p).is_some_and(|known| known.is_some_and(|c| !c.is_empty() && !c.iter().any(is_success)))
    };
    if (code(a).is_none() && refuses(b)) || (code(b).is_none() && refuses(a)) {
        return true;
    }
    a.fields.iter().any(|one| {
        b.fields
            .iter()
            .filter(|other| other.name == one.name)
            .any(|other| disjoint(&one.pattern, &other.pattern))
    })
}

fn disjoint(a: &Pattern, b: &Pattern) -> bool {
    match (a, b) {
        (Pattern::Absent, Pattern::Is(_)) | (Pattern::Is(_), Pattern::Absent) => true,
        (Pattern::Not(a), b) | (b, Pattern::Not(a)) => **a == *b,
        (Pattern::List(a), Pattern::List(b)) => a.len() != b.len() || a.iter().zip(b).any(|(a, b)| disjoint(a, b)),
        (Pattern::Range(from, to), Pattern::Range(first, last)) => {
            let ((from, to), (first, last)) = (ends(*from, *to), ends(*first, *last));
            to < first || last < from
        }
        (Pattern::Range(from, to), other) | (other, Pattern::Range(from, to)) => known(other).is_some_and(|all| {
            let (from, to) = ends(*from, *to);
            all.iter()
                .all(|c| matches!(c, Constant::Number(n) if !(from..=to).contains(n)))
        }),
        (a, b) => match (known(a), known(b)) {
            (Some(a), Some(b)) => !a.iter().any(|constant| b.contains(constant)),
            _ => false,
        },
    }
}

/// The ends of a range; an open one is beyond every field.
fn ends(from: Option<u64>, to: Option<u64>) -> (u64, u64) {
    (from.unwrap_or(0), to.unwrap_or(u64::MAX))
}

/// A value that does not depend on a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Constant {
    Number(u64),
    Bool(bool),
    /// Text with its variables; two that differ only in a variable are never distinguished.
    Text(TextTemplate),
}

/// Every value that the pattern permits, if they can be listed.
fn known(pattern: &Pattern) -> Option<Vec<Constant>> {
    match pattern {
        Pattern::Is(Expr::Int(n)) => Some(vec![Constant::Number(*n)]),
        Pattern::Is(Expr::Bool(b)) => Some(vec![Constant::Bool(*b)]),
        Pattern::Is(Expr::Text(text)) if text.vars().all(|v| v.0 == "ns") => Some(vec![Constant::Text(text.clone())]),
        Pattern::OneOf(items) => items
            .iter()
            .map(known)
            .collect::<Option<Vec<_>>>()
            .map(|all| all.concat()),
        Pattern::Range(from, to) => {
            let (from, to) = ends(*from, *to);
            (to - from < 256).then(|| (from..=to).map(Constant::Number).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_told_apart_by_what_they_permit() {
        let int = |n| Pattern::Is(Expr::Int(n));
        assert!(disjoint(&int(1), &int(2)));
        assert!(!disjoint(&int(1), &Pattern::OneOf(vec![int(1), int(2)])));
        let range = |from, to| Pattern::Range(Some(from), Some(to));
        let (below_200, from_200) = (Pattern::Range(None, Some(199)), Pattern::Range(Some(200), None));
        assert!(disjoint(&range(5, 9), &int(4)));
        assert!(!disjoint(&range(5, 9), &int(5)));
        assert!(disjoint(&range(1, 199), &from_200));
        assert!(!disjoint(&range(1, 200), &from_200));
        assert!(disjoint(&below_200, &from_200));
        assert!(disjoint(&below_200, &int(200)) && !disjoint(&from_200, &int(200)));
        assert!(!disjoint(&Pattern::Any, &int(5)));
        assert!(disjoint(&Pattern::Absent, &int(5)));
        assert!(disjoint(&Pattern::Not(Box::new(int(5))), &int(5)));
    }
}
