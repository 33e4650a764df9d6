// The shelf: the documents of a collection, searched, narrowed down and paged through.

import { get, pages, Problem } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { announce, problemBlock, waitingBlock } from "../live.js";
import { counted, number } from "../units.js";
import { hashOf } from "../views.js";
import { isLeaving } from "./deletions.js";
import { KINDS, STATES } from "./entries.js";
import { entryRow } from "./row.js";
import { uploading } from "./uploading.js";

const PAGE = 50;
const TYPED_MS = 250;
const LOOK_AGAIN_MS = 2000;

export function showShelf(root, { session, parameters, signal }) {
  const wanted = {
    collection: parameters.get("collection"), words: parameters.get("words") ?? "",
    state: parameters.get("state") ?? "any", kind: parameters.get("kind") ?? "",
  };
  const head = h("div", { class: "view-head" }, h("h1", {}, "Library"));
  const body = h("div", {}, waitingBlock("Looking for collections."));
  fill(root, head, body);
  begin();

  async function begin() {
    let collections;
    try {
      collections = await Array.fromAsync(pages("/v1/collections", "collections", { signal }));
    } catch (error) {
      return show(error);
    }
    const current = collections.find((each) => each.name === wanted.collection) ?? collections.find((each) => each.documents > 0) ?? collections[0] ?? null;
    wanted.collection = current?.name ?? wanted.collection ?? "default";
    const rail = collectionsRail(wanted);
    const list = documentList({ session, signal, wanted, changed: count });
    const tell = (found) => {
      rail.show(found);
      list.tellOf(found.find((each) => each.name === wanted.collection) ?? null);
    };
    const desk = session.may.edit ? uploading({ session, signal, root, collection: () => wanted.collection, changed: () => { list.load(); count(); } }) : null;
    if (desk) head.append(desk.button);
    fill(body,
      h("div", { class: "library" }, rail.element,
        h("div", { class: "library-shelf" }, desk?.element, current === null && !desk ? nothingToRead() : [narrowing(wanted, list.load), list.element])));
    tell(collections);
    if (current !== null) list.load();
    else list.say(0);

    /** How much there is, after something was brought or deleted. What cannot be counted now stays as it was. */
    async function count() {
      try {
        tell(await Array.fromAsync(pages("/v1/collections", "collections", { signal })));
      } catch (error) {
        if (!(error instanceof Problem) && error.name !== "AbortError") throw error;
      }
    }
  }

  function show(error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Problem)) throw error;
    fill(body, problemBlock(error, { retry: () => showShelf(root, { session, parameters, signal }) }));
  }
}

function nothingToRead() {
  return h("div", { class: "nothing" },
    icon("library"),
    h("h2", {}, "There is nothing here for you to read yet"),
    h("p", {}, "Documents appear once somebody brings some that your key may read."));
}

/** The collections, beside the documents; above them, as a row, where there is little room: {element, show}. */
function collectionsRail(wanted) {
  const list = h("ul", {});
  const element = h("nav", { class: "rail", "aria-label": "Collections", hidden: true }, list);
  const link = (each) => h("li", {},
    h("a", { href: hashOf("library", { collection: each.name }), "aria-current": each.name === wanted.collection ? "true" : null },
      h("span", {}, each.name),
      h("span", { class: "number small", title: `${counted(each.documents, "document")}, ${counted(each.chunks, "passage")}` }, number(each.documents))));
  return {
    element,
    show: (collections) => {
      element.hidden = collections.length < 2;
      if (!element.contains(document.activeElement)) fill(list, collections.map(link));
    },
  };
}

function narrowing(wanted, load) {
  let typing = null;
  const changed = (name) => (event) => {
    wanted[name] = event.target.value;
    clearTimeout(typing);
    typing = setTimeout(load, event.type === "input" ? TYPED_MS : 0);
  };
  const words = h("input", { id: "words", type: "search", value: wanted.words, maxlength: "200", placeholder: "Search titles and paths", "aria-label": "Search titles and paths", autocomplete: "off", spellcheck: "false", on: { input: changed("words") } });
  const choice = (name, label, options) => h("select", { "aria-label": label, on: { change: changed(name) } },
    options.map(([value, text]) => h("option", { value, selected: value === wanted[name] }, text)));
  return h("form", { class: "shelf-narrowing", role: "search", "aria-label": "Documents", on: { submit: (event) => { event.preventDefault(); load(); } } },
    h("div", { class: "search" }, icon("search"), words),
    choice("state", "State", STATES),
    choice("kind", "Kind", KINDS));
}

/**
 * The list itself: {element, load, say, tellOf}. It looks again while something in it is being read; `changed` is called
 * when a document of it has been deleted.
 */
