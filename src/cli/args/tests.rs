//! Tests of the command line.

use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn former_names_of_flags_are_accepted_and_not_shown() {
    let run = |words: &[&str]| match Cli::try_parse_from([&["mqttspec"], words].concat()).unwrap().command {
        Command::Run(args) => (args.response_timeout, args.fault),
        other => panic!("{other:?}"),
    };
    let now = run(&["run", "--response-timeout", "5s", "--fault", "v5:MQTT-4.3.3-10"]);
    assert_eq!(run(&["run", "--patience", "5s", "--disobey", "v5:MQTT-4.3.3-10"]), now);
    assert_eq!(now.0, Some(Duration::from_secs(5)));
    for former in [
        ["replay", "x.pcapng", "--patience", "5s"].as_slice(),
        &["broker", "--disobey", "v5:MQTT-4.3.3-10"],
        &["broker", "--list-disobey"],
    ] {
        assert!(
            Cli::try_parse_from([&["mqttspec"], former].concat()).is_ok(),
            "{former:?}"
        );
    }
    for name in ["run", "replay", "broker"] {
        let help = Cli::command()
            .find_subcommand_mut(name)
            .unwrap()
            .render_long_help()
            .to_string();
        assert!(!help.contains("--patience") && !help.contains("disobey"), "{help}");
    }
}

#[test]
fn a_shard_is_a_part_of_a_whole() {
    assert_eq!(shard("1/4"), Ok((1, 4)));
    assert_eq!(shard("4/4"), Ok((4, 4)));
    for wrong in ["0/4", "5/4", "1", "1/0", "a/b", ""] {
        assert!(shard(wrong).is_err(), "{wrong}");
    }
}
