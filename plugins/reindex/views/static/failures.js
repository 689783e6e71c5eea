// What failed or is missing: by reason, and document by document.

import { download, el, field, fill, select } from "./dom.js";
import { get, withQuery } from "./airflow.js";
import { number } from "./wording.js";

const PAGE = 100;
const TYPING = 250; // milliseconds after the last key

export function reasonsTable(byReason, choose) {
  const rows = byReason.map((each) =>
    el(
      "tr",
      { "data-reason": each.reason },
      el("th", { scope: "row" }, el("button", {
        type: "button", class: "plain", "data-key": `reason-${each.reason}`,
        title: "show these documents", onclick: () => choose(each.reason),
      }, each.reason)),
      el("td", { class: "number" }, number(each.count)),
      el("td", { class: "wrap" }, each.meaning),
    ),
  );
  const head = [
    el("th", { scope: "col" }, "Reason"),
    el("th", { scope: "col", class: "number" }, "Documents"),
    el("th", { scope: "col" }, "What it means, and what to do"),
  ];
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
  return el("div", { class: "scroller" }, table);
}

function documentRow(each) {
  return el(
    "tr",
    {},
    el("td", {}, each.docType),
    el("th", { scope: "row", class: "id" }, each.docId),
    el("td", {}, each.reason ?? each.outcome),
    el("td", {}, each.message ?? ""),
    el("td", { class: "number" }, each.status ?? ""),
    el("td", { class: "number" }, each.attempts ?? ""),
    el("td", { class: "number" }, each.chunk ?? ""),
  );
}

const COLUMNS = [
  ["Type", "c-type"], ["Id", "c-id"], ["Reason", "c-reason"], ["Message", ""],
  ["Status", "c-small number"], ["Tries", "c-small number"], ["Chunk", "c-small number"],
];

/** The documents, a page at a time from the server; search and filters are done there. */
export class Documents {
  constructor(parent, dagId, runId) {
    this.parent = parent;
    this.id = { dag_id: dagId, run_id: runId };
    this.filters = { search: "", reason: "", docType: "" };
    this.offset = 0;
    this.asked = 0;
    this.table = el("div");
    this.tools = el("div", { class: "section-head" });
    fill(parent, this.tools, this.table);
  }

  /** Fetch anew when the numbers changed. */
  update(run) {
    const { failed, missing, byReason } = run.failures;
    this.parent.hidden = failed + missing === 0;
    const reasons = byReason.map((each) => each.reason);
    if (missing) reasons.push("missing");
    const docTypes = run.docTypes.map((each) => each.name);
    const seen = JSON.stringify([failed, missing, reasons, docTypes]);
    if (this.parent.hidden || seen === this.seen) return;
    this.seen = seen;
    this.reasons = reasons;
    this.docTypes = docTypes;
    this.drawTools();
    this.load();
  }

  choose(reason) {
    this.filters.reason = reason;
    this.changed();
    this.drawTools();
    this.parent.scrollIntoView({ block: "start" });
    this.parent.querySelector('[data-key="reason"]').focus({ preventScroll: true });
  }

  changed() {
    this.offset = 0;
    this.drawDownloads();
    this.load();
  }

  drawTools() {
    const set = (name) => (value) => {
      this.filters[name] = value;
      this.changed();
    };
    const typed = (event) => {
      clearTimeout(this.timer);
      this.timer = setTimeout(set("search"), TYPING, event.target.value);
    };
    const every = (names, text) => [["", text], ...names.map((name) => [name, name])];
    const search = { type: "search", value: this.filters.search, "data-key": "search", oninput: typed };
    this.downloads = el("div", { class: "actions" });
    fill(
      this.tools,
      el("div", { class: "fields" },
        field("Search id or message", el("input", { ...search, autocomplete: "off", spellcheck: "false" })),
        select("Reason", every(this.reasons, "every reason"), this.filters.reason, set("reason"), "reason"),
        select("Type", every(this.docTypes, "every type"), this.filters.docType, set("docType"), "docType"),
      ),
      this.downloads,
    );
    this.drawDownloads();
  }

  drawDownloads() {
    const chosen = { ...this.id, ...this.filters };
    fill(
      this.downloads,
      download("CSV", withQuery("api/failures.csv", chosen)),
      download("JSON", withQuery("api/failures.json", chosen)),
    );
  }

  async load() {
    const asked = ++this.asked;
    this.table.classList.add("busy");
    try {
      const page = await get("api/failures", { ...this.id, ...this.filters, offset: this.offset, limit: PAGE });
      if (asked === this.asked) this.draw(page);
    } catch (error) {
      if (asked === this.asked) fill(this.table, el("p", { class: "said", role: "alert" }, error.message));
    } finally {
      if (asked === this.asked) this.table.classList.remove("busy");
    }
  }

  draw({ total, rows }) {
    const head = COLUMNS.map(([name, kind]) => el("th", { scope: "col", class: kind || null }, name));
    const none = el("tr", {}, el("td", { class: "soft", colspan: COLUMNS.length }, "No document is like that."));
    const body = rows.length ? rows.map(documentRow) : [none];
    const table = el("table", { class: "documents" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));
    fill(this.table, el("div", { class: "scroller tall", tabindex: 0, role: "group", "aria-label": "Documents of this page" }, table), this.pager(total, rows.length));
  }

  pager(total, shown) {
    const turn = (by) => () => {
      this.offset = Math.max(0, this.offset + by);
      this.load();
    };
    const said = shown ? `${number(this.offset + 1)}–${number(this.offset + shown)} of ${number(total)}` : "0";
    return el(
      "div",
      { class: "pager" },
      el("output", {}, said),
      el("button", { type: "button", disabled: this.offset === 0, onclick: turn(-PAGE), "data-key": "back" }, "Previous"),
      el("button", { type: "button", disabled: this.offset + shown >= total, onclick: turn(PAGE), "data-key": "on" }, "Next"),
    );
  }
}
