//! What of the command line of a run is repeated to play one of its cases again.

use std::iter::once;

use clap::{Arg, ArgMatches, Command, CommandFactory};

use super::args::Cli;

/// What an option of `run` affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affects {
    /// What is played, or how it is judged: it belongs to the command that plays a case again.
    Play,
    /// Which cases are played: `-e ID` takes its place.
    Selection,
    /// The run as a whole, and not what happens in a case.
    Run,
    /// What is printed and written.
    Output,
}

/// Every option of `run`, by its name in the definition of the command line.
const OPTIONS: &[(&str, Affects)] = &[
    ("scenarios", Affects::Play),
    ("also", Affects::Play),
    ("tests", Affects::Play),
    ("transport", Affects::Play),
    ("ca", Affects::Play),
    ("cert", Affects::Play),
    ("key", Affects::Play),
    ("server_name", Affects::Play),
    ("insecure", Affects::Play),
    ("response_timeout", Affects::Play),
    ("second_look", Affects::Play),
    ("strict", Affects::Play),
    ("rigour", Affects::Play),
    ("exclusive", Affects::Play),
    ("fault", Affects::Play),
    ("free", Affects::Play),
    ("select", Affects::Selection),
    ("mqtt", Affects::Selection),
    ("statement", Affects::Selection),
    ("tag", Affects::Selection),
    ("shard", Affects::Selection),
    ("failed", Affects::Selection),
    ("jobs", Affects::Run),
    ("max_fail", Affects::Run),
    ("total_timeout", Affects::Run),
    ("repeat", Affects::Run),
    ("trace", Affects::Output),
    ("failures", Affects::Output),
    ("advice", Affects::Output),
    ("verbose", Affects::Output),
    ("name", Affects::Output),
    ("label", Affects::Output),
    ("json", Affects::Output),
    ("exchanges", Affects::Output),
    ("junit", Affects::Output),
    ("html", Affects::Output),
    ("pcap", Affects::Output),
    ("snapshots", Affects::Output),
    ("write_known", Affects::Output),
];

/// The options of a command line that affect how a case is played and judged, word by word. `command` is `run`, or one
/// that has some of its options.
pub fn words(command: &str, matches: &ArgMatches) -> Vec<String> {
    let (Some(matches), Some(definition)) = (matches.subcommand_matches(command), definition(command)) else {
        return Vec::new();
    };
    let repeated = OPTIONS.iter().filter(|(_, affects)| *affects == Affects::Play);
    let given = repeated.filter_map(|(id, _)| definition.get_arguments().find(|arg| arg.get_id() == *id));
    given.flat_map(|arg| of(arg, matches)).collect()
}

fn definition(command: &str) -> Option<Command> {
    Cli::command().find_subcommand(command).cloned()
}

