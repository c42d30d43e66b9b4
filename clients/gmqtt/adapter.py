"""An mqttspec adapter for gmqtt (docs/adapters.md): requests on standard input, answers and events on standard output."""

import asyncio
import collections
import importlib.metadata
import json
import sys

import gmqtt

LEVELS = {"v3.1.1": 4, "v5": 5}

# The names of gmqtt where they differ from those of the contract. It has none for authentication_data.
NAMES = {
    "authentication_method": "auth_method",
    "payload_format_indicator": "payload_format_id",
    "request_problem_information": "request_problem_info",
    "request_response_information": "request_response_info",
    "subscription_ids": "subscription_identifier",
    "user_properties": "user_property",
}

# How long the library may take to refuse a call that otherwise waits for the server.
TURN = 0.02


class Unsupported(Exception):
    pass


def say(message):
    print(json.dumps(message), flush=True)


def event(name, text=""):
    say({"event": name, "text": str(text)})


def properties(given):
    """Properties as the keyword arguments of gmqtt."""
    if "authentication_data" in given:
        raise Unsupported("gmqtt has no Authentication Data")
    made = {NAMES.get(name, name): value for name, value in given.items()}
    if "correlation_data" in made:
        made["correlation_data"] = bytes.fromhex(made["correlation_data"])
    return made


class Application:
    """The application of one case."""

    def __init__(self):
        self.client = None
        self.options = None
        self.closed = asyncio.Event()
        self.task = None
        self.acks = {}

    async def connect(self, m):
        await self.end()
        will = None
        if w := m["will"]:
            will = gmqtt.Message(
                w["topic"], bytes.fromhex(w["payload"]), w["qos"], w["retain"], **properties(w["properties"])
            )
        is_manual = m.get("manual_acks", False)
        client = gmqtt.Client(
            m["client_id"],
            m["clean"],
            will_message=will,
            optimistic_acknowledgement=not is_manual,
            **properties(m["properties"]),
        )
        # The automatic reconnect never comes. Without retries the library would not close its side after a DISCONNECT.
        client.reconnect_delay = 24 * 60 * 60
        if m["username"] is not None:
            password = m["password"]
            client.set_auth_credentials(m["username"], password and bytes.fromhex(password))
        elif m["password"] is not None:
            raise Unsupported("gmqtt has no password without a user name")
        client.on_connect = lambda _client, flags, code, _properties: event("connected", f"flags {flags}, code {code}")
        client.on_message = self.by_hand if is_manual else lambda _client, topic, *_: event("message", topic)
        # What the application says of each message, by its payload: the library does not tell the identifier.
        self.acks = collections.defaultdict(asyncio.get_running_loop().create_future)
        client.on_disconnect = self.on_disconnect
        self.client, self.options = client, m
        await self.open()

    async def by_hand(self, _client, topic, payload, qos, _properties):
        event("message", topic)
        if qos == 0:
            return 0
        acks = self.acks
        code = await acks[payload]
        del acks[payload]
        return code

    async def ack(self, m):
        said = self.acks[bytes.fromhex(m["payload"])]
        if not said.done():
            said.set_result(m["reason_code"])

    def on_disconnect(self, client, *_):
        if client is self.client:
            event("disconnected")
            self.closed.set()

    async def open(self):
        self.closed.clear()
        m = self.options
        self.task = asyncio.create_task(
            self.client.connect(m["host"], m["port"], keepalive=m["keep_alive"], version=LEVELS[m["version"]])
        )
        await self.turn(self.task)

    async def turn(self, task):
        """Raises what the task raises at once, and leaves it running otherwise."""
        done, _ = await asyncio.wait({task}, timeout=TURN)
        if done:
            task.result()
        else:
            task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def reconnect(self, _):
        # Client.reconnect is for the automatic reconnect: it always asks for the old session.
        await asyncio.wait_for(self.closed.wait(), 1)
        await self.open()

    async def publish(self, m):
        payload = bytes.fromhex(m["payload"])
        self.client.publish(m["topic"], payload, m["qos"], m["retain"], **properties(m["properties"]))

    async def subscribe(self, m):
        filters = [
            gmqtt.Subscription(
                one["filter"], one["qos"], one["no_local"], one["retain_as_published"], one["retain_handling"]
            )
            for one in m["filters"]
        ]
        self.client.subscribe(filters, **properties(m["properties"]))

    async def unsubscribe(self, m):
        self.client.unsubscribe(m["filters"], **properties(m["properties"]))

    async def disconnect(self, m):
        await self.turn(
            asyncio.create_task(self.client.disconnect(m["reason_code"], **properties(m["properties"])))
        )

    async def end(self, _=None):
        if self.client is None:
            return
        client, self.client = self.client, None
        self.task.cancel()
        await self.turn(asyncio.create_task(client.disconnect()))


async def main():
    application = Application()
    commands = ("connect", "publish", "subscribe", "unsubscribe", "reconnect", "disconnect", "ack", "end")
    say(
        {
            "event": "ready",
            "contract": 1,
            "name": "gmqtt",
            "version": importlib.metadata.version("gmqtt"),
            "versions": list(LEVELS),
            "commands": commands,
        }
    )
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
