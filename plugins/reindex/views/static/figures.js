// The key figures of a run, and those of a dry run.

import { el } from "./dom.js";
import { outcomeBar, swatch } from "./outcomes.js";
import { NAMES, OUTCOMES, about, driftSentence, duration, nameOf, number, percent, plural, rate } from "./wording.js";

const ALARMING = new Set(["failed", "notReached"]);

function figure(name, value, { note = null, wide = false, outcome = null, alarm = false, zero = false } = {}) {
  const kinds = [wide ? "wide" : "", alarm ? "alarm" : "", zero ? "zero" : ""].filter(Boolean);
  return el(
    "div",
    { class: kinds.join(" ") || null, "data-figure": outcome ?? name },
    el("dt", {}, outcome ? swatch(outcome) : null, name),
    el("dd", {}, value, note ? el("small", {}, note) : null),
  );
}

function outcomeFigures(totals, over) {
  const names = OUTCOMES.filter((name) => name !== "unchanged" || totals.unchanged);
  return names.map((name) => {
    const count = totals[name] ?? 0;
    const alarm = ALARMING.has(name) && count > 0 && (over || name === "failed");
    return figure(nameOf(name, over), number(count), { outcome: name, alarm, zero: count === 0 });
  });
}

export function keyFigures({ totals, seconds, over, dryRun }) {
  if (dryRun) return el("dl", { class: "figures" }, ...dryFigures(totals, dryRun, seconds));
  return el(
    "dl",
    { class: "figures" },
    ...outcomeFigures(totals, over),
    figure("docs a second", rate(totals.docsPerSecond)),
    figure("duration", duration(seconds)),
    figure("drift", percent(totals.drift), { wide: true, note: driftSentence(totals.drift, over) }),
  );
}

function dryFigures(totals, dryRun, seconds) {
  const basis = dryRun.basedOn;
  const note = basis
    ? `at ${rate(basis.docsPerSecond)} documents a second, as the last ${plural(basis.runs.length, "run")} had`
    : "no earlier run to take a rate from";
  const time = dryRun.estimatedSeconds === null ? "–" : about(dryRun.estimatedSeconds);
  return [
    figure(NAMES.wouldSend, number(totals.wouldSend), { outcome: "wouldSend" }),
    figure("requests", number(dryRun.requests)),
    figure("invalid", number(totals.failed), { outcome: "failed", alarm: totals.failed > 0, zero: !totals.failed }),
    figure("missing", number(totals.missing), { outcome: "missing", zero: !totals.missing }),
    figure("a real run takes", time, { wide: true, note }),
    figure("this run took", duration(seconds)),
  ];
}

export function docTypeBars(docTypes, over) {
  return docTypes.map((row) => {
    const head = [
      `${number(row.planned)} planned`,
      row.docsPerSecond ? ` · ${rate(row.docsPerSecond)} a second` : "",
      row.seconds ? ` · ${duration(row.seconds)}` : "",
      row.drift === null || row.drift === undefined ? "" : ` · drift ${percent(row.drift)}`,
    ];
    return outcomeBar(row, head, over);
  });
}

export function samples({ samples: all }) {
  return all.map((each) =>
    el(
      "figure",
      {},
      el("figcaption", {}, `${each.docType} `, el("span", { class: "id" }, each.docId)),
      el("pre", { tabindex: 0 }, JSON.stringify(each.payload, null, 2)),
    ),
  );
}
