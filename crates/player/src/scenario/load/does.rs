//! `c does publish: {...}` and `c tries publish: {...}`: what the application of a client under test is told.

use super::cx::Cx;
use crate::scenario::{Does, Expr, PacketTemplate, StepKind, Verb, fields};
use crate::source::{Node, meant, quoted};
use crate::wire::{Kind, PacketType};

/// The words between the client and the verb, and whether the library may refuse.
pub(in crate::scenario) const WORDS: [(&str, bool); 2] = [("does", false), ("tries", true)];

/// Fields that a library chooses itself.
const CHOSEN: [&str; 5] = ["packet_id", "dup", "protocol_name", "protocol_level", "wire_topic"];

/// The fields with which an application acknowledges a message.
const ACKNOWLEDGES: [&str; 2] = ["packet_id", "reason_code"];

/// The most bytes of a payload that an application is told to send: commands are lines of text.
const PAYLOAD_MAX: u64 = 1024 * 1024;

impl Cx<'_> {
    /// A step `c does VERB` or `c tries VERB`; `None` if the key is no such step, `Some(None)` if it is a wrong one.
    pub fn does_step(&mut self, key: &Node, value: &Node) -> Option<Option<StepKind>> {
        let mut words = key.key().split_whitespace();
        let (name, word) = (words.next()?.to_owned(), words.next()?);
        let (_, may_refuse) = WORDS.into_iter().find(|(known, _)| *known == word)?;
        let verb = words.collect::<Vec<_>>().join(" ");
        Some(self.does(key, value, &name, (word, may_refuse), &verb))
    }

    fn does(
        &mut self,
        key: &Node,
        value: &Node,
        name: &str,
        (word, may_refuse): (&str, bool),
        verb: &str,
    ) -> Option<StepKind> {
        if !self.tests_client() {
            self.error_help(
                &key.place,
                format!("`{word}` means nothing in a test of a broker: the script plays the clients"),
                "`tests: client` at the top of the file puts the client under test",
            );
            return None;
        }
        let client = self.client(key, name);
        let Some(verb) = Verb::ALL.into_iter().find(|known| known.name() == verb) else {
            let names = Verb::ALL.map(Verb::name);
            let help = meant(verb, names, || format!("allowed here: {}", names.join(", ")));
            self.error_help(&key.place, format!("an application cannot {}", quoted(verb)), help);
            return None;
        };
        let packet = match verb.packet_type() {
            None if value.is_null() => None,
            None => {
                self.error(&value.place, format!("`{}` takes no value", verb.name()));
                return None;
            }
            Some(packet_type) => Some(self.told(packet_type, &key.place, value)?),
        };
        Some(StepKind::Does {
            client: client?,
            what: Does {
                verb,
                packet,
                may_refuse,
            },
        })
    }

    /// The fields of a command: those of the packet that it causes.
    fn told(&mut self, packet_type: PacketType, place: &crate::source::Place, value: &Node) -> Option<PacketTemplate> {
        let is_list = value.list().is_some();
        let template = match packet_type {
            PacketType::Subscribe if !value.is_null() => self.subscribe(value)?,
            PacketType::Unsubscribe if is_list => {
                let spec = fields::named(packet_type, self.version, "filters")?;
                let filters = self.expr(value, "filters", &spec.kind)?;
                let mut template = PacketTemplate::new(packet_type, place.clone());
                template.fields.push(crate::scenario::FieldExpr {
                    name: spec.name.to_owned(),
                    place: value.place.clone(),
                    value: filters,
                });
                template
            }
            _ => self.packet_template(packet_type, place, value, None)?,
        };
        self.check_command(&template)?;
        Some(template)
    }

    /// Reports what no application can ask of a library: bytes that are wrong on purpose, and fields that libraries
    /// choose themselves.
    pub fn check_command(&mut self, template: &PacketTemplate) -> Option<()> {
        let is_wrong = template.flags.is_some()
            || template.remaining_length.is_some()
            || template.connect_flags.is_some()
            || template.properties.is_some()
            || template.property_length.is_some()
            || template.append.is_some()
            || template.truncate > 0;
        if is_wrong {
            self.error_help(
                &template.place,
                "an application cannot make its library send wrong bytes",
                "a command has the fields of its packet, and none of the keys that make a packet wrong",
            );
            return None;
        }
        let acknowledges = template.packet_type == PacketType::PubAck;
        for field in &template.fields {
            if acknowledges {
                if !ACKNOWLEDGES.contains(&field.name.as_str()) {
                    let message = format!("an application acknowledges without `{}`", field.name);
                    self.error(&field.place, message);
                    return None;
                }
                continue;
            }
            if CHOSEN.contains(&field.name.as_str()) {
                let message = format!("a library chooses `{}` itself", field.name);
                self.error(&field.place, message);
                return None;
            }
            let spec = fields::named(template.packet_type, self.version, &field.name);
            let is_binary = spec.is_some_and(|spec| matches!(spec.kind, Kind::Binary | Kind::Payload));
            if !is_binary && has_hex(&field.value) {
                self.error(&field.place, "commands carry well-formed text, which `hex` need not be");
                return None;
            }
            if matches!(field.value, Expr::Fill { len, .. } if len > PAYLOAD_MAX) {
                self.error(
                    &field.place,
                    format!("a command carries at most {PAYLOAD_MAX} bytes of payload"),
                );
                return None;
            }
        }
        Some(())
    }
}

