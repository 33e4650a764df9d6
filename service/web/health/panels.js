// What is shown of the figures: a panel for each question that an operator has.

import { h } from "../dom.js";
import { bytes, clockOf, counted, dayOf, fromNow, momentOf, number, percent, span } from "../units.js";
import { hashOf } from "../views.js";
import { bars, columns, legend, lines, table } from "./charts.js";

const MOST_BARS = 6;
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const money = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const ANSWERS = [{ name: "answered", tone: "first" }, { name: "in part", tone: "second" }, { name: "refused", tone: "third" }];
const TIMES = [{ name: "half within", tone: "first" }, { name: "95 of 100 within", tone: "fourth" }];

/** All panels. Two of them are twice as wide as the others where there is room (`isWide`). */
export function panels(stats, { isWide }) {
  return [questions, times, refusals, unsupported, opinions, spend, size, freshness, waiting, failures].map((panel) => panel(stats, isWide));
}

function panel({ name, title, figure, beside = null, body, isWide = false }) {
  const heading = `panel-${name}`;
  return h("section", { class: isWide ? "card panel wide" : "card panel", "aria-labelledby": heading, data: { panel: name } },
    h("h2", { id: heading }, title),
    h("p", { class: "figure" }, h("strong", { class: "number" }, figure), beside && h("span", { class: "small faint" }, beside)),
    body);
}

const total = (figures) => figures.answered + figures.partial + figures.refused;

/** What slots are called, on the chart and in its table. */
function slots(stats) {
  const short = stats.slot_s >= 86400 ? dayOf : stats.slot_s > 3600 ? (date) => `${dayOf(date)}, ${clockOf(date)}` : clockOf;
  const names = stats.slots.map(({ at }) => short(new Date(at)));
  const brief = stats.slot_s > 3600 ? dayOf : clockOf;
  const middle = Math.floor(names.length / 2);
  const ticks = [0, middle, names.length - 1].map((place) => [place, brief(new Date(stats.slots[place].at))]);
  return { names, ticks };
}

function questions(stats, isWide) {
  const { names, ticks } = slots(stats);
  const count = total(stats.answers);
  const points = stats.slots.map((slot, place) => ({ label: names[place], values: [slot.answered, slot.partial, slot.refused] }));
  return panel({
    isWide, name: "questions", title: "Questions", figure: number(count),
    beside: count ? `${number(stats.answers.answered)} answered, ${number(stats.answers.partial)} in part, ${number(stats.answers.refused)} refused` : "none in this time",
    body: [
      columns({ isWide, points, series: ANSWERS, format: (value) => compact.format(value), ticks, sentence: `Questions over time: ${counted(count, "question")}, at most ${number(Math.max(...stats.slots.map(total)))} from one mark to the next.` }),
      legend(ANSWERS),
      table({ caption: "Questions over time", heads: ["From", "Answered", "In part", "Refused"], rows: points.map(({ label, values }) => [label, ...values.map(number)]) }),
    ],
  });
}

function times(stats) {
  const { names, ticks } = slots(stats);
  const { p50_ms: half, p95_ms: most } = stats.answers;
  const points = stats.slots.map((slot, place) => ({ label: names[place], values: [slot.p50_ms, slot.p95_ms] }));
  return panel({
    name: "times", title: "Time to an answer", figure: most === null ? "—" : span(most),
    beside: most === null ? "no answer in this time" : `for 95 of 100; half of them within ${span(half)}`,
    body: [
      lines({ points, series: TIMES, format: span, ticks, sentence: most === null ? "Time to an answer: no answers." : `Time to an answer: half within ${span(half)}, 95 of 100 within ${span(most)}.` }),
      legend(TIMES),
      table({ caption: "Time to an answer", heads: ["From", "Half within", "95 of 100 within"], rows: points.map(({ label, values }) => [label, ...values.map((value) => (value === null ? "—" : span(value)))]) }),
    ],
  });
}

/** How many of something there were over time, and which share of all that was. */
function share({ name, title, stats, of, among, tone, beside, none }) {
  const { names, ticks } = slots(stats);
  const whole = among(stats.answers) ? of(stats.answers) / among(stats.answers) : null;
  const points = stats.slots.map((slot, place) => ({ label: names[place], values: [of(slot)], all: among(slot) }));
  return panel({
    name, title, figure: whole === null ? "—" : percent(whole), beside: whole === null ? none : beside(stats.answers),
    body: [
      columns({ points, series: [{ name, tone }], format: (value) => compact.format(value), ticks, sentence: `${title} over time: ${whole === null ? none : `${number(of(stats.answers))} of ${number(among(stats.answers))} in all`}.` }),
      table({ caption: `${title} over time`, heads: ["From", title, "Of", "Share"], rows: points.map(({ label, values, all }) => [label, number(values[0]), number(all), all ? percent(values[0] / all) : "—"]) }),
    ],
  });
}

const refusals = (stats) => share({
  name: "refusals", title: "Refused", stats, tone: "third", of: (figures) => figures.refused, among: total, none: "no question in this time",
  beside: (figures) => `${number(figures.refused)} of ${counted(total(figures), "question")}`,
});

const unsupported = (stats) => share({
  name: "unsupported", title: "Unsupported sentences", stats, tone: "second", of: (figures) => figures.unsupported, among: (figures) => figures.sentences, none: "no sentence in this time",
  beside: (figures) => `${number(figures.unsupported)} of ${counted(figures.sentences, "sentence")}, left out or marked`,
});

