// The question box, with what it asks of: a collection, and filters.

import { fill, h, icon } from "../dom.js";
import { FilterFields, filterCount } from "./filters.js";

const LONGEST = 4000;

/**
 * The form. `asks(question)` is called when a question is sent, `stops()` when the running one is to stop.
 * collections: [{name, documents}]; collection: the chosen one's name.
 */
export class Composer {
  constructor({ collections, collection, filters, asks, stops }) {
    this._asks = asks;
    this._stops = stops;
    this._isRunning = false;
    this._box = h("textarea", { id: "question", rows: "1", maxlength: String(LONGEST), "aria-label": "Your question", enterkeyhint: "send", placeholder: "Ask a question…" });
    this._send = h("button", { class: "button main round", type: "submit" });
    this._collection = collectionPicker(collections, collection);
    this._fields = new FilterFields(filters, () => this._showCount());
    this._fields.element.hidden = true;
    this._toggle = h("button", { class: "button quiet", type: "button", "aria-expanded": "false", "aria-controls": "filters", on: { click: () => this._unfold() } });
    this._clear = h("button", { class: "button quiet", type: "button", on: { click: () => { this._fields.clear(); this._showCount(); } } }, "Clear");
    this.element = h("form", { class: "composer", on: { submit: (event) => { event.preventDefault(); this._submit(); } } },
      h("div", { class: "box" }, this._box, this._send),
      h("div", { class: "narrowing" }, this._collection, this._toggle, this._clear, h("span", { class: "keys small faint" }, h("kbd", {}, "Enter"), " asks, ", h("kbd", {}, "Shift Enter"), " breaks the line")),
      this._fields.element);
    this._box.addEventListener("keydown", (event) => this._key(event));
    this._box.addEventListener("input", () => this._grow());
    this._showCount();
    this.isRunning = false;
  }

  get collection() {
    return this._collection.querySelector("select")?.value ?? this._collection.dataset.name;
  }

  get filters() {
    return this._fields.value;
  }

  set isRunning(isRunning) {
    this._isRunning = isRunning;
    this._send.setAttribute("aria-label", isRunning ? "Stop the answer" : "Ask");
    this._send.title = isRunning ? "Stop the answer" : "Ask";
    fill(this._send, icon(isRunning ? "stop" : "send"));
  }

  /** What the box says while it is empty. */
  set invitation(text) {
    this._box.placeholder = text;
  }

  focus() {
    this._box.focus();
  }

  put(question) {
    this._box.value = question;
    this._grow();
  }

  _submit() {
    if (this._isRunning) {
      this._stops();
      return;
    }
    const question = this._box.value.trim();
    if (!question) {
      this._box.focus();
      return;
    }
    this.put("");
    this._unfold(false);
    this._asks(question);
  }

  _key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!this._isRunning) this._submit();
  }

  _grow() {
    this._box.style.setProperty("height", "auto");
    this._box.style.setProperty("height", `${Math.min(this._box.scrollHeight, 200)}px`);
  }

  _unfold(isOpen = this._fields.element.hidden) {
    this._fields.element.hidden = !isOpen;
    this._toggle.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this._fields.element.querySelector("input").focus();
  }

  _showCount() {
    const set = filterCount(this._fields.value);
    fill(this._toggle, icon("filter"), set ? `Filters (${set})` : "Filters");
    this._clear.hidden = set === 0;
  }
}

function collectionPicker(collections, chosen) {
  if (collections.length === 1) return h("span", { class: "only", data: { name: collections[0].name } }, "in ", h("bdi", {}, collections[0].name));
  const select = h("select", { "aria-label": "Collection" }, collections.map(({ name }) => h("option", { value: name, selected: name === chosen }, name)));
  return h("span", { class: "picker" }, select);
}
