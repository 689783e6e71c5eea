// The last runs side by side, fetched again now and then. A run that is pointed at or focused is
// read out above the charts.

import { el, fill, select, show } from "./dom.js";
import { dagPage, get, poll, reportPage, watchLinks } from "./airflow.js";
import { chart } from "./charts.js";
import { parts, patterns, swatch } from "./outcomes.js";
import { MEANINGS, NAMES, clock, duration, number, percent, plural, rate, when } from "./wording.js";

const TRIGGERS = [["", "every trigger"], ["nightly", "nightly"], ["manual", "manual"], ["job", "job"]];
const HEIGHT = 190;
const CHARTS = [
  { kind: "outcomes", title: "Documents by outcome", wide: true, valueOf: total, format: number },
  { kind: "line", title: "Drift of full runs: how stale the index was", valueOf: (run) => run.drift, format: percent },
  { kind: "bars", title: "Duration", valueOf: (run) => run.seconds, format: clock },
  { kind: "line", title: "Documents a second", valueOf: (run) => run.docsPerSecond, format: rate },
];

const SHOWN = ["readout", "charts", "figures"];
const place = (id) => document.getElementById(id);
const filters = Object.fromEntries(new URLSearchParams(location.search));
let history = null;
let shownAs = "";
let asked = 0;
let drawn = [];

function total(run) {
  return parts(run.totals ?? {}).reduce((sum, [, count]) => sum + count, 0);
}

function kindOf(run) {
  return run.dryRun ? `${run.trigger}, dry run` : run.trigger;
}

/** What left no report that still holds has no figures here; its own page has those of its chunks. */
function stateOf(run) {
  const ended = run.state === "success" || run.state === "failed";
  return ended && !run.totals ? `${run.state}, no report` : run.state;
}

function said(run) {
  const counts = parts(run.totals ?? {}).map(([name, count]) => `${number(count)} ${NAMES[name]}`);
  return [
    when(run.start), kindOf(run), stateOf(run), counts.join(", ") || "no documents",
    `drift ${percent(run.drift)}`, duration(run.seconds), `${rate(run.docsPerSecond)} documents a second`,
  ].join("; ");
}

function readOut(index) {
  const run = history.runs[index ?? history.runs.length - 1];
  for (const { point } of drawn) point(index);
  const counts = parts(run.totals ?? {}).flatMap(([name, count]) =>
    el("span", {}, el("b", {}, number(count)), ` ${NAMES[name]}`));
  const state = el("b", { class: run.state === "failed" ? "bad" : null }, stateOf(run));
  fill(
    place("readout"),
    el("p", {}, el("b", {}, index === null ? `Last: ${when(run.start)}` : when(run.start)), el("span", {}, kindOf(run)), state,
      el("span", { class: "soft id" }, run.runId)),
    el("p", {}, ...counts, el("span", {}, "drift ", el("b", {}, percent(run.drift))), el("span", {}, el("b", {}, duration(run.seconds))),
      el("span", {}, el("b", {}, rate(run.docsPerSecond)), " documents a second")),
  );
}

function linkOf(run, index, chartTitle) {
  return {
    href: reportPage(run.dagId, run.runId),
    "data-leaves": true,
    "data-key": `${chartTitle} ${run.runId}`,
    "aria-label": said(run),
    onmouseenter: () => readOut(index),
    onfocus: () => readOut(index),
    onmouseleave: () => readOut(null),
    onblur: () => readOut(null),
  };
}

function drawCharts() {
  const { runs } = history;
  const holder = place("charts");
  const made = CHARTS.map((each) => {
    const box = el("section", { class: each.wide ? "chart-wide" : null }, el("h2", {}, each.title));
    return { each, box };
  });
  const focused = document.activeElement?.closest?.("#charts a")?.dataset.key;
  fill(holder, ...made.map(({ box }) => box));
  drawn = made.map(({ each, box }) => {
    const width = Math.max(280, box.clientWidth);
    const label = `${each.title}, ${plural(runs.length, "run")}. Arrow keys go from run to run, Enter opens the report.`;
    const { drawing, point } = chart({ ...each, runs, width, height: HEIGHT, link: (run, index) => linkOf(run, index, each.title), label });
    box.append(drawing);
    if (each.wide) box.append(legend(runs));
    return { point };
  });
  readOut(null);
  if (focused) [...holder.querySelectorAll("[data-key]")].find((each) => each.dataset.key === focused)?.focus();
}

function legend(runs) {
  const there = new Set(runs.flatMap((run) => parts(run.totals ?? {}).map(([name]) => name)));
  const items = [...there].map((name) => el("li", {}, swatch(name), NAMES[name], el("span", { class: "soft" }, MEANINGS[name])));
  return el("ul", { class: "legend" }, ...items);
}

