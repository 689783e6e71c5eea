// Numbers, times and words as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const OUTCOMES = ["indexed", "ignored", "unchanged", "missing", "failed", "notReached"];
export const NAMES = {
  indexed: "indexed",
  ignored: "ignored",
  unchanged: "unchanged",
  missing: "missing",
  failed: "failed",
  notReached: "not reached",
  wouldSend: "would be sent",
};

/** An outcome's name; of a run that goes on, what is not reached still may be. */
export function nameOf(outcome, over) {
  return outcome === "notReached" && !over ? "not yet reached" : NAMES[outcome];
}

export const MEANINGS = {
  indexed: "written to the index",
  ignored: "current already",
  unchanged: "left out by updatedSince",
  missing: "asked for, not in the source",
  failed: "found, and refused or lost",
  notReached: "its chunk ended early",
  wouldSend: "ready, nothing was sent",
};

export const number = (value) => (value === null || value === undefined ? "–" : whole.format(value));

export function rate(value) {
  if (value === null || value === undefined) return "–";
  return value < 100 ? tenth.format(value) : whole.format(value);
}

/** A share of one; what is not nothing never reads "0 %", what is not all never "100 %". */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share > 0.999 && share < 1) return "> 99.9 %";
  return `${tenth.format(share * 100)} %`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${tenth.format(seconds)} s`;
  const all = Math.round(seconds);
  if (all < 60) return `${all} s`;
  const [big, small, units] = all < 3600 ? [60, 1, ["min", "s"]] : [3600, 60, ["h", "min"]];
  const rest = Math.floor((all % big) / small);
  return `${Math.floor(all / big)} ${units[0]}${rest ? ` ${rest} ${units[1]}` : ""}`;
}

/** Short enough for an axis: 30 s, 1:30 min, 2:15 h. */
export function clock(seconds) {
  if (seconds < 60) return `${tenth.format(seconds)} s`;
  const [big, small, unit] = seconds < 3600 ? [60, 1, "min"] : [3600, 60, "h"];
  const rest = Math.floor((seconds % big) / small);
  const whole = Math.floor(seconds / big);
  return rest ? `${whole}:${String(rest).padStart(2, "0")} ${unit}` : `${whole} ${unit}`;
}

/** For what is only estimated: no more digits than it deserves. */
export function about(seconds) {
  if (seconds < 5) return "a few seconds";
  if (seconds <= 55) return `about ${Math.ceil(seconds / 5) * 5} s`;
  if (seconds < 3600) return `about ${Math.ceil(seconds / 60)} min`;
  return `about ${tenth.format(seconds / 3600)} h`;
}

export const plural = (count, one, many = `${one}s`) =>
  `${number(count)} ${count === 1 ? one : many}`;

export const documents = (count) => plural(count, "document");

/** The time zone that was chosen in Airflow's UI, else the browser's. */
function zone() {
  try {
    const chosen = localStorage.getItem("timezone")?.replaceAll('"', "");
    new Intl.DateTimeFormat("en", { timeZone: chosen || undefined });
    return chosen || undefined;
  } catch {
    return undefined;
  }
}

const moment = new Intl.DateTimeFormat("en-GB", {
  year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit",
  timeZone: zone(), timeZoneName: "short",
});
const day = new Intl.DateTimeFormat("en-GB", { month: "short", day: "numeric", timeZone: zone() });

export const when = (iso) => (iso ? moment.format(new Date(iso)) : "–");
export const dayOf = (iso) => (iso ? day.format(new Date(iso)) : "");

/** What the drift of a run means; it stands beside the figure itself. */
export function driftSentence(drift, over) {
  if (drift === null || drift === undefined) return `how stale the index was: not known ${over ? "of this run" : "yet"}`;
  if (!over) return "of the documents sent so far were stale or absent in the index";
  if (drift === 0) return "every document that was sent was in the index already, as it is";
  if (drift === 1) return "the index held none of these documents as they are now";
  return "of the documents that were sent were stale or absent in the index before this run";
}
