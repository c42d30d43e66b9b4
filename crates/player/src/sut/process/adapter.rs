//! Adapters that a profile starts as processes, each in a group of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;

use super::log::Log;
use super::spawn::Spawned;
use super::{LOG_IN_ERROR, StartError, blocking, could_not_start, path_text, program};
use crate::sut::adapter::{Adapter, AdapterSource, read_lines};
use crate::sut::launch::BoxFuture;
use crate::sut::profile::Process;
use crate::sut::template::Words;

/// How many lines of an adapter may wait.
const QUEUE: usize = 64;

/// Starts the adapter of a command.
#[derive(Debug)]
pub struct AdapterProcesses {
    process: Process,
    /// The folder of the profile, or the one in which the command was given.
    here: PathBuf,
    /// Where the adapters run, and what they write to their standard error.
    folder: TempDir,
}

impl AdapterProcesses {
    /// A source of adapters that are started by this command; `here` is what `$here` stands for.
    ///
    /// # Errors
    /// No folder can be made for them.
    pub fn new(process: Process, here: &Path) -> Result<AdapterProcesses, StartError> {
        let folder = tempfile::Builder::new().prefix("mqttspec-").tempdir();
        Ok(AdapterProcesses {
            process,
            here: here.to_owned(),
            folder: folder.map_err(StartError::Folder)?,
        })
    }

    async fn spawn(&self) -> Result<Adapter, StartError> {
        let words = Words {
            dir: path_text(self.folder.path()),
            here: path_text(&self.here),
            ..Words::default()
        };
        let filled: Vec<String> = self.process.command.iter().map(|part| words.fill(part)).collect();
        let environment = self.process.env.iter().map(|(name, value)| (name, words.fill(value)));
        let command = program::talking(&filled, environment, self.folder.path());
        let log = Log::in_folder(self.folder.path());
        let output = log.append().map_err(StartError::Folder)?;
        let folder = self.folder.path().to_owned();
        let start = move || {
            let (process, stdin, stdout) = Spawned::talking(&mut command?, output, Some(folder))?;
            // Both need the runtime, which this thread has too.
            Ok((process, ChildStdin::from_std(stdin)?, ChildStdout::from_std(stdout)?))
        };
        let name = filled[0].clone();
        let started = blocking(start).await;
        let (process, stdin, stdout) = started.map_err(|e| could_not_start(&name, &self.process, e))?;
        let (requests, lines) = mpsc::unbounded_channel();
        let (sender, said) = mpsc::channel(QUEUE);
        tokio::spawn(write(lines, stdin));
        tokio::spawn(read_lines(stdout, sender));
        let within = self.process.ready_timeout;
        let ready = Adapter::ready(requests, said, Some(process), within).await;
        ready.map_err(|why| StartError::Adapter {
            program: name,
            why,
            log: log.tail(LOG_IN_ERROR),
        })
    }
}

impl AdapterSource for AdapterProcesses {
    fn start(&self) -> BoxFuture<'_, Result<Adapter, StartError>> {
        Box::pin(self.spawn())
    }

    fn log_tail(&self, limit: usize) -> Option<String> {
        let tail = Log::in_folder(self.folder.path()).tail(limit);
        (!tail.is_empty()).then_some(tail)
    }
}

/// Writes each line to an adapter's input, which ends with the lines.
async fn write(mut lines: mpsc::UnboundedReceiver<String>, mut stdin: ChildStdin) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        // An adapter that has gone says so by the end of its output.
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Commands of a whole adapter, for `mqttspec adapter check` and tests.
impl Process {
    /// The command of an adapter, with nothing else.
    pub fn of_command(command: Vec<String>, ready_timeout: Duration) -> Process {
        Process {
            command,
            files: std::collections::BTreeMap::new(),
            files_over: std::collections::BTreeMap::new(),
            certificates: None,
            env: std::collections::BTreeMap::new(),
            version: None,
            install: None,
            ready_timeout,
            stop_timeout: Duration::from_secs(2),
            container: false,
        }
    }

    /// The source of its adapters, if it is one's command; see [`AdapterProcesses::new`].
    ///
    /// # Errors
    /// No folder can be made for them.
    pub fn adapters(&self, here: &Path) -> Result<Arc<dyn AdapterSource>, StartError> {
        Ok(Arc::new(AdapterProcesses::new(self.clone(), here)?))
    }
}