function documentList({ session, signal, wanted, changed }) {
  const list = h("ul", { class: "entries" });
  const status = h("p", { role: "status" });
  const said = h("p", {});
  const more = h("button", { class: "button", type: "button", hidden: true }, "Show more");
  const element = h("section", { "aria-label": "Documents" },
    h("div", { class: "list-head faint small" }, status, said), list, h("div", { class: "show-more" }, more));
  let asking = null;
  let looking = null;
  signal.addEventListener("abort", () => {
    asking?.abort();
    clearTimeout(looking);
  });

  async function load() {
    rememberIn(wanted);
    asking?.abort();
    asking = new AbortController();
    list.setAttribute("aria-busy", "true");
    if (!list.childElementCount) status.textContent = "Looking for documents.";
    await page(null, asking.signal, (entries) => {
      const held = document.activeElement.closest?.(".entry")?.dataset.id;
      fill(list, entries.map(row));
      if (held) list.querySelector(`[data-id="${CSS.escape(held)}"] a`)?.focus();
    });
  }

  async function page(cursor, within, shown) {
    clearTimeout(looking);
    try {
      const found = await askFor(wanted, { cursor, signal: within });
      shown(found.documents.filter((entry) => !isLeaving(entry.id)));
      more.hidden = found.next === null;
      more.onclick = () => goOn(found.next);
      count();
      lookAgain();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      // A collection of which there is nothing yet is one that holds nothing.
      if (error.status === 404) {
        fill(list);
        more.hidden = true;
        return say(0);
      }
      status.textContent = "";
      fill(list, h("li", {}, problemBlock(error, { retry: load })));
    } finally {
      list.removeAttribute("aria-busy");
    }
  }

  async function goOn(cursor) {
    more.disabled = true;
    await page(cursor, asking.signal, (entries) => {
      const rows = entries.map(row);
      list.append(...rows);
      rows[0]?.querySelector("a, button")?.focus();
      announce(`${counted(entries.length, "more document", "more documents")}.`);
    });
    more.disabled = false;
  }

  /** What is in the list now; an empty one says why it is. */
  function count() {
    say(list.querySelectorAll(":scope > .entry").length);
  }

  function say(number) {
    const narrowed = wanted.words !== "" || wanted.state !== "any" || wanted.kind !== "";
    status.textContent = number === 0 ? "" : `${counted(number, "document")}${more.hidden ? "" : ", and more"}`;
    if (number === 0) fill(list, h("li", {}, narrowed ? nothingFits() : nothingThere(session)));
  }

  function tellOf(collection) {
    said.textContent = collection === null ? "" : saidOf(collection);
  }

  /** Only what may have changed: rows whose files were being read. */
  function lookAgain() {
    const reading = [...list.querySelectorAll("[data-status='pending']")].slice(0, PAGE);
    if (!reading.length || signal.aborted) return;
    looking = setTimeout(async () => {
      try {
        const found = await get("/v1/documents", { query: { collection: wanted.collection, status: "any", path: reading.map((each) => each.dataset.path) }, signal });
        for (const entry of found.documents) {
          const before = reading.find((each) => each.dataset.id === entry.id);
          if (before?.isConnected && entry.status !== "pending" && !before.contains(document.activeElement)) before.replaceWith(row(entry));
        }
      } catch (error) {
        if (error.name === "AbortError") return;
        if (!(error instanceof Problem)) throw error;
      }
      lookAgain();
    }, LOOK_AGAIN_MS);
  }

  function row(entry) {
    return entryRow(entry, { mayDelete: session.may.edit, wanted, counted: count, gone: changed });
  }

  return { element, load, say, tellOf };
}

/** What holds for a collection as a whole. */
function saidOf({ chunks, language, allow_outside: mayLeave }) {
  return `${counted(chunks, "passage")}, words as in ${language}, ${mayLeave ? "open to language models outside" : "closed to language models outside"}`;
}

function askFor(wanted, { cursor, signal }) {
  const [, , mediaTypes] = KINDS.find(([value]) => value === wanted.kind) ?? KINDS[0];
  return get("/v1/documents", {
    query: { collection: wanted.collection, words: wanted.words.trim(), status: wanted.state, media_type: mediaTypes, cursor, limit: PAGE },
    signal,
  });
}

/** The address says what is shown, so that it can be gone back to, and sent to somebody. */
function rememberIn({ collection, words, state, kind }) {
  history.replaceState(null, "", hashOf("library", { collection, words: words.trim(), state: state === "any" ? "" : state, kind }));
}

function nothingFits() {
  return h("div", { class: "nothing" }, icon("search"), h("h2", {}, "No document fits"), h("p", {}, "Search for fewer words, or in all states and kinds."));
}

function nothingThere(session) {
  return h("div", { class: "nothing" },
    icon("document"),
    h("h2", {}, "No documents yet"),
    h("p", {}, session.may.edit ? "Drop files anywhere on this page, or choose some with the button Upload. They can be asked about as soon as they have been read." : "Documents appear here once somebody brings some."));
}
