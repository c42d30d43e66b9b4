//! A client that is a command: what one process of it can do, and with which arguments it does that.

use std::collections::BTreeMap;

use crate::adapter::{Command, Planned};
use crate::statements::Version;
use crate::wire::property::property;
use crate::wire::{Connect, Payload, Properties, PropertyValue, Publish, Subscribe, Subscription, Text};

/// The names under `options` in a profile: each has arguments that are added if a case asks for it.
pub(super) const OPTIONS: [&str; 12] = [
    "kept_session",
    "username",
    "password",
    "will",
    "will_retain",
    "retain",
    "filter",
    "no_local",
    "retain_as_published",
    "connect_property",
    "publish_property",
    "subscribe_property",
];

/// What a command can do beyond its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// What `$version` is for each version of MQTT that the program speaks.
    pub speaks: BTreeMap<Version, String>,
    /// Arguments that are added if a case asks for an option, by the name of the option.
    pub options: BTreeMap<String, Vec<String>>,
    /// What is written to the standard input for each message; `None`: the message is in the arguments.
    pub input: Option<String>,
    /// How the program is told to disconnect; `None`: it cannot be told.
    pub disconnect: Option<HowToDisconnect>,
    /// The program disconnects by itself when it has done what its arguments say.
    pub leaves: bool,
}

/// How a running program is told to disconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowToDisconnect {
    /// Its standard input ends.
    EndOfInput,
    /// SIGTERM.
    Terminate,
}

impl HowToDisconnect {
    /// The words in a profile.
    pub(super) const ALL: [(&str, HowToDisconnect); 2] = [
        ("end of input", HowToDisconnect::EndOfInput),
        ("SIGTERM", HowToDisconnect::Terminate),
    ];
}

/// The values of `$topic` and the like.
type Values = Vec<(&'static str, String)>;

impl CommandLine {
    /// The command line of a process that does all of `commands`, of which the first connects. `template` is the program
    /// and its arguments.
    ///
    /// # Errors
    /// What the program cannot do.
    pub fn arguments(&self, template: &[String], commands: &[Planned]) -> Result<Vec<String>, String> {
        let Some((first, rest)) = commands.split_first() else {
            return Err("it does not connect".to_owned());
        };
        let Command::Connect(endpoint, connect) = &first.command else {
            return Err("the client does something before it connects".to_owned());
        };
        let version = self
            .speaks
            .get(&endpoint.version)
            .ok_or_else(|| format!("it does not speak {}", endpoint.version))?;
        let mut made = Made {
            line: self,
            template,
            values: vec![
                ("host", endpoint.host.clone()),
                ("port", endpoint.port.to_string()),
                ("version", version.clone()),
                ("client_id", argument(&connect.client_id)?),
                ("keep_alive", connect.keep_alive.to_string()),
            ],
            added: Vec::new(),
        };
        made.connect(connect)?;
        made.publishes(rest)?;
        made.subscribes(rest)?;
        for planned in rest {
            match &planned.command {
                Command::Publish(_) | Command::Subscribe(_) => {}
                Command::Disconnect(disconnect) if self.disconnect.is_some() => {
                    if disconnect.reason_code != 0 || !disconnect.properties.0.is_empty() {
                        return Err("it disconnects with reason code 0 and no properties".to_owned());
                    }
                }
                Command::Reconnect => return Err("a process keeps no session for the next one".to_owned()),
                other => return Err(format!("it cannot `{}`", other.name())),
            }
        }
        let filled = template.iter().map(|part| fill(part, &made.values));
        Ok(filled.chain(made.added.iter().cloned()).collect())
    }

    /// Whether every process subscribes.
    pub fn subscribes(&self, template: &[String]) -> bool {
        let in_template = |word: &str| template.iter().any(|part| has(part, word));
        in_template("filter") || in_template("url_filter") || self.options.contains_key("filter")
    }

    /// What is written to the standard input for a message.
    ///
    /// # Errors
    /// A line cannot hold it.
    pub fn input_for(&self, publish: &Publish) -> Result<Option<Vec<u8>>, String> {
        let Some(input) = &self.input else {
            return Ok(None);
        };
        let payload = text(&payload(&publish.payload))?;
        if payload.is_empty() || payload.contains(['\n', '\r']) {
            return Err("a message is one line, which is not empty".to_owned());
        }
        Ok(Some(fill(input, &[("payload", payload)]).into_bytes()))
    }
}

/// A command line that is being made.
struct Made<'a> {
    line: &'a CommandLine,
    template: &'a [String],
    values: Values,
    added: Vec<String>,
}

