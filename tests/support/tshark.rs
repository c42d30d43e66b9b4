//! tshark, where it is installed.

use std::path::Path;
use std::process::Command;

/// What tshark says of a capture, a line each; `None`, with the reason printed, where it is not installed.
///
/// # Panics
/// It cannot read the capture.
pub fn tshark(file: &Path, arguments: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(arguments);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIPPED: tshark is not installed, so nobody but ourselves has read this capture");
            return None;
        }
        Err(error) => panic!("tshark: {error}"),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tshark {arguments:?}: {errors}");
    let text = String::from_utf8(output.stdout).expect("tshark writes UTF-8");
    Some(text.lines().map(str::to_owned).collect())
}
