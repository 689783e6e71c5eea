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

/** Two rows: the documents, and the pace. */
export function keyFigures({ totals, seconds, over, dryRun, foundOut }) {
  const rows = dryRun ? dryFigures(totals, foundOut, seconds, over) : [
    outcomeFigures(totals, over),
    [
      figure("docs a second", rate(totals.docsPerSecond)),
      figure("duration", duration(seconds)),
      figure("drift", percent(totals.drift), { wide: true, note: driftSentence(totals.drift, over) }),
    ],
  ];
  return el("div", { class: "figures" }, ...rows.map((row) => el("dl", {}, ...row)));
}

function basisOf(foundOut, over) {
  if (!foundOut) return over ? "not known: the dry run has no report" : "not known before the end";
  const basis = foundOut.basedOn;
  if (!basis) return `not known: ${foundOut.noEstimate}`;
  if (foundOut.readingSeconds >= foundOut.estimatedSeconds) return "as long as this dry run took to read everything";
  return `at ${rate(basis.docsPerSecond)} documents a second, as the last ${plural(basis.runs.length, "run")} had`;
}

function dryFigures(totals, foundOut, seconds, over) {
  const outcome = (name, called, alarming) => {
    const count = totals[name];
    return figure(called, number(count), { outcome: name, alarm: alarming && count > 0, zero: !count });
  };
  const time = foundOut?.basedOn ? about(foundOut.estimatedSeconds) : "–";
  return [
    [
      outcome("wouldSend", NAMES.wouldSend),
      outcome("failed", "invalid", true),
      outcome("missing", NAMES.missing),
      ...(totals.unchanged ? [outcome("unchanged", NAMES.unchanged)] : []),
      outcome("notReached", nameOf("notReached", over), over),
    ],
    [
      figure("requests", foundOut ? number(foundOut.requests) : "–"),
      figure("this run took", duration(seconds)),
      figure("a real run takes", time, { wide: true, note: basisOf(foundOut, over) }),
    ],
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
