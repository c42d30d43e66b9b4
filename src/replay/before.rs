//! What a capture takes for granted: sessions that began before it, and subscriptions of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::capture::Recorded;
use crate::conversation::{Caller, Reply, Wait};
use crate::sut::{Address, Dialer};
use crate::wire::filter::{Match, matches, shared};
use crate::wire::property::id;
use crate::wire::{Connect, Disconnect, Packet, PropertyValue, Text, Version, encode_bytes};

/// How long a session lasts that is made for a replay (5.0), in seconds.
const LASTS: u32 = 3600;

/// The CONNECT that makes the session which the first connection of a client goes on with; `None` if the capture shows
/// how the session began, or that there was none.
pub fn session(recorded: &Recorded, earlier: &[Recorded]) -> Option<Connect> {
    let packets = || {
        recorded
            .transcript
            .events
            .iter()
            .filter_map(|e| e.packet()?.packet.as_ref())
    };
    let connect = packets().find_map(|p| match p {
        Packet::Connect(connect) => Some(connect),
        _ => None,
    })?;
    let present = packets().find_map(|p| match p {
        Packet::ConnAck(connack) => Some(connack.session_present),
        _ => None,
    })?;
    let known = |other: &Recorded| {
        other.stream.started < recorded.stream.started && other.stream.client_id.as_ref() == Some(&connect.client_id)
    };
    if connect.clean_start || !present || connect.client_id.is_empty() || earlier.iter().any(known) {
        return None;
    }
    let mut connect = Connect::clone(connect);
    connect.will = None;
    if recorded.transcript.version == Version::V5 {
        let lasting = |p: &crate::wire::Property| p.id != id::SESSION_EXPIRY_INTERVAL;
        connect.properties.0.retain(lasting);
        connect
            .properties
            .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(LASTS));
    }
    Some(connect)
}

/// Connects once and leaves, so that there is a session.
///
/// # Errors
/// The broker does not let the client in: why.
pub async fn make(
    dialer: &Dialer,
    address: &Address,
    connect: Bytes,
    version: Version,
    patience: Duration,
) -> Result<(), String> {
    let wait = Wait {
        patience,
        deadline: Instant::now() + patience * 5,
    };
    let mut caller = Caller::open(dialer, address).await.map_err(|e| e.to_string())?;
    caller.write(&connect).await.map_err(|e| e.to_string())?;
    match caller.reply(wait).await {
        Reply::Connack { code: 0, .. } => {}
        Reply::Connack { code, .. } => return Err(format!("it was refused with 0x{code:02x}")),
        _ => return Err("no CONNACK came".to_owned()),
    }
    let goodbye = encode_bytes(&Packet::Disconnect(Disconnect::default()), version);
    // What remains is the broker's: that it closes is awaited, so that the client is gone when it comes again.
    let _ = caller.write(&goodbye).await;
    caller.finish().await;
    let _ = tokio::time::timeout_at(wait.next(), caller.await_end()).await;
    Ok(())
}

/// The filters that each client of a capture subscribes to in it, on any of its connections.
pub struct Asked<'a> {
    filters: BTreeMap<&'a Text, BTreeSet<&'a Text>>,
}

impl<'a> Asked<'a> {
    pub fn of(streams: &'a [Recorded]) -> Asked<'a> {
        let mut filters: BTreeMap<&Text, BTreeSet<&Text>> = BTreeMap::new();
        for recorded in streams {
            let Some(client) = &recorded.stream.client_id else {
                continue;
            };
            for event in &recorded.transcript.events {
                if let Some(Packet::Subscribe(p)) = event.packet().and_then(|d| d.packet.as_ref()) {
                    let of_client = filters.entry(client).or_default();
                    of_client.extend(p.subscriptions.iter().map(|s| &s.filter));
                }
            }
        }
        Asked { filters }
    }

    /// Whether the capture shows a subscription of this client to the topic. A client without an identifier counts as
    /// one that does.
    pub fn covers(&self, client: Option<&Text>, topic: &Text) -> bool {
        let Some(client) = client else { return true };
        let matching = |filter: &&Text| {
            let inner = shared(filter);
            matches(inner.as_ref().unwrap_or(filter), topic) == Match::Yes
        };
        self.filters
            .get(client)
            .is_some_and(|filters| filters.iter().any(matching))
    }
}
