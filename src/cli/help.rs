//! What `--help` says beyond the definition of the command line: the commands in groups, and examples of each.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use crate::report::wrapped;

use super::args::Cli;
use super::out;

/// Lines are not longer than this, however wide the terminal is.
const WIDEST: usize = 100;

/// The commands by what they are for.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Play",
        &["run", "fuzz", "matrix", "compare", "report", "repro", "sweep"],
    ),
    ("Look up", &["list", "show", "explain", "coverage", "decode"]),
    ("Write scenarios", &["new", "check", "fmt", "schema"]),
    ("Snapshots", &["review", "accept", "reject"]),
    ("Captures", &["record", "audit", "replay", "import"]),
    ("The embedded broker", &["broker"]),
    ("Clients under test", &["serve", "client", "adapter"]),
    ("The program", &["completions", "man", "help"]),
];

/// Examples of each command: a command line and what it does. The first word, `mqttspec`, is left out.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "run",
        &[
            ("run", "against the embedded reference broker"),
            ("run mqtt://127.0.0.1:1883", "against a running broker"),
            (
                "run ci/brokers/mosquitto.yaml",
                "against a broker that the profile starts",
            ),
            (
                "run -e 'qos2/*' --mqtt v5 --trace always",
                "a part of the suite, with every byte",
            ),
            ("run mqtts://broker.example --ca ca.pem", "over TLS"),
            ("run --failed -v", "rerun what failed"),
            ("run p.yaml --json now.json --html now.html", "with reports"),
        ],
    ),
    (
        "fuzz",
        &[
            ("fuzz", "against the embedded reference broker, for a minute"),
            ("fuzz mqtt://127.0.0.1:1883 --seconds 600", "against a running broker"),
            (
                "fuzz ci/brokers/mosquitto.yaml --corpus corpus --restarts 2",
                "with what earlier runs reached, and with restarts",
            ),
            (
                "fuzz --in-process --count 10000 --seed 1",
                "without connections, in virtual time",
            ),
        ],
    ),
    (
        "list",
        &[
            ("list", "every case"),
            (
                "list --statement 'v5:MQTT-3.1.*'",
                "cases that prove statements of one section",
            ),
            ("list --tag timing --json", "as JSON"),
        ],
    ),
    (
        "check",
        &[
            ("check", "the scenarios inside the program"),
            ("check scenarios/qos2 my.yaml", "a folder and a file"),
            (
                "check ci/brokers/mosquitto.yaml",
                "a profile, and the cases that it names",
            ),
        ],
    ),
    (
        "fmt",
        &[
            ("fmt scenarios", "every scenario below a folder"),
            ("fmt --check scenarios", "list those that would change"),
            ("fmt --diff my.yaml", "what would change"),
        ],
    ),
    (
        "show",
        &[
            ("show qos2/dup-before-pubrel", "a scenario"),
            ("show qos2/dup-before-pubrel@v5", "one of its cases"),
        ],
    ),
    (
        "new",
        &[
            (
                "new scenarios/ping/mine.yaml --statement v5:MQTT-3.12.4-1",
                "a file to start from",
            ),
            ("new mine.yaml --tests client", "one that tests clients"),
        ],
    ),
    (
        "decode",
        &[
            ("decode 20 02 01 00", "what a broker sent"),
            ("decode --mqtt v5 --from client e000", "what a client of 5.0 sent"),
            ("decode @dump.txt", "a hex dump of xxd, tcpdump or Wireshark"),
        ],
    ),
    (
        "explain",
        &[("explain v5:MQTT-4.3.3-10", "its text, and the cases that prove it")],
    ),
    (
        "coverage",
        &[
            ("coverage", "by section"),
            ("coverage --gaps", "what no case shows"),
            (
                "coverage --statement 'v5:MQTT-3.1.*'",
                "the statements of some sections",
            ),
            ("coverage --markdown", "as in docs/coverage.md"),
            ("coverage --also mine --walk", "with scenarios of your own"),
            ("coverage --pairs --gaps", "which features meet nowhere"),
        ],
    ),
    (
        "broker",
        &[
            ("broker", "at 127.0.0.1:1883"),
            (
                "broker --listen 127.0.0.1:2883 --ws 127.0.0.1:8083",
                "also over WebSocket",
            ),
            ("broker --fault v3.1.1:MQTT-4.3.3-2", "with a fault"),
        ],
    ),
    (
        "client",
        &[
            ("client", "as an adapter on standard input and output"),
            ("client --list-faults", "the statements that it can break"),
        ],
    ),
    (
        "serve",
        &[
            ("serve mock.yaml", "a scenario of your own, at 127.0.0.1:1883"),
            (
                "serve mock.yaml --listen 127.0.0.1:2883 --forever",
                "as a mock broker, until Ctrl-C",
            ),
            ("serve clients/resume/qos1 --mqtt v5", "a case of the suite"),
        ],
    ),
    (
        "adapter",
        &[(
            "adapter check -- python3 my_adapter.py",
            "what it lacks, and what violates the contract",
        )],
    ),
    (
        "record",
        &[(
            "record --listen 127.0.0.1:2883 -o talk.pcapng mqtt://127.0.0.1:1883",
            "clients connect to port 2883",
        )],
    ),
    (
        "replay",
        &[
            ("replay talk.pcapng", "against the embedded broker"),
            (
                "replay talk.pcapng mqtt://127.0.0.1:1883 --rename",
                "against a shared broker",
            ),
        ],
    ),
    (
        "import",
        &[(
            "import talk.pcapng --stream 0 -o mine.yaml",
            "the first TCP connection as a scenario",
        )],
    ),
    (
        "audit",
        &[
            ("audit field.pcap", "every connection with MQTT"),
            ("audit --port 8883 --json field.pcap", "one port, as JSON"),
        ],
    ),
    (
        "sweep",
        &[(
            "sweep mqtt://127.0.0.1:1883",
            "what runs had left, as far as it can be found",
        )],
    ),
    (
        "schema",
        &[
            ("schema", "the JSON Schema of scenarios, for an editor"),
            ("schema --profile", "that of profiles"),
        ],
    ),
    (
        "review",
        &[
            ("review", "every change"),
            ("review snapshots/mosquitto", "those of one broker"),
        ],
    ),
    (
        "accept",
        &[
            ("accept", "every change"),
            ("accept snapshots/mosquitto/qos2", "those below a folder"),
        ],
    ),
    (
        "reject",
        &[
            ("reject", "every change"),
            ("reject snapshots/mosquitto/qos2", "those below a folder"),
        ],
    ),
    (
        "matrix",
        &[
            ("matrix reference ci/brokers/mosquitto.yaml", "two brokers"),
            (
                "matrix a.json b.json --html matrix.html",
                "two runs that were played already",
            ),
        ],
    ),
    (
        "compare",
        &[
            ("compare before.json now.json", "what changed"),
            (
                "compare before.json now.json --diff --md changes.md",
                "with every exchange",
            ),
        ],
    ),
    (
        "repro",
        &[
            (
                "repro dup/qos-0@v5 mqtt://127.0.0.1:1883",
                "on standard output, in Markdown",
            ),
            (
                "repro dup/qos-0@v5 broker.yaml -o bug",
                "report.md and repro.py in a folder",
            ),
        ],
    ),
    (
        "report",
        &[
            (
                "report merge --json all.json part1.json part2.json",
                "the parts of a run as one",
            ),
            (
                "report render all.json --junit all.xml --html all.html",
                "reports of a run that was played before",
            ),
        ],
    ),
    (
        "completions",
        &[(
            "completions bash",
            "a script for ~/.bashrc, which also completes scenarios and statements",
        )],
    ),
    (
        "man",
        &[("man", "the page"), ("man --dir share/man/man1", "one page a command")],
    ),
];

