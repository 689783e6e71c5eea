// The first thing that is read: did it run, is the index right, what failed, what do I press.

import { el, svg } from "./dom.js";
import { stuckSentence } from "./redrive.js";
import { about, documents, number, percent, plural, rate } from "./wording.js";

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

/** Of the chunks: how many failed, how many wait for another try, and what the first of them says. */
function trouble({ chunks: { byState, rows } }) {
  const failed = (byState.failed ?? 0) + (byState.upstream_failed ?? 0);
  const again = byState.up_for_retry ?? 0;
  const first = rows.find((row) => row.state === "failed" && row.error) ?? rows.find((row) => row.error);
  const parts = [
    failed ? `${plural(failed, "chunk")} failed` : null,
    again ? `${plural(again, "chunk")} ${again === 1 ? "waits" : "wait"} for another try` : null,
  ].filter(Boolean);
  return { failed, parts, error: first ? `chunk ${first.index}: ${first.error}` : null };
}

function whatFailed(run) {
  const { failed, missing } = run.failures;
  const notReached = run.totals?.notReached ?? 0;
  const said = [];
  if (failed) said.push(`${documents(failed)}${reasons(run) ? ` (${reasons(run)})` : ""}`);
  if (ended(run) && notReached) said.push(`${number(notReached)} not reached`);
  if (missing) said.push(`${number(missing)} missing in the source`);
  if (!ended(run)) said.push(...trouble(run).parts);
  if (said.length) return said.join("; ");
  if (!ended(run)) return "Nothing so far";
  return run.state === "failed" ? "The run itself, see below" : "Nothing";
}

function chunksEnded(run) {
  // By their ledgers: Airflow may call a chunk failed that had done all its work.
  const done = run.chunks.rows.filter((row) => row.complete).length;
  const count = run.chunks.count;
  if (!count) return run.totals ? "Yes; there was no chunk to run" : "No, nothing was planned";
  if (done === count) return `Yes, ${count === 1 ? "its one chunk" : `all ${number(count)} chunks`}`;
  return `In part: ${number(done)} of ${plural(count, "chunk")} went through`;
}

/** What another try alone does not mend: the reasons' table and the chunks' errors say more of it. */
function toMend(run) {
  const counts = Object.fromEntries(run.failures.byReason.map((each) => [each.reason, each.count]));
  const died = (names) => run.chunks.rows.some((row) => names.test(row.error ?? ""));
  const wrong = (counts.validation ?? 0) + (counts.unreadable ?? 0) - run.failures.stuck;
  return [
    wrong > 0 ? "correct the documents" : null,
    counts.auth || died(/^AuthRefused/) ? "renew the token" : null,
    died(/^InvalidConnection/) ? "mend the connection" : null,
  ].filter(Boolean).join(" and ");
}

const AFTER_REDRIVE = {
  success: "Nothing: a re-drive has sent what was left",
  failed: "Open the re-drive: it failed as well",
};

function whatToDo(run) {
  if (run.redriven) return AFTER_REDRIVE[run.redriven.state] ?? "Wait for the re-drive";
  if (run.redrive) {
    const mend = toMend(run);
    const press = run.mayTrigger ? "press the button below" : "ask somebody who may trigger runs to re-drive it";
    return mend ? `First ${mend}, then ${press}` : press[0].toUpperCase() + press.slice(1);
  }
  if (run.failures.stuck) return "Correct the documents that are named below";
  if (run.state === "success" && run.verdict.state === "success") return "Nothing";
  return "Mend what is named below, then trigger the run again";
}

const UNTOUCHED = "Untouched: a dry run sends nothing";

/** A run that has not begun: for what it waits. */
function queued(run) {
  const said = { tone: "calm", title: "Waiting to start", todo: "Wait", ran: "Not yet" };
  if (run.paused) {
    return { ...said, tone: "warn", title: "Waiting: the DAG is paused", todo: "Unpause the DAG, or ask somebody who may" };
  }
  if (!run.behind) return said;
  return { ...said, title: "Waiting for another run to end", todo: `Wait for ${run.behind}` };
}

function titleOfRunning(run) {
  const { done, planned } = run.progress;
  const share = planned ? done / planned : null;
  if (planned === null) return "Planning: counting what there is to do";
  if (share >= 1) return "All documents are done, the report is being written";
  return `Running: ${percent(share)} done`;
}

function running(run) {
  const { planned, secondsLeft } = run.progress;
  const { failed, parts } = trouble(run);
  const left = secondsLeft === null ? "not known yet" : about(secondsLeft);
  const said = {
    tone: failed ? "bad" : run.failures.failed || parts.length ? "warn" : "calm",
    title: [titleOfRunning(run), ...parts].join(", "),
    ran: "It is running",
    todo: planned === null ? "Wait" : `Wait: ${left}${secondsLeft === null ? "" : " left"}`,
  };
  if (failed) said.todo = "Look at what the chunk says; the others go on";
  if (run.reportState === "up_for_retry") {
    said.tone = "warn";
    said.title = "All chunks have ended, the report is tried again";
    said.todo = "Look at the log of the report task: the Jobs service may not have heard";
  }
  if (run.paused) {
    said.tone = failed ? "bad" : "warn";
    said.title += "; the DAG is paused, no further task starts";
    said.todo = "Unpause the DAG, or ask somebody who may";
  }
  return said;
}

