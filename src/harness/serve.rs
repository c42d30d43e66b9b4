//! Plays a case that tests a client as the server, for a client that a person operates: there is no adapter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::adapter::{Abilities, COMMANDS, Command, Message, Request};
use crate::play::{Front, Namespaces, Player, Seen, Settings};
use crate::scenario::Case;
use crate::statements::Version;
use crate::suite::{CaseResult, Judge, Rigour, Target, TargetInfo, Verdict};
use crate::sut::{Adapter, AdapterSource, BoxFuture, Kept, StartError};
use crate::transport::Transport;

use super::clients::of_source;

/// What `$ns` is here: a word that a person can type, as long as the others.
const NAMESPACE: &str = "mqttspec";

/// A server for clients that people operate.
pub struct ByHand {
    target: Target,
    player: Player,
}

impl ByHand {
    /// A server at an open listener, which speaks what `front` says. `response_timeout` is how long the client may take for what it does by itself, such as an
    /// acknowledgement; what its application causes has no time limit. `onlooker` gets everything that happens. Must be
    /// called inside a tokio runtime.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn new(
        listener: TcpListener,
        front: Front,
        response_timeout: Option<Duration>,
        onlooker: mpsc::UnboundedSender<Seen>,
    ) -> std::io::Result<ByHand> {
        let defaults = Settings::default();
        let address = listener.local_addr()?;
        let settings = Settings {
            patience: response_timeout.unwrap_or(defaults.patience),
            by_hand: true,
            front: front.clone(),
            listener: Some(Arc::new(listener)),
            onlooker: Some(onlooker.clone()),
            ..defaults
        };
        let target = Target {
            info: TargetInfo {
                name: "by hand".to_owned(),
                version: None,
                address: format!("{}://{address}", front.transport()),
                transport: front.transport(),
                argument: None,
                options: Vec::new(),
                snapshots: Kept::All,
            },
            jobs: 1,
            ..of_source(Arc::new(Person(onlooker)))
        };
        let player = Player {
            namespaces: Arc::new(Namespaces::always(NAMESPACE)),
            ..Player::new(settings, 0)
        };
        Ok(ByHand { target, player })
    }

    /// What reports say of the client.
    pub fn info(&self) -> &TargetInfo {
        &self.target.info
    }

    /// Plays a case, and its control if it has one, and judges what the client did.
    pub async fn play(&self, case: &Case) -> CaseResult {
        let judge = Judge {
            target: &self.target,
            strict: false,
            rigour: Rigour::Fail,
        };
        let began = Instant::now();
        let mut result = match self.target.launcher.launch().await {
            Ok(instance) => {
                let played = self.player.play(case, &*instance).await;
                instance.stop().await;
                judge.judge(case, played, false)
            }
            Err(error) => judge.unplayed(case, Verdict::Error, error.to_string()),
        };
        result.duration = began.elapsed();
        result.plays = 1;
        result
    }
}

/// The application of a client: someone who reads what they are to do.
struct Person(mpsc::UnboundedSender<Seen>);

impl AdapterSource for Person {
    fn start(&self) -> BoxFuture<'_, Result<Adapter, StartError>> {
        let (requests, inbox) = mpsc::unbounded_channel();
        let (outbox, lines) = mpsc::unbounded_channel();
        tokio::spawn(prompt(inbox, outbox, self.0.clone()));
        Box::pin(async move {
            let started = Adapter::within_process(requests, lines).await;
            started.map_err(|error| StartError::Own {
                broker: "the server",
                error: error.into(),
            })
        })
    }

    fn log_tail(&self, _limit: usize) -> Option<String> {
        None
    }
}

/// Shows each command, and takes it for done: what the client then sends decides.
async fn prompt(
    mut inbox: mpsc::UnboundedReceiver<String>,
    outbox: mpsc::UnboundedSender<String>,
    onlooker: mpsc::UnboundedSender<Seen>,
) {
    let ready = Message::Ready(Abilities {
        name: "by hand".to_owned(),
        version: None,
        versions: Version::ALL.to_vec(),
        commands: COMMANDS.map(str::to_owned).to_vec(),
        leaves: true,
        subscribes: true,
        transports: Transport::ALL.into_iter().filter(|t| *t != Transport::Unix).collect(),
    });
    // Whoever gave the commands may have gone: then there are no more.
    let _ = outbox.send(ready.line());
    while let Some(line) = inbox.recv().await {
        let answer = match Request::read(&line) {
            Ok(request) => {
                if request.command != Command::End {
                    let _ = onlooker.send(Seen::Now(request.command));
                }
                Message::Taken(request.id)
            }
            Err((Some(id), why)) => Message::Unsupported(id, why.to_string()),
            Err((None, _)) => continue,
        };
        let _ = outbox.send(answer.line());
    }
}
