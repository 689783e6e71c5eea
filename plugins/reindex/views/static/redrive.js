// The button that repeats exactly what failed or was not reached, and the question before it.

import { el } from "./dom.js";
import { leave, reportPage, trigger } from "./airflow.js";
import { documents, number } from "./wording.js";

function whatIsLeft(run) {
  const { failed, notReached } = leftToRedrive(run);
  const parts = [];
  if (failed) parts.push(`${number(failed)} failed`);
  if (notReached) parts.push(`${number(notReached)} not reached`);
  return parts.length ? parts.join(" and ") : "what is left";
}

/** What a re-drive sends; the documents that it cannot send are not among it. */
function leftToRedrive(run) {
  return { failed: run.failures.failed - run.failures.stuck, notReached: run.totals?.notReached ?? 0 };
}

/** The documents that no run can send, in words; null when there is none. */
export function stuckSentence({ failures: { stuck } }) {
  if (!stuck) return null;
  return `${documents(stuck)} cannot be re-driven: correct ${stuck === 1 ? "its" : "their"} _id, which is no ObjectId`;
}

/** Copy text; where the browser has no clipboard for this page, the older way. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "visually-hidden", readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("the browser does not let this page copy");
  }
}

async function copied(event, text) {
  const button = event.currentTarget;
  const was = button.textContent;
  button.textContent = await copy(text).then(() => "Copied", () => "Copying is not allowed here");
  setTimeout(() => { button.textContent = was; }, 2000);
}

/** Ask, send, and go to the new run. */
function ask(run) {
  const text = JSON.stringify(run.redrive, null, 2);
  const { failed, notReached } = leftToRedrive(run);
  const left = failed + notReached;
  const stuck = stuckSentence(run);
  const said = el("p", { class: "said", role: "alert", hidden: true });
  const close = () => dialog.close();
  const send = async () => {
    go.disabled = true;
    go.textContent = "Starting …";
    said.hidden = true;
    try {
      leave(reportPage(run.dagId, await trigger(run.dagId, run.redrive)));
    } catch (error) {
      said.textContent = error.message;
      said.hidden = false;
      go.disabled = false;
      go.textContent = "Try again";
    }
  };
  const go = el("button", { type: "button", class: "primary", id: "redrive-go", onclick: send }, "Start the run");
  const dialog = el(
    "dialog",
    { "aria-labelledby": "redrive-title", onclose: () => dialog.remove() },
    el("h2", { id: "redrive-title" }, `Re-drive ${left ? documents(left) : "this run"}?`),
    el("p", {}, "A new run is started with this conf. It sends only what failed or was not reached here; sending a document twice is harmless."),
    stuck ? el("p", {}, `${stuck}.`) : null,
    run.paused ? el("p", { class: "said" }, "The DAG is paused: the run waits until somebody unpauses it.") : null,
    el("pre", { tabindex: 0, "aria-label": "conf" }, text),
    said,
    el("div", { class: "actions" }, el("button", { type: "button", onclick: close }, "Cancel"), go),
  );
  document.body.append(dialog);
  dialog.showModal();
  go.focus();
}

/** The banner's buttons. */
export function redriveActions(run) {
  const buttons = [];
  if (run.redriven) {
    const href = reportPage(run.dagId, run.redriven.runId);
    buttons.push(el("a", { class: "button primary", href, "data-leaves": true, "data-key": "redriven" }, `Open the re-drive: ${run.redriven.state}`));
  }
  if (run.redrive && run.mayTrigger) {
    const label = `Re-drive ${whatIsLeft(run)}`;
    // Once it was done, the button is there for another time, and no more what to press.
    const kind = run.redriven ? null : "primary";
    buttons.push(el("button", { type: "button", class: kind, id: "redrive", "data-key": "redrive", onclick: () => ask(run) }, label));
  }
  const text = JSON.stringify(run.redrive ?? run.conf ?? {}, null, 2);
  const name = run.redrive ? "Copy re-drive conf" : "Copy conf";
  buttons.push(el("button", { type: "button", "data-key": "copy", onclick: (event) => copied(event, text) }, name));
  return buttons;
}
