//! A script in Python 3 that needs nothing but its standard library.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::exchange::Op;
use super::obstacle::Obstacle;

/// How many characters several waits on one line have at most.
const WIDTH: usize = 120;
/// How many characters of a comment are behind a line.
const NOTE: usize = 90;

/// Names that the script uses for itself or that Python has.
const TAKEN: &[&str] = &[
    "after",
    "all",
    "and",
    "any",
    "as",
    "body",
    "bool",
    "bytes",
    "class",
    "def",
    "end",
    "fault",
    "for",
    "fresh",
    "from",
    "host",
    "if",
    "in",
    "int",
    "is",
    "lambda",
    "len",
    "list",
    "not",
    "number",
    "one",
    "or",
    "p",
    "pass",
    "port",
    "print",
    "properties",
    "publish",
    "random",
    "re",
    "right",
    "socket",
    "sorted",
    "start",
    "sum",
    "sys",
    "time",
    "try",
    "until",
    "while",
    "with",
    "yield",
];

/// The variable of a client.
pub fn variable(client: &str) -> String {
    let mut name: String = client
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let is_id = name
        .strip_prefix('m')
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()));
    if name.starts_with(|c: char| c.is_ascii_digit()) || TAKEN.contains(&name.as_str()) || is_id {
        name.insert_str(0, "client_");
    }
    name
}

/// Text as a Python string.
pub fn string(text: &str) -> String {
    serde_json::Value::from(crate::transcript::printable(text)).to_string()
}

/// What a script is made of.
pub struct Parts<'p> {
    /// The lines of its description.
    pub about: Vec<String>,
    pub control: Option<&'p [Op]>,
    pub ops: &'p [Op],
    pub decision: &'p [String],
    pub right: String,
    pub fault: String,
    /// Whether properties precede the payload of a PUBLISH.
    pub has_properties: bool,
}

impl Parts<'_> {
    /// The whole script.
    ///
    /// # Errors
    /// It has more than [`LINES`](super::LINES) lines.
    pub fn script(&self) -> Result<String, Obstacle> {
        let mut lines = Vec::new();
        let mut used: BTreeSet<usize> = BTreeSet::new();
        for op in self.ops.iter().chain(self.control.into_iter().flatten()) {
            if let Op::Send { bytes, .. } | Op::Take { part: bytes, .. } = op {
                used.extend(bytes.ids());
            }
        }
        let decision = self.decision.join("\n");
        let is_used = |id: usize| used.contains(&id) || decision.contains(&format!("m{id}"));
        if let Some(control) = self.control {
            lines.push("NS = fresh()  # the control: the same exchange without the fault works".to_owned());
            lines.extend(statements(control, &is_used));
        }
        let fresh = match self.control {
            Some(_) => "fresh()",
            None => RANDOM,
        };
        lines.push(format!("NS = {fresh}  # the namespace of this exchange"));
        lines.extend(statements(self.ops, &is_used));
        lines.extend(self.decision.iter().cloned());
        let text = self.head(&lines.join("\n")) + &lines.join("\n") + "\n";
        match text.lines().count() {
            count if count > super::LINES => Err(Obstacle::TooManyLines(count)),
            _ => Ok(text),
        }
    }

    fn head(&self, main: &str) -> String {
        let mut out = "#!/usr/bin/env python3\n".to_owned();
        // Nothing in it may end the string, or be an escape.
        let about: Vec<String> = self
            .about
            .iter()
            .map(|line| line.replace('\\', "/").replace('"', "'"))
            .collect();
        let _ = writeln!(out, "\"\"\"{}\"\"\"", about.join("\n"));
        let re = if main.contains("re.fullmatch(") { ", re" } else { "" };
        let os = if main.contains("PASSWORD") { ", os" } else { "" };
        let _ = writeln!(out, "import random, socket, sys, time{re}{os}");
        let fresh = if self.control.is_some() { FRESH } else { "" };
        out.push_str(&HEAD.replace("FRESH", fresh));
        let _ = writeln!(out, "def right(): end(0, {})", string(&self.right));
        let _ = writeln!(out, "def fault(): end(1, {})", string(&self.fault));
        let uses = |name: &str| main.contains(name);
        if uses("body(") {
            out.push_str(BODY);
        }
        if uses("PASSWORD") {
            out.push_str(PASSWORD);
        }
        if uses("after(") {
            out.push_str(AFTER);
        }
        if uses("publish(") {
            out.push_str(&PUBLISH.replace("END", if self.has_properties { "sum(number(b, j))" } else { "j" }));
        }
        if uses("properties(") {
            out.push_str(PROPERTIES);
        }
        out
    }
}

const HEAD: &str = r#"host, _, port = (sys.argv[1:] + ["127.0.0.1:1883"])[0].rpartition(":")
FRESHdef end(code, why): sys.exit(print(why) or code)
sys.excepthook = lambda *error: end(2, f"this cannot be told: {error[1]!r}")  # Python would exit 1
def number(b, i):  # the Variable Byte Integer at b[i], and where it ends; (0, 0) if it is not complete
    k = next((k for k in range(i, min(len(b), i + 4)) if b[k] < 128), -1) + 1
    return sum((x & 127) << 7 * n for n, x in enumerate(b[i:k])), k
