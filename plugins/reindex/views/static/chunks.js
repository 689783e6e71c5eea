// The chunks of a run in time, every try visible, the ones to look at first.

import { el, fill, select, svg } from "./dom.js";
import { chunkPage } from "./airflow.js";
import { clock, duration, number, plural } from "./wording.js";

const FEW = 25;
const BAR = 12, TOP = 4;
const NARROWEST = 0.5; // per cent of the track
const NICE = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200];

const FAILED = new Set(["failed", "up_for_retry", "upstream_failed"]);
const KIND = { success: "success", running: "running" };
const kindOf = (state) => (FAILED.has(state) ? "failed" : KIND[state] ?? "other");
const said = (state) => (state === "no_status" ? "not started" : state.replaceAll("_", " "));
const at = (iso) => (iso ? Date.parse(iso) : null);

function seconds(each, now) {
  const start = at(each.start);
  return start === null ? 0 : ((at(each.end) ?? now) - start) / 1000;
}

const spent = (row, now) => row.tries.reduce((sum, each) => sum + seconds(each, now), 0);

/** What needs a look comes first: 0 is worst. */
function gravity(row) {
  if (row.state === "failed" || row.state === "upstream_failed") return 0;
  if (row.error || row.state === "up_for_retry") return 1;
  if (row.failed) return 2;
  if (row.state === "running") return 3;
  if (row.tries.length > 1) return 4;
  return row.state === "success" ? 5 : 6;
}

const ORDERS = {
  worst: ["worst first", (now) => (a, b) => gravity(a) - gravity(b) || (b.failed || 0) - (a.failed || 0) || spent(b, now) - spent(a, now) || a.index - b.index],
  index: ["by number", () => (a, b) => a.index - b.index],
  longest: ["longest first", (now) => (a, b) => spent(b, now) - spent(a, now) || a.index - b.index],
};

/** From the first try to the last, in milliseconds; a run under way gets round steps of room. */
function spanOf(rows, now) {
  const tries = rows.flatMap((row) => row.tries).filter((each) => each.start);
  if (!tries.length) return null;
  const from = tries.reduce((low, each) => Math.min(low, at(each.start)), Infinity);
  const until = tries.reduce((high, each) => Math.max(high, at(each.end) ?? now), from + 1000);
  const open = tries.some((each) => !each.end);
  const step = stepOf((until - from) / 1000) * 1000;
  const to = open ? from + Math.ceil((until - from + 500) / step) * step : until;
  return { from, to, open };
}

const stepOf = (length) => NICE.find((each) => length / each <= 8) ?? 86400;

function axis(span) {
  const length = (span.to - span.from) / 1000;
  const step = stepOf(length * 1.7);
  const marks = [];
  for (let each = 0; each <= length; each += step) {
    const x = (each / length) * 100;
    const anchor = x > 94 ? "end" : x < 3 ? "start" : "middle";
    marks.push(svg("text", { x: `${x}%`, y: 14, "text-anchor": anchor }, clock(each)));
  }
  return svg("svg", { class: "track", "aria-hidden": "true" }, ...marks);
}

function tryBar(run, row, each, span, now) {
  const start = at(each.start);
  if (start === null) return null;
  const whole = span.to - span.from;
  const x = ((start - span.from) / whole) * 100;
  const width = Math.max(NARROWEST, (((at(each.end) ?? now) - start) / whole) * 100);
  const kind = kindOf(each.state);
  const took = each.end ? `after ${duration(seconds(each, now))}` : `for ${duration(seconds(each, now))}`;
  const label = `try ${each.number}: ${said(each.state)} ${took}`;
  const fail = kind === "failed";
  const left = Math.min(x, 100 - width);
  return svg(
    "a",
    {
      href: chunkPage(run.dagId, run.runId, row.index, each.number),
      "data-leaves": true,
      "data-key": `try-${row.index}-${each.number}`,
      "aria-label": `chunk ${row.index}, ${label}`,
    },
    svg("title", {}, label),
    svg("rect", { class: `try try-${kind}`, x: `${left}%`, y: TOP, width: `${width}%`, height: BAR }),
    fail ? cross(left, width) : null,
  );
}

/** A failed try bears a cross at its end: not by colour alone. */
function cross(x, width) {
  const box = { x: `${x + width}%`, y: 0, overflow: "visible" };
  return svg("svg", box, svg("path", { class: "cross", d: "M-4 6L4 14M-4 14L4 6" }));
}