const FIGURES = ["indexed", "ignored", "unchanged", "missing", "failed", "notReached"];

function table(runs) {
  const names = ["Started", "Trigger", "State", ...FIGURES.map((name) => NAMES[name]), "drift", "duration", "docs/s"];
  const head = names.map((name, index) => el("th", { scope: "col", class: index > 2 ? "number" : null }, name));
  const rows = [...runs].reverse().map((run) => {
    const numbers = [
      ...FIGURES.map((name) => number(run.totals?.[name] ?? (run.totals ? 0 : null))),
      percent(run.drift), duration(run.seconds), rate(run.docsPerSecond),
    ];
    return el(
      "tr",
      { "data-run": run.runId },
      el("th", { scope: "row" }, el("a", { href: reportPage(run.dagId, run.runId), "data-leaves": true, "data-key": run.runId, title: run.runId }, when(run.start))),
      el("td", {}, kindOf(run)),
      el("td", { class: run.state === "failed" ? "bad" : null }, stateOf(run)),
      ...numbers.map((text) => el("td", { class: "number" }, text)),
    );
  });
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
}

function empty() {
  const filtered = filters.docType || filters.trigger;
  const clear = () => {
    delete filters.docType;
    delete filters.trigger;
    load();
  };
  const action = filtered
    ? el("button", { type: "button", onclick: clear }, "Show every run")
    : el("a", { class: "button", href: dagPage(history.dagId), "data-leaves": true }, "Open the DAG to trigger one");
  return [
    el("h2", {}, filtered ? "No run is like that" : "No run yet"),
    el("p", {}, filtered ? "Among the last runs there is none with this document type and trigger." : `${history.dagId} has not run so far. Every run will stand here as a column.`),
    el("p", { class: "actions" }, action),
  ];
}

function drawFilters() {
  const set = (name) => (value) => {
    filters[name] = value;
    load();
  };
  const types = [["", "every type"], ...history.docTypes.map((name) => [name, name])];
  show(place("filters"), [filters, types], () => [
    select("Document type", types, filters.docType ?? "", set("docType"), "docType"),
    select("Trigger", TRIGGERS, filters.trigger ?? "", set("trigger"), "trigger"),
  ]);
}

function draw() {
  const { runs } = history;
  drawFilters();
  const some = runs.length > 0;
  show(place("empty"), some ? null : [filters, history.dagId], empty);
  for (const id of SHOWN) place(id).hidden = !some;
  place("count").textContent = some ? `the last ${plural(runs.length, "run")}` : "";
  if (!some) return;
  drawCharts();
  fill(place("table"), table(runs));
  performance.mark("drawn");
}

/** Without a login, another try makes sense only once somebody asks for it. */
function failed(error) {
  const refused = error.status === 401 || error.status === 403;
  place("loading").hidden = true;
  if (refused) {
    for (const id of SHOWN) place(id).hidden = true;
    shownAs = "";
  }
  show(place("error"), error.message, () => [
    el("h2", {}, refused ? "Nothing to see without a login" : "The history cannot be shown"),
    el("p", {}, error.message),
    el("p", { class: "actions" }, el("button", { type: "button", onclick: load }, "Try again"),
      el("a", { class: "button", href: "../", "data-leaves": true }, "Open Airflow")),
  ]);
  return !refused;
}

/** Fetch and draw what is chosen; false: the next look is not urgent. */
async function fetched() {
  const { docType = "", trigger = "" } = filters;
  const mine = ++asked;
  // When something else was chosen meanwhile, what comes of that counts.
  const answer = await get("api/history", { docType, trigger, limit: 90 }).catch((error) => {
    if (mine === asked) throw error;
  });
  if (mine !== asked) return false;
  place("loading").hidden = true;
  show(place("error"), null);
  const text = JSON.stringify([filters, answer]);
  if (text !== shownAs) {
    shownAs = text;
    history = answer;
    draw();
  }
  return false;
}

function load() {
  const { docType = "", trigger = "" } = filters;
  const kept = new URLSearchParams(Object.entries({ docType, trigger }).filter(([, value]) => value));
  window.history.replaceState(null, "", `?${kept}`);
  fetched().catch(failed);
}

document.body.append(patterns());
watchLinks();
let width = 0;
new ResizeObserver(([{ contentRect }]) => {
  if (history?.runs.length && Math.abs(contentRect.width - width) > 1) drawCharts();
  width = contentRect.width;
}).observe(place("charts"));
poll(fetched, failed);
