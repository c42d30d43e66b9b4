//! `mqttspec adapter check`

use std::path::Path;
use std::time::Duration;

use crate::harness::{AdapterReport, check_adapter};

use super::Exit;
use super::args::AdapterCheckArgs;
use super::out::{fail, print};

/// How long an adapter may take until it says that it is ready.
const READY: Duration = Duration::from_secs(10);

/// Tries an adapter against the contract.
pub fn check(args: &AdapterCheckArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    let here = std::env::current_dir().unwrap_or_else(|_| Path::new(".").to_owned());
    let checked = runtime.block_on(check_adapter(args.command.clone(), &here, READY));
    runtime.shutdown_timeout(Duration::from_secs(1));
    crate::sut::kill_all();
    let AdapterReport { lines, is_good } = match checked {
        Ok(report) => report,
        Err(error) => return fail(Exit::Unreachable, error),
    };
    print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    if is_good { Exit::Ok } else { Exit::Bad }
}
