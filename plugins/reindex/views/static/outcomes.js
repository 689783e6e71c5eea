// Documents by what became of them: each outcome has a colour and a pattern, never colour alone.

import { el, svg } from "./dom.js";
import { MEANINGS, OUTCOMES, documents, nameOf, number, percent } from "./wording.js";

// A part that is there is also seen, however small it is.
const THINNEST = 0.006;
const TILE = 8;

const line = (d) => svg("path", { class: "mark", d });
const dot = (cx, cy) => svg("circle", { class: "mark-dot", cx, cy, r: 1.3 });
const MARKS = {
  indexed: () => [],
  ignored: () => [dot(2, 2), dot(6, 6)],
  unchanged: () => [line("M0 2H8"), line("M0 6H8")],
  missing: () => [line("M-2 2L2 -2M0 8L8 0M6 10L10 6")],
  failed: () => [line("M0 0L8 8M0 8L8 0")],
  notReached: () => [line("M2 0V8"), line("M6 0V8")],
  wouldSend: () => [line("M-2 6L2 10M0 0L8 8M6 -2L10 2")],
};

const fillOf = (outcome) => `url(#pattern-${outcome})`;

/** The patterns that all drawings of the document refer to. */
export function patterns() {
  const made = Object.entries(MARKS).map(([outcome, marks]) =>
    svg(
      "pattern",
      { id: `pattern-${outcome}`, width: TILE, height: TILE, patternUnits: "userSpaceOnUse" },
      svg("rect", { class: `of-${outcome}`, width: TILE, height: TILE }),
      ...marks(),
    ),
  );
  const holder = { class: "visually-hidden", "aria-hidden": "true", width: 0, height: 0 };
  return svg("svg", holder, svg("defs", {}, ...made));
}

export function swatch(outcome) {
  const box = { class: "swatch", viewBox: "0 0 12 12", "aria-hidden": "true" };
  return svg("svg", box, svg("rect", { width: 12, height: 12, fill: fillOf(outcome) }));
}

/** [outcome, count] pairs of what there is, in the order of the bars. */
export function parts(row) {
  const names = row.wouldSend ? ["wouldSend", ...OUTCOMES] : OUTCOMES;
  return names.map((name) => [name, row[name] ?? 0]).filter(([, count]) => count > 0);
}

/** Shares of one for each part, thin ones widened at the cost of the others. */
function widths(counts) {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const wide = counts.map(([, count]) => Math.max(count / total, THINNEST));
  const sum = wide.reduce((all, each) => all + each, 0);
  return wide.map((each) => each / sum);
}

function bar(counts, label) {
  let x = 0;
  const shares = widths(counts);
  const rects = counts.map(([outcome], index) => {
    const width = shares[index] * 100;
    const at = { x: `${x}%`, width: `${width}%`, height: "100%", fill: fillOf(outcome), class: "gap" };
    x += width;
    return svg("rect", at);
  });
  return svg("svg", { class: "bar", role: "img", "aria-label": label }, ...rects);
}

function legend(counts, total, over) {
  const items = counts.map(([outcome, count]) =>
    el(
      "li",
      { title: over ? MEANINGS[outcome] : null },
      swatch(outcome),
      el("b", { "data-outcome": outcome }, number(count)),
      el("span", {}, nameOf(outcome, over)),
      el("span", { class: "soft" }, percent(count / total)),
    ),
  );
  return el("ul", { class: "legend" }, ...items);
}

/** One bar with its numbers; `head` are nodes beside the name; `over`: the run has ended. */
export function outcomeBar(row, head, over) {
  const counts = parts(row);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const said = counts.map(([outcome, count]) => `${number(count)} ${nameOf(outcome, over)}`).join(", ");
  return el(
    "div",
    { class: "doc-type", "data-doc-type": row.name },
    el("div", { class: "doc-type-head" }, el("h3", {}, row.name), el("p", {}, ...head)),
    total ? bar(counts, `${row.name}, ${documents(total)}: ${said}`) : null,
    total ? legend(counts, total, over) : el("p", { class: "soft" }, "no documents so far"),
  );
}

/** The stacked rects of one column of a chart, from `bottom` upwards. */
export function stack(row, x, width, bottom, perDocument) {
  let y = bottom;
  return parts(row).map(([outcome, count]) => {
    const height = Math.max(count * perDocument, 1.5);
    y -= height;
    return svg("rect", { class: "gap", x, y, width, height, fill: fillOf(outcome) });
  });
}
