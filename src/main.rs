//! The `mqttspec` program; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mqttspec::cli::main()
}