function waiting(run) {
  const said = run.state === "queued" ? queued(run) : running(run);
  const { error } = trouble(run);
  return {
    ...said,
    title: run.dryRun ? `Dry run. ${said.title}` : said.title,
    index: run.dryRun ? UNTOUCHED : "Not known before the end",
    problems: error ? [error] : [],
  };
}

function dryRun(run) {
  const refused = run.failures.failed;
  const notReached = run.totals?.notReached ?? 0;
  const would = documents(run.totals?.wouldSend ?? 0);
  const again = "then start the dry run again";
  if (!run.totals) {
    return { tone: "bad", title: "Dry run: nothing was planned", todo: `Mend what is named below, ${again}` };
  }
  if (notReached || !run.verdict.reported) {
    const why = notReached ? `${documents(notReached)} ${notReached === 1 ? "was" : "were"} not looked at` : "it has no report";
    return { tone: "bad", title: `Dry run, not complete: ${why}`, todo: `Mend what is named below, ${again}` };
  }
  const cannot = refused ? `, ${number(refused)} cannot be` : "";
  if (run.state === "failed" || run.verdict.state === "failed") {
    const mend = refused ? "Correct the documents that cannot be sent" : "Mend what is named below";
    return { tone: "bad", title: `Dry run: a real run would fail; ${would} would be sent${cannot}`, todo: `${mend}, ${again}` };
  }
  return {
    tone: refused ? "warn" : "good",
    title: `Dry run: ${would} would be sent${cannot || ", nothing was"}`,
    todo: refused ? "Look at the invalid documents, then run it for real" : "Run it for real",
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

/** The documents are well, and the run is red all the same. */
function redAllTheSame(run) {
  const said = { ...good(run), tone: "warn" };
  if (run.verdict.unheard) {
    const todo = "Mend the connection to the Jobs service, then clear the task report";
    return { ...said, title: `${said.title}, but the Jobs service has not heard of it`, todo };
  }
  const todo = "Nothing for the index; the log of the report task may say why the run is red";
  return { ...said, title: `${said.title}, though the run is marked as failed`, todo };
}

/** Nothing is known to be wrong, and nobody has said that all is well. */
function notKnown(run) {
  const tried = run.reportState === "failed";
  const { failed } = run.failures;
  return {
    tone: "warn",
    title: "Not known whether the index is right: the run has no report",
    index: `Not known; ${failed ? `${documents(failed)} failed` : "no document is known to be wrong"}`,
    todo: tried ? "Mend what its log names, then clear the task report" : "Clear the task report: it adds up what the chunks left",
  };
}

function bad(run) {
  const notReached = run.totals?.notReached ?? 0;
  const failed = run.failures.failed;
  const left = [
    failed ? `${number(failed)} failed` : null,
    notReached ? `${number(notReached)} not reached` : null,
  ].filter(Boolean);
  if (run.redriven?.state === "success" && left.length) {
    return {
      tone: "warn",
      title: `${left.join(", ")}; a re-drive has succeeded since`,
      index: "Not by this run; see the re-drive",
      todo: whatToDo(run),
    };
  }
  return {
    tone: "bad",
    title:
      left.length ? `The index is not right: ${left.join(", ")}`
      : run.totals ? "The run failed"
      : run.state === "failed" ? "The run failed before anything was sent"
      : "Nothing was sent: the run ended before it had planned",
    index: left.length ? "No, see what failed" : "As it was before: not known to be right",
    todo: whatToDo(run),
  };
}

function over(run) {
  const { state, reported, problems } = run.verdict;
  if (run.dryRun) return { index: UNTOUCHED, ...dryRun(run) };
  // The first problem of a run without a report is that it has none.
  if (!reported && run.totals && problems.length === 1) return notKnown(run);
  if (state !== "success" || run.totals?.notReached) return bad(run);
  return run.state === "success" ? good(run) : redAllTheSame(run);
}

/** Tone, title, the four answers, and the problems. */
export function verdictOf(run) {
  const failed = whatFailed(run);
  if (!ended(run)) return { failed, ...waiting(run) };
  const problems = [...run.verdict.problems, run.verdict.unheard, run.dryRun ? null : stuckSentence(run)];
  return { failed, ran: chunksEnded(run), problems: problems.filter(Boolean), ...over(run) };
}

function answers(said) {
  const rows = [
    ["Did it run?", said.ran],
    ["Is the index right?", said.index],
    ["What failed?", said.failed],
    ["What do I do?", said.todo],
  ];
  return el(
    "dl",
    { class: "answers" },
    ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

export function verdictBanner(said) {
  const problems = said.problems.map((problem) => el("li", {}, problem));
  return [
    el("h2", { id: "verdict-title" }, icon(said.tone), said.title),
    answers(said),
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
      docsPerSecond === null ? null : el("span", {}, `${rate(docsPerSecond)} a second`),
      secondsLeft === null ? null : el("span", {}, `${about(secondsLeft)} left`),
    ),
  ];
}
