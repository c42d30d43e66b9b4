//! The fields of a packet in the groups that the language has for them: `will: { … }`, `filters: { … }`.

use crate::wire::{Decoded, PacketType};

/// A map of the language on one line: `{ a: 1, b: 2 }`.
pub(super) fn map(fields: &[(String, String)]) -> String {
    let parts: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{{ {} }}", parts.join(", "))
}

/// The fields of a packet, grouped as the language groups them.
#[derive(Default)]
pub(super) struct Fields {
    fields: Vec<(String, String)>,
    filters: Vec<(String, Vec<(String, String)>)>,
    will: Vec<(String, String)>,
    has_will: bool,
}

impl Fields {
    pub(super) fn push(&mut self, decoded: &Decoded, name: &str, value: String) {
        let in_filter = matches!(name, "qos" | "no_local" | "retain_as_published" | "retain_handling");
        match (decoded.packet_type, name) {
            (Some(PacketType::Subscribe | PacketType::Unsubscribe), "filter") => {
                self.filters.push((value, Vec::new()));
            }
            (Some(PacketType::Subscribe), _) if in_filter && !self.filters.is_empty() => {
                let last = self.filters.len() - 1;
                self.filters[last].1.push((name.to_owned(), value));
            }
            (Some(PacketType::Connect), "will") => self.has_will = true,
            (Some(PacketType::Connect), "will_qos") if self.has_will => self.will.push(("qos".to_owned(), value)),
            (Some(PacketType::Connect), "will_retain") if self.has_will => {
                self.will.push(("retain".to_owned(), value));
            }
            (Some(PacketType::Connect), _) if name.starts_with("will.") => {
                self.will.push((name["will.".len()..].to_owned(), value));
            }
            // Scenarios begin with the topic; on the wire it is behind the flags.
            (Some(PacketType::Publish), "topic") => self.fields.insert(0, (name.to_owned(), value)),
            _ => self.fields.push((name.to_owned(), value)),
        }
    }

    pub(super) fn done(mut self) -> Vec<(String, String)> {
        if self.has_will || !self.will.is_empty() {
            self.fields.push(("will".to_owned(), map(&self.will)));
        }
        if !self.filters.is_empty() {
            let bare = self.filters.iter().all(|(_, options)| options.is_empty());
            let text = if bare {
                let filters: Vec<&str> = self.filters.iter().map(|(filter, _)| filter.as_str()).collect();
                format!("[{}]", filters.join(", "))
            } else {
                let filters = self.filters.into_iter().map(|(filter, options)| match &options[..] {
                    [(name, qos)] if name == "qos" => (filter, qos.clone()),
                    options => (filter, map(options)),
                });
                map(&filters.collect::<Vec<_>>())
            };
            self.fields.push(("filters".to_owned(), text));
        }
        self.fields
    }
}
