// Charts over runs: one column a run, each a link to its report. A chart is one stop of the Tab
// key; the arrow keys go from run to run.

import { svg } from "./dom.js";
import { stack } from "./outcomes.js";
import { dayOf } from "./wording.js";

const LEFT = 58, RIGHT = 8, TOP = 10, BOTTOM = 22;
const WIDEST_COLUMN = 44;

const DECIMAL = [1, 2, 2.5, 5, 10];
const TIMES = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];

/** Round values from 0 to a little above the highest. */
function ticks(highest, ofTime) {
  if (highest <= 0) return [0, 1];
  const rough = highest / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const steps = ofTime && rough > 1 ? TIMES : DECIMAL.map((each) => each * power);
  const step = steps.find((each) => each >= rough) ?? rough;
  const count = Math.ceil(highest / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

function frame(width, height, values, format, bottom, top) {
  const highest = values.at(-1);
  return values.flatMap((value) => {
    const y = bottom - (value / highest) * (bottom - top);
    return [
      svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }),
      svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, format(value)),
    ];
  });
}

const A_DAY = 84; // pixels that a date on the axis takes

function days(runs, xOf, y) {
  const room = Math.max(1, Math.floor((xOf(runs.length - 1) - xOf(0)) / A_DAY));
  const every = Math.ceil(runs.length / room);
  return runs
    .map((run, index) => [run, index])
    .filter(([, index]) => (runs.length - 1 - index) % every === 0)
    .map(([run, index]) => {
      const last = index === runs.length - 1 && runs.length > 6;
      return svg("text", { x: xOf(index), y, "text-anchor": last ? "end" : "middle" }, dayOf(run.start));
    });
}

/** How the columns lie side by side. */
function columnsOf(runs, width) {
  const column = Math.min(WIDEST_COLUMN, (width - LEFT - RIGHT) / runs.length);
  const xOf = (index) => LEFT + column * (index + 0.5);
  return { column, xOf, inner: Math.max(2, column * 0.72) };
}

function outcomes(runs, at, bottom, perUnit) {
  return runs.flatMap((run, index) => stack(run.totals ?? {}, at.xOf(index) - at.inner / 2, at.inner, bottom, perUnit));
}

function bars(runs, at, bottom, perUnit, valueOf) {
  return runs.flatMap((run, index) => {
    const height = Math.max(1.5, (valueOf(run) ?? 0) * perUnit);
    const box = { x: at.xOf(index) - at.inner / 2, y: bottom - height, width: at.inner, height };
    const failed = run.state === "failed";
    const drawn = svg("rect", { ...box, class: failed ? "seconds-failed" : "seconds" });
    return failed ? [drawn, cross(at.xOf(index), box.y - 6)] : [drawn];
  });
}

const cross = (x, y) => svg("path", { class: "cross", d: `M${x - 3} ${y - 3}L${x + 3} ${y + 3}M${x - 3} ${y + 3}L${x + 3} ${y - 3}` });

function line(runs, at, bottom, perUnit, valueOf) {
  const points = runs
    .map((run, index) => ({ run, x: at.xOf(index), value: valueOf(run) }))
    .filter(({ value }) => value !== null && value !== undefined)
    .map((each) => ({ ...each, y: bottom - each.value * perUnit }));
  const path = points.map(({ x, y }, index) => `${index ? "L" : "M"}${x} ${y}`).join("");
  const radius = Math.max(1.5, Math.min(4, at.column / 3));
  const dots = points.map(({ run, x, y }) =>
    run.state === "failed"
      ? cross(x, y)
      : svg("circle", { class: "dot", cx: x, cy: y, r: radius }),
  );
  return path ? [svg("path", { class: "line", d: path }), ...dots] : [];
}

const DRAW = { outcomes, bars, line };

/**
 * @param kind "outcomes", "bars" or "line"
 * @param valueOf the run's figure, for the scale and the shape
 * @param link (run, index) → the attributes of its link
 */
export function chart({ kind, runs, width, height, valueOf, format, link, label }) {
  const bottom = height - BOTTOM;
  const values = ticks(Math.max(0, ...runs.map((run) => valueOf(run) ?? 0)), kind === "bars");
  const at = columnsOf(runs, width);
  const perUnit = (bottom - TOP) / values.at(-1);
  const cursor = svg("rect", { class: "cursor", y: TOP, height: bottom - TOP, width: at.column, visibility: "hidden" });
  const links = runs.map((run, index) =>
    svg(
      "a",
      { ...link(run, index), tabindex: index === runs.length - 1 ? 0 : -1 },
      svg("rect", { class: "hit", x: at.xOf(index) - at.column / 2, y: TOP, width: at.column, height: bottom - TOP }),
    ),
  );
  const drawing = svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": label },
    svg("g", { "aria-hidden": "true" }, ...frame(width, height, values, format, bottom, TOP), ...days(runs, at.xOf, height - 6)),
    cursor,
    svg("g", { "aria-hidden": "true" }, ...DRAW[kind](runs, at, bottom, perUnit, valueOf)),
    svg("g", {}, ...links),
  );
  drawing.addEventListener("keydown", (event) => walk(event, links));
  const point = (index) => {
    cursor.setAttribute("visibility", index === null ? "hidden" : "visible");
    if (index !== null) cursor.setAttribute("x", at.xOf(index) - at.column / 2);
  };
  return { drawing, point };
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

function walk(event, links) {
  const step = STEPS[event.key];
  const from = links.indexOf(event.target);
  if (step === undefined || from < 0) return;
  event.preventDefault();
  const to = Math.max(0, Math.min(links.length - 1, from + step));
  links[from].setAttribute("tabindex", -1);
  links[to].setAttribute("tabindex", 0);
  links[to].focus();
}
