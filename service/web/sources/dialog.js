// A question before something is done: a dialog that closes when it is done, and says why when it cannot be.

import { Problem } from "../api.js";
import { fill, h } from "../dom.js";
import { sentenceOf } from "../live.js";

/**
 * Ask, and `run` what was asked for. `body`: an element, whose fields are sent with the form. The focus goes back to
 * where it was. Problems are shown at the fields that they name (by `data-field`), or else above the buttons.
 */
export function askFirst({ title, body, label, run, danger = false }) {
  const trouble = h("p", { class: "wrong", role: "alert" });
  const go = h("button", { class: danger ? "button danger" : "button main", type: "submit" }, label);
  const form = h("form", { method: "dialog", class: "dialog-form", on: { submit: (event) => { event.preventDefault(); act(); } } },
    h("h2", { id: "dialog-title" }, title), body, trouble,
    h("div", { class: "dialog-do" }, h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Cancel"), go));
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title", on: { close: () => dialog.remove() } }, form);
  const leave = () => dialog.close();
  addEventListener("hashchange", leave, { once: true });
  dialog.addEventListener("close", () => removeEventListener("hashchange", leave));
  document.body.append(dialog);
  dialog.showModal();

  async function act() {
    go.disabled = true;
    trouble.textContent = "";
    for (const each of form.querySelectorAll("[data-trouble]")) fill(each);
    for (const each of form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
    try {
      await run();
      dialog.close();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      say(error);
    } finally {
      go.disabled = false;
    }
  }

  function say(problem) {
    const unplaced = [];
    for (const { field, message } of problem.errors ?? []) {
      const name = field.split(".")[0].replace(/\[.*$/, "");
      const input = form.querySelector(`[name="${CSS.escape(name)}"]`);
      const place = form.querySelector(`[data-trouble="${CSS.escape(name)}"]`);
      if (!input || !place) unplaced.push(`${field}: ${message}`);
      else {
        input.setAttribute("aria-invalid", "true");
        place.textContent = message.charAt(0).toUpperCase() + message.slice(1);
        input.focus();
      }
    }
    if (unplaced.length || !problem.errors?.length) trouble.textContent = unplaced.join("; ") || sentenceOf(problem);
  }
}
