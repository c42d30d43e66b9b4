//! A client under test: the listener that it connects to, and the adapter through which its application is told what to
//! do. Each exchange has a listener of its own, so that nothing that an earlier case left behind connects to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::driver::Driver;
use super::front::{Front, Opened, PATH};
use super::matcher::{Input, Matcher};
use super::plan::plan;
use super::{Advice, PlayEnd, Settings};
use crate::adapter::{Command, Endpoint, Message, PLAN};
use crate::conversation::{Dialogue, Line, Listener as _};
use crate::scenario::{Case, Expect, Step, StepKind, Verb, Which, every};
use crate::sut::{Adapter, Said};
use crate::transcript::{Application, Author, ClientName, End, Event, Happened, StepId, Stop, Transcript, What};
use crate::transport::{Link, Transport};
use crate::wire::{Packet, PacketType, Side};

/// How long a listener that cannot accept waits before it tries again.
const AGAIN: Duration = Duration::from_millis(10);

/// The client under test of one exchange.
pub(super) struct Serving {
    adapter: Adapter,
    listener: Arc<TcpListener>,
    front: Front,
    /// Connections on their way to MQTT.
    opening: JoinSet<Opened>,
    endpoint: Endpoint,
    client: ClientName,
    /// The matcher's number of each command, by the number of the request.
    calls: BTreeMap<u32, u32>,
    /// The request that ends the case, and whether it is answered.
    end: Option<u32>,
    is_ended: bool,
    /// The adapter has ended.
    is_gone: bool,
}

/// What happens at the client under test, beside what arrives on its connections.
pub(super) enum Served {
    Connected(Opened),
    Said(Said),
}

/// Plays one exchange of `case` against the client behind `adapter`, as the server that it connects to. Returns the
/// adapter too if it can be used again.
pub async fn serve_exchange(
    case: &Case,
    which: Which,
    namespace: &str,
    adapter: Adapter,
    settings: &Arc<Settings>,
) -> (Transcript, PlayEnd, Vec<Advice>, Option<Adapter>) {
    let settings = &Arc::new(Settings {
        may_leave: adapter.abilities().leaves,
        subscribes: adapter.abilities().subscribes && !handles_subscribe(case, which),
        manual_acks: every(case.script.exchange(which)).any(|step| is_told(step, Verb::Ack)),
        ..Settings::clone(settings)
    });
    let mut matcher = Matcher::new(case, which, Side::Server, namespace, settings);
    let serving = match Serving::new(adapter, case, which, namespace, settings).await {
        Ok(serving) => serving,
        Err((stop, adapter)) => {
            matcher.input(Input::Local(Duration::ZERO, Happened::Stopped(Box::new(stop))));
            let (transcript, end, advice) = matcher.finish();
            return (transcript, end, advice, Some(adapter));
        }
    };
    let mut driver = Driver::new(matcher, case, which, namespace, settings);
    driver.serving = Some(serving);
    driver.run().await;
    let is_deaf = driver.deaf;
    let adapter = driver
        .serving
        .take()
        .and_then(Serving::into_adapter)
        .filter(|_| !is_deaf);
    let (transcript, end, advice) = driver.matcher.finish();
    (transcript, end, advice, adapter)
}

/// Whether an exchange has the application subscribe, or waits for a SUBSCRIBE.
fn handles_subscribe(case: &Case, which: Which) -> bool {
    let by_setup = case.script.clients.iter().any(|client| client.subscribe.is_some());
    let expects = |step: &Step| {
        matches!(&step.what, StepKind::Expect { what: Expect::Packet(pattern), .. }
            if pattern.packet_type == PacketType::Subscribe)
    };
    by_setup || every(case.script.exchange(which)).any(|step| is_told(step, Verb::Subscribe) || expects(step))
}

/// Whether a step is this command.
fn is_told(step: &Step, verb: Verb) -> bool {
    matches!(&step.what, StepKind::Does { what, .. } if what.verb == verb)
}

