// The controls, and the address: its fragment encodes the filter and the open result.

const NOTHING = { ...asked };

/** Changes the filter, and updates the page. */
function ask(what) {
  Object.assign(asked, what);
  controls();
  table();
  keepAddress();
}

/** Sets the controls to the filter. */
function controls() {
  for (const name of ["text", "statement", "version", "broker", "rigour", "rows"]) if ($(name).value !== asked[name]) $(name).value = asked[name];
  $("differ").checked = asked.differ;
  for (const button of $("verdicts").querySelectorAll("button")) button.setAttribute("aria-pressed", String(asked.verdicts.includes(button.textContent)));
}

function keepAddress() {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) if (value !== NOTHING[name] && name !== "expand") parts.set(name, value === true ? "1" : value);
  if (dialog.open && current) {
    if (current.c) parts.set("case", current.c.id);
    else parts.set("of", current.row.statement.token);
    parts.set("at", data.brokers[current.broker].label);
  }
  const text = parts.toString();
  // A page in a frame may not be allowed to change its address.
  try { history.replaceState(history.state, "", text ? "#" + text : location.pathname + location.search); } catch { /* The address stays as it is. */ }
}

/** Whether the open exchange has an entry in the browser's history, which Back leaves. */
let entered = false;
/** Whether the page itself leaves that entry. */
let leaving = false;
/** Whether an exchange is opened because the address names it. */
let reading = false;

/** An exchange was opened: Back closes it. */
function enter() {
  if (reading) return;
  try {
    history.pushState(null, "", location.href);
    entered = true;
  } catch { /* In a frame that may not, Back leaves the page. */ }
}

/** An exchange was closed. */
function leave() {
  current = null;
  if (entered) {
    entered = false;
    leaving = true;
    history.back();
  } else keepAddress();
}

/** The address was changed by Back, by Forward or by hand. */
function moved() {
  if (leaving) {
    leaving = false;
    keepAddress();
  } else if (entered) {
    entered = false;
    close();
  } else {
    close();
    readAddress();
  }
}

/** Applies the state in the address. */
function readAddress() {
  reading = true;
  const parts = new URLSearchParams(location.hash.slice(1));
  const what = { ...NOTHING };
  for (const name of ["text", "statement", "version", "broker", "verdicts", "rigour", "rows"]) if (parts.has(name)) what[name] = parts.get(name);
  what.differ = parts.get("differ") === "1";
  if (!["topic", "section", "statements", "causes"].includes(what.rows)) what.rows = "topic";
  if (!["", "without", "only"].includes(what.rigour)) what.rigour = "";
  if (!data.brokers[what.broker]) what.broker = "";
  Object.assign(asked, what);
  controls();
  table();
  const broker = Math.max(0, data.brokers.findIndex((b) => b.label === parts.get("at")));
  const c = cases.find((one) => one.id === parts.get("case"));
  const s = statements.find((one) => one.token === parts.get("of"));
  if (c) show({ row: inOrder().find((row) => row.cases.includes(c)) || { cases: [c] }, c, broker });
  else if (s?.cases) show({ row: inOrder().find((row) => row.statement === s) || { statement: s, cases: s.cases }, broker });
  reading = false;
}

function choices(id, options) {
  $(id).replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
}

function setUp() {
  summary();
  choices("version", [["", "every version"], ...versions.map((v) => [v, v.replace("v", "MQTT ")])]);
  choices("broker", [["", `any ${data.noun}`], ...data.brokers.map((b, i) => [String(i), b.label])]);
  choices("statements", [...statements].map((s) => [s.token, s.title || ""]));
  $("broker").hidden = data.brokers.length < 2;
  $("differ").parentElement.hidden = data.brokers.length < 2;
  const seen = verdicts.filter((_, v) => cases.some((c) => c.cells.some((cell) => cell?.v === v)));
  $("verdicts").append(...seen.map((name) => h("button", {
    type: "button", class: name, title: `Only cases with ${name}: ${MEANINGS[name]}`, "aria-pressed": "false",
    onclick: () => ask({ verdicts: asked.verdicts.includes(LETTERS[name]) ? asked.verdicts.replace(LETTERS[name], "") : asked.verdicts + LETTERS[name] }),
  }, LETTERS[name])));
  for (const id of ["text", "statement"]) {
    let timer = 0;
    $(id).addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => ask({ [id]: $(id).value }), 120);
    });
  }
  $("rigour").hidden = !cases.some((c) => c.cells.some((cell) => cell?.g));
  for (const id of ["version", "broker", "rigour"]) $(id).addEventListener("change", () => ask({ [id]: $(id).value }));
  $("rows").addEventListener("change", () => { open.clear(); ask({ rows: $("rows").value }); });
  $("differ").addEventListener("change", () => ask({ differ: $("differ").checked }));
  $("expand").addEventListener("click", () => {
    const every = view.groups.every((g) => isOpen(g));
    open.clear();
    if (every) for (const g of view.groups) open.add("!" + g.name);
    ask({ expand: !every });
  });
  $("reset").addEventListener("click", () => { open.clear(); ask({ ...NOTHING }); });
  $("filter").addEventListener("submit", (event) => event.preventDefault());
  tableEvents();
  dialog.addEventListener("close", leave);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) close(); });
  addEventListener("keydown", keys);
  addEventListener("hashchange", moved);
  theme();
  readAddress();
}

function keys(event) {
  const typing = event.target.matches?.("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.target.type !== "checkbox")) return;
  if (dialog.open) {
    const act = {
      ArrowLeft: () => data.brokers.length > 1 && beside(-1), ArrowRight: () => data.brokers.length > 1 && beside(1),
      n: () => other(1), p: () => other(-1),
      ArrowUp: () => diagrams[0]?.move(-1), ArrowDown: () => diagrams[0]?.move(1),
    }[event.key];
    if (act && !event.target.closest?.(".hex, pre")) {
      event.preventDefault();
      act();
    }
    if (event.key === "Enter" && event.target.event) event.target.dispatchEvent(new Event("click"));
  } else if (event.key === "/") {
    event.preventDefault();
    $("text").focus();
  }
}

/** The colour theme: the system's, light, or dark. */
function theme() {
  const order = ["", "light", "dark"];
  const names = { "": ["◐", "as in the system"], light: ["☀", "light"], dark: ["☾", "dark"] };
  const set = (name) => {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    const [sign, text] = names[name];
    attributes($("theme"), { title: `Colours: ${text}`, "aria-label": `Colours: ${text}` }).textContent = sign;
  };
  let now = order.includes(kept.get("mqttspec-theme")) ? kept.get("mqttspec-theme") : "";
  set(now);
  $("theme").addEventListener("click", () => {
    now = order[(order.indexOf(now) + 1) % order.length];
    kept.set("mqttspec-theme", now);
    set(now);
  });
}

setUp();
