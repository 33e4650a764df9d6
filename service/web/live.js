// What is said to who listens, and what is shown for a moment to who looks.

import { h, icon } from "./dom.js";

const announcer = document.getElementById("announcer");
const notices = document.getElementById("notices");
const SHOWN_MS = 8000;
const TOGETHER_MS = 250;

let waiting = [];
let timer = null;

/** Have a screen reader say a sentence, after what it is saying. What comes close together is said in one. */
export function announce(sentence) {
  waiting.push(sentence);
  timer ??= setTimeout(() => {
    announcer.textContent = waiting.join(" ");
    waiting = [];
    timer = null;
  }, TOGETHER_MS);
}

/**
 * Show a sentence at the foot of the page for some seconds, longer while somebody points at it or is in it; `action`
 * ({label, run}) is a button beside it. kind: "plain" or "wrong". `lapsed` is called if it goes without its action: its
 * time is over, or somebody put it away. Returns a function that takes it away, without calling anything.
 */
export function notify(sentence, { kind = "plain", action = null, shownMs = SHOWN_MS, lapsed = () => {} } = {}) {
  let isThere = true;
  const away = () => {
    isThere = false;
    clearTimeout(ending);
    notice.remove();
  };
  const lapse = () => {
    away();
    lapsed();
  };
  const notice = h("div", { class: `notice notice-${kind}`, role: kind === "wrong" ? "alert" : "status" },
    h("p", {}, sentence),
    action && h("button", { class: "button quiet", type: "button", on: { click: () => { away(); action.run(); } } }, action.label),
    h("button", { class: "button bare", type: "button", "aria-label": "Put away", on: { click: lapse } }, icon("close")));
  let ending = setTimeout(lapse, shownMs);
  const stay = () => clearTimeout(ending);
  const go = () => {
    clearTimeout(ending);
    if (isThere) ending = setTimeout(lapse, shownMs);
  };
  for (const event of ["pointerenter", "focusin"]) notice.addEventListener(event, stay);
  for (const event of ["pointerleave", "focusout"]) notice.addEventListener(event, go);
  notices.append(notice);
  return away;
}

/** A problem as a block of a page: what is wrong, and the request's id for whoever looks into it. */
export function problemBlock(problem, { retry = null } = {}) {
  return h("div", { class: "trouble", role: "alert" },
    icon("warning"),
    h("div", {},
      h("p", {}, sentenceOf(problem)),
      problem.requestId && h("p", { class: "small faint" }, `Request ${problem.requestId}`),
      retry && h("button", { class: "button", type: "button", on: { click: retry } }, "Try again")));
}

/** What went wrong, as a sentence that begins with a capital letter. */
export function sentenceOf(problem) {
  const text = problem.detail || problem.message || "Something went wrong.";
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A view that waits, said once. */
export function waitingBlock(sentence) {
  return h("p", { class: "waiting", role: "status" }, h("span", { class: "dots", "aria-hidden": "true" }), sentence);
}
