// Talking to Airflow, and getting from here to its pages. Every address is relative: Airflow may
// live below any path.

const CHUNK_TASK = "reindex_chunk";
// The pages' places in Airflow's UI, as `reindex.views.urls` has them.
const RUN_ROUTE = "reindex-run", HISTORY_ROUTE = "reindex-history";

/** What went wrong, in words for the person who looks. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const WORDS = {
  401: "You are not logged in to Airflow, or the login has run out.",
  403: "Your account may not do this, or the login has run out.",
};

/** FastAPI's `detail`: a sentence, or a list of what is wrong with which field. */
function detailOf(body) {
  const detail = body?.detail;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map((each) => each?.msg ?? String(each)).join("; ");
  return detail?.reason ?? detail?.message ?? "";
}

async function answered(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Refused(0, "Airflow does not answer.");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  const said = WORDS[response.status] ?? detailOf(body);
  throw new Refused(response.status, said || `Airflow answered with HTTP status ${response.status}.`);
}

export function withQuery(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null);
  return `${path}?${new URLSearchParams(given)}`;
}

export const get = (path, parameters) => answered(withQuery(path, parameters));

/** Start a run with this conf; its run id. Airflow checks who may, and keeps its audit log. */
export async function trigger(dagId, conf) {
  const made = await answered(`../api/v2/dags/${encodeURIComponent(dagId)}/dagRuns`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ logical_date: null, conf }),
  });
  return made.dag_run_id;
}

export const dagPage = (dagId) => `../dags/${encodeURIComponent(dagId)}`;
export const runPage = (dagId, runId) => `${dagPage(dagId)}/runs/${encodeURIComponent(runId)}`;

/** A run's report, and the history: in Airflow's UI where that is around, else as they are. */
export function reportPage(dagId, runId) {
  if (around()) return `${runPage(dagId, runId)}/plugin/${RUN_ROUTE}`;
  return withQuery("run", { dag_id: dagId, run_id: runId });
}

export const historyPage = () => (around() ? `../plugin/${HISTORY_ROUTE}` : "history");

export function chunkPage(dagId, runId, index, tryNumber = null) {
  const page = `${runPage(dagId, runId)}/tasks/${CHUNK_TASK}/mapped/${index}`;
  return tryNumber === null ? page : `${page}?try_number=${tryNumber}`;
}

/** The page of Airflow's UI that this one is a frame of, if it is. */
function around() {
  try {
    return window.parent === window ? null : window.parent;
  } catch {
    return null;
  }
}

/**
 * Go to a page of Airflow's UI. The frame's sandbox forbids to navigate the page around it, also
 * by `target`; a link of that page, pressed from here, may.
 */
export function leave(href) {
  const target = new URL(href, location.href).href;
  const outer = around();
  if (!outer) {
    location.assign(target);
    return;
  }
  const link = outer.document.createElement("a");
  link.href = target;
  outer.document.body.append(link);
  link.click();
  link.remove();
}

/** Links marked `data-leaves` lead out of the frame; with a modifier key they open as ever. */
export function watchLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-leaves]");
    const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
    if (!link || !plain || !around()) return;
    event.preventDefault();
    leave(link.getAttribute("href"));
  });
}

/**
 * Call `load` every two seconds for as long as it returns true, and then every half minute: what
 * has ended may be cleared. Rests while nobody looks, and looks at once when somebody does again;
 * waits longer after each error, up to half a minute, and tells `onLost` of it.
 *
 * @param load async; true when there is more to come
 * @param onLost called with the error and the seconds until the next try; false: no further try
 *   before somebody asks for it, or comes back to the page
 * @returns a function that looks at once
 */
export function poll(load, onLost) {
  const EVERY = 2, LONGEST = 30;
  let wait = EVERY;
  let timer = null;
  let busy = false;
  const round = async () => {
    clearTimeout(timer);
    if (busy || document.hidden) return;
    busy = true;
    let more = true;
    try {
      wait = (await load()) ? EVERY : LONGEST;
    } catch (error) {
      wait = Math.min(LONGEST, wait * 2);
      more = onLost(error, wait);
    } finally {
      busy = false;
    }
    if (more) timer = setTimeout(round, wait * 1000);
  };
  document.addEventListener("visibilitychange", round);
  round();
  return round;
}
