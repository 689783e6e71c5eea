// The first thing that is read: did it run, is the index right, what failed, what do I press.

import { el, svg } from "./dom.js";
import { about, documents, number, percent, plural } from "./wording.js";

const ICONS = {
  good: "M5 12.5l4.5 4.5L19 7.5",
  warn: "M12 6v8M12 17.5v.5",
  bad: "M7 7l10 10M17 7L7 17",
  calm: "M12 7v5l3.5 2",
};

function icon(tone) {
  const box = { width: 26, height: 26, viewBox: "0 0 24 24", "aria-hidden": "true" };
  const stroke = { fill: "none", stroke: "currentColor", "stroke-width": 2.2, "stroke-linecap": "round" };
  return svg(
    "svg",
    box,
    svg("circle", { cx: 12, cy: 12, r: 10.5, ...stroke, "stroke-width": 1.6 }),
    svg("path", { d: ICONS[tone], ...stroke }),
  );
}

const ended = (run) => run.state === "success" || run.state === "failed";

/** How the failures divide: "validation 10, server 2". */
function reasons(run) {
  return run.failures.byReason.map((each) => `${each.reason} ${number(each.count)}`).join(", ");
}

function whatFailed(run) {
  const { failed, missing } = run.failures;
  const notReached = run.totals?.notReached ?? 0;
  const said = [];
  if (failed) said.push(`${documents(failed)}${reasons(run) ? ` (${reasons(run)})` : ""}`);
  if (ended(run) && notReached) said.push(`${number(notReached)} not reached`);
  if (missing) said.push(`${number(missing)} missing in the source`);
  if (said.length) return said.join("; ");
  if (!ended(run)) return "Nothing so far";
  return run.state === "failed" ? "The run itself, see below" : "Nothing";
}

function chunksEnded(run) {
  const done = run.chunks.byState.success ?? 0;
  const count = run.chunks.count;
  if (!count) return run.totals ? "Yes; there was no chunk to run" : "No, nothing was planned";
  if (done === count) return `Yes, ${count === 1 ? "its one chunk" : `all ${number(count)} chunks`}`;
  return `In part: ${number(done)} of ${plural(count, "chunk")} went through`;
}

function whatToDo(run) {
  if (run.redrive && run.mayTrigger) return "Press the button below";
  if (run.redrive) return "Ask somebody who may trigger runs to re-drive it";
  if (run.state === "success") return "Nothing";
  return "Mend what is named below, then trigger the run again";
}

function waiting(run) {
  const { done, planned, secondsLeft } = run.progress;
  const share = planned ? done / planned : null;
  const title =
    run.state === "queued" ? "Waiting to start"
    : planned === null ? "Planning: counting what there is to do"
    : share >= 1 ? "All documents are done, the report is being written"
    : `Running: ${percent(share)} done`;
  const left = secondsLeft === null ? "not known yet" : about(secondsLeft);
  return {
    tone: run.failures.failed ? "warn" : "calm",
    title,
    index: "Not known before the end",
    ran: run.state === "queued" ? "Not yet" : "It is running",
    todo: planned === null ? "Wait" : `Wait: ${left}${secondsLeft === null ? "" : " left"}`,
  };
}

function dryRun(run) {
  const bad = run.failures.failed;
  const would = documents(run.totals?.wouldSend ?? 0);
  return {
    tone: run.state === "failed" ? "bad" : bad ? "warn" : "good",
    title:
      `Dry run: ${would} would be sent` + (bad ? `, ${number(bad)} cannot be` : ", nothing was"),
    ran: chunksEnded(run),
    index: "Untouched: a dry run sends nothing",
    todo: bad ? "Look at the invalid documents, then run it for real" : "Run it for real",
  };
}

function good(run) {
  const { failed, missing } = run.failures;
  const totals = run.totals;
  const todo = whatToDo(run);
  if (failed) {
    return {
      tone: "warn",
      title: `The index is right, except for ${documents(failed)}`,
      index: "Yes, within the failure tolerance",
      todo,
    };
  }
  if (missing) {
    return {
      tone: "warn",
      title: `The index is right; ${plural(missing, "id")} ${missing === 1 ? "is" : "are"} not in the source`,
      index: "Yes, for all that exists",
      todo: "Check where those ids came from",
    };
  }
  const sent = totals ? totals.indexed + totals.ignored : null;
  const title = sent === 0 ? "There was nothing to send" : "The index is right";
  return { tone: "good", title, index: "Yes, for all that this run covered", todo };
}

function bad(run) {
  const notReached = run.totals?.notReached ?? 0;
  const failed = run.failures.failed;
  const left = [
    failed ? `${number(failed)} failed` : null,
    notReached ? `${number(notReached)} not reached` : null,
  ].filter(Boolean);
  return {
    tone: "bad",
    title:
      left.length ? `The index is not right: ${left.join(", ")}`
      : run.totals ? "The run failed"
      : "The run failed before anything was sent",
    index: left.length ? "No, see what failed" : "As it was before: not known to be right",
    todo: whatToDo(run),
  };
}

/** Tone, title and the four answers. */
export function verdictOf(run) {
  if (!ended(run)) return waiting(run);
  if (run.dryRun) return dryRun(run);
  const said = run.state === "success" ? good(run) : bad(run);
  return { ran: chunksEnded(run), ...said };
}

function answers(said, run) {
  const rows = [
    ["Did it run?", said.ran],
    ["Is the index right?", said.index],
    ["What failed?", whatFailed(run)],
    ["What do I do?", said.todo],
  ];
  return el(
    "dl",
    { class: "answers" },
    ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

export function verdictBanner(run) {
  const said = verdictOf(run);
  const problems = (run.verdict?.problems ?? []).map((problem) => el("li", {}, problem));
  return [
    el("h2", { id: "verdict-title" }, icon(said.tone), said.title),
    answers(said, run),
    problems.length ? el("ul", { class: "problems", "aria-label": "Problems" }, ...problems) : null,
  ];
}

/** The progress bar of a run that is under way. */
export function progressBar({ done, planned, docsPerSecond, secondsLeft }) {
  const share = planned ? Math.min(1, done / planned) : 0;
  const bar = svg(
    "svg",
    {
      role: "progressbar",
      "aria-label": "Documents done",
      "aria-valuemin": 0,
      "aria-valuemax": planned ?? 0,
      "aria-valuenow": done,
      "aria-valuetext": `${number(done)} of ${documents(planned)}`,
    },
    svg("rect", { class: "of-indexed", width: `${share * 100}%`, height: "100%" }),
  );
  return [
    bar,
    el(
      "p",
      { class: "soft" },
      el("span", {}, `${number(done)} of ${documents(planned)}`),
      docsPerSecond === null ? null : el("span", {}, `${number(docsPerSecond)} a second`),
      secondsLeft === null ? null : el("span", {}, `${about(secondsLeft)} left`),
    ),
  ];
}
