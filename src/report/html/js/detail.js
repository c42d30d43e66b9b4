// The details of a result: what the broker did, the statements, the exchange as a ladder, every byte, the script.

const dialog = $("detail");
/** The open row with its case and broker, or `null`. */
let current = null;
/** The diagrams of the open result, for keyboard control. */
let diagrams = [];

/** Opens a row: at the case, or else at the first one that deviates. */
function openRow(row, broker, c) {
  if (row.statement) return show({ row, broker });
  const deviating = row.cases.find((one) => DEVIATES.has(one.cells[broker]?.v));
  return show({ row, c: c || deviating || row.cases[0], broker });
}

function show(what) {
  current = what;
  diagrams = [];
  const body = h("div", { class: "body", tabindex: "-1" });
  body.append(...(what.c ? caseBody(what.c, what.broker) : statementBody(what.row, what.broker)).filter(Boolean));
  dialog.replaceChildren(bar(what), brokersBar(what), body);
  if (!dialog.open) {
    dialog.showModal();
    enter();
  }
  body.focus({ preventScroll: true });
  keepAddress();
}

function close() {
  if (dialog.open) dialog.close();
}

const badge = (v) => h("span", { class: `badge ${verdicts[v]}` }, `${LETTERS[verdicts[v]]} ${verdicts[v]}`);

function bar({ row, c, broker }) {
  const v = c ? c.cells[broker]?.v : worst(row.cases, broker);
  const step = (way, text, title) => h("button", { type: "button", class: "plain", title, "aria-label": title, onclick: () => other(way) }, text);
  return h("div", { class: "bar" },
    v === undefined ? null : badge(v), h("b", {}, data.brokers[broker].label),
    h("span", { class: "id" }, c ? c.id : row.statement.token),
    c && !row.statement && row.cases.length > 1 ? h("span", { class: "versions" }, row.cases.map((one) => {
      const name = verdicts[one.cells[broker]?.v] || "";
      return h("button", { type: "button", class: "plain", "aria-pressed": String(one === c), onclick: () => show({ row, c: one, broker }) },
        h("span", { class: `v ${name}` }, LETTERS[name] || "–"), number(one.version));
    })) : null,
    c && row.statement ? h("button", { type: "button", class: "plain", onclick: () => show({ row, broker }) }, "Statement") : null,
    step(-1, "↑", "Previous (p)"), step(1, "↓", "Next (n)"),
    h("button", { type: "button", class: "plain", "aria-label": "Close", title: "Close (Esc)", onclick: close }, "✕"));
}

function brokersBar({ row, c, broker }) {
  if (data.brokers.length < 2) return "";
  return h("div", { class: "brokers", role: "tablist", "aria-label": capital(data.noun) + "s" }, data.brokers.map((b, i) => {
    const v = c ? c.cells[i]?.v : worst(row.cases, i);
    const name = v === undefined ? "" : verdicts[v];
    return h("button", { type: "button", role: "tab", "aria-selected": String(i === broker), onclick: () => show({ row, c, broker: i }) },
      h("span", { class: `v ${name}` }, LETTERS[name] || "–"), b.label);
  }));
}

/** The next or previous case of the table, or row if its rows are statements. */
function other(way) {
  const all = inOrder().flatMap((row) => (row.statement ? [{ row }] : row.cases.map((c) => ({ row, c }))));
  const at = all.findIndex((one) => one.row === current.row && (one.row.statement || one.c === current.c));
  const next = all[at + way];
  if (next) show({ ...next, broker: current.broker });
}

function beside(way) {
  const { row, c, broker } = current;
  const count = data.brokers.length;
  show({ row, c, broker: (broker + way + count) % count });
}

// --- A statement ---------------------------------------------------------------------------------------------------

function statementBody(row, broker) {
  const s = row.statement;
  return [
    h("h2", { id: "detail-title" }, s.title || s.token),
    statementText(s, false),
    h("h3", {}, `${plural(row.cases.length, "case")} at ${data.brokers[broker].label}`),
    h("ul", { class: "list" }, row.cases.map((c) => {
      const cell = c.cells[broker];
      const name = cell ? verdicts[cell.v] : "";
      return h("li", {}, h("span", { class: `v ${name}` }, LETTERS[name] || "–"),
        h("span", {}, h("button", { type: "button", class: "link", onclick: () => show({ row, c, broker }) }, c.id), ` ${c.title}`));
    })),
  ];
}

function statementText(s, breached) {
  const search = () => { close(); ask({ ...NOTHING, statement: s.token, rows: asked.rows === "statements" ? "topic" : asked.rows }); };
  return h("div", { class: `statement${breached ? " breached" : ""}` },
    h("button", { type: "button", title: "All cases that prove it", onclick: search }, s.token), " ",
    s.level ? h("span", { class: "level" }, s.level) : null, " ",
    s.section ? h("span", { class: "quiet" }, h("a", { href: s.url, rel: "noopener noreferrer", target: "_blank", title: "The text of the standard" }, `section ${s.section}`), breached ? " · violated" : "") : null,
    s.says ? h("div", {}, s.says) : null);
}

