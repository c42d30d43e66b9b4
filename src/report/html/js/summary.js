// The counts at the top: one row per broker.

function summary() {
  const shownVerdicts = verdicts.map((name, v) => v).filter((v) => cases.some((c) => c.cells.some((cell) => cell?.v === v)));
  const rigour = cases.some((c) => c.cells.some((cell) => cell?.g));
  const versions = [...new Set(data.brokers.flatMap((b) => b.scores.filter((s) => s.tried).map((s) => s.version)))];
  const head = h("tr", {},
    h("th", {}, capital(data.noun)), h("th", { class: "shares" }, h("span", { class: "hidden" }, "Shares")),
    shownVerdicts.map((v) => h("th", { title: MEANINGS[verdicts[v]] }, verdicts[v])),
    rigour ? h("th", { title: `Deviations for which ${RIGOUR}` }, "rigour") : null,
    versions.map((v) => h("th", { title: `Numbered MUST statements of ${v} that hold in every case, of those tried` }, `MUST ${v}`)),
    h("th", {}, "Time"));
  const rows = data.brokers.map((broker, b) => {
    const { counts, rigour: byRigour } = tally(cases, b);
    const all = counts.reduce((x, y) => x + y, 0) || 1;
    const order = ["pass", "fixed", "known", "fail", "crash", "error", "skip"].map((v) => verdicts.indexOf(v));
    const bar = h("div", { class: "stack", role: "img", "aria-label": order.filter((v) => counts[v]).map((v) => `${counts[v]} ${verdicts[v]}`).join(", ") },
      order.filter((v) => counts[v]).map((v) => attributes(h("span", { class: verdicts[v], title: `${counts[v]} ${verdicts[v]}` }), { style: `flex: ${counts[v] / all} 1 0` })));
    const score = (version) => {
      const s = broker.scores.find((one) => one.version === version);
      if (!s) return h("td", { class: "zero" }, "–");
      const own = s.own_tried ? `; of the unnumbered duties ${s.own_held} of ${s.own_tried}` : "";
      return h("td", { title: `${s.held} of ${s.tried} numbered MUST statements held${own}` }, `${s.held}/${s.tried}`);
    };
    return h("tr", {},
      h("td", {}, h("b", {}, broker.label), " ", h("span", { class: "quiet" }, broker.label.includes(broker.version) ? "" : broker.version || ""),
        [broker.run, broker.started, broker.shard].some(Boolean)
          ? h("div", { class: "quiet when" }, [broker.run, broker.started, broker.shard].filter(Boolean).join(" · ")) : null),
      h("td", { class: "shares" }, bar),
      shownVerdicts.map((v) => h("td", {}, h("span", { class: counts[v] ? `n ${verdicts[v]}` : "n zero" }, counts[v]))),
      rigour ? h("td", {}, h("span", { class: byRigour ? "n" : "n zero" }, byRigour)) : null,
      versions.map(score),
      h("td", {}, seconds(broker.seconds)));
  });
  const notes = data.brokers.flatMap((b) => [
    ...(b.interrupted ? [`${b.label}: the run ended before every case was played`] : []),
    ...b.notes.map((note) => `${b.label}: ${note}`),
    ...(b.under_load.length ? [`${b.label}: the ${data.noun} ended while these cases ran, but none of them ends it alone: ${b.under_load.join(", ")}`] : []),
  ]);
  $("summary").replaceChildren(
    h("table", {}, h("thead", {}, head), h("tbody", {}, rows)),
    notes.length ? h("ul", { class: "notes" }, notes.map((note) => h("li", {}, printable(note)))) : "");
  $("subtitle").textContent =
    `${plural(cases.length, "case")} of ${plural(new Set(cases.map((c) => c.id.split(/[[@]/)[0])).size, "scenario")}, ` +
    `${plural(new Set(cases.flatMap((c) => c.statements)).size, "statement")} of the standards, played by mqttspec ${data.mqttspec}`;
  $("legend").replaceChildren(...shownVerdicts.flatMap((v) => [
    h("span", { class: `v ${verdicts[v]}` }, LETTERS[verdicts[v]]), `${verdicts[v]}: ${MEANINGS[verdicts[v]]} `]));
  if (rigour) $("legend").append(h("span", { class: "v" }, "f k"), `by the rigour clause alone: ${RIGOUR}`);
}
