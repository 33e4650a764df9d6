// What the reader thinks of an answer: a thumb, and a word if they like.

import { post, Problem } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { announce, notify, sentenceOf } from "../live.js";

const LONGEST = 2000;

/** Two thumbs, and a field once one is pressed. `kept(rating)` is called when the service has taken it down. */
export function feedbackFor(answerId, { rating = null, kept = () => {} } = {}) {
  let chosen = rating;
  const word = h("div", { class: "word" });
  const thumbs = ["up", "down"].map((each) => {
    const label = each === "up" ? "A good answer" : "A bad answer";
    return h("button", { class: "button bare", type: "button", "aria-label": label, title: label, data: { rating: each }, on: { click: () => press(each) } }, icon(each));
  });
  const show = () => thumbs.forEach((thumb) => thumb.setAttribute("aria-pressed", String(thumb.dataset.rating === chosen)));

  async function send(comment) {
    try {
      await post("/v1/feedback", { answer: answerId, rating: chosen, comment });
      kept(chosen);
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      notify(sentenceOf(error), { kind: "wrong" });
      return false;
    }
  }

  async function press(each) {
    const before = chosen;
    chosen = each;
    show();
    if (!(await send(""))) {
      chosen = before;
      show();
      return;
    }
    askForWord();
  }

  function askForWord() {
    const field = h("input", { type: "text", maxlength: String(LONGEST), "aria-label": "A word about the answer", placeholder: chosen === "up" ? "What was good? (optional)" : "What was wrong? (optional)" });
    const form = h("form", {
      class: "joined",
      on: {
        submit: async (event) => {
          event.preventDefault();
          if (await send(field.value.trim())) thank();
        },
      },
    }, field, h("button", { class: "button", type: "submit" }, "Send"));
    fill(word, form);
    announce("Noted. You can add a word.");
  }

  function thank() {
    fill(word, h("span", { class: "small faint" }, "Thank you."));
    announce("Thank you.");
  }

  show();
  return h("div", { class: "feedback" }, h("div", { class: "thumbs", role: "group", "aria-label": "What do you think of the answer?" }, thumbs), word);
}
