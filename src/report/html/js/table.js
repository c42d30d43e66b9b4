// The grid. Groups exist from the start. The rows of an open group are created when it gets near the window, because
// thousands of rows outside of the view would only cost time. Before printing, all of them are created.

/** Names of the open groups; `!` before a name marks a closed one. */
const open = new Set();
let view = { groups: [], count: 0 };
let near = null;

function table() {
  view = groups();
  const grid = $("table");
  grid.style.setProperty("--columns", data.brokers.length);
  grid.style.setProperty("--versions", shownVersions().length);
  grid.classList.toggle("few", data.brokers.length <= 3);
  near?.disconnect();
  near = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) fill(one.target);
  }, { rootMargin: "800px" });
  const head = h("div", { role: "row", class: "head" },
    h("span", { role: "columnheader" }, asked.rows === "statements" ? "Statement" : `Case, at ${shownVersions().map(number).join(", ")}`),
    data.brokers.map((b) => h("span", { role: "columnheader", class: "name", title: `${b.name} ${b.version || ""}` }, b.label)));
  const parts = view.groups.map((group) => groupOf(group));
  if (!parts.length) parts.push(h("p", { class: "empty" }, asked.rows === "causes" ? "No case that matches the filter deviates." : "No case matches the filter."));
  grid.replaceChildren(head, ...parts);
  const what = asked.rows === "statements" ? `, ${plural(view.groups.reduce((n, g) => n + g.rows.length, 0), "statement")}` : "";
  const causes = asked.rows === "causes" ? `, ${plural(view.groups.length, "cause")} of ${data.brokers[culprit()].label}` : "";
  $("count").textContent = `${plural(view.count, "case")}${what}${causes}`;
  $("expand").textContent = view.groups.every((g) => isOpen(g)) ? "Fold all" : "Expand all";
}

/** The versions that have a column of their own at each broker. */
const shownVersions = () => (asked.version ? [asked.version] : versions);
const number = (version) => version.replace("v", "");

// A group that a filter has reduced to few cases is open by default.
const isOpen = (group) => !open.has("!" + group.name) && (open.has(group.name) || asked.expand || (isNarrowed() && view.count <= 400));

function groupOf(group) {
  const element = h("div", { class: "group", role: "rowgroup" });
  element.group = group;
  const fold = h("button", { type: "button", class: "fold", "aria-expanded": "false", tabindex: "-1" },
    group.name, " ", h("small", {}, asked.rows === "statements" ? plural(group.rows.length, "statement") : plural(group.cases.length, "case")));
  const cells = data.brokers.map((broker, b) => {
    const t = tally(group.cases, b);
    const title = `${broker.label}: ${t.held} of ${t.tried} held` + verdicts.map((v, i) => (t.counts[i] ? `, ${t.counts[i]} ${v}` : "")).join("");
    if (!t.tried) {
      const v = worst(group.cases, b);
      return h("span", { role: "gridcell", class: `c v ${verdicts[v] || "none"}`, title }, LETTERS[verdicts[v]] || "");
    }
    // With a filter, a percentage says little.
    const fraction = `${t.held}/${t.tried}`;
    const long = isNarrowed() && fraction.length > 5 ? " long" : "";
    if (t.held === t.tried) return h("span", { role: "gridcell", class: `c v pass${long}`, title }, isNarrowed() ? fraction : "all");
    const share = Math.min(99, Math.floor((100 * t.held) / t.tried));
    const text = isNarrowed() ? fraction : `${share}%`;
    return h("span", { role: "gridcell", class: `c v part${t.failed ? " hasfail" : ""}${long}`, title, style: `--share: ${share}%` }, text);
  });
  element.append(h("div", { role: "row" }, h("span", { role: "rowheader" }, fold), cells));
  if (isOpen(group)) unfold(element, true);
  return element;
}

/** Opens or closes a group. */
function unfold(element, how) {
  const fold = element.querySelector(".fold");
  fold.setAttribute("aria-expanded", String(how));
  element.querySelector(".rows")?.remove();
  if (!how) { near.unobserve(element); return; }
  const height = matchMedia("(max-width: 700px)").matches ? 62 : 30;
  element.append(h("div", { class: "rows", style: `min-height: ${height * element.group.rows.length}px` }));
  near.observe(element);
}

/** Creates the rows of a group. */
function fill(element) {
  near.unobserve(element);
  const rows = element.querySelector(".rows");
  if (!rows || rows.firstChild) return;
  rows.style.minHeight = "";
  rows.append(...element.group.rows.map(rowOf));
}