// --- A case --------------------------------------------------------------------------------------------------------

function caseBody(c, broker) {
  const cell = c.cells[broker];
  const script = c.script === null ? null : scripts[c.script];
  const title = h("h2", { id: "detail-title" }, c.title);
  if (!cell) return [title, h("p", {}, "This run does not have the case."), ...theStatements(c, null)];
  return [
    title,
    script?.about ? h("p", { class: "quiet" }, script.about) : null,
    cell.r === undefined ? null : h("p", { class: "reason" }, badge(cell.v), linked(words[cell.r])),
    cell.g ? h("p", { class: "rigour" }, h("b", {}, "Rigour clause: "), RIGOUR) : null,
    ...theStatements(c, cell),
    fault(cell),
    ...exchanges(c, cell, script),
    ...advice(cell),
    cell.log ? h("details", { open: true }, h("summary", {}, `End of the log of the ${data.noun}`), h("pre", { class: "scroll" }, printable(cell.log))) : null,
    scriptText(script, cell),
    command(c, broker),
    h("p", { class: "quiet" }, `${seconds(cell.ms / 1000)}${cell.plays ? `, played ${cell.plays} times: the machine was too slow before` : ""}`),
  ];
}

/** Text with its web addresses as links. */
function linked(text) {
  return printable(text).split(/(https?:\/\/[^\s<>"')\]]+)/).map((part, i) =>
    (i % 2 ? h("a", { href: part, rel: "noopener noreferrer", target: "_blank" }, part) : part));
}

function theStatements(c, cell) {
  const breached = new Set((cell?.b || []).map((b) => b.statement).filter((s) => s !== undefined));
  const all = [...new Set([...breached, ...c.statements])];
  return all.map((s) => statementText(statements[s], breached.has(s)));
}

const STAGES = { setup: "while the clients were set up", script: "", account: "at the end: no step takes a received packet", fence: "at the end: the harness's own packet got no answer" };

function fault(cell) {
  const f = cell.f;
  if (!f && !(cell.b || []).length) return null;
  const rows = [];
  if (f) {
    if (f.place) {
      const [file, line, , text] = f.place;
      rows.push(["step", h("span", {}, h("code", {}, text.split("\n")[0]), h("span", { class: "quiet" }, `  ${file}:${line}`))]);
    }
    const where = [f.control ? "in the control (the same exchange without the fault)" : "", STAGES[f.stage] || ""].filter(Boolean).join(", ");
    if (where) rows.push(["where", where]);
    f.expected.forEach(([what, why], i) => rows.push([i ? "or" : "expected", h("span", {}, h("code", {}, what), h("span", { class: "quiet" }, `  ${why}`))]));
    for (const [field, expected, found] of f.wrong) rows.push([field, h("span", {}, h("span", { class: "wrong" }, printable(found)), ` expected ${printable(expected)}`)]);
  }
  for (const b of cell.b || []) rows.push([b.control ? "rule (control)" : "rule", h("span", {}, b.rule ? h("code", {}, b.rule) : null, ` ${printable(b.text)}`)]);
  return h("div", { class: "fault" }, h("b", { class: "wrong" }, "Point of failure"),
    h("dl", {}, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function advice(cell) {
  if (!cell.a?.length) return [];
  return [h("h3", {}, "Advice"), h("ul", { class: "list" }, cell.a.map((a) => h("li", {}, h("span", {},
    a.statement === undefined ? null : h("code", {}, statements[a.statement].token + " "), printable(a.text)))))];
}

function exchanges(c, cell, script) {
  const parts = [];
  if (cell.x) parts.push(...diagram("The exchange", cell.x, cell, script, false));
  if (cell.c) parts.push(...diagram("The control: the same exchange without the fault", cell.c, cell, script, true));
  if (!cell.x && !cell.c) parts.push(h("p", { class: "quiet" }, cell.o
    ? "The results do not have this exchange: run --exchanges all keeps every one."
    : "The case was not played, so there is no exchange."));
  return parts;
}

/** A diagram with the panel of the chosen event and the table of all. */
function diagram(title, talk, cell, script, control) {
  const events = exchange(talk);
  const f = cell.f && cell.f.control === control ? cell.f : null;
  const breaches = (cell.b || []).filter((b) => b.control === control && b.event !== undefined);
  const notes = new Map();
  const note = (index, text) => (notes.get(index) || notes.set(index, []).get(index)).push(text);
  if (f && f.found !== null) note(f.found, f.place ? `not what line ${f.place[1]} expects: ${f.expected[0]?.[0] || "this"}` : "not what is expected");
  for (const b of breaches) note(b.event, `${b.statement === undefined ? "" : statements[b.statement].token + ": "}${b.text}`);
  const all = h("input", { type: "checkbox" });
  const holder = h("div", {});
  const panel = h("div", {});
  const rows = new Map();
  const about = { notes, missing: f && f.found === null ? missing(events, f) : null, all: false, select };
  about.more = () => { all.checked = true; all.dispatchEvent(new Event("change")); };
  let chosen = null;

  function select(event, focus = true) {
    chosen = event;
    for (const row of holder.querySelectorAll(".event")) {
      if (!row.event) continue;
      const is = row.event.index === event.index;
      row.classList.toggle("selected", is);
      row.setAttribute("tabindex", is ? "0" : "-1");
      if (is && focus) row.focus({ preventScroll: false });
    }
    const number = script?.lines.get(event.step);
    const line = number && event.step ? { number, text: script.text.split("\n")[number - 1] || "" } : null;
    const spans = breaches.filter((b) => b.event === event.index && b.span).map((b) => b.span);
    const isFound = f && f.found === event.index;
    if (isFound) spans.push(...f.wrong.map((w) => w[3]).filter(Boolean));
    panel.replaceChildren(eventPanel(event, { spans, wrong: isFound ? f.wrong : [], line }));
    for (const other of dialog.querySelectorAll("pre.script .now")) other.classList.remove("now");
    if (line) dialog.querySelector(`pre.script [data-line="${line.number}"]`)?.classList.add("now");
    for (const [index, row] of rows) row.setAttribute("aria-selected", String(index === event.index));
  }

  function draw() {
    about.all = all.checked;
    holder.replaceChildren(ladder(events, about));
    if (chosen) select(chosen, false);
  }
  all.addEventListener("change", draw);
  draw();
  const first = [...notes.keys()].map((index) => events.find((e) => e.index === index)).find(Boolean)
    || (about.missing && events.slice(0, about.missing.behind + 1).reverse().find((e) => e.packet))
    || events.find((e) => e.packet && e.step) || events.find((e) => e.packet);
  if (first) select(first, false);
  diagrams.push({ move: (way) => {
    const shownEvents = [...holder.querySelectorAll(".event")].filter((g) => g.event).map((g) => g.event);
    const next = shownEvents[Math.max(0, Math.min(shownEvents.length - 1, shownEvents.findIndex((e) => e.index === chosen?.index) + way))];
    if (next) select(next);
  }, holder });
  const listed = h("details", {}, h("summary", {}, `All ${plural(events.length, "event")} as a table`));
  listed.addEventListener("toggle", () => { if (listed.open && !rows.size) listed.append(eventTable(events, notes, rows, select)); });
  return [
    h("div", { class: "tools" }, h("h3", {}, title), h("label", {}, all, " with fences and clean-up")),
    holder, panel, listed,
  ];
}

/** The packet that did not come. It is shown when the step gave up: clean-up begins at once after that. */
function missing(events, f) {
  const cleanup = events.findIndex((e) => e.author === "cleanup");
  const behind = (cleanup < 0 ? events.length : cleanup) - 1;
  const what = f.expected[0]?.[0] || "the expected packet";
  const [, client, arrow] = what.match(/^(\S+) (<-|->) /) || [];
  return {
    behind,
    client: events.some((e) => e.client === client) ? client : null,
    to: arrow === "->",
    what: what.replace(/^\S+ (<-|->) /, ""),
    why: f.expected.map(([, why]) => why).filter((why, i, all) => why && all.indexOf(why) === i),
  };
}

function eventTable(events, notes, rows, select) {
  const body = h("tbody", {}, events.map((event) => {
    const row = h("tr", { class: notes.has(event.index) ? "bad" : null, onclick: () => select(event, false) },
      h("td", { class: "mono" }, clock(event.at)), h("td", {}, event.client), h("td", {}, event.client ? (event.to ? "→" : "←") : ""),
      h("td", {}, event.packet ? event.packet.name : said(event)),
      h("td", {}, event.packet ? event.packet.fields.filter((f) => f.value !== false).map((f) => `${f.name}=${cut(shown(f.value), 60)}`).join(" ") : ""),
      h("td", { class: "mono" }, event.packet ? hexLine(event.packet, 48) : ""));
    rows.set(event.index, row);
    return row;
  }));
  return h("div", { class: "scroll" }, h("table", { class: "events" },
    h("thead", {}, h("tr", {}, ["s", "client", "", "what", "fields", "bytes"].map((t) => h("th", {}, t)))), body));
}

function scriptText(script, cell) {
  if (!script) return null;
  const at = cell.f?.place?.[1];
  const lines = script.text.trimEnd().split("\n").map((text, i) => h("span", { class: i + 1 === at ? "at" : null, "data-line": i + 1 },
    h("span", { class: "no" }, i + 1), text));
  return h("details", { open: DEVIATES.has(cell.v) }, h("summary", {}, `The scenario, ${script.file}`), h("pre", { class: "script" }, lines));
}

function command(c, broker) {
  const quote = (word) => (/^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
  const { argument, options } = data.brokers[broker];
  const words = ["mqttspec", "run", ...(argument ? [argument] : []), ...options, "-e", c.id, "--trace", "always"];
  const text = words.map(quote).join(" ");
  const copy = h("button", { type: "button", class: "plain", onclick: () => {
    const done = () => { copy.textContent = "Copied"; };
    navigator.clipboard?.writeText(text).then(done, () => getSelection().selectAllChildren(shownText));
  } }, "Copy");
  const shownText = h("code", {}, text);
  return h("div", {}, h("h3", {}, "Play it again"), h("div", { class: "command" }, shownText, copy));
}
