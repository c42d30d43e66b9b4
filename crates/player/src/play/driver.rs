//! The driver: sockets and clock around the matcher.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::conversation::{Arrival, Arrived, Dialogue, Line, Listener, look, meanwhile, queue};
use crate::scenario::{BrokerAction, Case, Step, Which, awaited, half_closes, stops_reading};
use crate::statements::Version;
use crate::sut::{Address, Ask, Instance, refused_upgrade};
use crate::transcript::{
    Author, ClientName, End, Event, Happened, Lifecycle, StepId, Stop, Transcript, WebSocket, What,
};
use crate::transport::Transport;
use crate::transport::websocket::{MQTT, Upgrade};
use crate::wire::{Blob, Chunk, Side};

use super::matcher::{Input, Matcher, Poll};
use super::serving::Serving;
use super::{Action, Advice, PlayEnd, Played, Seen, Settings, cleanup};

/// The most bytes of a broker's packets that are kept of one exchange. A script that awaits more cannot be judged.
const KEPT_MAX: u64 = 24 * 1024 * 1024;
/// The most packets that a broker may send in one exchange beyond those that its steps await; with more, the exchange
/// fails.
const UNASKED_MAX: usize = 10_000;
/// For each packet that a step awaits, so many come: of QoS 2 also PUBREL or PUBREC and PUBCOMP, and one more that repeats it.
const OF_ONE: usize = 4;
/// This many bytes of a read, in between whether that is too many already is looked at.
const PART: usize = 4 * 1024;
/// Plays one exchange of `case` against `instance`, and returns the result. Nothing remains on the broker but what
/// [`cleanup`] removes.
pub async fn play_exchange(
    case: &Case,
    which: Which,
    namespace: &str,
    instance: &dyn Instance,
    settings: &Arc<Settings>,
) -> (Transcript, PlayEnd, Vec<Advice>) {
    let mut matcher = Matcher::new(case, which, Side::Client, namespace, settings);
    let steps = case.script.exchange(which);
    let websocket = case.needs("websocket");
    let addresses = match addresses_for(case, steps, instance, websocket) {
        Ok(addresses) => addresses,
        Err(why) => {
            matcher.input(Input::Local(
                Duration::ZERO,
                Happened::Stopped(Box::new(Stop::Skipped(why))),
            ));
            return matcher.finish();
        }
    };
    let mut driver = Driver {
        instance: Some(instance),
        addresses,
        websocket,
        ..Driver::new(matcher, case, which, namespace, settings)
    };
    driver.run().await;
    driver.matcher.finish()
}

/// Where `steps` of a case are played: an address for each version that is spoken in it.
///
/// # Errors
/// Why it is skipped: the target has no such address, or the transport cannot do what the script asks for.
fn addresses_for(
    case: &Case,
    steps: &[Step],
    instance: &dyn Instance,
    websocket: bool,
) -> Result<BTreeMap<Version, Address>, String> {
    let half_closes = half_closes(steps);
    let mut addresses = BTreeMap::new();
    for &version in &case.speaks {
        let Some(address) = address_at(instance, version, websocket) else {
            return Err(if websocket {
                format!("the target has no WebSocket address for {version}")
            } else {
                format!("the target does not offer {version}")
            });
        };
        let transport = address.transport();
        if half_closes && !transport.can_half_close() {
            return Err(format!("{transport} has no half close: one direction cannot end alone"));
        }
        addresses.insert(version, address);
    }
    Ok(addresses)
}

fn address_at(instance: &dyn Instance, version: Version, websocket: bool) -> Option<Address> {
    if websocket {
        instance.websocket_address(version)
    } else {
        instance.address(version)
    }
}

/// How a write is done.
#[derive(Clone, Copy, Default)]
struct Manner {
    /// Between two writes.
    pause: Duration,
    /// Over WebSocket in text frames.
    text: bool,
}

pub(super) struct Driver<'a> {
    pub(super) matcher: Matcher,
    namespace: &'a str,
    /// The side that the script plays.
    scripted: Side,
    /// The side under test.
    pub(super) tested: Side,
    /// The broker under test; `None` if that is a client.
    instance: Option<&'a dyn Instance>,
    /// The client under test and the server that it connects to; `None` if the broker is under test.
    pub(super) serving: Option<Serving>,
    /// By the version that is spoken there.
    addresses: BTreeMap<Version, Address>,
    /// The case is about WebSocket, whatever the others are played over.
    websocket: bool,
    settings: &'a Arc<Settings>,
    pub(super) version: Version,
    /// What each client speaks.
    versions: BTreeMap<ClientName, Version>,
    began: Instant,
    pub(super) lines: BTreeMap<ClientName, Line>,
    /// Connections that a client under test has left behind for a new one.
    pub(super) left: Vec<Line>,
    /// By connection number.
    pub(super) dialogues: BTreeMap<u32, Dialogue>,
    pub(super) opened: u32,
    small_buffer: bool,
    /// Bytes of the broker's that are kept.
    kept: u64,
    /// How many packets of the broker's there are.
    pub(super) packets: usize,
    /// How many of them the steps await at most.
    awaited: usize,
    /// The broker sent more than is kept: nothing more is read. Who sends without end would else never let go of us.
    pub(super) deaf: bool,
    pub(super) sender: mpsc::Sender<Arrival>,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    /// What has come and the matcher has not seen yet.
    pub(super) pending: VecDeque<Input>,
}