function rowOf(row) {
  const [c] = row.cases;
  const about = row.statement
    ? h("span", { class: "about", role: "rowheader", title: `${row.statement.title || ""}\n${row.statement.says || ""}` },
      h("span", { class: "ver" }, row.statement.level || ""), " ", row.statement.says || row.statement.token, " ", h("span", { class: "id" }, row.statement.token))
    : h("span", { class: "about", role: "rowheader", title: `${c.title}\n${stem(c)}` }, c.title, " ", h("span", { class: "id" }, stem(c)));
  const cells = data.brokers.map((broker, b) => {
    if (row.statement) return cellOf(row, row.cases, b);
    const parts = shownVersions().map((version) => {
      const c = row.cases.find((one) => one.version === version);
      return c ? cellOf(row, [c], b) : h("span", { class: "c none" });
    });
    return parts.length > 1 ? h("span", { class: "parts", role: "presentation" }, parts) : parts[0];
  });
  const element = h("div", { role: "row" }, about, cells);
  element.row = row;
  return element;
}

/** The cell of some cases of a row at a broker. */
function cellOf(row, some, b) {
  const v = worst(some, b);
  if (v === undefined) return h("span", { role: "gridcell", class: "c none" });
  const count = some.filter((one) => DEVIATES.has(one.cells[b]?.v)).length;
  const many = row.statement && DEVIATES.has(v) && some.length > 1 ? String(count) : "";
  const name = verdicts[v];
  // A small letter: nothing but the rigour clause.
  const rigour = some.filter((one) => one.cells[b]?.v === v).every((one) => one.cells[b].g);
  const letter = rigour ? LETTERS[name].toLowerCase() : LETTERS[name];
  const at = row.statement ? "" : ` at ${number(some[0].version)}`;
  const label = `${data.brokers[b].label}: ${name}${rigour ? " (rigour)" : ""}${at}`;
  const cell = h("button", { type: "button", role: "gridcell", tabindex: "-1", class: `c v ${name}`, "aria-label": label, title: label }, letter + many);
  cell.opens = { row, broker: b, c: row.statement ? undefined : some[0] };
  return cell;
}

/** Creates all rows, for printing. */
function fillAll() {
  for (const element of document.querySelectorAll("#table .group")) fill(element);
}

// --- Keyboard ------------------------------------------------------------------------------------------------------

/** The elements of a row that can have the focus, from left to right: the cells, or the name of a group. */
const stops = (line) => [...line.querySelectorAll("button")];

function stand(element) {
  const grid = $("table");
  for (const old of grid.querySelectorAll('button[tabindex="0"]')) old.tabIndex = -1;
  element.tabIndex = 0;
  element.focus({ preventScroll: false });
  element.scrollIntoView({ block: "nearest" });
}

function move(event) {
  const grid = $("table");
  const line = document.activeElement.closest?.('[role="row"]');
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[event.key];
  if (!line || !grid.contains(line)) {
    if (step && document.activeElement === grid) {
      event.preventDefault();
      const first = grid.querySelector(".group button");
      if (first) stand(first);
    }
    return;
  }
  const here = stops(line);
  const at = here.indexOf(document.activeElement);
  if (step) {
    event.preventDefault();
    document.querySelectorAll("#table .group").forEach((g) => { if (g.querySelector(".rows")) fill(g); });
    const lines = [...grid.querySelectorAll('.group [role="row"]')];
    const next = lines[Math.max(0, Math.min(lines.length - 1, lines.indexOf(line) + step))];
    const there = stops(next);
    if (there.length) stand(there[Math.min(Math.max(at, standing), there.length - 1)] || there[0]);
  } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    event.preventDefault();
    const fold = document.activeElement.matches(".fold") ? line.parentElement : null;
    if (fold && (event.key === "ArrowRight") !== (document.activeElement.getAttribute("aria-expanded") === "true")) {
      toggle(fold);
      return;
    }
    const next = here[at + (event.key === "ArrowRight" ? 1 : -1)];
    if (next) { stand(next); standing = here.indexOf(next); }
  } else if (event.key === "Home" || event.key === "End") {
    event.preventDefault();
    stand(here[event.key === "Home" ? 0 : here.length - 1]);
  }
}
/** The column in which the arrow keys move up and down, also across groups. */
let standing = 0;

function toggle(element) {
  const how = element.querySelector(".fold").getAttribute("aria-expanded") !== "true";
  const { name } = element.group;
  open.delete(how ? "!" + name : name);
  open.add(how ? name : "!" + name);
  unfold(element, how);
  if (how) fill(element);
}

/** All rows in the order of the page, including those of folded groups. */
const inOrder = () => view.groups.flatMap((g) => g.rows);

function tableEvents() {
  const grid = $("table");
  grid.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.matches(".fold")) {
      stand(button);
      toggle(button.closest(".group"));
    } else if (button?.opens) {
      stand(button);
      openRow(button.opens.row, button.opens.broker, button.opens.c);
    } else {
      // A click on the text of a row opens it at the first broker that deviates.
      const line = event.target.closest(".rows [role='row']");
      if (line && event.target.closest(".about")) openRow(line.row, telling(line.row));
    }
  });
  grid.addEventListener("keydown", move);
  grid.tabIndex = 0;
  addEventListener("beforeprint", fillAll);
}

/** The first broker that deviates in a row, or else the first broker. */
function telling(row) {
  const at = data.brokers.findIndex((_, b) => row.cases.some((c) => DEVIATES.has(c.cells[b]?.v)));
  return Math.max(0, at);
}
