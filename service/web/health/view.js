// Health: how answers went, what they cost, what waits, what failed, how large and how fresh the index is.

import { get, Problem } from "../api.js";
import { fill, h } from "../dom.js";
import { announce, problemBlock, waitingBlock } from "../live.js";
import { momentOf } from "../units.js";
import { panels } from "./panels.js";

const RANGES = [[1, "1 hour"], [24, "24 hours"], [168, "7 days"], [720, "30 days"]];
const EVERY_MS = 30000;
const REMEMBERED = "footnote.hours";

export function show(root, { signal }) {
  let hours = Number(localStorage.getItem(REMEMBERED)) || 24;
  if (!RANGES.some(([value]) => value === hours)) hours = 24;
  let looking = null;
  let shown = null;
  const room = matchMedia("(min-width: 44rem)");
  room.addEventListener("change", () => shown !== null && draw(shown), { signal });
  const status = h("p", { class: "faint small" });
  const body = h("div", {}, waitingBlock("Adding up."));
  fill(root,
    h("div", { class: "view-head" }, h("h1", {}, "Health"), ranges()),
    status, body);
  signal.addEventListener("abort", () => clearTimeout(looking));
  look();

  function ranges() {
    return h("fieldset", { class: "ranges" }, h("legend", { class: "unseen" }, "How far back"),
      RANGES.map(([value, label]) => h("label", {},
        h("input", {
          type: "radio", name: "hours", value: String(value), checked: value === hours,
          on: { change: () => { hours = value; localStorage.setItem(REMEMBERED, String(value)); look({ said: label }); } },
        }), h("span", {}, label))));
  }

  async function look({ said = null } = {}) {
    clearTimeout(looking);
    const wanted = hours;
    body.setAttribute("aria-busy", "true");
    try {
      const stats = await get("/v1/stats", { query: { hours }, signal });
      if (wanted !== hours) return;
      draw(stats);
      if (said) announce(`The last ${said}.`);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      status.textContent = "";
      fill(body, problemBlock(error, { retry: () => look() }));
    } finally {
      body.removeAttribute("aria-busy");
    }
    again();
  }

  function again() {
    if (signal.aborted) return;
    clearTimeout(looking);
    looking = setTimeout(() => (document.hidden ? again() : look()), EVERY_MS);
  }

  /** Whoever is in a table that is folded out keeps it, until they ask for another time. */
  function draw(stats) {
    const open = new Set([...body.querySelectorAll("details[open]")].map((each) => each.closest("[data-panel]").dataset.panel));
    if (stats.since.slice(0, 13) === shown?.since.slice(0, 13) && open.size && body.contains(document.activeElement)) return;
    shown = stats;
    status.textContent = `As of ${momentOf(new Date(stats.until))}; looked at again every half a minute.`;
    fill(body, h("div", { class: "panels" }, panels(stats, { isWide: room.matches })));
    for (const each of body.querySelectorAll("[data-panel]")) {
      const details = each.querySelector("details");
      if (details && open.has(each.dataset.panel)) details.open = true;
    }
  }
}