impl Serving {
    /// The listener of the settings, or one on a free port of 127.0.0.1, for the client of `case`.
    ///
    /// # Errors
    /// Why the case cannot be played with this adapter, which comes back unused.
    pub(super) async fn new(
        adapter: Adapter,
        case: &Case,
        which: Which,
        namespace: &str,
        settings: &Settings,
    ) -> Result<Serving, (Stop, Adapter)> {
        let front = if case.needs("websocket") {
            settings.front.with_websocket()
        } else {
            settings.front.clone()
        };
        if let Some(why) = cannot_play(&adapter, case, front.transport()) {
            return Err((Stop::Skipped(why), adapter));
        }
        let listened = match &settings.listener {
            Some(listener) => Ok(Arc::clone(listener)),
            None => TcpListener::bind(("127.0.0.1", 0)).await.map(Arc::new),
        };
        let listened = listened.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = match listened {
            Ok(listened) => listened,
            Err(error) => return Err((Stop::Error(format!("cannot listen: {error}")), adapter)),
        };
        let Some(client) = case.script.clients.first() else {
            return Err((Stop::Error("the case has no client".to_owned()), adapter));
        };
        let endpoint = Endpoint {
            transport: front.transport(),
            path: if front.transport().is_websocket() { PATH } else { "" }.to_owned(),
            ca: front.ca().map(|file| file.display().to_string()),
            manual_acks: settings.manual_acks,
            ..Endpoint::tcp(address.ip().to_string(), address.port(), case.version)
        };
        let mut adapter = adapter;
        if adapter.abilities().commands.iter().any(|command| command == PLAN) {
            let planned = plan(case, which, namespace, &endpoint, settings);
            let told = match planned {
                Ok(planned) => tell_plan(&mut adapter, Command::Plan(planned), settings).await,
                Err(why) => Err(Stop::Skipped(why)),
            };
            if let Err(stop) = told {
                return Err((stop, adapter));
            }
        }
        Ok(Serving {
            adapter,
            listener,
            front,
            opening: JoinSet::new(),
            endpoint,
            client: Arc::clone(&client.name),
            calls: BTreeMap::new(),
            end: None,
            is_ended: false,
            is_gone: false,
        })
    }

    /// What happens next; never, if no client is under test. One that says too much is not listened to any more.
    pub(super) async fn next(serving: Option<&mut Serving>, is_deaf: bool) -> Served {
        let Some(serving) = serving else {
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                biased;
                accepted = serving.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        // What is small goes out at once. If that cannot be set, it goes out later.
                        let _ = stream.set_nodelay(true);
                        if serving.front.transport() == Transport::Mqtt {
                            return Served::Connected(Opened::Link(Box::new(Link::tcp(stream)), None));
                        }
                        serving.opening.spawn(serving.front.clone().open(stream));
                    }
                    // Out of descriptors, or a client that was gone at once.
                    Err(_) => tokio::time::sleep(AGAIN).await,
                },
                Some(Ok(opened)) = serving.opening.join_next() => return Served::Connected(opened),
                said = serving.adapter.next(), if !serving.is_gone && !is_deaf => {
                    serving.is_gone = matches!(said, Said::Ended(_));
                    return Served::Said(said);
                }
            }
        }
    }

    /// The adapter, if it has answered the end of its case.
    pub(super) fn into_adapter(self) -> Option<Adapter> {
        // A case that has told it nothing has nothing to end.
        let is_idle = self.is_ended || self.calls.is_empty();
        (is_idle && !self.is_gone).then_some(self.adapter)
    }
}

/// Tells an adapter what is to come.
///
/// # Errors
/// Why the exchange cannot be played.
async fn tell_plan(adapter: &mut Adapter, plan: Command, settings: &Settings) -> Result<(), Stop> {
    let id = adapter.tell(plan);
    let answered = async {
        loop {
            match adapter.next().await {
                Said::Message(Message::Taken(answered)) if answered == id => return Ok(()),
                Said::Message(Message::Refused(answered, why) | Message::Unsupported(answered, why))
                    if answered == id =>
                {
                    return Err(Stop::Skipped(format!("the client cannot play this case: {why}")));
                }
                Said::Ended(how) => return Err(Stop::BrokerGone(format!("the adapter is gone: {how}"))),
                // It has nothing to do with the plan.
                Said::Message(_) | Said::Noise(_) => {}
            }
        }
    };
    let answered = tokio::time::timeout(settings.patience, answered).await;
    answered.unwrap_or_else(|_| Err(Stop::Error("the adapter did not answer `plan`".to_owned())))
}

/// Why a case is skipped with this adapter.
fn cannot_play(adapter: &Adapter, case: &Case, transport: Transport) -> Option<String> {
    let abilities = adapter.abilities();
    if !abilities.versions.contains(&case.version) {
        return Some(format!("the client does not speak {}", case.version));
    }
    if !abilities.transports.contains(&transport) {
        return Some(format!("the client does not connect over {transport}"));
    }
    let told = case.script.exchanges().flat_map(|steps| every(steps));
    let mut verbs = told.filter_map(|step| match &step.what {
        StepKind::Does { what, .. } => Some(what.verb.name()),
        _ => None,
    });
    let lacks = |verb: &&str| !abilities.commands.iter().any(|known| known == verb);
    verbs
        .find(lacks)
        .map(|verb| format!("the client cannot `{verb}`: its adapter has no such command"))
}

