// The report of one run: fetched again every two seconds for as long as it is under way, and now
// and then afterwards.

import { el, fill, show } from "./dom.js";
import { dagPage, get, historyPage, poll, runPage, watchLinks } from "./airflow.js";
import { Chunks } from "./chunks.js";
import { Documents, reasonsTable } from "./failures.js";
import { docTypeBars, keyFigures, samples } from "./figures.js";
import { patterns } from "./outcomes.js";
import { redriveActions } from "./redrive.js";
import { progressBar, verdictBanner, verdictOf } from "./verdict.js";
import { number, percent, when } from "./wording.js";

const query = new URLSearchParams(location.search);
const dagId = query.get("dag_id") ?? "";
const runId = query.get("run_id") ?? "";
const place = (id) => document.getElementById(id);
const chunks = new Chunks(place("chunks"));
const listed = new Documents(place("documents"), dagId, runId);
const isOver = (run) => run.state === "success" || run.state === "failed";
let last = null;
let quarter = 0;

function drawHead(run) {
  const from = run.start ? `${run.trigger}, started ${when(run.start)}` : run.trigger;
  show(place("run"), [run.runId, from], () => [
    el("span", { class: "id" }, run.runId),
    el("span", { class: "soft" }, ` · ${from}`),
  ]);
  document.title = `${verdictOf(run).title} – run report`;
}

function drawVerdict(run) {
  const banner = place("verdict");
  const said = verdictOf(run);
  banner.dataset.tone = said.tone;
  banner.hidden = false;
  const { failures, redrive, redriven, paused, mayTrigger, totals, conf } = run;
  show(place("verdict-text"), said, verdictBanner);
  const actions = [failures, redrive, redriven, paused, mayTrigger, totals?.notReached, conf];
  show(place("actions"), actions, () => redriveActions(run));
  const going = run.state === "running" && run.progress.planned !== null;
  show(place("progress"), going ? run.progress : null, progressBar);
}

function drawFigures(run) {
  const { totals, seconds, dryRun, foundOut } = run;
  const over = isOver(run);
  show(place("figures"), totals && { totals, seconds, over, dryRun, foundOut }, (data) => [
    el("h2", { class: "visually-hidden" }, "Key figures"),
    keyFigures(data),
  ]);
  show(place("doc-types"), run.docTypes.length ? [run.docTypes, over] : null, (data) => [
    el("h2", { class: "section-head" }, "Documents by type"),
    el("div", { class: "panel" }, ...docTypeBars(...data)),
  ]);
  show(place("samples"), foundOut?.samples.length ? foundOut : null, (data) => [
    el("h2", { class: "section-head" }, "What would be sent: a sample"),
    el("div", { class: "samples" }, ...samples(data)),
  ]);
}

function drawFailures(run) {
  const { failed, missing, byReason } = run.failures;
  place("skip").hidden = failed + missing === 0;
  const title = run.dryRun ? "Documents that cannot be sent" : "What failed";
  const data = failed + missing ? [title, byReason] : null;
  show(place("reasons"), data, () => [
    el("h2", { class: "section-head" }, title),
    byReason.length ? reasonsTable(byReason, (reason) => listed.choose(reason)) : null,
  ]);
  listed.update(run);
}

/** Said to a screen reader: each quarter, and the end. */
function announce(run) {
  const { done, planned } = run.progress;
  const now = planned ? Math.floor((done / planned) * 4) : 0;
  const ended = last !== null && !isOver(last) && isOver(run);
  if (ended) place("announcer").textContent = verdictOf(run).title;
  else if (!isOver(run) && now > quarter) {
    place("announcer").textContent = `${percent(now / 4)} of ${number(planned)} documents done`;
  }
  quarter = now;
}

function draw(run) {
  drawHead(run);
  drawVerdict(run);
  drawFigures(run);
  drawFailures(run);
  chunks.update(run);
  announce(run);
  last = run;
  performance.mark("drawn");
}

function gone(error) {
  document.querySelector("main").classList.add("gone");
  show(place("lost"), [error.message, error.status], () => [
    el("h2", {}, error.status === 401 || error.status === 403 ? "Nothing to see without a login" : "No report"),
    el("p", {}, error.message),
    el("p", { class: "actions" },
      el("button", { type: "button", "data-key": "again", onclick: () => again() }, "Try again"),
      el("a", { class: "button", href: dagPage(dagId), "data-leaves": true }, "Open Airflow")),
  ]);
  place("lost").className = "empty";
  place("loading").hidden = true;
}

/** True when another try makes sense. */
function lost(error, seconds) {
  const final = error.status >= 400 && error.status < 500 && error.status !== 429;
  if (final) {
    gone(error);
    return false;
  }
  const since = last ? " What is shown may be old." : "";
  const text = `The connection is lost: ${error.message}${since} Next try in ${seconds} s.`;
  show(place("lost"), text, () => [
    el("span", {}, text),
    el("button", { type: "button", "data-key": "again", onclick: () => again() }, "Try now"),
  ]);
  return true;
}

async function load() {
  const run = await get("api/run", { dag_id: dagId, run_id: runId });
  place("loading").hidden = true;
  show(place("lost"), null);
  place("lost").className = "lost";
  document.querySelector("main").classList.remove("gone");
  draw(run);
  return !isOver(run);
}

document.body.append(patterns());
watchLinks();
fill(place("links"),
  el("a", { href: historyPage(), "data-leaves": true }, "History"),
  el("a", { href: runPage(dagId, runId), "data-leaves": true }, "Run in Airflow"),
);
const again = poll(load, lost);
