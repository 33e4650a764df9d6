// The footnotes of an answer, and the places that were looked at for it.

import { h } from "../dom.js";
import { fileName, inert, percent, strength } from "./words.js";

/** The footnotes in their order, each a button that opens its source. */
export function noteList(answer, opens) {
  return h("ol", { class: "note-list" }, answer.citations.map((citation, number) =>
    h("li", { data: { number: String(number) } },
      h("button", { class: "note", type: "button", on: { click: (event) => opens.source(citation, number, event.currentTarget) } },
        h("span", { class: "note-number" }, String(number + 1)),
        h("span", { class: "note-body" }, h("q", { class: "quote", dir: "auto" }, inert(citation.quote)), placeLine(citation))))));
}

/** Where something stands: the file's name, its folder, its page. */
export function placeLine({ path, page }) {
  const { folder, name } = fileName(path);
  return h("span", { class: "place" },
    h("bdi", { class: "file" }, inert(name)),
    page !== null && h("span", {}, `page ${page}`),
    folder && h("bdi", { class: "folder" }, inert(folder)));
}

/** Places with how much they speak for an answer, each a button that opens its document. */
export function lookedAtList(places, opens) {
  return h("ul", { class: "places" }, places.map((place) =>
    h("li", {},
      h("button", { class: "place-row", type: "button", on: { click: (event) => opens.document(place, event.currentTarget) } }, placeLine(place), meter(place.score)))));
}

/** A score from 0 to 1 as a bar, in words for who does not see it. */
export function meter(score) {
  const bar = h("span", { class: "meter-fill" });
  bar.style.setProperty("--share", String(Math.max(score, 0.02)));
  return h("span", { class: "meter", title: `Evidence ${percent(score)}` }, h("span", { class: "unseen" }, `evidence ${strength(score)}`), h("span", { class: "meter-track", "aria-hidden": "true" }, bar));
}
