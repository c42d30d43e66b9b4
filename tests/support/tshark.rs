//! tshark, for the tests that need it and are therefore ignored by default.

use std::path::Path;
use std::process::Command;

/// The lines that tshark prints for a capture.
///
/// # Panics
/// If tshark is not installed, or cannot read the capture.
pub fn tshark(file: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(arguments);
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("tshark cannot be started: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tshark {arguments:?}: {errors}");
    let text = String::from_utf8(output.stdout).expect("tshark writes UTF-8");
    text.lines().map(str::to_owned).collect()
}