impl Made<'_> {
    /// Whether a word is in the arguments of every process.
    fn uses(&self, word: &str) -> bool {
        self.template.iter().any(|part| has(part, word))
    }

    /// Adds the arguments of an option.
    fn add(&mut self, option: &str, values: &[(&'static str, String)]) -> Result<(), String> {
        let Some(arguments) = self.line.options.get(option) else {
            return Err(format!("it has no option for `{option}`"));
        };
        self.added.extend(arguments.iter().map(|part| fill(part, values)));
        Ok(())
    }

    fn connect(&mut self, connect: &Connect) -> Result<(), String> {
        if !self.uses("keep_alive") && connect.keep_alive != 60 {
            return Err("its Keep Alive cannot be chosen".to_owned());
        }
        if !connect.clean_start {
            self.add("kept_session", &[])?;
        }
        if let Some(username) = &connect.username {
            self.add("username", &[("username", argument(username)?)])?;
        }
        if let Some(password) = &connect.password {
            self.add("password", &[("password", text(password)?)])?;
        }
        if let Some(will) = &connect.will {
            if !will.properties.0.is_empty() {
                return Err("its will has no properties".to_owned());
            }
            let values = [
                ("topic", argument(&will.topic)?),
                ("payload", text(&will.payload)?),
                ("qos", will.qos.to_string()),
            ];
            self.add("will", &values)?;
            if will.retain {
                self.add("will_retain", &[])?;
            }
        }
        self.properties("connect_property", &connect.properties)
    }

    fn properties(&mut self, option: &str, properties: &Properties) -> Result<(), String> {
        for one in &properties.0 {
            let Some(spec) = property(one.id) else { continue };
            let value = match &one.value {
                PropertyValue::Byte(number) => number.to_string(),
                PropertyValue::U16(number) => number.to_string(),
                PropertyValue::U32(number) | PropertyValue::VarInt(number) => number.to_string(),
                PropertyValue::Text(value) => argument(value)?,
                PropertyValue::Binary(value) => text(value)?,
                PropertyValue::Pair(..) => return Err(format!("it has no option for `{}`", spec.name)),
            };
            self.add(option, &[("name", spec.name.replace('_', "-")), ("value", value)])?;
        }
        Ok(())
    }

    fn publishes(&mut self, commands: &[Planned]) -> Result<(), String> {
        let all: Vec<(&Publish, bool)> = commands
            .iter()
            .filter_map(|planned| match &planned.command {
                Command::Publish(publish) => Some((publish, planned.at_once)),
                _ => None,
            })
            .collect();
        let publishes = self.uses("topic") || self.uses("url_topic");
        let Some((first, at_once)) = all.first() else {
            if publishes && self.line.input.is_none() {
                return Err("it publishes as soon as it is connected".to_owned());
            }
            // Nothing is published there.
            self.values
                .extend([("topic", "unused".to_owned()), ("qos", "0".to_owned())]);
            return Ok(());
        };
        if !publishes {
            return Err("it does not publish".to_owned());
        }
        let same = |other: &Publish| {
            other.topic == first.topic
                && other.qos == first.qos
                && other.retain == first.retain
                && other.properties == first.properties
        };
        if self.line.input.is_none() {
            if all.len() > 1 {
                return Err("a process publishes one message".to_owned());
            }
            if !at_once {
                return Err("it publishes as soon as it is connected".to_owned());
            }
            self.values.push(("payload", text(&payload(&first.payload))?));
        } else if !all.iter().all(|(publish, _)| same(publish)) {
            return Err("a process publishes to one topic, with one QoS".to_owned());
        }
        for (publish, _) in &all {
            self.line.input_for(publish)?;
        }
        if first.qos != 0 && !self.uses("qos") {
            return Err("it publishes with QoS 0".to_owned());
        }
        let topic = argument(&first.topic)?;
        self.values.extend([
            ("url_topic", in_url(&topic)),
            ("topic", topic),
            ("qos", first.qos.to_string()),
        ]);
        if first.retain {
            self.add("retain", &[])?;
        }
        self.properties("publish_property", &first.properties)
    }

    fn subscribes(&mut self, commands: &[Planned]) -> Result<(), String> {
        let mut all = commands.iter().filter_map(|planned| match &planned.command {
            Command::Subscribe(subscribe) => Some((subscribe, planned.at_once)),
            _ => None,
        });
        let in_template = self.uses("filter") || self.uses("url_filter");
        let subscribes = self.line.subscribes(self.template);
        match (all.next(), all.next()) {
            (None, _) if subscribes => {
                let unused = Subscribe {
                    subscriptions: vec![Subscription::new("unused", 0)],
                    ..Subscribe::default()
                };
                self.subscribe(&unused, in_template)
            }
            (None, _) => Ok(()),
            (Some(_), _) if !subscribes => Err("it does not subscribe".to_owned()),
            (Some(_), Some(_)) => Err("a process subscribes once".to_owned()),
            (Some((_, false)), None) => Err("it subscribes as soon as it is connected".to_owned()),
            (Some((subscribe, true)), None) => self.subscribe(subscribe, in_template),
        }
    }

    fn subscribe(&mut self, subscribe: &Subscribe, in_template: bool) -> Result<(), String> {
        let Some(first) = subscribe.subscriptions.first() else {
            return Err("it subscribes to one filter at least".to_owned());
        };
        if subscribe.subscriptions.iter().any(|one| one.options != first.options) {
            return Err("all its filters have the same options".to_owned());
        }
        if first.qos() != 0 && !self.uses("qos") {
            return Err("it subscribes with QoS 0".to_owned());
        }
        if first.retain_handling() != 0 {
            return Err("its Retain Handling is 0".to_owned());
        }
        self.values.retain(|(name, _)| *name != "qos");
        self.values.push(("qos", first.qos().to_string()));
        if in_template {
            if subscribe.subscriptions.len() > 1 {
                return Err("it subscribes to one filter".to_owned());
            }
            let filter = argument(&first.filter)?;
            self.values
                .extend([("url_filter", in_url(&filter)), ("filter", filter)]);
        } else {
            for one in &subscribe.subscriptions {
                self.add("filter", &[("filter", argument(&one.filter)?)])?;
            }
        }
        if first.no_local() {
            self.add("no_local", &[])?;
        }
        if first.retain_as_published() {
            self.add("retain_as_published", &[])?;
        }
        self.properties("subscribe_property", &subscribe.properties)
    }
}

/// The bytes of a payload that an application sends.
fn payload(payload: &Payload) -> Vec<u8> {
    match payload {
        Payload::Bytes(bytes) => bytes.to_vec(),
        Payload::Fill { len, byte } => vec![*byte; usize::try_from(*len).unwrap_or_default()],
        Payload::Long { .. } => Vec::new(),
    }
}

fn argument(value: &Text) -> Result<String, String> {
    text(value.as_bytes())
}

/// A value as an argument.
fn text(value: &[u8]) -> Result<String, String> {
    /// The most bytes of one: Linux permits 128 KiB.
    const LONGEST: usize = 100_000;
    match std::str::from_utf8(value) {
        Ok(text) if text.contains('\0') => Err("an argument holds no U+0000".to_owned()),
        Ok(text) if text.len() > LONGEST => Err("an argument holds 100 000 bytes at most".to_owned()),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err("an argument is UTF-8".to_owned()),
    }
}

/// A value as a part of a URL's path.
fn in_url(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The words of a text: where each begins, and the word without its dollar.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('$').map(|(at, _)| {
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        (at, &rest[..end.unwrap_or(rest.len())])
    })
}

fn has(text: &str, word: &str) -> bool {
    words(text).any(|(_, found)| found == word)
}

/// The text with every word replaced that has a value.
fn fill(text: &str, values: &[(&'static str, String)]) -> String {
    let mut out = String::new();
    let mut done = 0;
    for (at, word) in words(text) {
        if let Some((_, value)) = values.iter().find(|(name, _)| *name == word) {
            out.push_str(&text[done..at]);
            out.push_str(value);
            done = at + 1 + word.len();
        }
    }
    out + &text[done..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Endpoint;
    use crate::wire::{Disconnect, Will, property::id};

    fn words_of(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    /// A publisher that takes messages on its input.
    fn publisher() -> (CommandLine, Vec<String>) {
        let option = |name: &str, text: &str| (name.to_owned(), words_of(text));
        let line = CommandLine {
            speaks: BTreeMap::from([(Version::V5, "mqttv5".to_owned())]),
            options: BTreeMap::from([
                option("kept_session", "-c"),
                option("username", "-u $username"),
                option("will", "--will-topic $topic --will-payload $payload --will-qos $qos"),
                option("retain", "-r"),
                option("connect_property", "-D connect $name $value"),
            ]),
            input: Some("$payload\n".to_owned()),
            disconnect: Some(HowToDisconnect::EndOfInput),
            leaves: false,
        };
        (
            line,
            words_of("pub -p $port -V $version -i $client_id -k $keep_alive -t $topic -q $qos -l"),
        )
    }

    fn connect(change: impl FnOnce(&mut Connect)) -> Planned {
        let endpoint = Endpoint::tcp("127.0.0.1", 1883, Version::V5);
        let mut connect = Connect::new(Version::V5, "me");
        change(&mut connect);
        at_once(Command::Connect(endpoint, Box::new(connect)))
    }

    fn at_once(command: Command) -> Planned {
        Planned { command, at_once: true }
    }

    fn publish(topic: &str, qos: u8, payload: &str) -> Command {
        Command::Publish(Publish {
            topic: topic.into(),
            qos,
            payload: payload.into(),
            ..Publish::default()
        })
    }

    fn made(of: &(CommandLine, Vec<String>), commands: &[Planned]) -> Result<String, String> {
        of.0.arguments(&of.1, commands).map(|arguments| arguments.join(" "))
    }

    #[test]
    fn a_case_chooses_the_arguments() {
        let publisher = publisher();
        let disconnect = at_once(Command::Disconnect(Disconnect::default()));
        let commands = [connect(|_| {}), at_once(publish("a/b", 1, "x")), disconnect];
        assert_eq!(
            made(&publisher, &commands).unwrap(),
            "pub -p 1883 -V mqttv5 -i me -k 60 -t a/b -q 1 -l"
        );
        let full = connect(|connect| {
            connect.clean_start = false;
            connect.username = Some("u".into());
            connect.will = Some(Will {
                topic: "w".into(),
                payload: "gone".into(),
                qos: 1,
                ..Will::default()
            });
            connect.properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(1));
            let data = PropertyValue::Binary("hello".into());
            connect.properties.push(id::AUTHENTICATION_DATA, data);
        });
        assert_eq!(
            made(&publisher, &[full]).unwrap(),
            "pub -p 1883 -V mqttv5 -i me -k 60 -t unused -q 0 -l -c -u u \
             --will-topic w --will-payload gone --will-qos 1 -D connect receive-maximum 1 \
             -D connect authentication-data hello"
        );
    }

    #[test]
    fn what_the_program_cannot_do_says_why() {
        let publisher = publisher();
        let why = |more: &[Command]| {
            let more = more.iter().cloned().map(at_once);
            let commands: Vec<Planned> = std::iter::once(connect(|_| {})).chain(more).collect();
            made(&publisher, &commands).unwrap_err()
        };
        assert_eq!(
            why(&[Command::Reconnect]),
            "a process keeps no session for the next one"
        );
        assert_eq!(
            why(&[publish("a", 1, "x"), publish("b", 1, "x")]),
            "a process publishes to one topic, with one QoS"
        );
        assert_eq!(
            why(&[publish("a", 1, "x\ny")]),
            "a message is one line, which is not empty"
        );
        assert_eq!(why(&[publish("a\0", 1, "x")]), "an argument holds no U+0000");
        let subscribe = Command::Subscribe(Subscribe {
            subscriptions: vec![Subscription::new("a", 0)],
            ..Subscribe::default()
        });
        assert_eq!(why(&[subscribe]), "it does not subscribe");
        let password = connect(|connect| connect.password = Some("p".into()));
        assert_eq!(
            made(&publisher, &[password]).unwrap_err(),
            "it has no option for `password`"
        );
        assert_eq!(made(&publisher, &[]).unwrap_err(), "it does not connect");
    }

    #[test]
    fn a_program_that_acts_as_soon_as_it_is_connected_plays_no_case_in_which_that_is_too_early() {
        let line = CommandLine {
            speaks: BTreeMap::from([(Version::V5, String::new())]),
            ..CommandLine::default()
        };
        let curl = (line, words_of("curl -d $payload mqtt://$host:$port/$url_topic"));
        let commands = [connect(|_| {}), at_once(publish("a/#", 0, "x y"))];
        assert_eq!(
            curl.0.arguments(&curl.1, &commands).unwrap(),
            ["curl", "-d", "x y", "mqtt://127.0.0.1:1883/a/%23"]
        );
        assert_eq!(
            made(&curl, &[connect(|_| {})]).unwrap_err(),
            "it publishes as soon as it is connected"
        );
        let later = Planned {
            command: publish("a", 0, "x"),
            at_once: false,
        };
        assert_eq!(
            made(&curl, &[connect(|_| {}), later]).unwrap_err(),
            "it publishes as soon as it is connected"
        );
        assert_eq!(
            made(&curl, &[connect(|_| {}), at_once(publish("a", 1, "x"))]).unwrap_err(),
            "it publishes with QoS 0"
        );
        let slow = connect(|connect| connect.keep_alive = 2);
        assert_eq!(made(&curl, &[slow]).unwrap_err(), "its Keep Alive cannot be chosen");
    }

    #[test]
    fn filters_are_arguments_of_their_own() {
        let line = CommandLine {
            speaks: BTreeMap::from([(Version::V5, String::new())]),
            options: BTreeMap::from([("filter".to_owned(), words_of("-t $filter"))]),
            ..CommandLine::default()
        };
        let subscriber = (line, words_of("sub -k $keep_alive -q $qos"));
        let subscribe = |options: [u8; 2]| {
            let one = |filter: &str, options| Subscription {
                filter: filter.into(),
                options,
            };
            at_once(Command::Subscribe(Subscribe {
                subscriptions: vec![one("a", options[0]), one("b", options[1])],
                ..Subscribe::default()
            }))
        };
        assert_eq!(
            made(&subscriber, &[connect(|_| {}), subscribe([1, 1])]).unwrap(),
            "sub -k 60 -q 1 -t a -t b"
        );
        assert_eq!(
            made(&subscriber, &[connect(|_| {}), subscribe([1, 2])]).unwrap_err(),
            "all its filters have the same options"
        );
        // One that subscribes in any case does so where no message comes.
        assert_eq!(
            made(&subscriber, &[connect(|_| {})]).unwrap(),
            "sub -k 60 -q 0 -t unused"
        );
    }
}
