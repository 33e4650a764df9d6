// A document as a row of the list.

import { inert } from "../ask/words.js";
import { h, icon } from "../dom.js";
import { bytes, counted, when } from "../units.js";
import { hashOf } from "../views.js";
import { deleteSoon } from "./deletions.js";
import { nameOf, reasonOf, stateTag } from "./entries.js";

/**
 * The row. `wanted`: what the list shows, to come back to. `counted` is called when a row has left the list or come
 * back, `gone` when its document is deleted.
 */
export function entryRow(entry, { mayDelete, wanted, counted: recount, gone }) {
  const name = nameOf(entry);
  const reason = reasonOf(entry);
  const title = h("bdi", {}, name);
  const row = h("li", { class: "entry", data: { id: entry.id ?? "", path: entry.path, status: entry.status } },
    icon("document"),
    h("div", { class: "entry-what" },
      h("h3", {}, entry.id === null ? title : h("a", { href: hashOf("library", { ...placeOf(wanted), document: entry.id }) }, title)),
      name !== entry.path && h("p", { class: "path" }, h("bdi", {}, inert(entry.path))),
      reason && h("p", { class: entry.status === "failed" ? "small wrong" : "small soft" }, reason)),
    h("div", { class: "entry-state" },
      stateTag(entry),
      h("p", { class: "entry-facts" },
        h("span", {}, entry.revision === null ? "" : counted(entry.chunks, "passage")),
        h("span", {}, entry.size_bytes > 0 ? bytes(entry.size_bytes) : ""),
        h("span", {}, when(entry.updated_at)))),
    mayDelete && entry.id !== null
      ? h("button", { class: "button bare", type: "button", "aria-label": `Delete ${name}`, title: "Delete", on: { click: () => leave(row, entry, { recount, gone }) } }, icon("trash"))
      : h("span", { class: "entry-end" }));
  return row;
}

/** What the list shows, as parameters of an address. */
function placeOf({ collection, words, state, kind }) {
  return { collection, words: words.trim(), state: state === "any" ? "" : state, kind };
}

/** Take a row out, and put it back where it was if its document stays after all. */
function leave(row, entry, { recount, gone }) {
  const list = row.parentElement;
  const after = row.nextElementSibling;
  const neighbour = after ?? row.previousElementSibling;
  row.remove();
  neighbour?.querySelector(".entry-what a, button")?.focus();
  recount();
  deleteSoon(entry.id, nameOf(entry), {
    gone,
    back: () => {
      if (!list.isConnected) return;
      list.querySelector(":scope > :not(.entry)")?.remove();
      list.insertBefore(row, after?.parentElement === list ? after : null);
      row.querySelector(".entry-what a")?.focus();
      recount();
    },
  });
}
