// A question and its answer on the page: drawn as it is told, sentence by sentence, and once it is whole.

import { fill, h, icon } from "../dom.js";
import { announce, notify, problemBlock } from "../live.js";
import { feedbackFor } from "./feedback.js";
import { asMarkdown } from "./markdown.js";
import { lookedAtList, noteList } from "./notes.js";
import { Spotlight } from "./spotlight.js";
import { provisional, supportedCount } from "./telling.js";
import { count, inert } from "./words.js";

/**
 * Draws one exchange into an article, `element`.
 *
 * opens: `source(citation, number, trigger)` and `document(place, trigger)`, which show where something stands.
 */
export class ExchangeView {
  constructor(question, { opens, rated = () => {}, retry = () => {} }) {
    this._opens = opens;
    this._rated = rated;
    this._retry = retry;
    this._question = question;
    this._shown = 0;
    this._progress = h("p", { class: "waiting" }, h("span", { class: "dots", "aria-hidden": "true" }), h("span", {}, "Searching the documents…"));
    this._lead = h("div", { class: "lead-block" });
    this._sentences = h("div", { class: "sentences" });
    this._draft = h("span", { class: "draft", "aria-hidden": "true" });
    this._rest = h("div", { class: "rest" });
    this._notes = h("div", { class: "notes", role: "group", "aria-label": "Footnotes of this answer" });
    this._answer = h("div", { class: "answer" }, this._lead, this._sentences);
    this._spotlight = new Spotlight(this._answer, this._notes, opens);
    this.element = h("article", { class: "exchange", "aria-busy": "true" },
      h("h2", { class: "question" }, question),
      h("div", { class: "told" }, h("div", { class: "column" }, this._progress, this._answer, this._rest), this._notes));
  }

  /** Draw what is known now of an answer that is being told. */
  update(answer) {
    this._say(answer);
    for (const sentence of answer.sentences.slice(this._shown)) {
      this._draft.remove();
      this._sentences.append(...this._sentence(sentence, answer));
      announce(spoken(sentence));
      this._shown += 1;
    }
    const draft = provisional(answer);
    this._draft.textContent = inert(draft);
    if (draft && !this._draft.isConnected) this._sentences.append(this._draft);
    if (!draft) this._draft.remove();
    if (answer.citations.length) this._spotlight.put(noteList(answer, this._opens));
  }

  /** Say that the line is broken, or is not any more. */
  lineIsBroken(isBroken) {
    this._progress.classList.toggle("broken", isBroken);
    if (isBroken) this._tell("The connection broke off. Taking the answer up again…");
  }

  /** Draw a whole answer. */
  finish(answer, { rating = null } = {}) {
    const { done } = answer;
    this._end();
    this._draft.remove();
    fill(this._sentences);
    if (done.status === "refused") {
      fill(this._rest, refusal(done, this._opens));
      announce(`${done.answer} ${done.missing ?? ""}`);
    } else {
      if (done.short) fill(this._lead, this._short(answer));
      this._sentences.append(...answer.sentences.flatMap((sentence) => this._sentence(sentence, answer)));
      fill(this._rest, this._gap(done), leftOut(done), this._lookedAt(done));
      if (answer.citations.length) this._spotlight.put(noteList(answer, this._opens));
      announce(`The answer is complete: ${count(answer.sentences.length, "sentence")}, ${count(answer.citations.length, "footnote")}.`);
    }
    this._rest.append(this._foot(answer, rating));
  }

  /** Draw what went wrong, beside what was told until then. */
  fail(problem) {
    this._end();
    this._draft.remove();
    fill(this._rest, problemBlock(problem, { retry: this._retry }));
  }

  /** Draw that the reader stopped it, or that it was left without an answer before. */
  stopped(why = "You stopped this answer.") {
    this._end();
    this._draft.remove();
    fill(this._rest, h("p", { class: "aside-line" }, icon("stop"), why), h("button", { class: "button", type: "button", on: { click: () => this._retry() } }, "Ask again"));
    announce(why);
  }

  _end() {
    this.element.setAttribute("aria-busy", "false");
    this._progress.remove();
  }

  _say(answer) {
    if (answer.written.length) this._tell("Writing. A sentence counts once it is checked.");
    else if (answer.lookedAt) this._tell(`Reading ${count(answer.lookedAt.length, "place")}…`);
  }

