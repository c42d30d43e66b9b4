//! Enhanced authentication (5.0, section 4.12), against a broker that has a method.

use super::*;
use crate::wire::Auth;

/// The method, and the data that the client must send in turn.
pub const METHOD: &str = "m";
pub const ANSWERS: [&str; 2] = ["one", "two"];

const CONTINUE: u8 = 0x18;
const AGAIN: u8 = 0x19;

pub fn play(rig: &mut Rig) {
    // Accepted, and authenticated again.
    begin(rig, "a", METHOD, ANSWERS[0]);
    rig.send("a", auth(CONTINUE, METHOD, ANSWERS[1]));
    rig.send("a", auth(AGAIN, METHOD, ANSWERS[0]));
    rig.send("a", auth(CONTINUE, METHOD, ANSWERS[1]));
    rig.ping("a");
    // Wrong again, in data and in method.
    rig.send("a", auth(AGAIN, METHOD, "guess"));
    rig.ping("a");
    begin(rig, "a", METHOD, ANSWERS[0]);
    rig.send("a", auth(CONTINUE, METHOD, ANSWERS[1]));
    rig.send("a", auth(AGAIN, "other", ANSWERS[0]));
    rig.ping("a");
    // Never accepted.
    begin(rig, "b", METHOD, "guess");
    begin(rig, "c", "other", ANSWERS[0]);
    for wrong in [
        auth(CONTINUE, METHOD, "guess"),
        auth(CONTINUE, "other", ANSWERS[1]),
        auth(0x17, METHOD, ANSWERS[1]),
        auth(AGAIN, METHOD, ANSWERS[1]),
        Packet::PingReq,
    ] {
        begin(rig, "d", METHOD, ANSWERS[0]);
        rig.send("d", wrong);
        rig.ping("d");
    }
}

fn begin(rig: &mut Rig, name: &str, method: &str, data: &str) {
    let mut connect = Connect::new(Version::V5, name);
    connect.properties = properties(method, data);
    connect
        .properties
        .push(id::MAXIMUM_PACKET_SIZE, PropertyValue::U32(100));
    rig.connect(name, connect);
}

fn auth(reason_code: u8, method: &str, data: &str) -> Packet {
    Packet::Auth(Auth {
        reason_code,
        properties: properties(method, data),
    })
}

fn properties(method: &str, data: &str) -> Properties {
    let mut properties = Properties::default();
    properties.push(id::AUTHENTICATION_METHOD, PropertyValue::Text(method.into()));
    let data = Bytes::copy_from_slice(data.as_bytes());
    properties.push(id::AUTHENTICATION_DATA, PropertyValue::Binary(data));
    properties
}
