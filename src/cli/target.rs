//! What TARGET on the command line means.

use std::path::Path;

use crate::harness::{Ready, Target, TargetError, Warning};
use crate::play::Settings;
use crate::reference::{Disobey, Free};
use crate::suite;
use crate::sut::Address;
use crate::wire::Side;

use super::args::ReachArgs;
use super::out::{colour, fail, print_error};
use super::{Exit, out};

/// Finds out what the argument names, and how cases are to be played against it. What is wrong is printed.
///
/// # Errors
/// The exit code of a program that cannot go on.
pub async fn target(
    argument: Option<&str>,
    tests: Side,
    disobey: &[String],
    free: &[String],
    reach: &ReachArgs,
) -> Result<(suite::Target, Settings), Exit> {
    if tests == Side::Client && argument.is_none() {
        let disobey = crate::client::Disobey::parse(disobey).map_err(|e| fail(Exit::Usage, e))?;
        let ready = Target::reference_client(disobey)
            .transport(reach.transport)
            .ready(warn)
            .await;
        let Ready { target, settings } = ready.map_err(|error| told(&error))?;
        return Ok((target, settings));
    }
    if let Some(address) = argument.and_then(meant_address) {
        let argument = argument.unwrap_or_default();
        return Err(fail(
            Exit::Usage,
            format!("there is no profile `{argument}`; did you mean `{address}`?"),
        ));
    }
    let free = Free::parse_all(free.iter().map(String::as_str)).map_err(|e| fail(Exit::Usage, e))?;
    let disobey = Disobey::parse_all(disobey.iter().map(String::as_str)).map_err(|e| fail(Exit::Usage, e))?;
    let ready = describe(argument)
        .disobeying(disobey)
        .freely(free)
        .transport(reach.transport)
        .tls(reach.tls())
        .secrets(|name| std::env::var(name).ok())
        .ready(warn)
        .await;
    let Ready { target, settings } = ready.map_err(|error| told(&error))?;
    Ok((target, settings))
}

fn describe(argument: Option<&str>) -> Target {
    match argument {
        None => Target::reference(),
        Some(argument) if Address::is_address(argument) => Target::at(argument),
        Some(argument) => Target::of_profile(Path::new(argument)),
    }
}

/// The address that an argument is but for its scheme. A file of that name comes first, and one that ends like a profile is
/// meant as one.
fn meant_address(argument: &str) -> Option<String> {
    let path = Path::new(argument);
    let ends_as_profile = path
        .extension()
        .is_some_and(|e| ["yaml", "yml"].iter().any(|yaml| e.eq_ignore_ascii_case(yaml)));
    if Address::is_address(argument) || ends_as_profile || path.exists() {
        return None;
    }
    let address = format!("mqtt://{argument}");
    address.parse::<Address>().is_ok().then_some(address)
}

fn warn(warning: Warning) {
    out::warn(&warning.to_string());
}

/// Prints the error in the words of the command line, and gives its exit code.
fn told(error: &TargetError) -> Exit {
    match error {
        TargetError::ReferenceTls => {
            let message = "the embedded broker makes its own certificates: --ca, --cert, --server-name and --insecure are for other targets";
            fail(Exit::Usage, message)
        }
        TargetError::NeedsPlainTcp(_) => fail(
            Exit::Usage,
            "--fault and --free need plain TCP (--transport mqtt) or the embedded broker",
        ),
        TargetError::NotEncrypted => {
            let message = "--ca, --cert, --server-name and --insecure are for mqtts: and wss: addresses";
            fail(Exit::Usage, message)
        }
        TargetError::Profile(error) => {
            print_error(&error.render(colour()));
            Exit::Malformed
        }
        TargetError::NeedsReference(_)
        | TargetError::Address(_)
        | TargetError::OtherTransport { .. }
        | TargetError::NoTransport { .. } => fail(Exit::Usage, error),
        TargetError::Tls(_) | TargetError::Secret { .. } | TargetError::Endpoint(_) => fail(Exit::Malformed, error),
        TargetError::Probe(_) | TargetError::Start(_) => fail(Exit::Unreachable, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_its_scheme_is_meant_as_one() {
        for (argument, address) in [
            ("127.0.0.1:1883", "mqtt://127.0.0.1:1883"),
            ("localhost:1883", "mqtt://localhost:1883"),
            ("broker.example", "mqtt://broker.example"),
            ("[::1]:1883", "mqtt://[::1]:1883"),
        ] {
            assert_eq!(meant_address(argument).as_deref(), Some(address));
        }
        // The last is a file.
        for argument in ["mqtt://h", "profile.yaml", "ci/none.YML", "a/b", "Cargo.toml"] {
            assert_eq!(meant_address(argument), None, "{argument}");
        }
    }
}
