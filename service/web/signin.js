// Signing in: with an API key. The one-time link of a service on this machine needs no form.

import { Problem } from "./api.js";
import { fill, h } from "./dom.js";
import { announce, sentenceOf } from "./live.js";
import { signIn } from "./session.js";

/** Draw the form; `entered(session)` is called once somebody has signed in. `why`: what to say above it. */
export function showSignIn(root, { entered, why = null }) {
  const key = h("input", {
    id: "key", name: "key", type: "password", autocomplete: "current-password", spellcheck: "false",
    autocapitalize: "off", required: true, maxlength: "200", placeholder: "fn_…", "aria-describedby": "key-hint trouble",
  });
  const trouble = h("p", { id: "trouble", class: "wrong", role: "alert" }, why);
  const button = h("button", { class: "button main", type: "submit" }, "Sign in");
  const form = h("form", {
    class: "signin",
    on: {
      submit: async (event) => {
        event.preventDefault();
        button.disabled = true;
        trouble.textContent = "";
        try {
          const session = await signIn({ key: key.value.trim() });
          announce(`Signed in as ${session.name}.`);
          entered(session);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          trouble.textContent = sentenceOf(error);
          key.setAttribute("aria-invalid", "true");
          key.select();
        } finally {
          button.disabled = false;
        }
      },
    },
  },
    h("h1", {}, "Ask your documents."),
    h("p", { class: "lead" }, "Every sentence of an answer leads to the place that supports it. What the documents do not answer is not answered."),
    h("div", { class: "field" },
      h("label", { for: "key" }, "API key"),
      h("div", { class: "joined" }, key, button),
      h("p", { id: "key-hint", class: "hint" }, "An operator makes one with ", h("code", {}, "footnote keys create NAME"), ". It is exchanged for a cookie and kept nowhere in this browser.")),
    trouble);
  fill(root, h("div", { class: "signin-page" }, form));
  key.focus();
}