function rowNodes(run, row, span, now) {
  const key = { "data-key": `chunk-${row.index}`, "data-leaves": true };
  const link = { href: chunkPage(run.dagId, run.runId, row.index), title: row.label, class: "name", ...key };
  const bars = span ? row.tries.map((each) => tryBar(run, row, each, span, now)) : [];
  const retried = row.tries.length > 1 ? `, try ${row.tries.at(-1).number}` : "";
  const failed = row.failed ? el("span", { class: "bad" }, `${number(row.failed)} failed, `) : null;
  const counts = el("td", { class: "number" }, failed, `${number(row.done)} of ${number(row.expected)}`);
  const nodes = [
    el(
      "tr",
      { "data-chunk": row.index },
      el("th", { scope: "row" }, el("a", link, `${row.index} · ${row.label}`)),
      el("td", {}, svg("svg", { class: "track" }, ...bars)),
      counts,
      el("td", { class: kindOf(row.state) === "failed" ? "bad" : null }, said(row.state) + retried),
    ),
  ];
  if (row.error) nodes.push(el("tr", {}, el("td", { class: "error", colspan: 4 }, row.error)));
  return nodes;
}

/** The section, built once: `update(run)` draws its rows anew, but for those that did not change. */
export class Chunks {
  constructor(parent) {
    this.parent = parent;
    this.order = "worst";
    this.all = false;
    this.drawn = new Map();
    this.chips = el("ul", { class: "chips" });
    this.axis = el("th", { scope: "col" });
    this.body = el("tbody");
    this.button = el("button", { type: "button", onclick: () => this.turn(), "data-key": "all-chunks" });
    this.pager = el("div", { class: "pager" }, this.button);
    fill(
      parent,
      el("div", { class: "section-head" }, el("div", {}, el("h2", {}, "Chunks"), this.chips), this.choice()),
      el("div", { class: "scroller" }, this.table()),
      this.pager,
    );
  }

  update(run) {
    this.run = run;
    this.parent.hidden = run.chunks.count === 0;
    if (!this.parent.hidden) this.draw();
  }

  draw() {
    const { run } = this;
    const now = at(run.now);
    const rows = [...run.chunks.rows].sort(ORDERS[this.order][1](now));
    const span = spanOf(rows, now);
    const few = this.all ? rows : rows.slice(0, FEW);
    fill(this.chips, this.states());
    fill(this.axis, el("span", { class: "visually-hidden" }, "Tries over time"), span ? axis(span) : null);
    fill(this.body, few.flatMap((row) => this.kept(row, span, now)));
    this.pager.hidden = rows.length <= FEW;
    this.button.textContent = this.all ? `Show only the first ${FEW}` : `Show all ${plural(rows.length, "chunk")}`;
  }

  states() {
    const { byState, rows, count } = this.run.chunks;
    const retried = rows.filter((row) => row.tries.length > 1).length;
    const chips = [[count, "planned"], ...Object.entries(byState).map(([state, many]) => [many, said(state)])];
    if (retried) chips.push([retried, "tried more than once"]);
    return chips.map(([many, text]) => el("li", {}, el("b", {}, number(many)), ` ${text}`));
  }

  choice() {
    const choices = Object.entries(ORDERS).map(([value, [text]]) => [value, text]);
    const chosen = (value) => {
      this.order = value;
      this.draw();
    };
    return select("Order", choices, this.order, chosen, "chunk-order");
  }

  table() {
    const head = [
      el("th", { scope: "col", class: "c-chunk" }, "Chunk"),
      this.axis,
      el("th", { scope: "col", class: "number c-docs" }, "Documents"),
      el("th", { scope: "col", class: "c-state" }, "State"),
    ];
    return el("table", { class: "chunks" }, el("thead", {}, el("tr", {}, ...head)), this.body);
  }

  kept(row, span, now) {
    const moving = row.tries.some((each) => !each.end) ? now : 0;
    const text = JSON.stringify([row, span, moving]);
    const known = this.drawn.get(row.index);
    if (known?.text === text) return known.nodes;
    const nodes = rowNodes(this.run, row, span, now);
    this.drawn.set(row.index, { text, nodes });
    return nodes;
  }

  turn() {
    this.all = !this.all;
    this.draw();
  }
}
