// A page of a PDF as a picture that the service draws, the cited lines marked on it.

import { Problem, request } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { announce, sentenceOf, waitingBlock } from "../live.js";

const LARGEST = 2000;
const SMALLEST = 400;

export class PagePicture {
  constructor(revision, { page, span }) {
    this._revision = revision;
    this._page = page;
    this._span = span;
    this._url = null;
    this._marked = null;
    this._controller = new AbortController();
    this._frame = h("div", { class: "page-frame" });
    this._number = h("span", { class: "number" });
    this._previous = h("button", { class: "button bare", type: "button", "aria-label": "Previous page", on: { click: () => this._turn(-1) } }, icon("back"));
    this._next = h("button", { class: "button bare", type: "button", "aria-label": "Next page", on: { click: () => this._turn(1) } }, icon("next"));
    this._zoom = h("button", { class: "button quiet", type: "button", "aria-pressed": "false", on: { click: () => this._enlarge() } }, "Larger");
    this.controls = h("div", { class: "page-turn", role: "group", "aria-label": "Pages" }, this._previous, this._number, this._next, this._zoom);
    this.element = h("figure", {}, this._frame);
    this._show();
  }

  /** Fetch and show the page. `room` is what it is scrolled in; `missing` is called where there is no picture. */
  async load({ room = this._room, missing = () => {} } = {}) {
    this._room = room;
    this._controller.abort();
    this._controller = new AbortController();
    const { signal } = this._controller;
    fill(this._frame, waitingBlock("Drawing the page…"));
    try {
      const response = await request("GET", this._address(), { query: { ...this._span, width: this._width() }, signal });
      const content = await response.blob();
      if (signal.aborted) return;
      this._marked = response.headers.get("Footnote-Marked")?.split(" ").map(Number) ?? null;
      await this._put(content);
      this.scrollToMark(room);
      announce(`Page ${this._page} is shown${this._marked ? ", with the cited lines marked" : ""}.`);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      fill(this._frame, h("p", { class: "aside-line" }, icon("document"), `No picture: ${sentenceOf(error).toLowerCase().slice(0, 1)}${sentenceOf(error).slice(1)} The text is what there is.`));
      missing();
    }
  }

  /** Scroll so that what is marked stands in the upper third. */
  scrollToMark(room) {
    const image = this._frame.querySelector("img");
    if (!image || !this._marked) return;
    const top = image.getBoundingClientRect().top - room.getBoundingClientRect().top + image.clientHeight * this._marked[1];
    room.scrollTop += top - room.clientHeight * 0.3;
    this._frame.scrollLeft = image.clientWidth * this._marked[0] - 24;
  }

  release() {
    this._controller.abort();
    if (this._url) URL.revokeObjectURL(this._url);
    this._url = null;
  }

  async _put(content) {
    if (this._url) URL.revokeObjectURL(this._url);
    this._url = URL.createObjectURL(content);
    const alt = `Page ${this._page} of ${this._revision.path}${this._marked ? ", with the cited lines marked" : ""}`;
    const image = h("img", { src: this._url, alt });
    await image.decode();
    fill(this._frame, image);
  }

  _address() {
    return `/v1/documents/${this._revision.document}/revisions/${this._revision.revision}/pages/${this._page}/image`;
  }

  _width() {
    const wanted = (this._frame.clientWidth || 600) * devicePixelRatio * (this._isLarge ? 1.8 : 1);
    return Math.round(Math.min(LARGEST, Math.max(SMALLEST, wanted)) / 100) * 100;
  }

  _turn(step) {
    this._page += step;
    this._show();
    this.load();
  }

  _enlarge() {
    this._isLarge = !this._isLarge;
    this._zoom.setAttribute("aria-pressed", String(this._isLarge));
    this._frame.classList.toggle("large", this._isLarge);
    this.load();
  }

  _show() {
    this._number.textContent = `${this._page} / ${this._revision.pages}`;
    this._previous.disabled = this._page <= 1;
    this._next.disabled = this._page >= this._revision.pages;
  }
}