impl<'a> Driver<'a> {
    /// A driver with nobody under test.
    pub(super) fn new(
        matcher: Matcher,
        case: &Case,
        which: Which,
        namespace: &'a str,
        settings: &'a Arc<Settings>,
    ) -> Driver<'a> {
        let (sender, arrivals) = queue();
        let steps = case.script.exchange(which);
        Driver {
            matcher,
            namespace,
            scripted: case.scripted(),
            tested: case.header.tests,
            instance: None,
            serving: None,
            addresses: BTreeMap::new(),
            websocket: false,
            settings,
            version: case.version,
            versions: (case.script.clients.iter())
                .map(|client| (Arc::clone(&client.name), client.version))
                .collect(),
            began: Instant::now(),
            lines: BTreeMap::new(),
            left: Vec::new(),
            dialogues: BTreeMap::new(),
            opened: 0,
            small_buffer: stops_reading(steps),
            kept: 0,
            packets: 0,
            awaited: awaited(steps),
            deaf: false,
            sender,
            arrivals,
            pending: VecDeque::new(),
        }
    }
}

impl Driver<'_> {
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn packets_max(&self) -> usize {
        self.awaited.saturating_mul(OF_ONE).saturating_add(UNASKED_MAX)
    }

    pub(super) async fn run(&mut self) {
        // One for the whole exchange: a wait is short, and to ask again costs more than the rest of it.
        let mut died = match self.instance {
            Some(instance) => instance.died(),
            None => Box::pin(std::future::pending()),
        };
        let mut gone = false;
        loop {
            look(self);
            // One at a time, and the time is that of the next one: so the matcher sees what it will see again when the
            // exchange is played again, and no timer fires before what came in time has been looked at.
            let now = self.pending.front().map_or_else(|| self.now(), Input::at);
            self.matcher.input(Input::Local(now, Happened::Clock));
            match self.matcher.poll() {
                Poll::Done => return,
                Poll::Do { action, within } => {
                    // Even a step that never returns, such as a write that no one reads, ends with the case.
                    let done = tokio::time::timeout(within, self.act(action)).await;
                    self.happened(Happened::Done {
                        whole: done.unwrap_or(false),
                    });
                }
                Poll::Wait { until } => match self.pending.pop_front() {
                    Some(input) => self.input(input),
                    None => tokio::select! {
                        biased;
                        Some(arrival) = self.arrivals.recv() => self.arrived(arrival),
                        served = Serving::next(self.serving.as_mut(), self.deaf) => self.served(served),
                        how = &mut died, if !gone => {
                            gone = true;
                            let stopped = Happened::Stopped(Box::new(Stop::BrokerGone(how)));
                            self.pending.push_back(Input::Local(self.now(), stopped));
                        }
                        () = tokio::time::sleep_until((self.began + until).into()) => {}
                    },
                },
            }
        }
    }

    fn input(&mut self, input: Input) {
        if let (Some(diary), Input::Event(event)) = (&self.settings.diary, &input) {
            diary.note(self.namespace, self.version, event);
        }
        if let (Some(onlooker), Input::Event(event)) = (&self.settings.onlooker, &input) {
            // It may have gone away.
            let _ = onlooker.send(Seen::Event(event.clone()));
        }
        self.matcher.input(input);
    }

    fn happened(&mut self, what: Happened) {
        self.input(Input::Local(self.now(), what));
    }

    pub(super) fn stop(&mut self, stop: Stop) {
        self.happened(Happened::Stopped(Box::new(stop)));
    }

    /// Hands the matcher all that has come.
    fn input_all(&mut self) {
        while let Some(input) = self.pending.pop_front() {
            self.input(input);
        }
    }

    /// Does what the matcher asks for. Says whether nothing of a packet is left to be written.
    async fn act(&mut self, action: Action) -> bool {
        // What has come is in the transcript before what we do now: rules judge by that order.
        self.input_all();
        match action {
            Action::Open { client, step, offer } => self.open(client, step, offer.as_deref()).await,
            Action::Write {
                client,
                step,
                author,
                writes,
                pause,
                text,
            } => return self.write(&client, step, author, &writes, Manner { pause, text }).await,
            Action::Finish {
                client,
                step,
                author,
                half,
            } => {
                if let Some(line) = self.lines.get_mut(&client) {
                    line.finish().await;
                    let end = if half { End::HalfClose } else { End::Fin };
                    let number = line.number();
                    self.note_at(client, number, step, author, What::End(end));
                }
            }
            Action::Reset { client, step } => {
                if let Some(line) = self.lines.remove(&client) {
                    let number = line.number();
                    line.reset().await;
                    self.note_at(client, number, step, Author::Script, What::End(End::Reset));
                }
            }
            Action::Reading { client, on } => {
                if let Some(line) = self.lines.get(&client) {
                    line.set_reading(on);
                }
            }
            Action::Tell {
                client,
                step,
                id,
                verb,
                packet,
                shown,
            } => self.tell(client, step, id, verb, packet, shown),
            Action::EndCase { client } => self.end_case(client).await,
            Action::Broker { action, step } => self.broker(action, step).await,
        }
        true
    }

    async fn open(&mut self, client: ClientName, step: Option<StepId>, offer: Option<&[String]>) {
        if let Some(mut left) = self.lines.remove(&client) {
            left.finish().await;
        }
        self.opened += 1;
        let number = self.opened;
        let offered: Option<Vec<&str>> = offer.map(|offer| offer.iter().map(String::as_str).collect());
        let ask = Ask {
            small_buffer: self.small_buffer,
            subprotocols: offered.as_deref().unwrap_or(&[MQTT]),
        };
        let sender = self.sender.clone();
        let (dialer, patience) = (&self.settings.dialer, self.settings.patience);
        let version = self.versions.get(&client).copied().unwrap_or(self.version);
        let Some(address) = self.addresses.get(&version).cloned() else {
            // They were found for every version before anything was played.
            return self.stop(Stop::Error(format!("there is no address for {version}")));
        };
        match Line::open(dialer, &address, ask, client.clone(), number, patience, sender).await {
            Ok((line, upgrade)) => {
                self.dialogues.insert(number, Dialogue::new(version));
                self.lines.insert(client.clone(), line);
                self.note_at(client.clone(), number, step, Author::Script, What::Open);
                if let Some(Upgrade { offered, chosen }) = upgrade {
                    let what = What::WebSocket(WebSocket::Upgraded { offered, chosen });
                    self.note_at(client, number, None, Author::Peer, what);
                }
            }
            // If the script says what is offered, a refusal is an answer. Elsewhere it is a wrong address.
            Err(error) if offer.is_some() && refused_upgrade(&error) => {
                self.note_at(client.clone(), number, step, Author::Script, What::Open);
                let refused = What::WebSocket(WebSocket::Refused(error.to_string()));
                for what in [refused, What::End(End::Fin)] {
                    self.note_at(client.clone(), number, None, Author::Peer, what);
                }
            }
            Err(error) => {
                let text = format!("cannot connect to {address}: {error}");
                // A broker that takes the connection and is slow with TLS or the upgrade is no crash.
                let slow = error.kind() == std::io::ErrorKind::TimedOut && address.transport() != Transport::Mqtt;
                self.stop(if slow { Stop::Late(text) } else { Stop::BrokerGone(text) });
            }
        }
    }

    async fn write(
        &mut self,
        client: &ClientName,
        step: Option<StepId>,
        author: Author,
        writes: &[Vec<Chunk>],
        manner: Manner,
    ) -> bool {
        // Out of the map while it is written to, since what arrives meanwhile is looked at too.
        let Some(mut line) = self.lines.remove(client) else {
            return true;
        };
        let mut whole = true;
        let number = line.number();
        for (i, write) in writes.iter().enumerate() {
            if i > 0 && manner.pause > Duration::ZERO {
                tokio::time::sleep(manner.pause).await;
            }
            let Some(dialogue) = self.dialogues.get_mut(&number) else {
                break;
            };
            let sent = dialogue.chunks(self.scripted, write);
            whole = dialogue.pending(self.scripted) == 0;
            if manner.text {
                let what = What::WebSocket(WebSocket::TextFrame);
                self.note_at(client.clone(), number, step.clone(), author, what);
            }
            for what in sent {
                self.note_at(client.clone(), number, step.clone(), author, what);
            }
            meanwhile(self, line.write(write, manner.text)).await;
        }
        if self.deaf {
            line.set_reading(false);
        }
        self.lines.insert(client.clone(), line);
        whole
    }

    async fn broker(&mut self, action: BrokerAction, step: Option<StepId>) {
        let Some(instance) = self.instance else {
            return self.stop(Stop::Error("there is no broker to restart".to_owned()));
        };
        let (done, what) = match action {
            BrokerAction::Restart => (instance.restart(), Lifecycle::Restart),
            BrokerAction::Kill => (instance.kill(), Lifecycle::Kill),
        };
        let done = meanwhile(self, done).await;
        look(self);
        self.input_all();
        self.lines.clear();
        if let Err(error) = done {
            self.stop(Stop::Error(format!("the broker did not come back: {error}")));
            return;
        }
        for (version, address) in &mut self.addresses {
            match address_at(instance, *version, self.websocket) {
                Some(found) => *address = found,
                None => {
                    self.stop(Stop::Error("the broker came back without its address".to_owned()));
                    return;
                }
            }
        }
        self.note_at(Arc::from(""), 0, step, Author::Script, What::Lifecycle(what));
    }

    pub(super) fn note_at(
        &mut self,
        client: ClientName,
        connection: u32,
        step: Option<StepId>,
        author: Author,
        what: What,
    ) {
        let event = Event {
            at: self.now(),
            client,
            connection,
            step,
            author,
            what,
        };
        self.input(Input::Event(event));
    }
}

