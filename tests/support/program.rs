//! The program as a process that runs until it gets a signal.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The output and exit code of a program that has ended.
pub struct Ended {
    pub code: Option<i32>,
    pub text: String,
}

/// Runs the program to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_mqttspec"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        code: output.status.code(),
        text: text(&output.stdout) + &text(&output.stderr),
    }
}

/// A program that listens.
pub struct Listening {
    child: Child,
    out: BufReader<ChildStdout>,
    /// `127.0.0.1:PORT`
    pub address: String,
}

impl Listening {
    /// Starts the program, whose first line of output is the address on which it listens.
    pub fn start(folder: &Path, arguments: &[&str]) -> Listening {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mqttspec"))
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        out.read_line(&mut line).expect("its first line");
        let address = line
            .strip_prefix("listening on mqtt://")
            .and_then(|rest| rest.split_whitespace().next())
            .unwrap_or_else(|| panic!("{arguments:?} does not listen: {line}"))
            .to_owned();
        Listening { child, out, address }
    }

    /// Reads its output until a line that contains `text`.
    pub fn until(&mut self, text: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).expect("its output");
            all.push_str(&line);
            assert!(read > 0, "it ended before `{text}`: {all}");
            if line.contains(text) {
                return all;
            }
        }
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> Ended {
        let mut text = String::new();
        self.out.read_to_string(&mut text).expect("its output");
        let status = self.child.wait().expect("it ends");
        Ended {
            code: status.code(),
            text,
        }
    }

    /// Ends it as Ctrl-C does.
    pub fn end(mut self) -> Ended {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT).expect("it runs");
        let mut text = String::new();
        self.out.read_to_string(&mut text).expect("its output");
        let status = self.child.wait().expect("it ends");
        Ended {
            code: status.code(),
            text,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // If the test passed, it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
