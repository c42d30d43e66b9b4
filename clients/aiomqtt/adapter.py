"""An mqttspec adapter for aiomqtt (docs/adapters.md): requests on standard input, answers and events on standard output."""

import asyncio
import importlib.metadata
import json
import sys

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PROTOCOLS = {"v3.1": aiomqtt.ProtocolVersion.V31, "v3.1.1": aiomqtt.ProtocolVersion.V311, "v5": aiomqtt.ProtocolVersion.V5}
NAMES = {"subscription_ids": "SubscriptionIdentifier", "user_properties": "UserProperty"}
BINARY = {"AuthenticationData", "CorrelationData"}

# How long the library may take to refuse a call that otherwise waits for the server.
TURN = 0.02


class Unsupported(Exception):
    pass


def say(message):
    print(json.dumps(message), flush=True)


def event(name, text=""):
    say({"event": name, "text": str(text)})


class Application:
    """The application of one case."""

    def __init__(self):
        self.client = None
        self.is_v5 = False
        self.connection = None  # a task that lives as long as the connection
        self.leave = None

    def properties(self, packet, given):
        """The properties of a packet, or None at 3.x."""
        if not self.is_v5:
            return None
        made = Properties(packet)
        for name, value in given.items():
            title = NAMES.get(name) or "".join(word.capitalize() for word in name.split("_"))
            if title in BINARY:
                value = bytes.fromhex(value)
            elif title == "UserProperty":
                value = [tuple(pair) for pair in value]
            setattr(made, title, value)
        return made

    async def connect(self, m):
        await self.end()
        self.is_v5 = m["version"] == "v5"
        will = None
        if w := m["will"]:
            wills = self.properties(PacketTypes.WILLMESSAGE, w["properties"])
            will = aiomqtt.Will(w["topic"], bytes.fromhex(w["payload"]), w["qos"], w["retain"], wills)
        if m["password"] is not None and m["username"] is None:
            raise Unsupported("aiomqtt has no password without a user name")
        clean = {"clean_start": m["clean"]} if self.is_v5 else {"clean_session": m["clean"]}
        self.client = aiomqtt.Client(
            m["host"],
            m["port"],
            username=m["username"],
            password=m["password"] and bytes.fromhex(m["password"]),
            identifier=m["client_id"],
            protocol=PROTOCOLS[m["version"]],
            keepalive=m["keep_alive"],
            will=will,
            properties=self.properties(PacketTypes.CONNECT, m["properties"]),
            **clean,
        )
        await self.open()

    async def open(self):
        self.leave = asyncio.Event()
        self.connection = asyncio.create_task(self.stay(self.client, self.leave))
        await self.turn(self.connection)

    async def stay(self, client, leave):
        """Connects, and stays until the connection ends or the application leaves."""
        async with client:
            event("connected")
            reader = asyncio.create_task(self.read(client))
            leaver = asyncio.create_task(leave.wait())
            await asyncio.wait({reader, leaver}, return_when=asyncio.FIRST_COMPLETED)
            leaver.cancel()
            reader.cancel()
            await asyncio.gather(reader, leaver, return_exceptions=True)
            if not leave.is_set():
                event("disconnected", reader.exception())

    async def read(self, client):
        async for message in client.messages:
            event("message", message.topic)

    async def turn(self, task):
        """Raises what the task raises at once, and leaves it running otherwise."""
        done, _ = await asyncio.wait({task}, timeout=TURN)
        if done:
            task.result()
        else:
            task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def reconnect(self, _):
        await asyncio.wait({self.connection}, timeout=1)
        await self.open()

    async def publish(self, m):
        sent = self.properties(PacketTypes.PUBLISH, m["properties"])
        payload = bytes.fromhex(m["payload"])
        await self.turn(asyncio.create_task(self.client.publish(m["topic"], payload, m["qos"], m["retain"], sent)))

    async def subscribe(self, m):
        filters = [
            (
                one["filter"],
                SubscribeOptions(one["qos"], one["no_local"], one["retain_as_published"], one["retain_handling"])
                if self.is_v5
                else one["qos"],
            )
            for one in m["filters"]
        ]
        sent = self.properties(PacketTypes.SUBSCRIBE, m["properties"])
        await self.turn(asyncio.create_task(self.client.subscribe(filters, properties=sent)))

    async def unsubscribe(self, m):
        sent = self.properties(PacketTypes.UNSUBSCRIBE, m["properties"])
        await self.turn(asyncio.create_task(self.client.unsubscribe(m["filters"], sent)))

    async def disconnect(self, m):
        if m["reason_code"] or m["properties"]:
            raise Unsupported("aiomqtt has no reason code and no properties for DISCONNECT")
        self.leave.set()

    async def end(self, _=None):
        if self.client is None:
            return
        self.client = None
        self.leave.set()
        await asyncio.wait({self.connection}, timeout=0.2)
        self.connection.cancel()


async def main():
    application = Application()
    commands = ("connect", "publish", "subscribe", "unsubscribe", "reconnect", "disconnect", "end")
    version = importlib.metadata.version("aiomqtt")
    say({"event": "ready", "contract": 1, "name": "aiomqtt", "version": version, "versions": list(PROTOCOLS), "commands": commands})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        message = json.loads(line)
        answer = {"id": message["id"]}
        try:
            await getattr(application, message["do"])(message)
        except Unsupported as error:
            answer["unsupported"] = str(error)
        except Exception as error:  # whatever the library says no with
            answer["refused"] = f"{type(error).__name__}: {error}"
        say(answer)


asyncio.run(main())
