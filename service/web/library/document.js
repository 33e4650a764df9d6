// A document: what is known of it, and its passages as they were cut.

import { get, Problem } from "../api.js";
import { inert } from "../ask/words.js";
import { fill, h, icon } from "../dom.js";
import { announce, problemBlock, waitingBlock } from "../live.js";
import { bytes, counted, number, when } from "../units.js";
import { hashOf } from "../views.js";
import { deleteSoon, isLeaving } from "./deletions.js";
import { kindOf, nameOf, reasonOf, stateTag } from "./entries.js";

const PAGE = 50;

export function showDocument(root, { session, parameters, signal, go }) {
  const id = parameters.get("document");
  const back = Object.fromEntries([...parameters].filter(([name]) => name !== "document"));
  const way = h("p", { class: "way" }, h("a", { href: hashOf("library", back) }, icon("back"), "Library"));
  const body = h("div", {}, waitingBlock("Looking for the document."));
  fill(root, way, body);
  begin();

  async function begin() {
    try {
      if (!/^[0-9a-f-]{36}$/i.test(id) || isLeaving(id)) throw new Problem({ status: 404, detail: "There is no such document." });
      const entry = await get(`/v1/documents/${id}`, { signal });
      document.title = `${nameOf(entry)} · Footnote`;
      fill(body, head(entry), facts(entry), entry.revision === null ? null : passages(entry, signal));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      fill(body, h("h1", { class: "unseen" }, "Library"), problemBlock(error, { retry: error.status >= 500 || error.status === 0 ? begin : null }));
    }
  }

  function head(entry) {
    const name = nameOf(entry);
    const reason = reasonOf(entry);
    return h("header", { class: "document-head" },
      h("div", {},
        h("h1", {}, h("bdi", {}, name)),
        h("p", { class: "path" }, h("bdi", {}, inert(entry.path))),
        reason && h("p", { class: entry.status === "failed" ? "wrong" : "soft" }, reason)),
      h("div", { class: "document-do" },
        stateTag(entry),
        entry.revision !== null && h("a", { class: "button", href: `/v1/documents/${entry.id}/text`, target: "_blank", rel: "noopener" }, icon("document"), "Whole text"),
        session.may.edit && h("button", { class: "button danger", type: "button", on: { click: () => leave(entry) } }, icon("trash"), "Delete")));
  }

  function leave(entry) {
    deleteSoon(entry.id, nameOf(entry), { back: () => go("library", { ...back, document: entry.id }) });
    go("library", { ...back, collection: entry.collection });
  }
}

function facts(entry) {
  const said = Object.entries(entry.metadata);
  const rows = [
    ["Collection", entry.collection],
    ["Kind", h("span", { title: entry.media_type }, kindOf(entry.media_type))],
    ["Size", bytes(Math.max(0, entry.size_bytes))],
    ["Revision", entry.revision === null ? "none" : number(entry.revision)],
    ["Changed", when(entry.updated_at)],
    ["From", entry.upload ? "an upload" : "a folder"],
    entry.readers && ["Readable by", entry.readers.length ? entry.readers.map((each) => h("span", { class: "tag" }, each)) : "nobody"],
    said.length > 0 && ["Said of it", said.map(([name, value]) => h("span", { class: "tag" }, `${name}: ${value}`))],
  ];
  return h("dl", { class: "facts card" }, rows.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** The passages as they were cut, in the order of the text, each with its place in it. */
function passages(entry, signal) {
  const list = h("ol", { class: "cuts" });
  const more = h("button", { class: "button", type: "button", hidden: true }, "Show more");
  const section = h("section", { "aria-labelledby": "passages-heading" },
    h("div", { class: "panel-head" },
      h("h2", { id: "passages-heading" }, "As it was cut"),
      h("p", { class: "small faint" }, `${counted(entry.chunks, "passage")}, each with its place in the text, in characters`)),
    list, h("div", { class: "show-more" }, more));
  load(null);
  return section;

  async function load(cursor) {
    more.disabled = true;
    try {
      const found = await get(`/v1/documents/${entry.id}/chunks`, { query: { cursor, limit: PAGE }, signal });
      const items = found.chunks.map(passage);
      list.append(...items);
      if (cursor !== null) {
        items[0]?.focus();
        announce(`${counted(items.length, "more passage", "more passages")}.`);
      }
      more.hidden = found.next === null;
      more.onclick = () => load(found.next);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      list.append(h("li", {}, problemBlock(error)));
    } finally {
      more.disabled = false;
    }
  }
}

function passage(chunk) {
  const place = [`${number(chunk.char_start)}–${number(chunk.char_end)}`, counted(chunk.tokens, "token"), chunk.page !== null && `page ${number(chunk.page)}`];
  return h("li", { class: "cut", tabindex: "-1", value: chunk.number + 1 },
    h("div", { class: "cut-place" },
      h("span", { class: "cut-number number", "aria-hidden": "true" }, number(chunk.number + 1)),
      h("span", { class: "small faint number" }, place.filter(Boolean).map((each) => h("span", {}, each)))),
    h("div", { class: "cut-what" },
      chunk.headings.length > 0 && h("p", { class: "small faint" }, inert(chunk.headings.join(" › "))),
      h("p", { class: "cut-text" }, inert(chunk.text))));
}
