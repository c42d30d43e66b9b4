//! The value of a field, as scripts name it, transcripts show it and the matcher compares it.

use std::fmt;

use bytes::Bytes;

use super::{Payload, Text};

/// The value of a named field of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    /// Any number: QoS, packet identifiers, reason codes, seconds, ...
    Int(u64),
    Text(Text),
    Binary(Bytes),
    Payload(Payload),
    /// Reason codes, subscription identifiers.
    Ints(Vec<u64>),
    /// Filters of an UNSUBSCRIBE.
    Texts(Vec<Text>),
    /// User properties, in order.
    Pairs(Vec<(Text, Text)>),
    /// A group of named fields: the will, one subscription.
    Map(Vec<(&'static str, Value)>),
    /// A list of groups: the subscriptions of a SUBSCRIBE.
    List(Vec<Value>),
}

impl fmt::Display for Value {
    /// As a script would write it: numbers in decimal, text in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Text(t) => write!(f, "{t}"),
            Value::Binary(b) => super::text::show_bytes(b, f),
            Value::Payload(p) => write!(f, "{p}"),
            Value::Ints(items) => list(f, items.iter(), |f, n| write!(f, "{n}")),
            Value::Texts(items) => list(f, items.iter(), |f, t| write!(f, "{t}")),
            Value::Pairs(items) => list(f, items.iter(), |f, (k, v)| write!(f, "[{k}, {v}]")),
            Value::List(items) => list(f, items.iter(), |f, v| write!(f, "{v}")),
            Value::Map(items) => {
                write!(f, "{{ ")?;
                for (i, (name, value)) in items.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, " }}")
            }
        }
    }
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
    show: impl Fn(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    write!(f, "[")?;
    for (i, item) in items.enumerate() {
        if i > 0 {
            write!(f, ", ")?;
        }
        show(f, item)?;
    }
    write!(f, "]")
}
