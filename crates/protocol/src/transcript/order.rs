//! The properties of a packet in one order: in comes a packet as the broker sent it, out comes the same one with its
//! properties by identifier.
//!
//! Between properties of different identifiers the order says nothing (5.0, section 2.2.2), and some brokers have
//! another one in every run. Those of one identifier keep theirs: that of User Properties must be kept (section
//! 3.3.2.3.7).

use bytes::BytesMut;

use crate::wire::{Blob, Decoded, Frame, Side, Value, Version, decode};

/// The packet of a server with its properties by identifier. `None` if it is so already, if it has none, and where
/// it breaks the standard: what is wrong is shown as it came.
pub fn by_identifier(raw: &Blob, decoded: &Decoded) -> Option<(Blob, Decoded)> {
    let Blob::Whole(bytes) = raw else { return None };
    if !decoded.breaches.is_empty() {
        return None;
    }
    let length = decoded.fields.iter().find(|f| f.name == "property_length")?;
    let Value::Int(len) = length.value else { return None };
    let start = length.span.end;
    let end = start + usize::try_from(len).ok()?;
    let properties = decoded.fields.iter().map(|f| &f.span);
    let mut properties: Vec<_> = properties
        .filter(|s| s.start >= start && s.end <= end && !s.is_empty())
        .collect();
    // Every identifier that there is fits into one byte.
    let identifier = |at: usize| bytes[at];
    if properties.is_sorted_by_key(|s| identifier(s.start)) {
        return None;
    }
    properties.sort_by_key(|s| identifier(s.start));
    let mut sorted = BytesMut::with_capacity(bytes.len());
    sorted.extend_from_slice(&bytes[..start]);
    for span in properties {
        sorted.extend_from_slice(&bytes[span.clone()]);
    }
    sorted.extend_from_slice(&bytes[end..]);
    let frame = Frame::loose(sorted.freeze())?;
    let decoded = decode(&frame, Version::V5, Side::Server);
    Some((frame.raw, decoded))
}

#[cfg(test)]
mod tests {
    use super::super::Author;
    use super::super::testing::Talk;
    use crate::wire::Version;

    /// The text of a CONNACK, by whom it was sent, with these properties.
    fn connack(author: Author, properties: &[&[u8]]) -> String {
        let properties = properties.concat();
        let len = properties.len() as u8;
        let bytes = [&[0x20, len + 3, 0, 0, len], &properties[..]].concat();
        Talk::at(Version::V5).bytes("a", Some(1), author, &bytes).normalised()
    }

    const NO_RETAIN: &[u8] = &[0x25, 0];
    const RECEIVE_MAXIMUM: &[u8] = &[0x21, 0, 9];
    const Z: &[u8] = &[0x26, 0, 1, b'k', 0, 1, b'z'];
    const A: &[u8] = &[0x26, 0, 1, b'k', 0, 1, b'a'];

    #[test]
    fn properties_are_by_identifier_and_those_of_one_keep_their_order() {
        let text = connack(Author::Peer, &[Z, NO_RETAIN, A, RECEIVE_MAXIMUM]);
        assert_eq!(text, connack(Author::Peer, &[RECEIVE_MAXIMUM, NO_RETAIN, Z, A]));
        let properties = r#"receive_maximum: 9, retain_available: 0, user_properties: [["k", "z"]], user_properties: [["k", "a"]] }"#;
        assert!(text.contains(properties), "{text}");
        assert_ne!(text, connack(Author::Peer, &[A, NO_RETAIN, Z, RECEIVE_MAXIMUM]));
    }

    #[test]
    fn what_breaks_the_standard_is_shown_as_it_came() {
        let twice = connack(Author::Peer, &[NO_RETAIN, RECEIVE_MAXIMUM, NO_RETAIN]);
        assert!(twice.contains("25 00 21 00 09 25 00"), "{twice}");
    }

    #[test]
    fn what_a_client_sends_is_the_script_and_stays() {
        let sent = connack(Author::Script, &[NO_RETAIN, RECEIVE_MAXIMUM]);
        assert!(sent.contains("25 00 21 00 09"), "{sent}");
    }
}
