// The ladder diagram: a vertical line for each client and for the broker, an arrow for each packet.

const GUTTER = 84;
const ROW = 34;
const NOTE = 20;
const HEAD_HEIGHT = 42;

/** The lanes from left to right: publishers, the broker, subscribers. */
function lanes(events) {
  const clients = [];
  for (const e of events) if (e.client && !clients.includes(e.client)) clients.push(e.client);
  const weight = (client) => events.reduce((n, e) =>
    n + (e.client === client && e.packet?.name === "PUBLISH" && e.author !== "fence" ? (e.to ? 1 : -1) : 0), 0);
  const sorted = clients.map((c) => [c, weight(c)]).sort((a, b) => b[1] - a[1]).map(([c]) => c);
  const left = Math.ceil(sorted.length / 2);
  return [...sorted.slice(0, left), null, ...sorted.slice(left)];
}

/** Selects the harness's own events: fences and clean-up, and the answers to them. */
function isAside(events, named) {
  const begin = events.findIndex((e) => e.author === "fence" || e.author === "cleanup");
  return (e, i) => begin >= 0 && i >= begin && !named.has(e.index) &&
    (e.author === "fence" || e.author === "cleanup" || (e.author === "broker" && e.step === null));
}

/**
 * Draws an exchange. `about.notes` has texts for events by number, `about.missing` a packet that did not come and the index
 * of the event before it. `about.all` shows the harness's own packets too. `about.select` is called with the chosen event.
 */
function ladder(events, about) {
  const names = lanes(events);
  const spacing = { 2: 480, 3: 330, 4: 250 }[names.length] || 210;
  const x = (client) => GUTTER + 70 + spacing * names.indexOf(client || null);
  const width = x(names[names.length - 1]) + 70;
  const aside = isAside(events, new Set(about.notes.keys()));
  const marks = [];
  const connected = new Set();
  const rows = [];
  let y = HEAD_HEIGHT + 12;
  let hidden = 0;
  const flush = () => {
    if (!hidden) return;
    rows.push(band(y, width, `${plural(hidden, "event")} more: fences and clean-up`, about.more));
    y += NOTE + 8;
    hidden = 0;
  };
  const note = (text) => {
    rows.push(svg("text", { class: "verdict", x: GUTTER + 8, y: y + 13 }, "✗ " + cut(text, Math.floor((width - GUTTER) / 6.6)), svg("title", {}, text)));
    y += NOTE;
  };
  events.forEach((event, i) => {
    if (!about.all && aside(event, i)) {
      hidden += 1;
    } else {
      flush();
      const notes = about.notes.get(event.index) || [];
      if (event.kind === "application") {
        // That the library takes a call says nothing about what it sends.
        if (event.text) {
          rows.push(band(y, width, cut(said(event), Math.floor((width - GUTTER) / 6.6))));
          y += NOTE + 8;
        }
      } else if (event.kind === "left out") {
        rows.push(band(y, width, said(event)));
        y += NOTE + 8;
      } else {
        rows.push(rowOfEvent(event, y, { x, width, bad: notes.length > 0, own: aside(event, i), again: connected.has(event.client), select: about.select }));
        if (event.kind === "open") connected.add(event.client);
        marks.push({ event, y: y + 20 });
        y += ROW;
      }
      for (const text of notes) note(text);
    }
    if (about.missing && about.missing.behind === i) {
      flush();
      rows.push(missingRow(about.missing, y, { x, width }));
      y += ROW;
      for (const text of about.missing.why) note(text);
    }
  });
  flush();
  const height = y + 14;
  const drawing = svg("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "The exchange as a ladder diagram",
    style: `max-width: ${Math.round(width * 1.15)}px`,
  });
  drawing.append(...names.map((name) => laneOf(name, x(name), marks, height)), ...names.map((name) => headOf(name, x(name))), ...rows);
  return h("div", { class: "ladder" }, drawing);
}

function headOf(name, at) {
  const label = name === null ? "broker" : name;
  const half = Math.max(34, Math.min(66, label.length * 4 + 14));
  return svg("g", {},
    svg("rect", { class: "head-box", x: at - half, y: 8, width: 2 * half, height: 26, rx: name === null ? 13 : 5 }),
    svg("text", { class: "who", x: at, y: 25.5, "text-anchor": "middle" }, cut(label, 15), svg("title", {}, label)));
}

/** A lane is solid while the client is connected, and dotted before and after. */
function laneOf(name, at, marks, height) {
  const line = (from, to, closed) => svg("line", { class: closed ? "lane closed" : "lane", x1: at, x2: at, y1: from, y2: to });
  if (name === null) return line(34, height, false);
  const parts = [];
  let from = 34;
  let closed = true;
  for (const { event, y } of marks) {
    if (event.client !== name) continue;
    const ends = event.kind === "fin" || event.kind === "reset";
    if (event.kind === "open" ? closed : ends && !closed) {
      parts.push(line(from, y, closed));
      from = y;
      closed = !closed;
    }
  }
  parts.push(line(from, height, closed));
  return svg("g", {}, parts);
}

