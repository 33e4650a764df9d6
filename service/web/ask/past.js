// Earlier conversations of this browser, to be taken up again or forgotten.

import { fill, h, icon } from "../dom.js";
import { announce } from "../live.js";
import { count, moment } from "./words.js";

/** Show the dialog. `takesUp(conversation)` is called with the one that is chosen, `forgot(id)` with one that has gone. */
export function showPast(history, { takesUp, forgot }) {
  const list = h("ul", { class: "past-list" });
  const dialog = h("dialog", { class: "past", "aria-labelledby": "past-title", on: { close: () => dialog.remove(), click: (event) => event.target === dialog && dialog.close() } },
    h("div", { class: "past-inner" },
      h("header", {}, h("h2", { id: "past-title" }, "Earlier questions"), h("button", { class: "button bare", type: "button", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"))),
      h("p", { class: "small faint" }, "Kept in this browser alone. Signing out forgets them."),
      list,
      h("button", { class: "button danger", type: "button", data: { action: "clear" }, on: { click: () => { for (const { id } of history.all()) forgot(id); history.clear(); draw(); announce("All earlier questions are forgotten."); } } }, "Forget all")));

  function draw() {
    const kept = history.all();
    dialog.querySelector("[data-action=clear]").hidden = kept.length === 0;
    fill(list, kept.length === 0 ? h("li", { class: "soft" }, "There are none yet.") : kept.map(row));
  }

  function row(conversation) {
    const more = conversation.exchanges.length - 1;
    return h("li", {},
      h("button", { class: "past-open", type: "button", on: { click: () => { dialog.close(); takesUp(conversation); } } },
        h("span", { class: "past-question" }, conversation.exchanges[0]?.question ?? ""),
        h("span", { class: "small faint" }, `${moment(conversation.at)}${more > 0 ? ` · ${count(more, "follow-up")}` : ""}`)),
      h("button", { class: "button bare", type: "button", "aria-label": `Forget “${conversation.exchanges[0]?.question ?? ""}”`, on: { click: () => { history.forget(conversation.id); forgot(conversation.id); draw(); } } }, icon("trash")));
  }

  document.body.append(dialog);
  draw();
  dialog.showModal();
}