impl Driver<'_> {
    /// Turns what happens at the client under test into events.
    pub(super) fn served(&mut self, served: Served) {
        let Some(serving) = &mut self.serving else { return };
        let client = Arc::clone(&serving.client);
        let said = match served {
            Served::Connected(opened) => return self.connected(client, opened),
            Served::Said(said) => said,
        };
        let answer = |serving: &Serving, id: u32| serving.calls.get(&id).copied();
        let what = match said {
            Said::Ended(how) => {
                let stopped = Stop::BrokerGone(format!("the adapter is gone: {how}"));
                let at = self.now();
                let stopped = Happened::Stopped(Box::new(stopped));
                return self.pending.push_back(Input::Local(at, stopped));
            }
            Said::Noise(line) => Application::Said(line),
            Said::Message(message) => {
                let id = match &message {
                    Message::Taken(id) | Message::Refused(id, _) | Message::Unsupported(id, _) => Some(*id),
                    Message::Ready(_) | Message::Event(..) => None,
                };
                if id.is_some() && id == serving.end {
                    serving.is_ended = true;
                    return;
                }
                match (message, id.and_then(|id| answer(serving, id))) {
                    (Message::Taken(_), Some(id)) => Application::Took(id),
                    (Message::Refused(_, why), Some(id)) => Application::Refused(id, why),
                    (Message::Unsupported(_, why), Some(id)) => Application::Cannot(id, why),
                    (Message::Event(name, text), _) if text.is_empty() => Application::Said(name),
                    (Message::Event(name, text), _) => Application::Said(format!("{name} {text}")),
                    // An answer to nothing of this case.
                    (other, _) => Application::Said(other.line()),
                }
            }
        };
        self.packets += 1;
        self.happens(client, 0, Author::Peer, What::Application(what));
        if self.packets > self.packets_max() {
            let at = self.now();
            self.pending.push_back(Input::Local(at, Happened::Flood));
            self.deaf = true;
            self.lines
                .values()
                .chain(&self.left)
                .for_each(|line| line.set_reading(false));
        }
    }

    /// A client under test has opened a connection, or has tried to.
    fn connected(&mut self, client: ClientName, opened: Opened) {
        if let Opened::Failed(why) = opened {
            let said = Application::Said(format!("no connection: {why}"));
            return self.happens(client, 0, Author::Peer, What::Application(said));
        }
        self.opened += 1;
        let number = self.opened;
        self.happens(Arc::clone(&client), number, Author::Peer, What::Open);
        match opened {
            Opened::Link(link, upgrade) => {
                let line = Line::over(*link, Arc::clone(&client), number, self.sender.clone());
                self.dialogues.insert(number, Dialogue::new(self.version));
                self.left.extend(self.lines.insert(Arc::clone(&client), line));
                if let Some(upgrade) = upgrade {
                    self.happens(client, number, Author::Peer, What::WebSocket(upgrade));
                }
            }
            Opened::Refused(upgrade) => {
                self.happens(Arc::clone(&client), number, Author::Peer, What::WebSocket(upgrade));
                self.happens(client, number, Author::Script, What::End(End::Fin));
            }
            Opened::Failed(_) => {}
        }
    }

    /// Something happens now.
    fn happens(&mut self, client: ClientName, connection: u32, author: Author, what: What) {
        let at = self.now();
        self.pending.push_back(Input::Event(Event {
            at,
            client,
            connection,
            step: None,
            author,
            what,
        }));
    }

    /// Tells the application of the client under test something.
    pub(super) fn tell(
        &mut self,
        client: ClientName,
        step: Option<StepId>,
        id: u32,
        verb: Verb,
        packet: Option<Packet>,
        shown: String,
    ) {
        let author = match &step {
            Some(step) if step.number > 0 => Author::Script,
            Some(_) => Author::Setup,
            None => Author::Fence,
        };
        let told = What::Application(Application::Told { id, command: shown });
        self.note_at(client, 0, step, author, told);
        let Some(serving) = &mut self.serving else { return };
        let mut command = match packet {
            Some(packet) => Command::of(packet, &serving.endpoint),
            None => (verb == Verb::Reconnect).then_some(Command::Reconnect),
        };
        if let Some(Command::Ack(ack)) = &mut command {
            ack.payload = self.matcher.payload_of(ack.packet_id);
        }
        match command {
            Some(command) => {
                let request = serving.adapter.tell(command);
                serving.calls.insert(request, id);
            }
            None => self.stop(Stop::Error(format!("`{}` is no command of the contract", verb.name()))),
        }
    }

    /// Tells the adapter that the case is over, and waits until it has dropped everything of it.
    pub(super) async fn end_case(&mut self, _client: ClientName) {
        let Some(serving) = &mut self.serving else { return };
        serving.end = Some(serving.adapter.tell(Command::End));
        while self
            .serving
            .as_ref()
            .is_some_and(|serving| !serving.is_ended && !serving.is_gone)
            && !self.deaf
        {
            tokio::select! {
                Some(arrival) = self.arrivals.recv() => self.arrived(arrival),
                served = Serving::next(self.serving.as_mut(), self.deaf) => self.served(served),
            }
        }
    }
}
