// A text with one span of it marked. Offsets count Unicode code points, as in citations.

import { fill, h } from "../dom.js";
import { inert } from "./words.js";

const AROUND = 5000;
const STEP = 20000;
const LONGEST_LINE = 2000;
const PROSE_LINE = 50;
/** How many characters a line has at least that was broken because its writer's window ended. */

/**
 * A text of any length, of which what lies around the span is shown and more on request.
 * span: {char_start, char_end}; null shows it from its beginning. `mark` is where the span begins.
 */
export class Passage {
  constructor(text, { span = null } = {}) {
    this._characters = Array.from(text);
    this._span = span ?? { char_start: 0, char_end: 0 };
    this._start = this._lineStart(Math.max(0, this._span.char_start - AROUND));
    this._end = this._lineEnd(Math.min(this._characters.length, this._span.char_end + AROUND));
    this.element = h("div", { class: "passage" });
    this._draw();
  }

  get mark() {
    return this.element.querySelector("mark");
  }

  _draw() {
    const { _start: start, _end: end } = this;
    fill(this.element,
      start > 0 && this._more("Show what comes before", () => { this._start = this._lineStart(Math.max(0, start - STEP)); }),
      h("div", { class: "text" }, this._blocks().map((block) => this._block(block))),
      end < this._characters.length && this._more("Show what follows", () => { this._end = this._lineEnd(Math.min(this._characters.length, end + STEP)); }));
  }

  /** What stands between empty lines, each as [start, end]. */
  _blocks() {
    const blocks = [];
    let start = this._start;
    for (let at = start; at <= this._end; at += 1) {
      const isBreak = at === this._end || (this._characters[at] === "\n" && this._characters[at + 1] === "\n");
      if (!isBreak) continue;
      if (at > start) blocks.push([start, at]);
      while (at < this._end && this._characters[at] === "\n") at += 1;
      start = at;
    }
    return blocks;
  }

  _block([start, end]) {
    const [from, to] = [Math.max(start, this._span.char_start), Math.min(end, this._span.char_end)];
    const words = from < to
      ? [this._cut(start, from), h("mark", { tabindex: "-1" }, this._cut(from, to)), this._cut(to, end)]
      : this._cut(start, end);
    return h("p", { class: layoutOf(this._cut(start, end)), dir: "auto" }, words);
  }

  _more(label, widen) {
    const show = () => {
      const room = this.element.closest(".source-body");
      const below = room.scrollHeight - room.scrollTop;
      const isBefore = this.element.firstChild.contains(document.activeElement);
      widen();
      this._draw();
      if (isBefore) room.scrollTop = room.scrollHeight - below;
    };
    return h("button", { class: "button quiet more", type: "button", on: { click: show } }, label);
  }

  _cut(start, end) {
    return inert(this._characters.slice(start, end).join(""));
  }

  _lineStart(at) {
    const before = at === 0 ? -1 : this._characters.lastIndexOf("\n", at - 1);
    return at - before > LONGEST_LINE ? at : before + 1;
  }

  _lineEnd(at) {
    const after = this._characters.indexOf("\n", at);
    return after < 0 || after - at > LONGEST_LINE ? at : after;
  }
}

/** "flow" for prose whose lines only end where its writer's window did, "head" for a heading of Markdown's. */
function layoutOf(text) {
  if (/^#{1,6} \S[^\n]*$/.test(text)) return "head";
  const lines = text.split("\n");
  const isProse = lines.slice(0, -1).every((line) => line.length >= PROSE_LINE) && !lines.some((line) => /^\s*([-*+•|>]|\d+[.)]|\s{3})|\s\|\s/.test(line));
  return isProse ? "flow" : "as-is";
}
