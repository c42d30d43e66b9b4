//! One started process in its own group: its end is noticed, and it never outlives its owner.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::sync::watch;

use super::group::{self, GroupId};
use super::ports;

/// How long dropping a process waits until it is gone.
const DROP_WAIT: Duration = Duration::from_secs(2);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(ExitStatus);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.signal()) {
            (Some(code), _) => write!(f, "exit status {code}"),
            (None, Some(number)) => match Signal::try_from(number) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {number}"),
            },
            (None, None) => write!(f, "{}", self.0),
        }
    }
}

/// A running process. Dropping it kills its whole group.
#[derive(Debug)]
pub(in crate::sut) struct Spawned {
    group: GroupId,
    exit: watch::Receiver<Option<Exit>>,
}

impl Spawned {
    /// Starts a gated command (see `program`) in a group of its own, with its output going to `output`. When the run is
    /// interrupted, `folder` is removed.
    ///
    /// # Errors
    /// The program could not be started.
    pub(super) fn start(command: &mut Command, output: File, folder: Option<PathBuf>) -> std::io::Result<Spawned> {
        command.stdout(output.try_clone()?).stderr(output);
        let (spawned, gate, _) = Spawned::enter(command, folder)?;
        drop(gate);
        Ok(spawned)
    }

    /// The same for a program that is talked to over its standard input and output; its errors go to `log`.
    ///
    /// # Errors
    /// The program could not be started.
    pub(super) fn talking(
        command: &mut Command,
        log: File,
        folder: Option<PathBuf>,
    ) -> std::io::Result<(Spawned, ChildStdin, ChildStdout)> {
        command.stdout(Stdio::piped()).stderr(log);
        let (spawned, gate, output) = Spawned::enter(command, folder)?;
        match (gate, output) {
            (Some(gate), Some(output)) => Ok((spawned, gate, output)),
            _ => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Starts the command and opens its gate.
    fn enter(
        command: &mut Command,
        folder: Option<PathBuf>,
    ) -> std::io::Result<(Spawned, Option<ChildStdin>, Option<ChildStdout>)> {
        command.stdin(Stdio::piped()).process_group(0);
        let mut child = ports::while_none_is_looked_at(|| command.spawn())?;
        let output = child.stdout.take();
        // A process id is positive and fits: the kernel's own type is i32.
        let group = child.id() as GroupId;
        let (tell, exit) = watch::channel(None);
        let mut gate = child.stdin.take();
        let entered = group::enter(group, folder);
        // A thread per broker waits for it. It needs no runtime, so that a broker may be dropped anywhere.
        let wait = move || {
            let status = child.wait();
            group::leave(group);
            // Waiting fails only for a process that is not our child, and this one is.
            tell.send_replace(status.ok().map(Exit));
        };
        let thread = std::thread::Builder::new().name(format!("wait for {group}"));
        thread.spawn(wait).inspect_err(|_| group::leave(group))?;
        let spawned = Spawned { group, exit };
        // Dropping the process if the watchdog is missing ends it again, before its program has begun.
        entered?;
        if let Some(gate) = &mut gate {
            // If this fails, the process has already ended, and the task that waits for it learns that.
            let _ = gate.write_all(b"\n");
        }
        Ok((spawned, gate, output))
    }

    /// The process id.
    pub(in crate::sut) fn id(&self) -> u32 {
        self.group as u32
    }

    /// Its process group.
    pub(super) fn group(&self) -> GroupId {
        self.group
    }

    /// How it ended, or `None` while it runs.
    pub(super) fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// A receiver that becomes `Some` when the process ends.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.clone()
    }

    /// Waits until it has ended.
    pub(in crate::sut) async fn wait(&mut self) {
        // An error means that the waiting thread is gone, and with it the process.
        let _ = self.exit.wait_for(Option::is_some).await;
    }

    /// Asks it to end: SIGTERM, to the first process only. A wrapper passes it on as it sees fit.
    pub(super) fn ask_to_end(&self) {
        if self.exit().is_none() {
            group::signal_leader(self.group, Signal::SIGTERM);
        }
    }

    /// Asks it to end, waits, and kills the group when it takes longer than `patience`. Says whether it ended by itself.
    pub(super) async fn terminate(&mut self, patience: Duration) -> bool {
        self.ask_to_end();
        let in_time = tokio::time::timeout(patience, self.wait()).await.is_ok();
        if !in_time {
            self.kill().await;
        }
        in_time
    }

    /// Kills the group (SIGKILL) and waits until it is gone.
    pub(in crate::sut) async fn kill(&mut self) {
        self.signal_kill();
        self.wait().await;
    }

    fn signal_kill(&self) {
        if self.exit().is_none() {
            group::kill(self.group);
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.signal_kill();
        // Nothing survives SIGKILL for long. The wait lets the owner remove the process's folder after this.
        let deadline = Instant::now() + DROP_WAIT;
        while self.exit().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
