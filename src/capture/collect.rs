//! Whole connections in memory, for those who play them again.

use std::collections::HashMap;
use std::io::Read;

use super::{Error, Recorded, Seen, Settings, Stream, Summary, Watch, read};
use crate::transcript::{Event, Transcript};
use crate::wire::Side;

/// Reads every MQTT connection that is wanted, with all its events, in the order of their first packets. Packets of
/// more than a MiB are kept as their beginning, end and digest (see [`Blob`](crate::wire::Blob)); all else is in
/// memory.
///
/// # Errors
/// If the file is no capture, or cannot be read.
pub fn read_streams<R: Read>(reader: R, settings: &Settings) -> Result<(Vec<Recorded>, Summary), Error> {
    let mut collect = Collect::default();
    let summary = read(reader, settings, &mut collect)?;
    let mut done = collect.done;
    done.sort_by_key(|r| r.stream.id);
    Ok((done, summary))
}

#[derive(Default)]
struct Collect {
    open: HashMap<u32, (Vec<Event>, Vec<u64>)>,
    done: Vec<Recorded>,
}

impl Watch for Collect {
    fn event(&mut self, stream: &Stream, seen: Seen, event: Event) {
        let (events, frames) = self.open.entry(stream.id).or_default();
        events.push(event);
        frames.push(seen.frame);
    }

    fn ended(&mut self, stream: &Stream) {
        let (events, frames) = self.open.remove(&stream.id).unwrap_or_default();
        self.done.push(Recorded {
            stream: stream.clone(),
            transcript: Transcript {
                scripted: Side::Client,
                version: stream.version.unwrap_or(stream.read_as),
                namespace: String::new(),
                events,
                local: Vec::new(),
                bindings: Vec::new(),
            },
            frames,
        });
    }
}
