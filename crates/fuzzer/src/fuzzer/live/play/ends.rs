//! How connections end: by the client, by another one that takes over, and with the broker.

use std::time::Duration;

use tokio::time::timeout_at;

use super::{CutShort, FLOOD, Live};
use crate::fuzzer::violation::Violation;
use crate::transcript::{Author, End, Event, Lifecycle, What};
use crate::wire::{Frame, Packet, encode_bytes};

/// How long a broker may take to close a connection that its client has ended, or that another has taken over. That it has closed
/// it is not waited for longer.
const CLOSING: Duration = Duration::from_secs(1);
/// How long a broker that survives SIGKILL may take to write its store. The scenarios of the suite grant the same.
const STORING: Duration = Duration::from_millis(2500);

impl Live<'_> {
    /// Makes sure that the broker has processed what was sent on a connection. A client that does not read gets what comes
    /// later, or never.
    pub(super) async fn processed(&mut self, number: u32) -> Result<(), CutShort> {
        let Some(link) = self.party.links.get(&number) else {
            return Ok(());
        };
        if !link.stalled {
            return self.fence(&[number]).await;
        }
        self.discard_to_answer(number).await.map(drop)
    }

    /// Sends PINGREQ, and reads for its answer what the client never gets. Whether the broker has closed the connection.
    async fn discard_to_answer(&mut self, number: u32) -> Result<bool, CutShort> {
        let deadline = tokio::time::Instant::now() + self.broker.timeout;
        let Some(wire) = self.wires.get_mut(&number) else {
            return Ok(true);
        };
        wire.put(&encode_bytes(&Packet::PingReq, wire.version));
        wire.flush().await;
        let mut left = wire.pings + 1;
        while left > 0 {
            let Ok(came) = timeout_at(deadline, wire.read()).await else {
                return Err(CutShort::Silent(self.broker.timeout));
            };
            self.received += came.bytes;
            if self.received > FLOOD {
                return Err(CutShort::Flood);
            }
            let answers = |frame: &&Frame| frame.first_byte >> 4 == 13;
            left = left.saturating_sub(came.frames.iter().filter(answers).count());
            if came.over {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn reset(&mut self, number: u32) -> Result<(), CutShort> {
        self.processed(number).await?;
        self.drop_now(number);
        Ok(())
    }

    /// Ends a connection with RST.
    pub(super) fn drop_now(&mut self, number: u32) {
        if self.party.ends(number).is_some() {
            self.record(number, Author::Script, What::End(End::Reset));
            if let Some(wire) = self.wires.remove(&number) {
                wire.reset();
            }
        }
    }

    /// Ends a connection with FIN, and waits until the broker has closed it too, so that it has noticed.
    pub(super) async fn close(&mut self, number: u32) -> Result<(), CutShort> {
        let Some(link) = self.party.links.get(&number) else {
            return Ok(());
        };
        let reads = !link.stalled;
        self.record(number, Author::Script, What::End(End::Fin));
        if let Some(wire) = self.wires.get_mut(&number) {
            wire.finish().await;
        }
        if let Some(link) = self.party.links.get_mut(&number) {
            // It answers nothing more.
            link.automatic = false;
            link.connected = false;
        }
        self.read_to_end(number, reads).await?;
        self.party.ends(number);
        self.wires.remove(&number);
        Ok(())
    }

    /// Sends a packet for which the broker must close the connection, and waits until it does. If it goes on with the connection, the
    /// client closes it.
    pub(super) async fn violate(&mut self, client: usize, number: u32, violation: Violation) -> Result<bool, CutShort> {
        let fits = |live: &Self| {
            let link = live.party.links.get(&number);
            link.is_some_and(|link| violation.fits(&live.party.clients[client], link))
        };
        if !fits(self) {
            return Ok(false);
        }
        // Nothing of the client's is on its way then that the broker might answer.
        self.processed(number).await?;
        let Some(raw) = self.party.violation(client, number, violation) else {
            return Ok(false);
        };
        self.put_bytes(number, raw, Author::Script);
        self.flush(number).await;
        let reads = self.party.links.get_mut(&number).is_some_and(|link| {
            // It answers nothing more.
            link.automatic = false;
            link.connected = false;
            !link.stalled
        });
        self.read_to_end(number, reads).await?;
        // A broker that answers PINGREQ goes on with the connection.
        if !reads {
            if self.discard_to_answer(number).await? && self.party.ends(number).is_some() {
                // The client sees the end now, and nothing of what came before it.
                self.record(number, Author::Peer, What::End(End::Fin));
                self.wires.remove(&number);
            }
        } else if self.wires.contains_key(&number) {
            self.put(number, &Packet::PingReq, Author::Fence);
            self.flush(number).await;
            let deadline = tokio::time::Instant::now() + self.broker.timeout;
            while self.wires.get(&number).is_some_and(|wire| wire.pings > 0) {
                self.read(number, deadline).await?;
            }
        }
        self.close(number).await?;
        Ok(true)
    }

    /// Reads until the broker has closed a connection, for at most [`CLOSING`].
    pub(super) async fn read_to_end(&mut self, number: u32, records: bool) -> Result<(), CutShort> {
        let deadline = tokio::time::Instant::now() + CLOSING;
        while let Some(wire) = self.wires.get_mut(&number) {
            let Ok(came) = timeout_at(deadline, wire.read()).await else {
                return Ok(());
            };
            let over = came.over;
            if records {
                self.take(number, came)?;
            } else {
                self.received += came.bytes;
                if self.received > FLOOD {
                    return Err(CutShort::Flood);
                }
            }
            if over {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) async fn restart(&mut self, how: Lifecycle) -> Result<bool, CutShort> {
        let Some(restart) = self.broker.restart.clone() else {
            return Ok(false);
        };
        self.fence_all().await?;
        let open: Vec<u32> = self.wires.keys().copied().collect();
        for number in &open {
            self.processed(*number).await?;
        }
        if how == Lifecycle::Kill {
            tokio::time::sleep(STORING).await;
        }
        restart(how).await.map_err(CutShort::Restart)?;
        for number in &open {
            let reads = self.party.links.get(number).is_some_and(|link| !link.stalled);
            self.read_to_end(*number, reads).await?;
        }
        let at = self.now();
        self.events.push(Event {
            at,
            client: "".into(),
            connection: 0,
            step: None,
            author: Author::Script,
            what: What::Lifecycle(how),
        });
        // A client that was not reading notices afterwards: it has not lost its connection before the broker ended.
        for number in open {
            if self.party.ends(number).is_some() {
                self.record(number, Author::Script, What::End(End::Reset));
            }
            self.wires.remove(&number);
        }
        Ok(true)
    }
}