  _tell(sentence) {
    const line = this._progress.lastChild;
    if (line.textContent !== sentence) line.textContent = sentence;
  }

  /** What stands before a sentence, and the sentence with its markers. */
  _sentence(sentence, answer) {
    const markers = sentence.citations.map((number) => this._marker(number, answer));
    const element = h("span", { class: sentence.supported ? "sentence" : "sentence unsupported", tabindex: "0", role: "group" },
      inert(sentence.text),
      !sentence.supported && h("span", { class: "flag" }, icon("warning"), "not supported"),
      markers.length > 0 && h("sup", {}, markers));
    this._spotlight.watch(element, sentence, answer);
    return [inert(sentence.separator), element];
  }

  _marker(number, answer) {
    const citation = answer.citations[number];
    const label = `Footnote ${number + 1}: ${inert(citation.path)}${citation.page === null ? "" : `, page ${citation.page}`}`;
    return h("button", { class: "marker", type: "button", "aria-label": label, on: { click: (event) => this._opens.source(citation, number, event.currentTarget) } }, String(number + 1));
  }

  _short(answer) {
    const { short } = answer.done;
    return h("p", { class: "short" }, h("span", { class: "unseen" }, "In short: "), h("bdi", {}, inert(short.text)), h("sup", {}, this._marker(short.citation, answer)));
  }

  _gap(done) {
    return done.missing && h("div", { class: "gap" }, h("p", { class: "label" }, "The documents answer this in part"), h("p", {}, inert(done.missing)));
  }

  _lookedAt(done) {
    return done.looked_at.length > 0 && h("details", { class: "looked-at" }, h("summary", {}, `Looked at ${count(done.looked_at.length, "place")}`), lookedAtList(done.looked_at, this._opens));
  }

  _foot(answer, rating) {
    const { done } = answer;
    const refused = done.status === "refused";
    return h("footer", { class: "foot" },
      h("p", { class: "small faint" }, !refused && [supportLine(answer), h("span", {}, modelLine(done.model))]),
      h("div", { class: "actions" },
        h("button", { class: "button bare", type: "button", "aria-label": "Copy with footnotes", title: "Copy with footnotes, as Markdown", on: { click: () => copy(asMarkdown(this._question, answer)) } }, icon("copy")),
        answer.answerId && feedbackFor(answer.answerId, { rating, kept: this._rated })));
  }
}

function supportLine(answer) {
  const supported = supportedCount(answer);
  const all = answer.sentences.length;
  const text = supported === all ? ([, "Supported", "Both sentences supported"][all] ?? `All ${all} sentences supported`) : `${supported} of ${count(all, "sentence")} supported`;
  return h("span", { class: supported === all ? "good" : "warn" }, icon(supported === all ? "check" : "warning"), text);
}

const modelLine = (model) => (model === "extractive" ? "Quoted from the documents" : `Written by ${model}`);

function leftOut(done) {
  if (!done.dropped) return null;
  const was = done.dropped === 1 ? "1 sentence was" : `${done.dropped} sentences were`;
  return h("p", { class: "aside-line dropped" }, icon("close"), `${was} left out: nothing in the documents supports ${done.dropped === 1 ? "it" : "them"}.`);
}

function refusal(done, opens) {
  return h("div", { class: "refusal" },
    h("p", { class: "refusal-word" }, inert(done.answer)),
    done.missing && h("p", { class: "soft" }, inert(done.missing)),
    done.looked_at.length > 0
      ? [h("h3", { class: "label" }, "Where it looked"), lookedAtList(done.looked_at, opens)]
      : h("p", { class: "soft" }, "Nothing that you may read, and that fits the filters, comes near the question."));
}

function spoken({ text, supported, citations }) {
  const notes = citations.length ? ` Footnote ${citations.map((number) => number + 1).join(", ")}.` : "";
  return `${inert(text)}${supported ? "" : " Not supported."}${notes}`;
}

/** Where a page may not write to the clipboard (plain HTTP from afar), a field that is selected stands in. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    notify("Copied, with its footnotes.");
  } catch {
    const field = h("textarea", { class: "unseen", value: text, "aria-hidden": "true" });
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    notify(copied ? "Copied, with its footnotes." : "This browser lets the page copy nothing.", { kind: copied ? "plain" : "wrong" });
  }
}