def until(span):  # turns until then, each after reading what has come
    last = time.time() + span
    while time.time() < last: yield [one.read() for one in Client.all]
class Client:
    all = []
    def __init__(self, text="", kind=0):  # connects, sends, and takes the answer of that type
        try: self.sock = socket.create_connection((host, int(port)), 5)
        except OSError as error: end(2, f"cannot connect to {host}:{port}: {error}")
        self.sock.settimeout(.02)
        self.data, self.unread, self.open = b"", [], True; Client.all.append(self)
        if self.send(text) and kind: self.take(kind)
    def send(self, text):
        try: self.sock.sendall(bytes.fromhex(text))
        except OSError: pass
        return self
    def read(self):
        try: more = self.sock.recv(65536)
        except socket.timeout: return
        except OSError: more = b""
        self.data, self.open = self.data + more, self.open and more != b""
        while 0 < sum(number(self.data, 1)) <= len(self.data):
            n = sum(number(self.data, 1))
            self.unread, self.data = self.unread + [self.data[:n]], self.data[n:]
    def find(self, kind, part=""): return [p for p in self.unread if p[0] >> 4 == kind and bytes.fromhex(part) in p]
    def take(self, kind, part=""):
        for _ in until(5):
            for p in self.find(kind, part)[:1]: return self.unread.remove(p) or p
        end(2, f"this cannot be told: no packet of type {kind} came at an earlier step")
"#;

