//! `mqttspec broker`

use crate::reference::{self, Config, Disobey};

use super::args::BrokerArgs;
use super::{Exit, fail, print};

/// Runs the reference broker by itself, until it is ended.
pub fn broker(args: &BrokerArgs) -> Exit {
    if args.list_disobey {
        let lines: String = Disobey::all()
            .iter()
            .map(|d| format!("{:<32} {}\n", d.token(), d.what))
            .collect();
        print(&lines);
        return Exit::Ok;
    }
    if !args.listen.ip().is_loopback() {
        return fail(Exit::Usage, format!("{} is not a loopback address", args.listen));
    }
    let disobey = match Disobey::parse_all(args.disobey.iter().map(String::as_str)) {
        Ok(disobey) => disobey,
        Err(error) => return fail(Exit::Usage, error),
    };
    let config = Config {
        address: args.listen,
        store: args.store.clone(),
        disobey,
        ..Config::default()
    };
    match reference::run(config, |address| print(&format!("listening on mqtt://{address}\n"))) {
        Ok(()) => Exit::Ok,
        Err(error) => fail(Exit::Unreachable, format!("cannot listen on {}: {error}", args.listen)),
    }
}
