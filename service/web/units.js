// Numbers, sizes, spans and times, in words for people.

import { h } from "./dom.js";

const LANGUAGE = "en-GB";
const whole = new Intl.NumberFormat(LANGUAGE);
const some = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 1 });
const day = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short" });
const clock = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit" });
const moment = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto" });

export const number = (value) => whole.format(value);
export const dayOf = (date) => day.format(date);
export const clockOf = (date) => clock.format(date);
export const momentOf = (date) => moment.format(date);

/** "1 document", "12 documents"; `many` where it is not the one with an s. */
export function counted(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** A share from 0 to 1 in per cent; one decimal where it is small. */
export function percent(share) {
  return `${share > 0 && share < 0.1 ? some.format(share * 100) : whole.format(Math.round(share * 100))}\u202f%`;
}

/** A size: "48 KB". */
export function bytes(value) {
  let rest = value;
  for (const unit of ["bytes", "KB", "MB", "GB"]) {
    if (rest < 1000) return unit === "bytes" ? counted(rest, "byte") : `${rest < 10 ? some.format(rest) : whole.format(Math.round(rest))} ${unit}`;
    rest /= 1000;
  }
  return `${some.format(rest)} TB`;
}

/** How long something took: "412 ms", "2.1 s", "3 min". */
export function span(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 90) return `${seconds < 10 ? some.format(seconds) : Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 90) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  return hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} days`;
}

const STEPS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 7], ["week", 4.35], ["month", 12], ["year", Infinity]];

/** From now: "3 minutes ago", "in 2 hours". */
export function fromNow(date, now = new Date()) {
  let value = (date - now) / 1000;
  if (Math.abs(value) < 5) return "just now";
  for (const [unit, many] of STEPS) {
    if (Math.abs(Math.round(value)) < many) return relative.format(Math.round(value), unit);
    value /= many;
  }
  return momentOf(date);
}

/** The same as an element that tells the exact time, too. */
export function when(iso) {
  const date = new Date(iso);
  return h("time", { datetime: iso, title: momentOf(date) }, fromNow(date));
}
