// A text with one span of it marked. Offsets count Unicode code points, as in citations.

import { fill, h } from "../dom.js";
import { inert } from "./words.js";

const AROUND = 5000;
const STEP = 20000;

/**
 * A text of any length, of which what lies around the span is shown and more on request.
 * span: {char_start, char_end}; null shows it from its beginning.
 */
export class Passage {
  constructor(text, { span = null } = {}) {
    this._characters = Array.from(text);
    this._span = span;
    const start = span?.char_start ?? 0;
    this._start = this._lineStart(Math.max(0, start - AROUND));
    this._end = this._lineEnd(Math.min(this._characters.length, (span?.char_end ?? 0) + AROUND));
    this.mark = span && h("mark", { tabindex: "-1", id: "cited" });
    this.element = h("div", { class: "passage" });
    this._draw();
  }

  _draw() {
    const { _span: span, _start: start, _end: end } = this;
    const text = h("div", { class: "text", dir: "auto" });
    if (span) {
      this.mark.textContent = this._cut(span.char_start, span.char_end);
      text.append(this._cut(start, span.char_start), this.mark, this._cut(span.char_end, end));
    } else {
      text.append(this._cut(start, end));
    }
    fill(this.element, start > 0 && this._more("Show what comes before", () => { this._start = this._lineStart(Math.max(0, start - STEP)); }), text,
      end < this._characters.length && this._more("Show what follows", () => { this._end = this._lineEnd(Math.min(this._characters.length, end + STEP)); }));
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
    return at - before > 2000 ? at : before + 1;
  }

  _lineEnd(at) {
    const after = this._characters.indexOf("\n", at);
    return after < 0 || after - at > 2000 ? at : after;
  }
}
