// Which documents are looked at: the fields, and what they say to the service.

import { h } from "../dom.js";

const KINDS = [
  ["", "Any kind", []],
  ["pdf", "PDF", ["application/pdf"]],
  ["text", "Text and Markdown", ["text/plain", "text/markdown"]],
  ["web", "Web pages", ["text/html", "application/xhtml+xml"]],
  ["office", "Office documents", ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/msword", "application/vnd.oasis.opendocument.text", "application/rtf"]],
  ["table", "Tables", ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/vnd.ms-excel", "application/vnd.oasis.opendocument.spreadsheet", "text/csv"]],
  ["mail", "Mail", ["message/*", "application/vnd.ms-outlook"]],
];

/** The fields; `value` is what they say ({paths, kind, since, until, metadata}), `changed` is called when it changes. */
export class FilterFields {
  constructor(value, changed) {
    this._paths = input("filter-paths", { type: "text", placeholder: "people/, *.pdf", value: value.paths ?? "" });
    this._kind = h("select", { id: "filter-kind" }, KINDS.map(([name, label]) => h("option", { value: name, selected: name === (value.kind ?? "") }, label)));
    this._since = input("filter-since", { type: "date", value: value.since ?? "" });
    this._until = input("filter-until", { type: "date", value: value.until ?? "" });
    this._metadata = input("filter-metadata", { type: "text", placeholder: "team=hr", value: value.metadata ?? "" });
    this.element = h("div", { class: "filters", id: "filters" },
      field("Paths", this._paths), field("Kind", this._kind), field("Changed since", this._since), field("Changed until", this._until), field("Metadata", this._metadata));
    this.element.addEventListener("input", () => changed(this.value));
  }

  get value() {
    const value = { paths: this._paths.value.trim(), kind: this._kind.value, since: this._since.value, until: this._until.value, metadata: this._metadata.value.trim() };
    return Object.fromEntries(Object.entries(value).filter(([, said]) => said));
  }

  clear() {
    for (const each of [this._paths, this._kind, this._since, this._until, this._metadata]) each.value = "";
  }
}

const input = (id, properties) => h("input", { id, autocomplete: "off", ...properties });
const field = (label, control) => h("div", { class: "field" }, h("label", { for: control.id }, label), control);

/** How many of the filters say something. */
export const filterCount = (value) => Object.keys(value).length;

/** `filters` of a question, as POST /v1/ask takes them; null where nothing is narrowed. Days are the reader's own. */
export function asFilters(value) {
  const filters = {};
  if (value.paths) filters.paths = value.paths.split(",").map((path) => path.trim()).filter(Boolean);
  const kind = KINDS.find(([name]) => name && name === value.kind);
  if (kind) filters.media_types = kind[2];
  if (value.since) filters.modified_from = new Date(`${value.since}T00:00:00`).toISOString();
  if (value.until) filters.modified_before = dayAfter(value.until).toISOString();
  if (value.metadata) filters.metadata = Object.fromEntries(value.metadata.split(",").map((pair) => pair.split("=").map((part) => part.trim())).filter(([name, said]) => name && said));
  return Object.keys(filters).length ? filters : null;
}

function dayAfter(date) {
  const at = new Date(`${date}T00:00:00`);
  at.setDate(at.getDate() + 1);
  return at;
}
