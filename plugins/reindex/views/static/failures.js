// What failed or is missing: by reason, and document by document.

import { download, el, field, fill, show } from "./dom.js";
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
    this.downloads = el("div", { class: "actions" });
    this.search = el("input", {
      type: "search", "data-key": "search", autocomplete: "off", spellcheck: "false", oninput: () => this.typed(),
    });
    this.reason = el("select", { "data-key": "reason", onchange: () => this.set("reason", this.reason.value) });
    this.docType = el("select", { "data-key": "docType", onchange: () => this.set("docType", this.docType.value) });
    const fields = [
      field("Search id or message", this.search), field("Reason", this.reason), field("Type", this.docType),
    ];
    const tools = el("div", { class: "section-head" }, el("div", { class: "fields" }, ...fields), this.downloads);
    fill(parent, tools, this.table);
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
    this.offer(this.reason, "reason", "every reason", reasons);
    this.offer(this.docType, "docType", "every type", docTypes);
    this.drawDownloads();
    this.load();
  }

  /** What a drop-down offers; what was chosen stays, also when nothing is of it any more. */
  offer(box, name, every, names) {
    const chosen = this.filters[name];
    const all = chosen && !names.includes(chosen) ? [...names, chosen] : names;
    show(box, all, () => [["", every], ...all.map((each) => [each, each])].map(([value, text]) => el("option", { value }, text)));
    box.value = chosen;
  }

  choose(reason) {
    this.reason.value = reason;
    this.set("reason", reason);
    this.parent.scrollIntoView({ block: "start" });
    this.reason.focus({ preventScroll: true });
  }

  set(name, value) {
    this.filters[name] = value;
    this.changed();
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.set("search", this.search.value), TYPING);
  }

  changed() {
    this.offset = 0;
    this.drawDownloads();
    this.load();
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