function waiting({ queues }) {
  const rows = [
    ["Texts for the models", queues.models], ["Answers being told", queues.answers], ["Jobs waiting", queues.jobs_queued], ["Jobs at work", queues.jobs_running],
    ["Uploads to be read", queues.uploads_pending], ["Sources due", queues.sources_due], ["Sources being refreshed", queues.sources_running], ["Webhooks to be sent", queues.webhooks_waiting],
  ];
  const waits = queues.models + queues.jobs_queued + queues.uploads_pending + queues.sources_due + queues.webhooks_waiting;
  return panel({ name: "waiting", title: "Waiting", figure: number(waits), beside: waits ? "to be done" : "nothing waits", body: figures(rows) });
}

function failures({ failures: failed }) {
  const rows = [
    ["Files that could not be read", failed.files, { state: "failed" }], ["Sources that fail", failed.sources, "sources"],
    ["Jobs that failed", failed.jobs], ["Webhooks given up", failed.webhooks],
  ];
  const count = rows.reduce((sum, [, value]) => sum + value, 0);
  return panel({ name: "failures", title: "Failures", figure: number(count), beside: count ? "files and sources as of now" : "nothing is wrong", body: figures(rows) });
}

/** Figures under one another; those that are not zero lead to where more is known of them. */
function figures(rows) {
  return h("dl", { class: "figures" }, rows.map(([label, value, place]) => {
    const text = value && place ? h("a", { href: typeof place === "string" ? hashOf(place) : hashOf("library", place) }, label) : label;
    return h("div", { class: value ? "" : "faint" }, h("dt", {}, text), h("dd", { class: "number" }, number(value)));
  }));
}

function freshness({ sources, until }) {
  const now = new Date(until);
  const known = sources.map((source) => ({ ...source, age: source.last_finished === null ? null : Math.max(0, now - new Date(source.last_finished)) }));
  const oldest = known.filter(({ schedule }) => schedule !== null).sort((one, other) => (other.age ?? Infinity) - (one.age ?? Infinity));
  const shown = (oldest.length ? oldest : known).slice(0, MOST_BARS);
  const failing = known.filter((each) => each.failing).length;
  const worst = shown[0];
  return panel({
    name: "freshness", title: "Since the last refresh", figure: !worst ? "—" : worst.age === null ? "never" : span(worst.age),
    beside: !sources.length ? "no sources" : `the longest of ${counted(sources.length, "source")}${failing ? `; ${number(failing)} failing` : ""}`,
    body: [
      bars(shown.map((each) => ({
        label: `${each.name} · ${each.collection}`, value: each.age ?? 0, tone: each.failing ? "wrong" : "first",
        text: `${each.age === null ? "never" : span(each.age)}${each.failing ? ", failing" : ""}`,
      }))),
      table({ caption: "Sources by their last refresh", heads: ["Source", "Last", "Next"], rows: known.map((each) => [`${each.name} (${each.collection})`, each.last_finished === null ? "never" : momentOf(new Date(each.last_finished)), each.next_due === null ? "not planned" : fromNow(new Date(each.next_due), now)]) }),
    ],
  });
}

function size({ collections, database_bytes: room }) {
  const chunks = collections.reduce((sum, each) => sum + each.chunks, 0);
  const documents = collections.reduce((sum, each) => sum + each.documents, 0);
  const largest = [...collections].sort((one, other) => other.chunks - one.chunks).slice(0, MOST_BARS);
  return panel({
    name: "size", title: "Index", figure: `${compact.format(chunks)} ${chunks === 1 ? "passage" : "passages"}`,
    beside: `of ${counted(documents, "document")}${room === null ? "" : `; the database takes ${bytes(room)}`}`,
    body: [
      bars(largest.map((each) => ({ label: each.name, value: each.chunks, text: compact.format(each.chunks) }))),
      table({ caption: "Collections by size", heads: ["Collection", "Documents", "Passages"], rows: collections.map((each) => [each.name, number(each.documents), number(each.chunks)]) }),
    ],
  });
}

function spend({ spend: days }, isWide) {
  const paid = days.reduce((sum, each) => sum + each.money, 0);
  const tokens = days.reduce((sum, each) => sum + each.tokens, 0);
  const isPaid = paid > 0;
  const points = days.map((each) => ({ label: dayOf(new Date(each.day)), values: [isPaid ? each.money : each.tokens] }));
  const format = isPaid ? (value) => money.format(value) : (value) => compact.format(value);
  const middle = Math.floor(days.length / 2);
  return panel({
    isWide, name: "spend", title: "Spent in 30 days", figure: isPaid ? money.format(paid) : `${compact.format(tokens)} tokens`,
    beside: isPaid ? `for ${compact.format(tokens)} tokens, at the prices in the settings` : tokens ? "no prices are set" : "no language model was asked",
    body: [
      columns({ isWide, points, series: [{ name: isPaid ? "money" : "tokens", tone: "first" }], format, ticks: [0, middle, days.length - 1].map((place) => [place, points[place].label]), sentence: `Spent by day: ${isPaid ? money.format(paid) : `${number(tokens)} tokens`} in 30 days.` }),
      table({ caption: "Spent by day", heads: ["Day", "Answers", "Tokens", "Money"], rows: days.map((each, place) => [points[place].label, number(each.requests), number(each.tokens), money.format(each.money)]) }),
    ],
  });
}

function opinions({ feedback: { up, down } }) {
  const count = up + down;
  return panel({
    name: "opinions", title: "Ratings", figure: count ? percent(up / count) : "—", beside: count ? `thumbs up, of ${counted(count, "rating")}` : "nobody has said anything in this time",
    body: count > 0 && bars([{ label: "Up", value: up, text: number(up) }, { label: "Down", value: down, text: number(down), tone: "third" }]),
  });
}
