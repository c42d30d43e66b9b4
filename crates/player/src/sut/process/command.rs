//! Clients that are commands: an adapter inside this process that starts a process of the command for each connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;

use super::log::Log;
use super::spawn::Spawned;
use super::{StartError, blocking, could_not_start, path_text, program};
use crate::adapter::{Abilities, Command, Message, PLAN, Planned, Request};
use crate::sut::adapter::{Adapter, AdapterSource};
use crate::sut::launch::BoxFuture;
use crate::sut::profile::{CommandLine, HowToDisconnect, Process};
use crate::sut::template::Words;
use crate::transport::Transport;

/// How much of what a program prints is passed on, in bytes.
const PRINTED: usize = 2_000;

/// Makes adapters for a command.
pub struct CommandClients {
    shared: Arc<Shared>,
    abilities: Abilities,
}

struct Shared {
    process: Process,
    line: CommandLine,
    here: PathBuf,
    /// Where the processes run, and what they write to their standard error.
    folder: TempDir,
}

impl CommandClients {
    /// Clients of this command; `here` is what `$here` stands for. `name` and `version` are those of the program.
    ///
    /// # Errors
    /// There is no such program, or no folder can be made for its processes.
    pub fn new(
        process: Process,
        line: CommandLine,
        here: &Path,
        name: &str,
        version: Option<String>,
    ) -> Result<CommandClients, StartError> {
        let folder = tempfile::Builder::new().prefix("mqttspec-").tempdir();
        let folder = folder.map_err(StartError::Folder)?;
        let program = &process.command[0];
        let path = process
            .env
            .get("PATH")
            .map(Into::into)
            .or_else(|| std::env::var_os("PATH"));
        program::find(program, path.as_deref(), folder.path()).map_err(|e| could_not_start(program, &process, e))?;
        let mut commands = vec![PLAN, "connect", "publish", "subscribe"];
        commands.extend(line.disconnect.map(|_| "disconnect"));
        commands.push("end");
        let abilities = Abilities {
            name: name.to_owned(),
            version,
            versions: line.speaks.keys().copied().collect(),
            commands: commands.into_iter().map(str::to_owned).collect(),
            leaves: line.leaves,
            subscribes: line.subscribes(&process.command),
            transports: vec![Transport::Mqtt],
        };
        let here = here.to_owned();
        let shared = Shared {
            process,
            line,
            here,
            folder,
        };
        Ok(CommandClients {
            shared: Arc::new(shared),
            abilities,
        })
    }
}

impl AdapterSource for CommandClients {
    fn start(&self) -> BoxFuture<'_, Result<Adapter, StartError>> {
        let (requests, inbox) = mpsc::unbounded_channel();
        let (outbox, lines) = mpsc::unbounded_channel();
        // Whoever waits for it learns that it is gone by its end.
        let _ = outbox.send(Message::Ready(self.abilities.clone()).line());
        tokio::spawn(run(Arc::clone(&self.shared), inbox, outbox));
        Box::pin(async move {
            let started = Adapter::within_process(requests, lines).await;
            started.map_err(|error| StartError::Own {
                broker: "a command",
                error: error.into(),
            })
        })
    }

    fn log_tail(&self, limit: usize) -> Option<String> {
        let tail = Log::in_folder(self.shared.folder.path()).tail(limit);
        (!tail.is_empty()).then_some(tail)
    }
}

/// A process of the command.
struct Running {
    process: Spawned,
    /// `None` once it has ended, or if the program needs none.
    input: Option<ChildStdin>,
}

/// What the adapter knows of the exchange.
#[derive(Default)]
struct State {
    plan: Vec<Planned>,
    /// How many of the commands it was told.
    told: usize,
    running: Option<Running>,
}

async fn run(shared: Arc<Shared>, mut inbox: mpsc::UnboundedReceiver<String>, outbox: mpsc::UnboundedSender<String>) {
    let mut state = State::default();
    while let Some(line) = inbox.recv().await {
        let message = match Request::read(&line) {
            Ok(Request { id, command }) => match state.told(&shared, command, &outbox).await {
                Ok(()) => Message::Taken(id),
                Err(why) => Message::Unsupported(id, why),
            },
            Err((Some(id), why)) => Message::Unsupported(id, why.to_string()),
            Err((None, why)) => Message::Event("error".to_owned(), why.to_string()),
        };
        if outbox.send(message.line()).is_err() {
            break;
        }
    }
    state.end().await;
}