const RANDOM: &str = "bytes(random.choices(b\"abcdefghijklmnopqrstuvwxyz\", k=8)).hex()";
const FRESH: &str = "def fresh(): return bytes(random.choices(b\"abcdefghijklmnopqrstuvwxyz\", k=8)).hex()\n";
/// The password is not part of a script: it is given to it, and the lengths follow from it.
const PASSWORD: &str = r#"PASSWORD = (lambda p: len(p).to_bytes(2, "big") + p)(os.environ["MQTT_PASSWORD"].encode()).hex()
def frame(first, rest):  # with the remaining length of what follows
    return first + (lambda n: f"{n:02x}" if n < 128 else f"{n & 127 | 128:02x}{n >> 7:02x}")(len(rest) // 2) + rest
"#;
const BODY: &str = "def body(p): return p[number(p, 1)[1]:]\n";
const AFTER: &str = "def after(b, i): return b[sum(number(b, i)):]  # what is behind the properties at i\n";
const PUBLISH: &str = r#"def publish(p):  # topic, packet identifier, properties, payload
    b = p[number(p, 1)[1]:]; i = 2 + int.from_bytes(b[:2], "big"); j = i + 2 * bool(p[0] & 6); k = END
    return b[2:i], int.from_bytes(b[i:j], "big"), b[j:k], b[k:]
"#;
const PROPERTIES: &str = r#"def properties(b):  # identifier: values
    found, (n, i) = {}, number(b, 0)
    b = b[:i + n]
    while 0 < i < len(b):
        k, i = number(b, i)
        n = 4 if k in (2, 17, 24, 39) else 2 if k in (19, 33, 34, 35) else k in (1, 23, 25, 36, 37, 40, 41, 42)
        if k == 11: v, i = number(b, i)
        elif n: v, i = int.from_bytes(b[i:i + n], "big"), i + n
        else:
            v = []
            for _ in range(1 + (k == 38)):
                n = int.from_bytes(b[i:i + 2], "big")
                v, i = v + [b[i + 2:i + 2 + n]], i + 2 + n
            v = tuple(v) if k == 38 else v[0]
        found.setdefault(k, []).append(v)
    return found
"#;

/// A line for each operation; what a client sends and the answer to it are one.
fn statements(ops: &[Op], is_used: &dyn Fn(usize) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut ops = ops.iter().peekable();
    let mut waited = false;
    while let Some(op) = ops.next() {
        let line = match op {
            Op::Open { client } => {
                let variable = variable(client);
                match ops.next_if(|next| matches!(next, Op::Send { client: sender, .. } if sender == client)) {
                    Some(Op::Send { bytes, note, .. }) => {
                        // What answers a CONNECT needs no more than its type.
                        let plain = |next: &&Op| match next {
                            Op::Take {
                                client: taker,
                                part,
                                id,
                                ..
                            } => taker == client && part.pieces.is_empty() && id.is_none(),
                            _ => false,
                        };
                        let kind = match ops.next_if(plain) {
                            Some(Op::Take { kind, .. }) => format!(", {}", kind.number()),
                            _ => String::new(),
                        };
                        commented(&format!("{variable} = Client({}{kind})", bytes.python()), note)
                    }
                    _ => format!("{variable} = Client()"),
                }
            }
            Op::Send { client, bytes, note } => {
                let mut line = format!("{}.send({})", variable(client), bytes.python());
                if let Some(Op::Take {
                    client: taker,
                    kind,
                    part,
                    id,
                }) = ops.peek()
                    && taker == client
                    && id.is_none_or(|id| !is_used(id))
                {
                    line.push_str(&format!(".take({})", arguments(*kind, part)));
                    ops.next();
                }
                commented(&line, note)
            }
            Op::Take { client, kind, part, id } => {
                let taken = format!("{}.take({})", variable(client), arguments(*kind, part));
                match id.filter(|id| is_used(*id)) {
                    Some(id) => format!("m{id} = publish({taken})[1]"),
                    None => taken,
                }
            }
            Op::Ended { client } => {
                let client = variable(client);
                format!(
                    "any(not {client}.open for _ in until(5)) or end(2, \"this cannot be told: {client} was not closed\")"
                )
            }
            Op::Close { client } => {
                let client = variable(client);
                format!("{client}.sock.shutdown(1); any(not {client}.open for _ in until(2)); {client}.sock.close()")
            }
            Op::HalfClose { client } => format!("{}.sock.shutdown(1)", variable(client)),
            Op::Reset { client } => {
                let client = variable(client);
                format!(
                    "{client}.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b\"\\1\\0\\0\\0\\0\\0\\0\\0\"); {client}.sock.close()  # RST"
                )
            }
            Op::Fence { clients } if clients.is_empty() => continue,
            Op::Fence { clients } => {
                let clients: Vec<String> = clients.iter().map(|client| variable(client)).collect();
                format!(
                    "for one in ({},): one.send(\"c000\").take(13)  # PINGREQ, PINGRESP",
                    clients.join(", ")
                )
            }
            Op::Sleep(span) => format!("list(until({}))", span.as_secs_f64()),
        };
        // What is awaited one after the other is one line.
        let is_wait = matches!(op, Op::Take { .. });
        match lines.last_mut() {
            Some(last) if is_wait && waited && last.len() + line.len() < WIDTH => {
                last.push_str("; ");
                last.push_str(&line);
            }
            _ => lines.push(line),
        }
        waited = is_wait;
    }
    lines
}

/// A line with what it sends as a comment.
fn commented(line: &str, note: &str) -> String {
    let mut short: String = note.chars().take(NOTE).collect();
    if short.len() < note.len() {
        short.push('…');
    }
    format!("{line}  # {short}")
}

fn arguments(kind: crate::wire::PacketType, part: &super::pieces::Pieces) -> String {
    if part.pieces.is_empty() {
        kind.number().to_string()
    } else {
        format!("{}, {}", kind.number(), part.python())
    }
}

#[cfg(test)]
mod tests {
    use super::super::pieces::Pieces;
    use super::*;
    use crate::report::testing::golden;
    use crate::wire::PacketType;

    const NS: &[u8] = b"msabcdef";

    fn ops() -> Vec<Op> {
        let client = || "sub".to_owned();
        let send = |bytes: &[u8], id, note: &str| Op::Send {
            client: client(),
            bytes: Pieces::of(bytes, NS, id),
            note: note.to_owned(),
        };
        let take = |kind, part: &[u8], id| Op::Take {
            client: client(),
            kind,
            part: Pieces::of(part, NS, None),
            id,
        };
        vec![
            Op::Open { client: client() },
            send(b"\x10\x14\x00\x04MQTT\x04\x02\x00\x3c\x00\x08msabcdef", None, "CONNECT"),
            take(PacketType::ConnAck, b"", None),
            send(b"\x82\x0d\x00\x01\x00\x08msabcdef\x01", None, "SUBSCRIBE"),
            take(PacketType::SubAck, &[0, 1], None),
            take(PacketType::Publish, b"\x00\x08msabcdef", Some(1)),
            send(&[0x40, 2, 0, 7], Some((2..4, 1)), "PUBACK packet_id=7"),
            Op::Fence {
                clients: vec![client()],
            },
            Op::Close { client: client() },
        ]
    }

    fn parts<'p>(ops: &'p [Op], decision: &'p [String]) -> Parts<'p> {
        Parts {
            about: vec!["A broker: \"title\" with \\ in it".to_owned(), "MQTT-1".to_owned()],
            control: Some(ops),
            ops,
            decision,
            right: "right".to_owned(),
            fault: "fault: \"a\"".to_owned(),
            has_properties: false,
        }
    }

    #[test]
    fn a_script_is_a_page_of_python() {
        let decision = ["fault() if sub.find(3) else right()".to_owned()];
        golden!("script", &parts(&ops(), &decision).script().expect("it is short"));
    }

    #[test]
    fn a_long_exchange_is_no_script() {
        let many: Vec<Op> = ops().into_iter().cycle().take(200).collect();
        let error = parts(&many, &[]).script().unwrap_err();
        assert!(matches!(error, Obstacle::TooManyLines(lines) if lines > 60), "{error}");
    }

    #[test]
    fn a_client_has_a_name_that_python_takes() {
        let names = ["sub", "c", "pub-2", "2nd", "list", "m1", "p"].map(variable);
        assert_eq!(
            names,
            [
                "sub",
                "c",
                "pub_2",
                "client_2nd",
                "client_list",
                "client_m1",
                "client_p"
            ]
        );
    }
}
