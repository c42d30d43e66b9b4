//! The program as a user calls it.

use std::path::Path;

use assert_cmd::Command;

/// The program with these arguments, without the environment variables of a CI server.
pub fn mqttspec(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("mqttspec").expect("the program is built");
    for variable in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "CI"] {
        command.env_remove(variable);
    }
    command.args(arguments);
    command
}

/// The same in this folder.
pub fn mqttspec_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = mqttspec(arguments);
    command.current_dir(folder);
    command
}