impl State {
    async fn told(
        &mut self,
        shared: &Arc<Shared>,
        command: Command,
        outbox: &mpsc::UnboundedSender<String>,
    ) -> Result<(), String> {
        match command {
            Command::Plan(plan) => {
                self.end().await;
                for (at, planned) in plan.iter().enumerate() {
                    if at == 0 || matches!(planned.command, Command::Connect(..)) {
                        shared
                            .line
                            .arguments(&shared.process.command, until_connect(&plan[at..]))?;
                    }
                }
                *self = State {
                    plan,
                    ..State::default()
                };
                return Ok(());
            }
            Command::End => {
                self.end().await;
                *self = State::default();
                return Ok(());
            }
            Command::Connect(..) => {
                self.end().await;
                let commands = until_connect(self.plan.get(self.told..).unwrap_or_default());
                let line = shared.line.arguments(&shared.process.command, commands)?;
                self.running = Some(start(shared, line, outbox).await?);
            }
            Command::Publish(publish) => {
                if let Some(line) = shared.line.input_for(&publish)?
                    && let Some(input) = self.running.as_mut().and_then(|running| running.input.as_mut())
                {
                    // A program that has ended sends nothing more, and that is what is judged.
                    let _ = input.write_all(&line).await;
                    let _ = input.flush().await;
                }
            }
            Command::Subscribe(_) => {}
            Command::Disconnect(_) => match (shared.line.disconnect, &mut self.running) {
                (Some(HowToDisconnect::EndOfInput), Some(running)) => running.input = None,
                (Some(HowToDisconnect::Terminate), Some(running)) => running.process.ask_to_end(),
                (_, None) => {}
                (None, _) => return Err("it cannot `disconnect`".to_owned()),
            },
            other => return Err(format!("it cannot `{}`", other.name())),
        }
        self.told += 1;
        Ok(())
    }

    /// Kills the process, if one runs.
    async fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.process.kill().await;
        }
    }
}

/// The commands of one process: up to the next one that connects.
fn until_connect(plan: &[Planned]) -> &[Planned] {
    let connects = |planned: &Planned| matches!(planned.command, Command::Connect(..));
    let end = plan.iter().skip(1).position(connects).map_or(plan.len(), |at| at + 1);
    &plan[..end]
}

async fn start(
    shared: &Arc<Shared>,
    line: Vec<String>,
    outbox: &mpsc::UnboundedSender<String>,
) -> Result<Running, String> {
    let folder = shared.folder.path();
    let words = Words {
        dir: path_text(folder),
        here: path_text(&shared.here),
        ..Words::default()
    };
    // What came from the case is not looked at for words.
    let line: Vec<String> = (line.iter().zip(0..))
        .map(|(part, at)| match shared.process.command.get(at) {
            Some(template) if template == part => words.fill(part),
            _ => part.clone(),
        })
        .collect();
    let environment: Vec<(String, String)> = (shared.process.env.iter())
        .map(|(name, value)| (name.clone(), words.fill(value)))
        .collect();
    let log = Log::in_folder(folder).append().map_err(|e| e.to_string())?;
    let folder = folder.to_owned();
    let started = blocking(move || {
        let environment = environment.iter().map(|(name, value)| (name, value.clone()));
        let mut command = program::talking(&line, environment, &folder)?;
        // The folder is the source's own, and ends with it.
        let (process, stdin, stdout) = Spawned::talking(&mut command, log, None)?;
        std::io::Result::Ok((process, ChildStdin::from_std(stdin)?, ChildStdout::from_std(stdout)?))
    });
    let (process, input, output) = started
        .await
        .map_err(|error| format!("it cannot be started: {error}"))?;
    tokio::spawn(read(output, outbox.clone()));
    Ok(Running {
        process,
        input: shared.line.input.is_some().then_some(input),
    })
}

/// Passes on what a program prints, up to a limit, and reads the rest so that the program is not held up.
async fn read(mut output: ChildStdout, outbox: mpsc::UnboundedSender<String>) {
    let mut buffer = [0; 4096];
    let mut left = PRINTED;
    while let Ok(read @ 1..) = output.read(&mut buffer).await {
        let shown = read.min(left);
        left -= shown;
        for line in String::from_utf8_lossy(&buffer[..shown]).lines() {
            // No one may be listening any more.
            let _ = outbox.send(Message::Event("prints".to_owned(), line.to_owned()).line());
        }
    }
}
