"""The adapter of paho-mqtt (Python): mqttspec tells it in lines of JSON what the library is to do (docs/adapters.md)."""

import json
import sys
import threading

import paho.mqtt
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

LEVELS = {"v3.1": mqtt.MQTTv31, "v3.1.1": mqtt.MQTTv311, "v5": mqtt.MQTTv5}
BINARY = {"CorrelationData", "AuthenticationData"}
NAMES = {"user_properties": "UserProperty", "subscription_ids": "SubscriptionIdentifier"}
lines = threading.Lock()
client = address = None


class Unsupported(Exception):
    """The library cannot do that."""


class Acks:
    """Messages that the application acknowledges by hand."""

    def __init__(self):
        self.lock = threading.Lock()
        self.held = {}  # the QoS of each message by its packet identifier
        self.early = set()  # identifiers of messages that have not come yet

    def came(self, mid, qos):
        """Whether the message is to be acknowledged at once."""
        with self.lock:
            if mid in self.early:
                self.early.discard(mid)
                return True
            self.held[mid] = qos
            return False

    def take(self, mid):
        """The QoS of a message to acknowledge, or None if it has not come yet."""
        with self.lock:
            qos = self.held.pop(mid, None)
            if qos is None:
                self.early.add(mid)
            return qos


acks = Acks()


def say(message):
    with lines:
        print(json.dumps(message), flush=True)


def properties(packet, given):
    """The properties of a packet, or None at 3.x."""
    if client.protocol != mqtt.MQTTv5:
        return None
    made = Properties(packet)
    for name, value in (given or {}).items():
        title = NAMES.get(name) or "".join(word.capitalize() for word in name.split("_"))
        if title in BINARY:
            value = bytes.fromhex(value)
        elif title == "UserProperty":
            value = [tuple(pair) for pair in value]
        setattr(made, title, value)
    return made


def connect(m):
    global client, address, acks
    end(m)
    acks = Acks()
    address = (m["host"], m["port"])
    version = LEVELS[m["version"]]
    clean = {} if version == mqtt.MQTTv5 else {"clean_session": m["clean"]}
    transport = m.get("transport", "mqtt")
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        m["client_id"],
        protocol=version,
        transport="websockets" if transport in ("ws", "wss") else "tcp",
        reconnect_on_failure=False,
        manual_ack=m.get("manual_acks", False),
        **clean,
    )
    if "path" in m:
        client.ws_set_options(path=m["path"])
    if "ca" in m:
        client.tls_set(ca_certs=m["ca"])
    client.on_connect = lambda *_: say({"event": "connected"})
    client.on_disconnect = lambda *_: say({"event": "disconnected"})
    client.on_message = delivered(acks, m.get("manual_acks", False))
    if m.get("username") is not None or m.get("password") is not None:
        password = m.get("password")
        client.username_pw_set(m.get("username"), password and bytes.fromhex(password))
    if will := m.get("will"):
        wills = properties(PacketTypes.WILLMESSAGE, will.get("properties"))
        client.will_set(will["topic"], bytes.fromhex(will["payload"]), will["qos"], will["retain"], wills)
    more = {}
    if version == mqtt.MQTTv5:
        more = {"clean_start": m["clean"], "properties": properties(PacketTypes.CONNECT, m.get("properties"))}
    client.connect(*address, keepalive=m["keep_alive"], **more)
    client.loop_start()


def delivered(mine, is_manual):
    """The callback for messages of one client object."""

    def on_message(receiver, _data, message):
        say({"event": "message", "text": message.topic})
        if is_manual and message.qos > 0 and mine.came(message.mid, message.qos):
            receiver.ack(message.mid, message.qos)

    return on_message


def ack(m):
    if m["reason_code"]:
        raise Unsupported("an acknowledgement has no reason code")
    qos = acks.take(m["packet_id"])
    if qos is not None:
        client.ack(m["packet_id"], qos)


def reconnect(_):
    client.loop_stop()
    client.reconnect()
    client.loop_start()


def publish(m):
    sent = properties(PacketTypes.PUBLISH, m.get("properties"))
    client.publish(m["topic"], bytes.fromhex(m["payload"]), m["qos"], m["retain"], sent)


def subscribe(m):
    if client.protocol == mqtt.MQTTv5:
        filters = [
            (
                one["filter"],
                SubscribeOptions(one["qos"], one["no_local"], one["retain_as_published"], one["retain_handling"]),
            )
            for one in m["filters"]
        ]
        client.subscribe(filters, properties=properties(PacketTypes.SUBSCRIBE, m.get("properties")))
    else:
        client.subscribe([(one["filter"], one["qos"]) for one in m["filters"]])


def unsubscribe(m):
    client.unsubscribe(m["filters"], properties(PacketTypes.UNSUBSCRIBE, m.get("properties")))


def disconnect(m):
    if client.protocol == mqtt.MQTTv5:
        code = ReasonCode(PacketTypes.DISCONNECT, identifier=m["reason_code"])
        client.disconnect(code, properties(PacketTypes.DISCONNECT, m.get("properties")))
    else:
        client.disconnect()


def end(_):
    global client
    if client is not None:
        client.disconnect()
        client.loop_stop()
        client = None


COMMANDS = {f.__name__: f for f in (connect, publish, subscribe, unsubscribe, reconnect, disconnect, ack, end)}

say(
    {
        "event": "ready",
        "contract": 1,
        "name": "paho-mqtt",
        "version": paho.mqtt.__version__,
        "versions": list(LEVELS),
        "commands": list(COMMANDS),
        "transports": ["mqtt", "mqtts", "ws", "wss"],
    }
)
for line in sys.stdin:
    message = json.loads(line)
    command = COMMANDS.get(message["do"])
    if command is None:
        say({"id": message["id"], "unsupported": message["do"]})
        continue
    try:
        command(message)
        say({"id": message["id"]})
    except Unsupported as error:
        say({"id": message["id"], "unsupported": str(error)})
    except Exception as error:  # whatever the library says no with
        say({"id": message["id"], "refused": f"{type(error).__name__}: {error}"})
end(None)
