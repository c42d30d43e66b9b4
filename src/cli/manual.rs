//! `mqttspec man` and `mqttspec completions`: what is made of the command line's definition.

use std::path::Path;

use super::out::{fail, print};
use super::{Exit, help};

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::command(), "mqttspec", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Ok
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
            print(&String::from_utf8_lossy(&page));
        }
        Some(dir) => {
            let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(man(Some(&dir.path().join("man1"))), Exit::Ok);
        for name in help::command().get_subcommands().map(clap::Command::get_name) {
            let page = dir.path().join(format!("man1/mqttspec-{name}.1"));
            let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
            assert!(text.contains(".SH SYNOPSIS"), "{name}");
        }
    }
}