/// An option as it was given; nothing if it was not.
fn of(arg: &Arg, matches: &ArgMatches) -> Vec<String> {
    let id = arg.get_id().as_str();
    if matches.value_source(id) != Some(clap::parser::ValueSource::CommandLine) {
        return Vec::new();
    }
    let name = format!("--{}", arg.get_long().unwrap_or(id));
    if !arg.get_action().takes_values() {
        return vec![name];
    }
    let occurrences = matches.get_raw_occurrences(id).into_iter().flatten();
    let words = occurrences.flat_map(|values| {
        let values = values.map(|value| value.to_string_lossy().into_owned());
        once(name.clone()).chain(values).collect::<Vec<_>>()
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::FromArgMatches;

    use super::super::args::{self, RunArgs};
    use super::*;

    /// A value for each option that takes one.
    const VALUES: &[(&str, &str)] = &[
        ("scenarios", "my scenarios"),
        ("also", "mine"),
        ("tests", "client"),
        ("transport", "wss"),
        ("ca", "ca.pem"),
        ("cert", "c.pem"),
        ("key", "k.pem"),
        ("server_name", "b.example"),
        ("response_timeout", "5s"),
        ("second_look", "0s"),
        ("rigour", "advice"),
        ("fault", "v5:MQTT-4.3.3-10"),
        ("free", "puback-late"),
        ("select", "qos2/*"),
        ("mqtt", "v5"),
        ("statement", "MQTT-4.*"),
        ("tag", "timing"),
        ("shard", "1/2"),
        ("jobs", "3"),
        ("max_fail", "4"),
        ("total_timeout", "9s"),
        ("repeat", "2"),
        ("trace", "never"),
        ("failures", "all"),
        ("name", "mine"),
        ("label", "a label"),
        ("json", "a.json"),
        ("exchanges", "all"),
        ("junit", "a.xml"),
        ("html", "a.html"),
        ("pcap", "a.pcapng"),
        ("snapshots", "snaps"),
        ("write_known", "k.yaml"),
    ];

    fn options() -> Vec<Arg> {
        let run = definition("run").expect("the command is there");
        run.get_arguments()
            .filter(|arg| !arg.is_positional())
            .cloned()
            .collect()
    }

    /// The words for an option, with the value of the table if it takes one.
    fn given(arg: &Arg) -> Vec<String> {
        let name = format!("--{}", arg.get_long().unwrap_or_default());
        let name = arg
            .get_short()
            .filter(|_| arg.get_long().is_none())
            .map_or(name, |c| format!("-{c}"));
        if !arg.get_action().takes_values() {
            return vec![name];
        }
        let value = VALUES.iter().find(|(id, _)| arg.get_id() == *id);
        let (_, value) = value.unwrap_or_else(|| panic!("{} needs a value in this test", arg.get_id()));
        vec![name, (*value).to_owned()]
    }

    fn parse(given: &[String]) -> (RunArgs, Vec<String>) {
        let line = ["mqttspec", "run", "b.yaml"].map(str::to_owned);
        let matches = Cli::command()
            .try_get_matches_from(line.iter().chain(given))
            .unwrap_or_else(|error| panic!("{given:?}: {error}"));
        let words = words("run", &matches);
        match Cli::from_arg_matches(&matches).expect("it was parsed").command {
            args::Command::Run(run) => (*run, words),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_option_of_run_has_its_class() {
        let there: BTreeSet<String> = options().iter().map(|arg| arg.get_id().to_string()).collect();
        let classed: BTreeSet<String> = OPTIONS.iter().map(|(id, _)| (*id).to_owned()).collect();
        assert_eq!(there, classed, "state in OPTIONS what a new option affects");
    }

    #[test]
    fn what_affects_play_is_repeated_and_nothing_else() {
        for arg in options() {
            let (_, affects) = OPTIONS
                .iter()
                .find(|(id, _)| arg.get_id() == *id)
                .expect("it is classed");
            // A certificate and its key need each other.
            let mut line = given(&arg);
            for (one, other) in [("cert", "key"), ("key", "cert")] {
                if arg.get_id() == one {
                    line.extend(given(options().iter().find(|arg| arg.get_id() == other).unwrap()));
                }
            }
            let (_, words) = parse(&line);
            if *affects == Affects::Play {
                let (line, words): (BTreeSet<_>, BTreeSet<_>) = (line.iter().collect(), words.iter().collect());
                assert_eq!(words, line);
            } else {
                assert_eq!(words, Vec::<String>::new(), "{line:?}");
            }
        }
    }

    #[test]
    fn the_repeated_words_are_read_as_the_same_options() {
        let line: Vec<String> = options().iter().flat_map(given).collect();
        let (all, words) = parse(&line);
        let (again, same) = parse(&words);
        assert_eq!(words, same);
        let play = |run: &RunArgs| {
            format!(
                "{:?}",
                (
                    (&run.set, &run.reach, run.response_timeout, run.second_look),
                    (run.strict, run.rigour, run.exclusive, &run.fault, &run.free),
                )
            )
        };
        assert_eq!(play(&again), play(&all));
        // An option may occur several times, and have its former name.
        let line = [
            "--also",
            "a",
            "--disobey",
            "v5:MQTT-1",
            "--also",
            "b c",
            "--patience",
            "9s",
        ]
        .map(str::to_owned);
        assert_eq!(
            parse(&line).1,
            [
                "--also",
                "a",
                "--also",
                "b c",
                "--response-timeout",
                "9s",
                "--fault",
                "v5:MQTT-1"
            ]
        );
    }
}
