//! The end of a connection, wrongly.

use super::{Act, How, act, changed, pass, without};
use crate::reference::ids::Cause;
use crate::statements::ids;
use crate::wire::property::id;
use crate::wire::{Packet, PropertyValue};

pub const ACTS: &[Act] = &[
    act!(
        ids![
            v3_1: "§3.1/invalid-connect",
            v3_1_1: ["MQTT-3.2.2-5", "§3.1.4/further-checks/b"],
            v5: ["MQTT-3.1.4-2/b", "MQTT-3.2.2-7"],
        ],
        "leaves the connection open when it has refused the client",
        How::KeepOpen(|cause| cause == Cause::Refused)
    ),
    act!(
        ids![v3_1: "§3.1/client-id-unique", v3_1_1: "MQTT-3.1.4-2", v5: "MQTT-3.1.4-3"],
        "leaves the older connection of a client id open",
        How::KeepOpen(|cause| cause == Cause::TakenOver)
    ),
    act!(
        ids![v5: "MQTT-3.1.2-22/c"],
        "leaves a silent connection open, whether client or server set the Keep Alive",
        How::KeepOpen(|cause| cause == Cause::KeepAlive)
    ),
    act!(
        ids![v5: "§3.1.4/taken-over"],
        "does not report that the session was taken over",
        How::Send(|_, _, outgoing| without(outgoing, |packet| {
            matches!(packet, Packet::Disconnect(disconnect) if disconnect.reason_code == 0x8e)
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-4.8.0-1/b", v5: "MQTT-4.13.1-1/b"],
        "leaves the connection open when the client has violated the protocol",
        How::KeepOpen(|cause| matches!(cause, Cause::Fault | Cause::Refused | Cause::NotConnected))
    ),
    act!(
        ids![v5: ["MQTT-3.14.4-2", "MQTT-4.13.2-1"]],
        "leaves the connection open after its DISCONNECT or CONNACK",
        How::KeepOpen(|cause| matches!(
            cause,
            Cause::Fault | Cause::Refused | Cause::TakenOver | Cause::KeepAlive
        ))
    ),
    act!(
        ids![v3_1: "§3.1/no-connect"],
        "leaves a connection open on which no CONNECT arrives",
        How::KeepOpen(|cause| cause == Cause::NotConnected)
    ),
    act!(
        ids![v3_1: "§3.14/server-closes", v3_1_1: "§3.14.4/server-closes", v5: "§3.14.4/server-closes"],
        "leaves the connection open when the client has sent DISCONNECT",
        How::KeepOpen(|cause| cause == Cause::Disconnected)
    ),
    act!(
        ids![v5: "§3.14.2.2.2/replaces"],
        "ignores the Session Expiry Interval in DISCONNECT",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Disconnect(disconnect) = packet {
                disconnect.properties.0.retain(|p| p.id != id::SESSION_EXPIRY_INTERVAL);
            }
        }))
    ),
    act!(
        ids![v5: "§3.14.2.2.2/replaces/b"],
        "ends a session with a DISCONNECT that has no Session Expiry Interval",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Disconnect(disconnect) = packet
                && disconnect.properties.get(id::SESSION_EXPIRY_INTERVAL).is_none()
            {
                disconnect
                    .properties
                    .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(0));
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-3.14.2-1"],
        "sends DISCONNECT with a code that the table does not have",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::Disconnect(disconnect) = packet {
                disconnect.reason_code = 0xfe;
            }
        }))
    ),
    act!(
        ids![v5: "§3.14.2.1/sent-by"],
        "sends DISCONNECT with the client's code 0x04",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::Disconnect(disconnect) = packet {
                disconnect.reason_code = 0x04;
            }
        }))
    ),
    act!(
        ids![v5: "§4.13.1/disconnect-first"],
        "closes without the DISCONNECT that gives the reason",
        How::Send(|_, _, outgoing| without(outgoing, |packet| matches!(packet, Packet::Disconnect(_))))
    ),
    act!(
        ids![v5: "MQTT-3.14.2-2"],
        "puts a Session Expiry Interval into its DISCONNECT",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::Disconnect(disconnect) = packet {
                disconnect
                    .properties
                    .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(60));
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-3.14.4-1"],
        "sends a PINGRESP after its DISCONNECT",
        How::Send(|_, _, outgoing| match outgoing.packet {
            Packet::Disconnect(_) => vec![outgoing, Packet::PingResp.into()],
            _ => vec![outgoing],
        })
    ),
];
