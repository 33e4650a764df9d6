// A sentence under the pointer or in focus: how well it is supported, and by which words. In the margin where there is
// one, else in a card below the sentence.

import { fill, h } from "../dom.js";
import { meter, placeLine } from "./notes.js";
import { inert, percent, strength } from "./words.js";

const HEADING = "Footnotes";
const REST_MS = 180;
let lastId = 0;
let pointer = { screenX: NaN, screenY: NaN };
addEventListener("pointermove", (event) => { pointer = event; }, { capture: true, passive: true });

/** Whether the pointer came here, rather than the page having moved beneath it. */
const hasMoved = (event) => event.screenX !== pointer.screenX || event.screenY !== pointer.screenY;

export class Spotlight {
  constructor(answer, notes, opens) {
    this._answer = answer;
    this._notes = notes;
    this._head = h("div", { class: "notes-head" }, HEADING);
    this._opens = opens;
    this._card = h("div", { class: "card-note", id: `support-${(lastId += 1)}`, hidden: true });
    this._lit = null;
    this._timer = null;
    this._card.addEventListener("pointerenter", () => clearTimeout(this._timer));
    this._card.addEventListener("pointerleave", () => this._soon(null));
    answer.append(this._card);
  }

  /** Put the footnotes beside the answer, below a line that tells of the sentence that is lit. */
  put(list) {
    fill(this._notes, this._head, list);
  }

  /** Light a sentence up whenever it is pointed at, focused or touched. */
  watch(element, sentence, answer) {
    const light = () => this._light(element, sentence, answer);
    element.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && hasMoved(event) && this._soon(light));
    element.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this._soon(null));
    for (const event of ["focusin", "click"]) element.addEventListener(event, light);
    element.addEventListener("focusout", (event) => !element.contains(event.relatedTarget) && this._dark());
    element.addEventListener("keydown", (event) => event.key === "Escape" && this._dark());
  }

  _soon(light) {
    clearTimeout(this._timer);
    this._timer = setTimeout(light ?? (() => this._dark()), REST_MS);
  }

  _light(element, sentence, answer) {
    clearTimeout(this._timer);
    if (this._lit === element) return;
    this._dark();
    this._lit = element;
    element.classList.add("lit");
    element.setAttribute("aria-describedby", this._card.id);
    fill(this._card, supportLine(sentence), sentence.citations.map((number) => this._quote(answer.citations[number], number)));
    this._card.style.setProperty("--below", `${element.offsetTop + element.offsetHeight}px`);
    this._card.hidden = false;
    for (const note of this._notes.querySelectorAll("[data-number]")) {
      note.classList.toggle("lit", sentence.citations.includes(Number(note.dataset.number)));
    }
    fill(this._head, supportLine(sentence));
  }

  _dark() {
    clearTimeout(this._timer);
    if (this._lit === null) return;
    this._lit.classList.remove("lit");
    this._lit.removeAttribute("aria-describedby");
    this._lit = null;
    this._card.hidden = true;
    fill(this._head, HEADING);
    for (const note of this._notes.querySelectorAll(".lit")) note.classList.remove("lit");
  }

  _quote(citation, number) {
    return h("button", { class: "note", type: "button", tabindex: "-1", on: { click: (event) => this._opens.source(citation, number, event.currentTarget) } },
      h("span", { class: "note-number" }, String(number + 1)),
      h("span", { class: "note-body" }, h("q", { class: "quote", dir: "auto" }, inert(citation.quote)), placeLine(citation)));
  }
}

function supportLine({ support, supported, citations }) {
  const words = !citations.length ? "Nothing in the documents supports this" : supported ? `Support: ${strength(support)}` : "Not supported by what it cites";
  return h("p", { class: supported ? "support" : "support weak" }, h("span", {}, words), citations.length > 0 && h("span", { class: "number" }, percent(support)), citations.length > 0 && meter(support));
}
