// The data of the page, and the filter. This module only reads data from the document, and changes nothing in it.

const data = await unpacked($("data").textContent);

/** Verdicts in the order of summaries, each with its letter. */
const LETTERS = { pass: "P", fail: "F", crash: "C", known: "K", fixed: "X", skip: "S", error: "E" };
const MEANINGS = {
  pass: "did what the standard asks for",
  fail: "did not, and its profile does not list it",
  crash: `this case alone brings the ${data.noun} down`,
  known: "did not, as its profile says with a reason",
  fixed: "passes, though its profile lists it as failing",
  skip: `not played: the ${data.noun} does not offer what it needs`,
  error: `not judged: the fault is not the ${data.noun}'s`,
};
const RIGOUR = "no other statement obliges the broker to react: MQTT-4.13.1-1 is about errors that it detects, and section 4.13.1 of 5.0 leaves the rigour of checking open";
const verdicts = data.verdicts;
const PASS = verdicts.indexOf("pass");
const HELD = new Set([PASS, verdicts.indexOf("fixed")]);
const DEVIATES = new Set(["fail", "crash", "known"].map((v) => verdicts.indexOf(v)));
const FAILS = new Set(["fail", "crash"].map((v) => verdicts.indexOf(v)));
// Verdicts, the worst first: a statement shows the worst of its cases.
const WORST = ["crash", "fail", "known", "error", "fixed", "pass", "skip"].map((v) => verdicts.indexOf(v));

/** The titles of the chapters in the standards. */
const CHAPTERS = {
  "1.5": "Data representation", "2.1": "Packet format", "2.2": "Fixed and variable header", "2.3": "Variable header and payload",
  "2.4": "Reason codes", "3.1": "CONNECT", "3.2": "CONNACK", "3.3": "PUBLISH", "3.4": "PUBACK", "3.5": "PUBREC", "3.6": "PUBREL",
  "3.7": "PUBCOMP", "3.8": "SUBSCRIBE", "3.9": "SUBACK", "3.10": "UNSUBSCRIBE", "3.11": "UNSUBACK", "3.12": "PINGREQ",
  "3.13": "PINGRESP", "3.14": "DISCONNECT", "3.15": "AUTH", "4.1": "State", "4.2": "Network connections", "4.3": "Quality of Service",
  "4.4": "Message delivery retry", "4.5": "Message receipt", "4.6": "Message ordering", "4.7": "Topic names and filters",
  "v3.1.1 4.8": "Handling errors", "v5 4.8": "Subscriptions", "4.9": "Flow control", "4.12": "Enhanced authentication",
  "4.13": "Handling errors",
};

const statements = data.statements.map(([token, level, section, title, says, url]) => ({
  token, level, section, title, says, url,
  version: token.split(":")[0],
}));
const scripts = data.scripts.map(([path, file, text, about, lines]) => ({ path, file, text, about, lines: new Map(lines) }));

