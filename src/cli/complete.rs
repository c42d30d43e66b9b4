//! What a shell offers for a value that is being typed: scenarios and statements. The rest is known from the definition of
//! the command line.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use clap_complete::{CompleteEnv, CompletionCandidate};

use crate::scenario::Files;
use crate::statements::catalogue;

use super::help;

/// The environment variable by which a shell asks for candidates; its value is the name of the shell.
pub const VARIABLE: &str = "MQTTSPEC_COMPLETE";

/// Answers a shell that asks for candidates. `false` if none does.
///
/// # Errors
/// The shell is not known, or the candidates cannot be printed.
pub fn answered() -> clap::error::Result<bool> {
    let here = std::env::current_dir().ok();
    CompleteEnv::with_factory(help::command)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), here.as_deref())
}

/// The built-in scenarios whose path begins with what is typed, each with its title.
pub fn scenarios(typed: &OsStr) -> Vec<CompletionCandidate> {
    // Nothing is wrong with the scenarios inside the program.
    let all = Files::embedded().outlines().unwrap_or_default();
    let titles = all
        .iter()
        .map(|case| (case.header.path.as_str(), case.header.title.as_str()));
    candidates(typed, titles)
}

/// The statements whose ID begins with what is typed, each with its text. Those of one version if one is typed.
pub fn statements(typed: &OsStr) -> Vec<CompletionCandidate> {
    let has_version = typed.to_string_lossy().contains(':');
    let names: Vec<(String, &str)> = catalogue()
        .iter()
        .map(|statement| {
            let token = statement.id.to_string();
            let name = if has_version { token } else { statement.id.id.to_owned() };
            (name, statement.says.as_str())
        })
        .collect();
    candidates(typed, names.iter().map(|(name, says)| (name.as_str(), *says)))
}

/// The names that begin with what is typed, each once and with its description.
fn candidates<'n>(typed: &OsStr, names: impl Iterator<Item = (&'n str, &'n str)>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fitting = names.filter(|(name, _)| name.starts_with(&*typed));
    let once: BTreeMap<&str, &str> = fitting.collect();
    once.into_iter()
        .map(|(name, about)| CompletionCandidate::new(name).help(Some(about.to_owned().into())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(candidates: &[CompletionCandidate]) -> Vec<&str> {
        candidates.iter().map(|c| c.get_value().to_str().unwrap()).collect()
    }

    #[test]
    fn a_scenario_is_completed() {
        let found = scenarios(OsStr::new("qos2/dup-before"));
        assert_eq!(names(&found), ["qos2/dup-before-pubrel"]);
        let title = found[0].get_help().map(ToString::to_string);
        assert_eq!(
            title.as_deref(),
            Some("A QoS 2 PUBLISH resent with DUP before PUBREL reaches the subscriber once")
        );
        assert!(names(&scenarios(OsStr::new("qos2/"))).len() > 10);
        assert_eq!(names(&scenarios(OsStr::new("no-such/"))), Vec::<&str>::new());
    }

    #[test]
    fn a_statement_is_completed_with_and_without_its_version() {
        assert_eq!(
            names(&statements(OsStr::new("MQTT-4.3.3-1"))),
            [
                "MQTT-4.3.3-1",
                "MQTT-4.3.3-10",
                "MQTT-4.3.3-11",
                "MQTT-4.3.3-12",
                "MQTT-4.3.3-13"
            ]
        );
        assert_eq!(
            names(&statements(OsStr::new("v3.1.1:MQTT-4.3.3-"))),
            ["v3.1.1:MQTT-4.3.3-1", "v3.1.1:MQTT-4.3.3-2"]
        );
    }
}
