// A source as a card, which is drawn anew whenever something of it has changed.

import { Problem, patch, post, remove } from "../api.js";
import { inert } from "../ask/words.js";
import { fill, h, icon } from "../dom.js";
import { announce, notify, sentenceOf } from "../live.js";
import { counted, number, span, when } from "../units.js";
import { sentence } from "../library/entries.js";
import { hashOf } from "../views.js";
import { askFirst } from "./dialog.js";
import { SCHEDULES, scheduleText } from "./schedules.js";

const MOST_FILES = 200;

/** The card of a source: {element, shown, show(source)}. `refresh()` has all of them looked at again. */
export function sourceCard(source, { session, refresh }) {
  const heading = h("h2", { id: `source-${source.id}` }, h("bdi", {}, source.name));
  const tag = h("span", { class: "source-state" });
  const place = h("p", { class: "path" });
  const run = h("div", { class: "run" });
  const facts = h("dl", { class: "card-facts" });
  const files = h("div", {});
  const again = h("button", { class: "button", type: "button", on: { click: () => refreshNow(card.shown, again, refresh) } }, icon("refresh"), "Refresh now");
  const element = h("li", { class: "card source-card", "aria-labelledby": heading.id, data: { id: source.id } },
    h("div", { class: "card-head" },
      h("div", {}, h("div", { class: "source-name" }, heading, tag), place),
      h("div", { class: "source-do" }, again, session.may.administer && administering(source, () => card.shown, refresh))),
    run, facts, files);
  let drawn = "";

  const card = {
    element, shown: null,
    show(now) {
      card.shown = now;
      again.setAttribute("aria-disabled", String(now.state === "due"));
      showRun(run, now);
      const what = JSON.stringify({ ...now, progress: null });
      const held = [facts, files].find((each) => each.contains(document.activeElement));
      if (what === drawn && held) return; // all that would change is how long ago something was
      drawn = what;
      fill(tag, stateTag(now));
      fill(place, h("bdi", {}, now.location ?? ""));
      place.hidden = !now.location;
      fill(facts, factsOf(now));
      const open = files.querySelector("details")?.open ?? false;
      fill(files, filesOf(now, open));
      held?.querySelector("a, summary")?.focus();
    },
  };
  return card;
}

async function refreshNow(source, button, refresh) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await post(`/v1/sources/${source.id}/refresh`, null);
    announce(`${source.name} is refreshed as soon as a worker is free.`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    notify(`${source.name} cannot be refreshed. ${sentenceOf(error)}`, { kind: "wrong" });
    button.setAttribute("aria-disabled", "false");
  }
  refresh();
}

function stateTag(source) {
  if (source.state === "running") return h("span", { class: "tag" }, h("span", { class: "dots", "aria-hidden": "true" }), "Refreshing");
  if (source.state === "due") return h("span", { class: "tag" }, h("span", { class: "dots", "aria-hidden": "true" }), "Waits for a worker");
  if (source.last_error !== null) return h("span", { class: "tag bad" }, icon("warning"), "Last run failed");
  if (source.last_finished === null) return h("span", { class: "tag" }, "Never refreshed");
  return h("span", { class: "tag good" }, icon("check"), "Fresh");
}

/** How far the run is; nothing while none is going on. */
function showRun(place, source) {
  if (source.state === "idle") return fill(place);
  const { progress } = source;
  const words = source.state === "due" ? "Waits for a worker."
    : progress === null ? "Looks for what has changed."
      : progress.files === 0 ? "Nothing to read; what has gone is taken out."
        : `${number(progress.done)} of ${counted(progress.files, "file")}${progress.failed ? `, ${number(progress.failed)} failed` : ""}`;
  let bar = place.querySelector("progress");
  if (!bar) {
    bar = h("progress", { max: "1", "aria-label": `Refresh of ${source.name}` });
    fill(place, bar, h("p", { class: "small soft number" }));
  }
  if (progress?.files) bar.value = progress.done / progress.files;
  else bar.removeAttribute("value");
  place.querySelector("p").textContent = words;
}

