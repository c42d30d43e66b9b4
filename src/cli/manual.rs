//! `mqttspec man` and `mqttspec completions`: what is made of the command line's definition.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use clap_complete::env::Shells;

use super::out::{fail, print};
use super::{Exit, complete, help};

/// Prints a completion script. It asks this program for candidates, so it also completes scenarios and statements.
pub fn completions(shell: clap_complete::Shell) -> Exit {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let mut script = Vec::new();
    let written = shells
        .completer(&name)
        .map(|shell| shell.write_registration(complete::VARIABLE, "mqttspec", "mqttspec", "mqttspec", &mut script));
    match written {
        Some(Ok(())) => {
            print(&String::from_utf8_lossy(&script));
            Exit::Ok
        }
        Some(Err(error)) => fail(Exit::Unreachable, format!("the script cannot be made: {error}")),
        None => fail(Exit::Usage, format!("there is no completion for {name}")),
    }
}

/// Prints the manual page, or writes it and one page a subcommand into a folder, which is made if it is missing.
pub fn man(dir: Option<&Path>) -> Exit {
    let command = help::command();
    match dir {
        None => {
            let mut page = Vec::new();
            if let Err(error) = clap_mangen::Man::new(command).render(&mut page) {
                return fail(Exit::Unreachable, format!("the manual page cannot be made: {error}"));
            }
            print(&(String::from_utf8_lossy(&page).into_owned() + &more()));
        }
        Some(dir) => {
            let written = std::fs::create_dir_all(dir)
                .and_then(|()| clap_mangen::generate_to(command, dir))
                .and_then(|()| OpenOptions::new().append(true).open(dir.join("mqttspec.1")))
                .and_then(|mut page| page.write_all(more().as_bytes()));
            if let Err(error) = written {
                return fail(
                    Exit::Unreachable,
                    format!("cannot write into {}: {error}", dir.display()),
                );
            }
        }
    }
    Exit::Ok
}

/// What the page of the program has beyond the definition of the command line.
fn more() -> String {
    let mut text = ".SH \"EXIT STATUS\"\n".to_owned();
    for exit in Exit::ALL {
        let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", exit.code(), exit.meaning());
    }
    let command = help::command();
    let pages = command
        .get_subcommands()
        .map(|sub| format!("mqttspec\\-{}(1)", sub.get_name()));
    let _ = writeln!(text, ".SH \"SEE ALSO\"\n{}", pages.collect::<Vec<_>>().join(", "));
    text
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_has_a_completion() {
        let shells = Shells::builtins();
        for shell in clap_complete::Shell::value_variants() {
            assert!(shells.completer(&shell.to_string()).is_some(), "{shell}");
        }
    }

    #[test]
    fn every_subcommand_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(man(Some(&dir.path().join("man1"))), Exit::Ok);
        for name in help::command().get_subcommands().map(clap::Command::get_name) {
            let page = dir.path().join(format!("man1/mqttspec-{name}.1"));
            let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
            assert!(text.contains(".SH SYNOPSIS"), "{name}");
        }
        let page = std::fs::read_to_string(dir.path().join("man1/mqttspec.1")).unwrap();
        assert!(
            page.contains(".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\nEverything is as expected.\n"),
            "{page}"
        );
        assert!(page.contains("mqttspec\\-run(1)"), "{page}");
    }
}
