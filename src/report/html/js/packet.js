// Packets as readable text: a short form for arrows, and a full one, byte by byte.

const code = (value) => (typeof value === "number" ? (value === 0 ? "0" : "0x" + value.toString(16).padStart(2, "0")) : shown(value));

/** The short form of a packet for its arrow. */
function brief(packet) {
  const get = (name) => packet.fields.find((f) => f.name === name)?.value;
  const has = (name) => packet.fields.some((f) => f.name === name);
  const plain = (value, length) => (value === undefined ? "" : cut(shown(value).replace(/^"|"$/g, ""), length));
  const parts = [];
  const id = () => { if (has("packet_id")) parts.push(`id ${shown(get("packet_id"))}`); };
  const reason = () => {
    for (const name of ["return_code", "reason_code"]) if (has(name)) parts.push(code(get(name)));
    for (const name of ["return_codes", "reason_codes"]) if (has(name)) parts.push([get(name)].flat().map(code).join(" "));
  };
  switch (packet.name) {
    case "CONNECT":
      if (has("client_id")) parts.push(plain(get("client_id"), 24) || "no id");
      parts.push(get("clean") === false ? "keeps session" : "clean");
      if (get("will") === true) parts.push("will");
      if (has("keep_alive") && get("keep_alive") !== 60) parts.push(`keep alive ${shown(get("keep_alive"))}`);
      break;
    case "CONNACK":
      reason();
      if (get("session_present") === true) parts.push("session present");
      break;
    case "PUBLISH":
      parts.push(`QoS ${shown(get("qos"))}`);
      if (get("dup") === true) parts.push("DUP");
      if (get("retain") === true) parts.push("retain");
      id();
      if (has("topic")) parts.push(plain(get("topic"), 26));
      if (get("payload") !== undefined) parts.push("“" + plain(get("payload"), 18) + "”");
      break;
    case "SUBSCRIBE":
    case "UNSUBSCRIBE":
      id();
      parts.push(...packet.fields.filter((f) => f.name === "filter").map((f) => plain(f.value, 26)));
      if (packet.name === "SUBSCRIBE" && has("qos")) parts.push(`QoS ${shown(get("qos"))}`);
      break;
    case "bytes":
      parts.push(plural(packet.length, "byte"));
      break;
    default:
      id();
      reason();
  }
  return parts.filter(Boolean).join(" · ");
}

const hexOf = (bytes) => bytes.map((b) => b.toString(16).padStart(2, "0")).join(" ");

/** Bytes on one line, at most `limit` of them. */
function hexLine(packet, limit) {
  const text = hexOf(packet.bytes.slice(0, limit));
  return packet.length > Math.min(limit, packet.bytes.length) ? `${text} … (${packet.length} bytes)` : text;
}

/** An event in words. */
function said(event) {
  const who = event.client || "the broker";
  switch (event.kind) {
    case "open": return `${who} connects`;
    case "packet": return event.to ? `${who} sends ${event.packet.name}` : `${who} receives ${event.packet.name}`;
    case "fragment": return event.to ? `${who} sends ${plural(event.packet.length, "byte")} that are no packet` : `${who} receives ${plural(event.packet.length, "byte")} that are no packet`;
    case "fin": return event.to ? `${who} closes the connection (FIN)` : `the broker closes the connection of ${who} (FIN)`;
    case "reset": return event.to ? `${who} resets the connection (RST)` : `the broker resets the connection of ${who} (RST)`;
    case "half close": return event.to ? `${who} sends nothing more (half close)` : `the broker sends nothing more to ${who}`;
    case "gap": return event.count ? `${plural(event.count, "byte")} are missing here` : "bytes are missing here";
    case "restart": return "the broker is stopped and started again";
    case "kill": return "the broker is killed and started again";
    case "application": return event.text ? event.text.replace(/^(?=does |tries )/, "application ") : "the library takes the call";
    case "left out": return `${plural(event.count, "event")} left out here`;
    default: return event.kind;
  }
}

/** The cause of an event, if it is not the script. */
const AUTHORS = { setup: "set-up", fence: "fence: proves that nothing more arrives", auto: "automatic acknowledgement", cleanup: "clean-up" };

/** The bytes in rows of sixteen, with some of them marked. */
function hexDump(packet, spans) {
  const marked = (i) => spans.some(([from, to]) => i >= from && i < Math.max(to, from + 1));
  const named = (i) => packet.names.some(([from, to]) => i >= from && i < to);
  const cells = [];
  for (let row = 0; row < packet.bytes.length; row += 16) {
    const numbers = [...packet.bytes.keys()].slice(row, row + 16);
    const piece = (text, i) => {
      if (marked(i)) return h("mark", {}, text);
      return named(i) ? h("span", { class: "ns", title: "the case's namespace, $ns" }, text) : text;
    };
    const join = (of, between) => numbers.flatMap((i, n) => [n ? (n === 8 && between ? "  " : between) : "", piece(of(packet.bytes[i]), i)]);
    cells.push(
      h("span", { class: "at" }, row.toString(16).padStart(4, "0")),
      h("span", { class: "bytes" }, join((b) => b.toString(16).padStart(2, "0"), " ")),
      h("span", { class: "ascii" }, join((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : "·"), "")));
  }
  const rest = packet.length - packet.bytes.length;
  return [
    h("div", { class: "hex", tabindex: "0", "aria-label": "bytes" }, cells),
    rest > 0 ? h("p", { class: "quiet" }, `… and ${plural(rest, "byte")} more`) : null,
  ];
}

/** The details of an event. `about` has the spans to mark, the wrong fields, and the line of the script. */
function eventPanel(event, about) {
  const line = about.line;
  const facts = [
    ["at", `${clock(event.at)} s`],
    event.client ? ["connection", `${event.client}, ${event.connection}`] : null,
    AUTHORS[event.author] ? ["by", AUTHORS[event.author]] : null,
    line ? ["script", h("span", {}, `line ${line.number}  `, h("code", {}, line.text.trim()))] : null,
  ];
  const panel = h("div", { class: "packet", "aria-live": "polite" },
    h("b", {}, said(event)),
    h("dl", { class: "kv" }, facts.filter(Boolean).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
  if (!event.packet) return panel;
  const wrong = new Map(about.wrong.map(([field, expected]) => [field, expected]));
  if (event.packet.fields.length) {
    panel.append(h("dl", { class: "kv" }, event.packet.fields.flatMap(({ name, value }) => [
      h("dt", {}, name),
      h("dd", { class: "mono" }, wrong.has(name)
        ? [h("span", { class: "wrong" }, shown(value)), ` expected ${wrong.get(name)}`]
        : shown(value)),
    ])));
  }
  panel.append(...hexDump(event.packet, about.spans).filter(Boolean));
  return panel;
}
