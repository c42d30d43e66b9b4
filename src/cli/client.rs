//! `mqttspec client`

use crate::client::{self, Disobey, Free, Freedom};
use crate::statements::catalogue;

use super::Exit;
use super::args::ClientArgs;
use super::out::{fail, print};

/// Runs the reference client as an adapter, until its input ends.
pub fn client(args: &ClientArgs) -> Exit {
    if args.list_faults {
        let says = |id| catalogue().get(id).map(|s| s.says.as_str()).unwrap_or_default();
        let lines = client::statements().into_iter();
        print(
            &lines
                .map(|id| format!("{:<32} {}\n", id.to_string(), says(id)))
                .collect::<String>(),
        );
        return Exit::Ok;
    }
    if args.list_free {
        let lines = Freedom::ALL.map(|freedom| format!("{:<20} {}\n", freedom.name(), freedom.about()));
        print(&lines.concat());
        return Exit::Ok;
    }
    let free = match Free::parse(&args.free.join(",")) {
        Ok(free) => free,
        Err(error) => return fail(Exit::Usage, error),
    };
    let disobey = match Disobey::parse(&args.fault) {
        Ok(disobey) => disobey,
        Err(error) => return fail(Exit::Usage, error),
    };
    match client::run(disobey, free) {
        Ok(()) => Exit::Ok,
        Err(error) => fail(Exit::Unreachable, format!("cannot start: {error}")),
    }
}
