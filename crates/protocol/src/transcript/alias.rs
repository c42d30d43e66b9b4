//! Topic aliases: which topic a PUBLISH without one means.

use std::collections::BTreeMap;

use crate::wire::property::id;
use crate::wire::{Decoded, Packet, Publish, Text};

/// Topic aliases of one direction of one connection (5.0, section 3.3.2.3.4).
#[derive(Debug, Default)]
pub struct Aliases(BTreeMap<u32, Text>);

impl Aliases {
    /// The topic of a PUBLISH; empty if it is left to an alias that was never set. `None` for other packets.
    pub fn resolve(&mut self, decoded: &Decoded) -> Option<Text> {
        let Some(Packet::Publish(Publish { topic, properties, .. })) = &decoded.packet else {
            return None;
        };
        let Some(alias) = properties.number(id::TOPIC_ALIAS) else {
            return Some(topic.clone());
        };
        if topic.is_empty() {
            return Some(self.0.get(&alias).cloned().unwrap_or_default());
        }
        // A copy of its own: a topic is part of the whole packet's bytes.
        self.0.insert(alias, Text::from(topic.as_bytes().to_vec()));
        Some(topic.clone())
    }
}
