// Uploading: files that are chosen or dropped, each sent by itself, and followed until it can be asked about.

import { get, Problem, upload } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { announce, sentenceOf } from "../live.js";
import { bytes, counted, percent } from "../units.js";
import { hashOf } from "../views.js";
import { nameOf, reasonOf } from "./entries.js";

const AT_ONCE = 2;
const FOLLOW_MS = 1000;
const FOLLOWED_AT_ONCE = 50;
const AS_SET = "";

/**
 * What an editor uploads with: {button, element}. `root` takes what is dropped; `collection()` is where it goes;
 * `changed()` is called when there is something new to list.
 */
export function uploading({ session, signal, root, collection, changed }) {
  const chooser = h("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1", "aria-hidden": "true", on: { change: () => { take(chooser.files); chooser.value = ""; } } });
  const button = h("button", { class: "button main", type: "button", on: { click: () => chooser.click() } }, icon("upload"), "Upload");
  const readers = readersChoice(session);
  const heading = h("h2", { id: "uploads-heading" }, "Uploads");
  const clear = h("button", { class: "button quiet", type: "button", on: { click: putAway } }, "Put away");
  const list = h("ul", { class: "uploads", tabindex: "0", "aria-labelledby": "uploads-heading" });
  const panel = h("section", { class: "card upload-panel", "aria-labelledby": "uploads-heading", hidden: true },
    h("div", { class: "panel-head" }, heading, clear), list);
  const element = h("div", {}, h("div", { class: "upload-bar" },
    h("p", { class: "small faint" }, "Drop files anywhere here to add them."), readers.element, chooser), panel);

  const waiting = [];
  const followed = new Map(); // id of a document → its line
  let sending = 0;
  let following = null;
  whenDropped(root, signal, { into: collection, take });
  signal.addEventListener("abort", () => clearTimeout(following));

  function take(files) {
    for (const file of files) {
      const line = uploadLine(file, () => { drop(line); });
      list.append(line.element);
      waiting.push(line);
    }
    if (files.length) {
      panel.hidden = false;
      announce(`${counted(files.length, "file")} to upload.`);
    }
    sendNext();
  }

  function drop(line) {
    const place = waiting.indexOf(line);
    if (place >= 0) waiting.splice(place, 1);
    line.ended("Not sent.", "plain");
  }

  function sendNext() {
    tell();
    while (sending < AT_ONCE && waiting.length) send(waiting.shift());
  }

  async function send(line) {
    sending += 1;
    const form = new FormData();
    form.append("collection", collection());
    if (readers.value() !== AS_SET) form.append("readers", readers.value());
    form.append("file", line.file);
    try {
      const { documents: [entry] } = await upload("/v1/documents", form, { progress: line.sent, signal: line.signal });
      line.kept();
      followed.set(entry.id, { line, collection: entry.collection, path: entry.path });
      changed();
      follow();
    } catch (error) {
      if (error.name === "AbortError") line.ended("Stopped.", "plain");
      else if (error instanceof Problem) line.ended(sentenceOf(error), "wrong");
      else throw error;
    } finally {
      sending -= 1;
      sendNext();
    }
  }

  /** Look what became of the files that the service keeps. By the list of documents: looking at one is noted by the audit. */
  function follow() {
    clearTimeout(following);
    if (!followed.size || signal.aborted) return;
    following = setTimeout(async () => {
      try {
        await look();
      } catch (error) {
        if (error.name === "AbortError") return;
        if (!(error instanceof Problem)) throw error;
      }
      tell();
      follow();
    }, FOLLOW_MS);
  }

  async function look() {
    const some = [...followed].slice(0, FOLLOWED_AT_ONCE);
    const [, { collection: where }] = some[0];
    const here = some.filter(([, each]) => each.collection === where);
    const { documents } = await get("/v1/documents", { query: { collection: where, status: "any", path: here.map(([, each]) => each.path) }, signal });
    let ended = 0;
    for (const entry of documents) {
      const found = followed.get(entry.id);
      if (!found || entry.status === "pending") continue;
      followed.delete(entry.id);
      found.line.became(entry);
      ended += 1;
    }
    if (ended) changed();
  }

  function tell() {
    const left = sending + waiting.length + followed.size;
    heading.textContent = left ? `Uploads: ${counted(left, "file")} to go` : "Uploads";
    clear.hidden = left > 0;
  }

  function putAway() {
    panel.hidden = true;
    fill(list);
    button.focus();
  }

  return { button, element };
}

/** Who may read what is uploaded: {element, value()}. */
function readersChoice(session) {
  const own = (session.principals ?? []).filter((each) => each !== "public");
  const select = h("select", { id: "readers" },
    h("option", { value: AS_SET }, "as the service is set"),
    h("option", { value: "public" }, "everybody with a key"),
    own.map((each) => h("option", { value: each }, each)));
  return {
    element: h("div", { class: "beside" }, h("label", { for: "readers", class: "small faint" }, "Readable by"), select),
    value: () => select.value,
  };
}

/** A file on its way, as a line: what is known of it is told by `sent`, `kept`, `became` and `ended`. */
function uploadLine(file, stopped) {
  const controller = new AbortController();
  const name = h("bdi", {}, file.name);
  const bar = h("progress", { max: "1", value: 0, "aria-label": `Sending ${file.name}` });
  const state = h("p", { class: "small soft" }, "Waits for its turn.");
  const stop = h("button", { class: "button bare", type: "button", "aria-label": `Stop ${file.name}`, title: "Stop", on: { click: () => { controller.abort(); stopped(); } } }, icon("close"));
  const sign = h("span", { class: "upload-sign" }, icon("document"));
  const element = h("li", { class: "upload" }, sign,
    h("div", {}, h("p", { class: "upload-name" }, name, h("span", { class: "small faint" }, bytes(file.size))), bar, state),
    stop);

  function ended(sentence, kind, mark = kind === "wrong" ? "warning" : "document") {
    bar.remove();
    stop.remove();
    element.classList.add(`upload-${kind}`);
    fill(sign, icon(mark));
    state.className = kind === "wrong" ? "small wrong" : "small soft";
    state.textContent = sentence;
    announce(`${file.name}: ${sentence}`);
  }

  return {
    file, element, signal: controller.signal, ended,
    sent: (share) => {
      bar.value = share;
      state.textContent = `${percent(share)} sent.`;
    },
    kept: () => {
      stop.remove();
      bar.removeAttribute("value");
      bar.setAttribute("aria-label", `Reading ${file.name}`);
      state.textContent = "Kept. It is being read.";
    },
    became: (entry) => {
      if (entry.status !== "indexed") return ended(reasonOf(entry), entry.status === "failed" ? "wrong" : "plain", "warning");
      ended(`In the index, ${counted(entry.chunks, "passage")}.`, "good", "check");
      fill(name, h("a", { href: hashOf("library", { collection: entry.collection, document: entry.id }) }, nameOf(entry)));
    },
  };
}

/** Have files that are dropped on the page taken, and show meanwhile that they would be. */
function whenDropped(root, signal, { into, take }) {
  const curtain = h("div", { class: "curtain", hidden: true }, icon("upload"), h("p", {}));
  root.append(curtain);
  const brings = (event) => event.dataTransfer?.types.includes("Files");
  const show = (is) => {
    curtain.hidden = !is;
    curtain.querySelector("p").textContent = `Drop to add to “${into()}”`;
  };
  const listen = (name, listener) => addEventListener(name, listener, { signal });
  listen("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    show(true);
  });
  listen("dragleave", (event) => event.relatedTarget === null && show(false));
  listen("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    show(false);
    take(event.dataTransfer.files);
  });
}