impl Listener for Driver<'_> {
    fn arrivals(&mut self) -> &mut mpsc::Receiver<Arrival> {
        &mut self.arrivals
    }

    /// Turns what a connection's reader tells into events.
    fn arrived(&mut self, arrival: Arrival) {
        if self.deaf {
            return;
        }
        let at = arrival.at.saturating_duration_since(self.began);
        let most = self.packets_max();
        let peer = self.tested;
        let Some(dialogue) = self.dialogues.get_mut(&arrival.connection) else {
            return;
        };
        let event = |what| {
            Input::Event(Event {
                at,
                client: Arc::clone(&arrival.client),
                connection: arrival.connection,
                step: None,
                author: Author::Peer,
                what,
            })
        };
        match arrival.what {
            Arrived::Bytes(bytes) => {
                // Two bytes can be a packet, and what is made of a packet is hundreds of times as long.
                for part in bytes.chunks(PART) {
                    for what in dialogue.bytes(peer, part) {
                        self.kept += kept(&what);
                        self.packets += 1;
                        self.pending.push_back(event(what));
                    }
                    if self.packets > most {
                        break;
                    }
                }
                if dialogue.is_broken(peer) {
                    // Nothing behind this can be read as packets: it is left where it is, however much it may be.
                    if let Some(line) = self.lines.get(&arrival.client) {
                        line.set_reading(false);
                    }
                } else if dialogue.pending(peer) > 0 {
                    let connection = arrival.connection;
                    self.pending
                        .push_back(Input::Local(at, Happened::Partial { connection }));
                }
            }
            Arrived::Text => self.pending.push_back(event(What::WebSocket(WebSocket::TextFrame))),
            Arrived::End(end) => {
                if let Some(rest) = dialogue.rest(peer) {
                    self.pending.push_back(event(What::Fragment(rest)));
                }
                self.pending.push_back(event(What::End(end)));
            }
        }
        let too_long = self.kept > KEPT_MAX;
        if too_long || self.packets > most {
            // What the steps ask for is not the broker's fault.
            let what = if too_long && self.packets <= self.awaited {
                let why = format!("the packets that the steps await have more than {} MiB", KEPT_MAX >> 20);
                Happened::Stopped(Box::new(Stop::Error(why)))
            } else {
                Happened::Flood
            };
            self.pending.push_back(Input::Local(at, what));
            self.deaf = true;
            self.lines.values().chain(&self.left).for_each(|c| c.set_reading(false));
        }
    }
}

