//! Enhanced authentication, wrongly.

use super::{Act, How, act, changed};
use crate::statements::ids;
use crate::wire::property::id;
use crate::wire::{Packet, PropertyValue};

pub const ACTS: &[Act] = &[
    act!(
        ids![v5: "MQTT-3.15.2-1"],
        "sends AUTH with a code that the table does not have",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| code(packet, 0x17)))
    ),
    act!(
        ids![v5: "§3.15.2.1/sent-by"],
        "sends AUTH with the client's code 0x19",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| code(packet, 0x19)))
    ),
    act!(
        ids![v5: "MQTT-4.12.0-2"],
        "asks for more with an AUTH of 0x00",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| code(packet, 0x00)))
    ),
    act!(
        ids![v5: "MQTT-4.12.0-5"],
        "names another Authentication Method than the CONNECT",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::Auth(_) | Packet::ConnAck(_) = packet
                && let Some(properties) = packet.properties_mut()
            {
                for property in properties.0.iter_mut().filter(|p| p.id == id::AUTHENTICATION_METHOD) {
                    property.value = PropertyValue::Text("another".into());
                }
            }
        }))
    ),
];

fn code(packet: &mut Packet, code: u8) {
    if let Packet::Auth(auth) = packet {
        auth.reason_code = code;
    }
}