function band(y, width, text, more) {
  const words = svg("text", { class: more ? "more" : "time", x: width / 2 + GUTTER / 2, y: y + 16, style: "text-anchor: middle" }, text);
  return svg("g", more ? { class: "event", role: "button", tabindex: "0", onclick: more, onkeydown: (e) => { if (e.key === "Enter") more(); } } : {},
    svg("rect", { class: "band", x: 0, y: y + 2, width, height: NOTE, rx: 4 }), words);
}

function tip(x, y, way) {
  return svg("path", { class: "tip", d: `M${x} ${y} l${-9 * way} -4.5 v9 z` });
}

/** The text on an arrow: the name, and as much of the rest as fits. */
function label(name, what, from, to, y) {
  const room = Math.floor((Math.abs(to - from) - 30) / 6.5) - name.length;
  return svg("text", { class: "label", x: (from + to) / 2, y: y - 6, "text-anchor": "middle" },
    svg("tspan", { class: "name" }, name), what && room > 4 ? svg("tspan", { class: "what" }, "  " + cut(what, room)) : null);
}

function rowOfEvent(event, top, { x, width, bad, own, again, select }) {
  const y = top + 22;
  const client = x(event.client);
  const broker = x(null);
  const side = Math.sign(broker - client);
  const [from, to] = event.to ? [client + 2 * side, broker - 3 * side] : [broker - 2 * side, client + 3 * side];
  const way = Math.sign(to - from);
  const dim = own || event.author === "setup" || event.step === 0;
  const group = svg("g", {
    class: `event ${event.to ? "to" : "from"}${bad ? " bad" : ""}${dim && !bad ? " aside" : ""}`,
    role: "button", tabindex: "-1", "aria-label": `${clock(event.at)} seconds: ${said(event)}${event.packet ? ", " + brief(event.packet) : ""}`,
    onclick: () => select(event),
  });
  group.event = event;
  const hover = event.packet
    ? `${clock(event.at)} s  ${said(event)}\n${brief(event.packet)}\n${hexLine(event.packet, 64)}`
    : `${clock(event.at)} s  ${said(event)}`;
  group.append(svg("title", {}, hover),
    svg("rect", { class: "stripe", x: 0, y: top, width, height: ROW - 2, rx: 4 }),
    svg("text", { class: "time", x: GUTTER - 14, y: y + 4 }, clock(event.at)));
  if (event.packet) {
    const dash = event.kind === "fragment" ? "3 3" : null;
    group.append(svg("line", { class: "arrow", x1: from, x2: to - 5 * way, y1: y, y2: y, "stroke-dasharray": dash }), tip(to, y, way),
      label(event.packet.name, brief(event.packet), from, to, y));
  } else if (event.kind === "open") {
    group.append(svg("circle", { class: "arrow end", cx: client, cy: y - 2, r: 4.5 }),
      svg("text", { class: "label", x: client + 12 * (side || 1), y: y + 2, "text-anchor": side < 0 ? "end" : "start" }, svg("tspan", { class: "what" }, again ? "connects again" : "connects")));
  } else if (["fin", "reset", "half close"].includes(event.kind)) {
    const words = { fin: "closes (FIN)", reset: "resets (RST)", "half close": "half closes" }[event.kind];
    const cross = from + 7 * way;
    group.append(svg("line", { class: "arrow", x1: from, x2: to - 5 * way, y1: y, y2: y, "stroke-dasharray": "7 4" }), tip(to, y, way),
      svg("path", { class: "arrow end", d: `M${cross - 5} ${y - 5} l10 10 m0 -10 l-10 10` }), label(words, "", from, to, y));
  } else {
    group.append(svg("text", { class: "label", x: broker, y: y + 3, "text-anchor": "middle" }, svg("tspan", { class: "name" }, said(event))));
  }
  return group;
}

/** The packet that was expected and did not come. */
function missingRow(missing, top, { x, width }) {
  const y = top + 22;
  const client = x(missing.client);
  const broker = x(null);
  const side = Math.sign(broker - client) || 1;
  const group = svg("g", { class: "missing", role: "img", "aria-label": `missing: ${missing.what}` },
    svg("title", {}, missing.what),
    svg("rect", { class: "stripe", x: 0, y: top, width, height: ROW - 2, rx: 4 }),
    svg("text", { class: "time", x: GUTTER - 14, y: y + 4 }, "never"));
  if (missing.client !== null) {
    const [from, to] = missing.to ? [client + 2 * side, broker - 8 * side] : [broker - 2 * side, client + 8 * side];
    group.append(svg("line", { class: "arrow", x1: from, x2: to, y1: y, y2: y }));
  }
  const at = missing.client === null ? width / 2 : (client + broker) / 2;
  const room = Math.floor((Math.abs(broker - client) || width) / 6.6);
  group.append(svg("text", { class: "label", x: at, y: y - 6, "text-anchor": "middle" },
    svg("tspan", { class: "name" }, cut(missing.what, room))));
  return group;
}