function factsOf(source) {
  const report = source.last_report;
  return [
    ["Documents", h("a", { href: hashOf("library", { collection: source.collection }) }, `${number(source.documents)} in ${source.collection}`)],
    ["Refreshed", scheduleText(source.schedule)],
    ["Last run", source.last_finished === null ? "never" : [when(source.last_finished), report?.seconds !== undefined && h("span", { class: "small faint took" }, `took ${span(report.seconds * 1000)}`)]],
    ["Next run", source.state !== "idle" ? "now" : source.next_due === null ? "none is planned" : when(source.next_due)],
    source.readers?.length > 0 && ["Readable by", source.readers.map((each) => h("span", { class: "tag" }, each))],
    ["Last run changed", source.last_error !== null ? h("span", { class: "wrong" }, source.last_error) : report === null ? "not known" : changesOf(report)],
  ].filter(Boolean).map(([name, value]) => h("div", { class: name === "Last run changed" ? "wide" : "" }, h("dt", {}, name), h("dd", {}, value)));
}

const FATES = [["added", "added"], ["updated", "changed"], ["renamed", "renamed"], ["removed", "removed"], ["failed", "failed"], ["skipped", "left out"], ["unchanged", "as before"]];

/** What a run did, fate by fate; what did not happen is left out, but for what people look for. */
function changesOf(report) {
  const shown = FATES.map(([name, label]) => [name, label, countOf(report[name])]).filter(([name, , count]) => count > 0 || ["added", "updated", "removed"].includes(name));
  return h("ul", { class: "changes" }, shown.map(([name, label, count]) =>
    h("li", { class: name === "failed" ? "wrong" : count ? "" : "faint" }, h("strong", { class: "number" }, number(count)), ` ${label}`)));
}

/** Admins are told the files, editors how many there are. */
function countOf(entries) {
  return Array.isArray(entries) ? entries.length : entries ?? 0;
}

/** The last run in a sentence. */
export function outcomeOf(source) {
  if (source.last_error !== null) return source.last_error;
  if (source.last_report === null) return "";
  return `${FATES.map(([name, label]) => [countOf(source.last_report[name]), label]).filter(([count]) => count > 0).map(([count, label]) => `${number(count)} ${label}`).join(", ")}.`;
}

/** The files that were not taken in, with the reasons; where one is told of them. */
function filesOf(source, open) {
  const report = source.last_report ?? {};
  const failed = Array.isArray(report.failed) ? report.failed.map((each) => ({ path: each.path, why: each.error, wrong: true })) : [];
  const skipped = Array.isArray(report.skipped) ? report.skipped.map((each) => ({ path: each.path, why: each.reason, wrong: false })) : [];
  const all = [...failed, ...skipped];
  if (!all.length) return null;
  return h("details", { class: "files", open },
    h("summary", {}, counted(all.length, "file"), " not taken in, and why"),
    h("ul", {}, all.slice(0, MOST_FILES).map(({ path, why, wrong }) =>
      h("li", {}, h("span", { class: "path" }, h("bdi", {}, inert(path))), h("span", { class: wrong ? "small wrong" : "small soft" }, sentence(why))))),
    all.length > MOST_FILES && h("p", { class: "small faint" }, `and ${counted(all.length - MOST_FILES, "more", "more")}`));
}

/** What admins do with a source: change when it is refreshed, and remove it. */
function administering({ kind, name }, shown, refresh) {
  return [
    h("button", { class: "button", type: "button", on: { click: () => reschedule(shown(), refresh) } }, icon("history"), "Schedule"),
    kind !== "uploads" && h("button", { class: "button bare", type: "button", title: "Remove", "aria-label": `Remove ${name}`, on: { click: () => takeAway(shown(), refresh) } }, icon("trash")),
  ];
}

function reschedule(source, refresh) {
  const known = SCHEDULES.some(([value]) => value === (source.schedule ?? ""));
  const select = h("select", { id: "new-schedule" },
    SCHEDULES.map(([value, label]) => h("option", { value, selected: value === (source.schedule ?? "") }, label)),
    !known && h("option", { value: source.schedule, selected: true }, `${source.schedule} UTC`));
  askFirst({
    title: `When is “${source.name}” refreshed?`,
    body: h("div", { class: "field" }, h("label", { for: "new-schedule" }, "Schedule"), select),
    label: "Keep",
    run: async () => {
      await patch(`/v1/sources/${source.id}`, { schedule: select.value || null });
      refresh();
    },
  });
}

function takeAway(source, refresh) {
  askFirst({
    title: `Remove “${source.name}”?`,
    body: h("p", {}, `Its ${counted(source.documents, "document")} leave the index, with their texts; answers that cite them lead nowhere any more. The files stay where they are.`),
    label: "Remove", danger: true,
    run: async () => {
      await remove(`/v1/sources/${source.id}`);
      announce(`${source.name} is removed.`);
      refresh();
    },
  });
}
