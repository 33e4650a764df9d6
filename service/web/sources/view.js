// Sources: where documents come from, when they are looked at, what the last look changed, and how far one is.

import { get, pages, Problem } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { announce, problemBlock, waitingBlock } from "../live.js";
import { counted } from "../units.js";
import { addSource } from "./adding.js";
import { outcomeOf, sourceCard } from "./card.js";

const BUSY_MS = 1000;
const IDLE_MS = 15000;

export function show(root, { session, signal }) {
  const cards = new Map(); // id of a source → {element, show(source)}
  const list = h("ul", { class: "sources" });
  const status = h("p", { class: "faint small" });
  const add = session.may.administer && h("button", { class: "button main", type: "button", on: { click: () => addSource({ added: refresh }) } }, icon("plus"), "Add a source");
  const body = h("div", {}, waitingBlock("Looking for sources."));
  fill(root, h("div", { class: "view-head" }, h("h1", {}, "Sources"), add), status, body);
  let looking = null;
  signal.addEventListener("abort", () => clearTimeout(looking));
  refresh();

  async function refresh() {
    clearTimeout(looking);
    let sources;
    try {
      sources = await Array.fromAsync(pages("/v1/sources", "sources", { signal }));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      status.textContent = "";
      return fill(body, problemBlock(error, { retry: refresh }));
    }
    if (signal.aborted) return;
    draw(sources);
    again();
  }

  function draw(sources) {
    status.textContent = sources.length ? `${counted(sources.length, "source")}, ${counted(sources.reduce((sum, each) => sum + each.documents, 0), "document")}` : "";
    const gone = new Set(cards.keys());
    for (const source of sources) {
      gone.delete(source.id);
      if (!cards.has(source.id)) cards.set(source.id, sourceCard(source, { session, refresh }));
      update(cards.get(source.id), source);
      const { element } = cards.get(source.id);
      const place = list.children[sources.indexOf(source)];
      if (place !== element) list.insertBefore(element, place ?? null);
    }
    for (const id of gone) {
      cards.get(id).element.remove();
      cards.delete(id);
    }
    if (!sources.length) fill(body, nothingThere(session));
    else if (body.firstChild !== list) fill(body, list);
  }

  function update(card, source) {
    const was = card.shown?.state;
    card.show(source);
    if ((was === "running" || was === "due") && source.state === "idle") announce(`${source.name} is refreshed. ${outcomeOf(source)}`);
  }

  function again() {
    if (signal.aborted) return;
    clearTimeout(looking);
    const busy = [...cards.values()].filter((card) => card.shown.state !== "idle");
    looking = setTimeout(() => {
      if (busy.length) lookAt(busy);
      else if (document.hidden) again();
      else refresh();
    }, busy.length ? BUSY_MS : IDLE_MS);
  }

  /** Only those that are being refreshed, or wait for it: to count the documents of all takes the service a while. */
  async function lookAt(busy) {
    try {
      for (const source of await Promise.all(busy.map((card) => get(`/v1/sources/${card.shown.id}`, { signal })))) {
        if (cards.has(source.id)) update(cards.get(source.id), source);
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      return refresh();
    }
    again();
  }
}

function nothingThere(session) {
  return h("div", { class: "nothing" },
    icon("sources"),
    h("h2", {}, session.may.administer ? "No sources yet" : "No sources that you may refresh"),
    session.may.administer
      ? h("p", {}, "Add one here, or on the service's machine with ", h("code", {}, "footnote sources add PATH"), ". Uploads make one of their own.")
      : h("p", {}, "Sources appear once they hold documents that you may read."));
}