fn kept(what: &What) -> u64 {
    match what {
        What::Packet {
            raw: Blob::Whole(bytes),
            ..
        } => bytes.len() as u64,
        What::Packet { raw, .. } => raw.head().len() as u64,
        What::Fragment(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

/// Removes what the case left at the broker, and says whether the broker is still there and answers. A broker of our own
/// keeps what was left: it is thrown away itself.
pub async fn clean_up(
    played: &Played,
    instance: &dyn Instance,
    settings: &Settings,
    namespace: &str,
) -> Result<bool, cleanup::Lost> {
    let version = played.transcript.version;
    let Some(address) = instance.address(version) else {
        return Ok(true);
    };
    let mut traces = cleanup::Traces::default();
    if !instance.is_ours() {
        traces = cleanup::traces(&played.transcript);
        if let Some(control) = &played.control {
            traces.add(cleanup::traces(control));
        }
    }
    // A control that was met came after the exchange, and the broker served it.
    let seen = match &played.control {
        Some(_) => matches!(played.end, PlayEnd::Met),
        None => cleanup::heard_last(&played.transcript),
    };
    if traces.is_empty() && !seen {
        return cleanup::look_in(&address, version, settings, namespace).await;
    }
    cleanup::remove(&traces, &address, version, settings, namespace).await
}
