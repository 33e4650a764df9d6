// The source beside the answer: the revision that a footnote points into, its span marked, and of a PDF the page.

import { get, Problem, request } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { announce, problemBlock, waitingBlock } from "../live.js";
import { Passage } from "./passage.js";
import { PagePicture } from "./picture.js";
import { day, fileName, inert, kindOf } from "./words.js";

const NARROW = matchMedia("(max-width: 60rem)");
const PDF = "application/pdf";

/** The panel: beside the answer where there is room, a sheet over it where there is none. */
export class SourcePanel {
  /** `closed` is called when it is put away. */
  constructor({ closed = () => {} } = {}) {
    this._closed = closed;
    this._body = h("div", { class: "source-body", tabindex: "0", role: "region", "aria-label": "The source's text" });
    this._head = h("header", { class: "source-head" });
    this._trigger = null;
    this._controller = null;
    this._picture = null;
    this.element = h("dialog", {
      class: "source",
      "aria-labelledby": "source-title",
      on: {
        keydown: (event) => { if (event.key === "Escape") { event.preventDefault(); this.close(); } },
        cancel: (event) => { event.preventDefault(); this.close(); },
      },
    }, this._head, this._body);
    this._narrowed = () => this.element.open && this._show();
    NARROW.addEventListener("change", this._narrowed);
  }

  /** Show where a footnote points. */
  async cite(citation, number, trigger) {
    const span = { char_start: citation.char_start, char_end: citation.char_end };
    await this._open({ document: citation.document, revision: citation.revision, page: citation.page, path: citation.path, span, number }, trigger);
  }

  /** Show a document as it is now, at a page. */
  async look(place, trigger) {
    await this._open({ document: place.document, revision: null, page: place.page, path: place.path, span: null, number: null }, trigger);
  }

  close() {
    if (!this.element.open) return;
    this._controller?.abort();
    this.element.close();
    this._picture?.release();
    this._closed();
    if (this._trigger?.isConnected) this._trigger.focus();
  }

  /** Put it away for good. */
  release() {
    NARROW.removeEventListener("change", this._narrowed);
    this._controller?.abort();
    this._picture?.release();
  }

  async _open(wanted, trigger) {
    this._controller?.abort();
    this._controller = new AbortController();
    const { signal } = this._controller;
    this._trigger = trigger;
    this._picture?.release();
    this._picture = null;
    this._heading(wanted, null);
    fill(this._body, waitingBlock("Fetching the source…"));
    if (!this.element.open) this._show();
    try {
      const found = await fetchSource(wanted, signal);
      if (signal.aborted) return;
      this._heading(wanted, found.revision);
      this._draw(wanted, found);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      fill(this._body, error.status === 410 ? goneBlock() : problemBlock(error, { retry: () => this._open(wanted, trigger) }));
    }
  }

  _show() {
    if (this.element.open) this.element.close();
    if (NARROW.matches) this.element.showModal();
    else this.element.show();
  }

  _heading(wanted, revision) {
    const { name } = fileName(wanted.path);
    const title = revision?.title || name;
    fill(this._head,
      h("div", { class: "source-names" },
        h("p", { class: "label" }, wanted.number === null ? "Document" : `Footnote ${wanted.number + 1}`),
        h("h2", { id: "source-title", tabindex: "-1" }, h("bdi", {}, inert(title))),
        h("p", { class: "source-place" }, h("bdi", {}, inert(revision?.path ?? wanted.path))),
        revision && h("p", { class: "source-facts" }, facts(revision).map((fact) => h("span", {}, fact))),
        revision?.headings?.length > 0 && h("p", { class: "crumbs", "aria-label": "Headings above the place" }, revision.headings.map((heading) => h("bdi", {}, inert(heading)))),
        revision && !revision.current && h("p", { class: "former" }, icon("history"), "The document has changed since. This is what it said when the answer was made.")),
      h("button", { class: "button bare", type: "button", "aria-label": "Close the source", on: { click: () => this.close() } }, icon("close")));
  }

  _draw(wanted, { revision, text }) {
    const passage = new Passage(text, { span: wanted.span });
    const words = h("div", { id: "source-words", role: "tabpanel", "aria-labelledby": "tab-words" }, passage.element);
    if (revision.media_type !== PDF || !revision.pages) {
      fill(this._body, words);
      this._arrive(passage.mark, wanted);
      return;
    }
    this._picture = new PagePicture(revision, { page: wanted.page ?? 1, span: wanted.span });
    const pages = h("div", { id: "source-page", role: "tabpanel", "aria-labelledby": "tab-page" }, this._picture.element);
    const tabs = tabList([["page", "Page", pages], ["words", "Text", words]], (chosen) => {
      this._picture.controls.hidden = chosen !== "page";
      if (chosen === "words") this._scrollTo(passage.mark);
      else this._picture.scrollToMark(this._body);
    });
    fill(this._body, h("div", { class: "source-bar" }, tabs.element, this._picture.controls), pages, words);
    tabs.choose("page");
    this._arrive(null, wanted);
    this._picture.load({ room: this._body, missing: () => { tabs.choose("words"); this._scrollTo(passage.mark); } });
  }

  _arrive(mark, wanted) {
    this._scrollTo(mark);
    (mark ?? this._head.querySelector("h2")).focus({ preventScroll: true });
    announce(wanted.number === null ? "The document is open." : `The source of footnote ${wanted.number + 1} is open.`);
  }

  _scrollTo(mark) {
    if (!mark) return;
    const above = mark.getBoundingClientRect().top - this._body.getBoundingClientRect().top;
    this._body.scrollTop += above - this._body.clientHeight * 0.3;
  }
}

async function fetchSource(wanted, signal) {
  const base = `/v1/documents/${wanted.document}`;
  const number = wanted.revision ?? (await get(base, { signal })).revision;
  if (number === null) throw new Problem({ status: 404, detail: "Nothing is indexed of this document at present." });
  const [revision, response] = await Promise.all([
    get(`${base}/revisions/${number}`, { query: { char_start: wanted.span?.char_start }, signal }),
    request("GET", `${base}/text`, { query: { revision: number }, signal }),
  ]);
  return { revision, text: await response.text() };
}

function facts(revision) {
  const made = revision.current ? `as of ${day(revision.created_at)}` : `${day(revision.created_at)} to ${day(revision.superseded_at)}`;
  return [kindOf(revision.media_type), revision.page && `page ${revision.page} of ${revision.pages}`, `revision ${revision.revision}`, made].filter(Boolean);
}

function goneBlock() {
  return h("div", { class: "refusal" }, h("p", { class: "refusal-word" }, "This document was deleted."), h("p", { class: "soft" }, "Its texts went with it, so the footnote cannot be shown any more."));
}

/** Tabs as the ARIA pattern has them: arrows move, one is in the order of the Tab key. `entries`: [name, label, panel]. */
function tabList(entries, chosen) {
  const tabs = entries.map(([name, label]) => h("button", { id: `tab-${name}`, class: "tab", type: "button", role: "tab", "aria-controls": `source-${name}`, on: { click: () => choose(name) } }, label));
  function choose(name) {
    entries.forEach(([each, , panel], at) => {
      panel.hidden = each !== name;
      tabs[at].setAttribute("aria-selected", String(each === name));
      tabs[at].tabIndex = each === name ? 0 : -1;
    });
    chosen(name);
  }
  const element = h("div", {
    class: "tabs", role: "tablist", "aria-label": "How the source is shown",
    on: {
      keydown: (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
        tabs[next].focus();
        choose(entries[next][0]);
      },
    },
  }, tabs);
  return { element, choose };
}