/// The definition of the command line with its groups and examples, in lines of the terminal's width.
pub fn command() -> Command {
    of_width(out::width().min(WIDEST))
}

fn of_width(width: usize) -> Command {
    let mut command = Cli::command();
    for (name, examples) in EXAMPLES {
        command = command.mut_subcommand(*name, |sub| sub.after_help(shown(examples, width)));
    }
    let first = |command: &str| {
        let (_, examples) = EXAMPLES.iter().find(|(name, _)| *name == command).expect("a command");
        examples[0]
    };
    let few = [
        EXAMPLES[0].1[0],
        EXAMPLES[0].1[1],
        EXAMPLES[0].1[2],
        first("decode"),
        first("replay"),
    ];
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{}Options:\n{{options}}\n\n{}\n",
        grouped(&command, width),
        shown(&few, width)
    );
    command.help_template(template)
}

fn grouped(command: &Command, width: usize) -> String {
    let mut text = String::new();
    for (group, names) in GROUPS {
        let _ = writeln!(text, "{group}:");
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map_or(
                "Print this message, or the help of a command".to_owned(),
                ToString::to_string,
            );
            let _ = writeln!(text, "{}", wrapped(&format!("  {name:<13}{about}"), width, 15));
        }
        text.push('\n');
    }
    text
}

/// Examples, each on one line; if the terminal is too narrow for one of them, each with its meaning below it.
fn shown(examples: &[(&str, &str)], width: usize) -> String {
    let longest = examples.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
    let on_one_line = |(line, what): &(&str, &str)| format!("  mqttspec {line:<longest$}   {what}");
    let on_two_lines = |(line, what): &(&str, &str)| {
        let what = wrapped(&format!("      {what}"), width, 6);
        format!("  mqttspec {line}\n{what}")
    };
    let fits = examples.iter().all(|example| on_one_line(example).len() <= width);
    let lines: Vec<String> = examples
        .iter()
        .map(|example| {
            if fits {
                on_one_line(example)
            } else {
                on_two_lines(example)
            }
        })
        .collect();
    format!("Examples:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;

    #[test]
    fn every_command_stands_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut command = Cli::command();
        command.build();
        let mut there: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        there.sort_unstable();
        assert_eq!(grouped, there);
    }

    #[test]
    fn every_command_has_an_example_of_its_own() {
        for name in Cli::command().get_subcommands().map(Command::get_name) {
            let (_, examples) = EXAMPLES
                .iter()
                .find(|(n, _)| *n == name)
                .unwrap_or_else(|| panic!("{name} has none"));
            assert!(
                examples.iter().all(|(line, _)| line.split(' ').next() == Some(name)),
                "{name}"
            );
        }
    }

    #[test]
    fn every_example_is_a_command_line() {
        for (line, _) in EXAMPLES.iter().flat_map(|(_, examples)| *examples) {
            let words = line.split(' ').map(|word| word.trim_matches('\''));
            let read = command()
                .try_get_matches_from(std::iter::once("mqttspec").chain(words))
                .and_then(|matches| Cli::from_arg_matches(&matches));
            assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
        }
    }

    #[test]
    fn help_fits_the_terminal() {
        for width in [60, 80, 100] {
            let mut root = of_width(width).term_width(width);
            let mut pages = vec![root.render_help().to_string()];
            for sub in root.get_subcommands_mut() {
                pages.push(sub.clone().term_width(width).render_help().to_string());
            }
            for line in pages.iter().flat_map(|page| page.lines()) {
                // clap does not wrap the usage.
                let fits = line.chars().count() <= width || line.starts_with("Usage:");
                assert!(fits, "{width}: {line}");
            }
        }
    }
}
