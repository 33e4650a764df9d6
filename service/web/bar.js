// The bar: whose page this is, where one can go, light or dark, and who is signed in.

import { fill, h, icon } from "./dom.js";
import { isDark, switchTheme } from "./theme.js";
import { hashOf, VIEWS } from "./views.js";

const bar = document.getElementById("bar");

/** Draw the bar; without a session there is nowhere to go. */
export function showBar({ session = null, current = "", leave = () => {} } = {}) {
  fill(bar,
    h("a", { class: "wordmark", href: "#/", "aria-label": "Footnote" }, "Footnote", h("sup", { "aria-hidden": "true" }, "1")),
    session && navigation(session, current),
    h("div", { class: "bar-end" },
      session && h("span", { class: "who", title: `${session.name} (${session.role})` }, session.name, h("small", {}, session.role)),
      themeButton(),
      session && h("button", { class: "button bare", type: "button", "aria-label": "Sign out", title: "Sign out", on: { click: leave } }, icon("leave"))));
}

function navigation(session, current) {
  const links = VIEWS.filter((view) => view.may(session)).map((view) =>
    h("li", {}, h("a", { href: hashOf(view.name), "aria-current": view.name === current ? "page" : null }, icon(view.icon), h("span", {}, view.label))));
  return h("nav", { "aria-label": "Views" }, h("ul", {}, links));
}

function themeButton() {
  const button = h("button", { class: "button bare", type: "button", on: { click: () => { switchTheme(); draw(); } } });
  const draw = () => {
    const label = isDark() ? "Light page" : "Dark page";
    button.setAttribute("aria-label", label);
    button.title = label;
    fill(button, icon(isDark() ? "sun" : "moon"));
  };
  draw();
  return button;
}