/// Whether a value has bytes in it that are given as hex. The payload of a will may have them.
fn has_hex(expr: &Expr) -> bool {
    match expr {
        Expr::Hex(_) => true,
        Expr::List(items) => items.iter().any(has_hex),
        Expr::Map(parts) => parts.iter().any(|(name, part)| name != "payload" && has_hex(part)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_text, messages};
    use crate::scenario::{Expect, Send, StepKind, Verb};

    fn text(steps: &str) -> String {
        format!("format: 1\ntests: client\ntitle: T\nversions: [v5]\nclients: {{ c: {{}} }}\nsteps:\n{steps}")
    }

    #[test]
    fn the_arrows_keep_their_direction_and_change_their_meaning() {
        let scenario = load_text(&text(
            "  - c does publish: { topic: $ns/a, qos: 1, payload: x }\n  - c -> PUBLISH: { packet_id: $m }\n  - c <- PUBACK: { packet_id: $m }\n  - c tries reconnect\n",
        ));
        let steps = &scenario.cases[0].script.steps;
        assert!(
            matches!(&steps[0].what, StepKind::Does { what, .. } if what.verb == Verb::Publish && !what.may_refuse)
        );
        assert!(matches!(
            &steps[1].what,
            StepKind::Expect {
                what: Expect::Packet(_),
                ..
            }
        ));
        assert!(matches!(
            &steps[2].what,
            StepKind::Send {
                what: Send::Write(_),
                ..
            }
        ));
        assert!(matches!(&steps[3].what, StepKind::Does { what, .. } if what.may_refuse && what.packet.is_none()));
    }

    #[test]
    fn what_no_application_can_do_is_an_error() {
        let wrong = [
            ("c does dance", "an application cannot `dance`"),
            ("c does reconnect: { clean_start: true }", "`reconnect` takes no value"),
            (
                "c does publish: { topic: $ns, flags: 3 }",
                "an application cannot make its library send wrong bytes",
            ),
            (
                "c does publish: { packet_id: 1 }",
                "a library chooses `packet_id` itself",
            ),
            (
                "c does publish: { topic: { hex: ff } }",
                "commands carry well-formed text, which `hex` need not be",
            ),
            (
                "c does publish: { payload: { size: 2000000, fill: x } }",
                "a command carries at most 1048576 bytes of payload",
            ),
            (
                "c does ack: { reason_string: x }",
                "an application acknowledges without `reason_string`",
            ),
            ("d does connect", "no client `d`"),
            ("c <- open", "only the client opens connections"),
            ("c -> SUBACK", "a client never sends SUBACK at v5"),
            (
                "broker: kill",
                "`broker` means nothing in a test of a client: the script is the broker",
            ),
        ];
        for (step, message) in wrong {
            let found = messages(&text(&format!("  - {step}\n  - c -> PINGREQ\n")));
            assert_eq!(found, [message], "{step}");
        }
    }

    #[test]
    fn a_scenario_that_tests_a_client_has_one() {
        let two = text("  - c -> PINGREQ\n").replace("c: {}", "c: {}, d: {}");
        assert_eq!(messages(&two), ["a scenario that tests a client has one client"]);
        let version = text("  - c -> PINGREQ\n").replace("c: {}", "c: { version: v5 }");
        assert_eq!(messages(&version), ["`version` means nothing in a test of a client"]);
        let broker = text("  - c does connect\n  - c <- PINGRESP\n").replace("tests: client\n", "");
        let found = messages(&broker);
        assert_eq!(
            found,
            ["`does` means nothing in a test of a broker: the script plays the clients"]
        );
    }

    #[test]
    fn a_close_alone_needs_a_control_even_after_a_connect() {
        let closes =
            text("  - c does connect\n  - c -> CONNECT\n  - c <- CONNACK: { reason_code: 0x87 }\n  - c -> closed\n");
        let found = messages(&closes);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("no `control`"), "{found:?}");
        assert!(messages(&format!("{closes}control:\n  - c -> nothing\n")).is_empty());
    }

    #[test]
    fn silence_before_the_connack_needs_a_time() {
        let text = |nothing: &str| {
            text(&format!(
                "  - c does connect\n  - c -> CONNECT\n  - {nothing}\n  - c <- CONNACK\n  - c -> nothing\n"
            ))
            .replace("c: {}", "c: { connect: false }")
        };
        assert_eq!(
            messages(&text("c -> nothing")),
            ["`nothing` before the CONNACK needs a time"]
        );
        assert!(messages(&text("c -> nothing: 100ms")).is_empty());
    }
}