const cases = data.cases.map((c, index) => {
  const reasons = new Set(c.cells.filter((cell) => cell && cell.r !== undefined).map((cell) => data.words[cell.r]));
  return {
    ...c, index,
    // As `topic` in report/model has it.
    topic: c.id.match(/^(clients\/)?[^/[@]*/)[0],
    // The text that a search covers.
    hay: [c.id, c.title, ...c.statements.map((s) => statements[s].token), ...reasons].join("\n").toLowerCase(),
  };
});
for (const [index, statement] of statements.entries()) statement.index = index;
for (const c of cases) for (const s of c.statements) (statements[s].cases ??= []).push(c);

/** Whether the brokers or clients differ in a case. A case that is skipped or not judged is no difference. */
function differs(c) {
  const seen = new Set(c.cells.filter((cell) => cell && (HELD.has(cell.v) || DEVIATES.has(cell.v))).map((cell) => HELD.has(cell.v)));
  return seen.size > 1;
}

/** The versions of MQTT in the page, in their order. */
const versions = [...new Set(cases.map((c) => c.version))].sort();
/** The id of a case without its version: the cases of one row of the table. */
const stem = (c) => c.id.replace(/@[^@]*$/, "");

/** The number of cases with each verdict at a broker, and of those that rest on the rigour clause alone. */
function tally(some, broker) {
  const counts = verdicts.map(() => 0);
  for (const c of some) if (c.cells[broker]) counts[c.cells[broker].v] += 1;
  const sum = (set) => [...set].reduce((n, v) => n + counts[v], 0);
  return { counts, rigour: some.filter((c) => c.cells[broker]?.g).length, held: sum(HELD), tried: sum(HELD) + sum(DEVIATES), failed: sum(FAILS) };
}

/** The worst verdict of some cases at a broker; `undefined` if it has none of them. */
const worst = (some, broker) => WORST.find((v) => some.some((c) => c.cells[broker]?.v === v));

/** The filter. It is kept in the address, so that users can share a view as a link. */
const asked = { text: "", statement: "", version: "", broker: "", verdicts: "", rigour: "", differ: false, rows: "topic", expand: false };

const isNarrowed = () => Boolean(asked.text || asked.statement || asked.version || asked.verdicts || asked.rigour || asked.differ);

/** Whether a case passes the filter. */
function isAsked(c) {
  if (asked.version && c.version !== asked.version) return false;
  if (asked.differ && !differs(c)) return false;
  if (asked.verdicts || asked.rigour) {
    const cells = asked.broker === "" ? c.cells : [c.cells[Number(asked.broker)]];
    const isMeant = (cell) => cell && (!asked.verdicts || asked.verdicts.includes(LETTERS[verdicts[cell.v]]))
      && (!asked.rigour || Boolean(cell.g) === (asked.rigour === "only"));
    if (!cells.some(isMeant)) return false;
  }
  if (asked.statement) {
    const wanted = asked.statement.trim().toLowerCase();
    if (!c.statements.some((s) => fits(statements[s].token.toLowerCase(), wanted))) return false;
  }
  return asked.text.toLowerCase().split(/\s+/).every((word) => c.hay.includes(word));
}

/** Whether a statement matches the user's text. A number matches only as a whole, not as the beginning of a longer one. */
function fits(token, wanted) {
  const at = token.indexOf(wanted);
  return at >= 0 && !(/\d$/.test(wanted) && /^\d/.test(token.slice(at + wanted.length)));
}

/** The chapter of a section, such as `v5 3.3`. */
function chapter(statement) {
  const number = (statement.section || "").match(/^\d+(\.\d+)?/)?.[0] || "";
  const name = CHAPTERS[`${statement.version} ${number}`] || CHAPTERS[number];
  const version = statement.version.replace("v", "MQTT ");
  return number ? `${version} · ${number}${name ? " " + name : ""}` : `${version} · others`;
}

/** Orders statements by version, and then by the numbers of the section. */
function chapterOrder(a, b) {
  const parts = (name) => name.match(/\d+/g)?.map(Number) || [];
  const [x, y] = [parts(a), parts(b)];
  const version = (name) => parseFloat(name.replace("MQTT ", ""));
  if (version(a) !== version(b)) return version(a) - version(b) || a.length - b.length;
  for (let i = 0; i < Math.max(x.length, y.length); i += 1) if (x[i] !== y[i]) return (x[i] ?? -1) - (y[i] ?? -1);
  return 0;
}

/** The broker whose deviations are shown by cause: the chosen one, or the first that deviates. */
function culprit() {
  const first = data.brokers.findIndex((b) => b.causes.length);
  return asked.broker === "" ? Math.max(0, first) : Number(asked.broker);
}

/** The cause of a deviation of that broker; `null` if there is none. */
function cause(c) {
  const broker = culprit();
  const found = data.brokers[broker].causes[c.cells[broker]?.k];
  if (!found) return null;
  const [verdict, scenario, text] = found;
  return `${verdicts[verdict]} · ${scenario ? `${scenario}: ` : ""}${text}`;
}

/** The rows to show, in groups: each row has cases, and, if it is a statement, the statement. Otherwise its cases are one at each
    version. */
function groups() {
  const taken = cases.filter(isAsked);
  const found = new Map();
  const add = (name, row) => (found.get(name) || found.set(name, []).get(name)).push(row);
  const joined = new Map();
  if (asked.rows === "statements") {
    const of = new Map();
    for (const c of taken) for (const s of c.statements) (of.get(s) || of.set(s, []).get(s)).push(c);
    const wanted = asked.statement.trim().toLowerCase();
    for (const statement of statements) {
      const some = of.get(statement.index);
      if (some && (!wanted || fits(statement.token.toLowerCase(), wanted))) add(chapter(statement), { statement, cases: some });
    }
  } else {
    const names = {
      topic: (c) => c.topic,
      section: (c) => (c.statements.length ? chapter(statements[c.statements[0]]) : "no statement"),
      causes: cause,
    };
    for (const c of taken) {
      const name = names[asked.rows](c);
      if (name === null) continue;
      const key = `${name} ${stem(c)}`;
      if (joined.has(key)) joined.get(key).cases.push(c);
      else {
        const row = { cases: [c] };
        joined.set(key, row);
        add(name, row);
      }
    }
  }
  let all = [...found].map(([name, rows]) => ({ name, rows, cases: [...new Set(rows.flatMap((r) => r.cases))] }));
  if (asked.rows === "causes") all.sort((a, b) => b.cases.length - a.cases.length);
  else if (asked.rows !== "topic") all = all.sort((a, b) => chapterOrder(a.name, b.name));
  for (const group of all) if (asked.rows === "statements") {
    const key = (row) => row.statement.token.replace(/\d+/g, (n) => n.padStart(4, "0"));
    group.rows.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }
  return { groups: all, count: asked.rows === "causes" ? all.reduce((n, group) => n + group.cases.length, 0) : taken.length };
}

// --- Exchanges -----------------------------------------------------------------------------------------------------

const words = data.words;

/** Restores an exchange: the events, each with its number in the transcript. */
function exchange(talk) {
  if (!talk) return [];
  let at = 0;
  let index = 0;
  return data.talks[talk.t].map((entry, i) => {
    const [client, connection, author, step, kind, what, to] = data.entries[entry];
    at += talk.at[i];
    const event = {
      index, at, connection,
      client: words[client], author: words[author], kind: words[kind],
      step: step === 0 ? null : step - 1,
      to: to === 1,
    };
    if (event.kind === "packet" || event.kind === "fragment") event.packet = packet(data.packets[what - 1], talk.n);
    else if (event.kind === "application") event.text = what ? withNamespace(words[what - 1]) : "";
    else event.count = what;
    index += event.kind === "left out" ? what : 1;
    return event;
  });
}

const MARK = "\ue000";

/** The text with the namespace as a scenario writes it: `$ns/a`, and `${ns}pub` before a character that may be part of a name. */
function withNamespace(text) {
  return text.replace(/\ue000(?=[A-Za-z0-9_])/g, "$${ns}").replaceAll(MARK, "$ns");
}

/** A packet with its bytes as they crossed the wire. In text fields the namespace is `$ns` or `${ns}`. */
function packet(stored, namespace) {
  const own = [...new TextEncoder().encode(namespace)];
  const bytes = [];
  const names = [];
  for (let i = 0; i < stored.hex.length;) {
    if (stored.hex[i] === "~") {
      names.push([bytes.length, bytes.length + own.length]);
      bytes.push(...own);
      i += 1;
    } else {
      bytes.push(parseInt(stored.hex.slice(i, i + 2), 16));
      i += 2;
    }
  }
  return {
    name: stored.name || "bytes",
    bytes, names,
    length: stored.length,
    fields: stored.fields.map(([name, value]) => ({ name: words[name], value })),
  };
}

/** A field's value as readable text. */
function shown(value) {
  if (typeof value === "string") return JSON.stringify(withNamespace(printable(value))).replace(/\\\\u\{/g, "\\u{");
  if (Array.isArray(value)) return "[" + value.map(shown).join(", ") + "]";
  if (value && typeof value === "object") {
    if ("code" in value) return value.code;
    if ("hex" in value) return `${value.hex} (${plural(value.length, "byte")})`;
    if ("length" in value) return `<${plural(value.length, "byte")}>`;
    return Object.entries(value).map(([k, v]) => `${k} ${shown(v)}`).join(", ");
  }
  return String(value);
}
