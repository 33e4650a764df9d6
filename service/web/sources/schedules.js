// Schedules: cron's five fields, in words where they are common ones.

import { h } from "../dom.js";

/** What the form offers: the schedule, and what it is called. */
export const SCHEDULES = [
  ["", "only when asked for"],
  ["*/5 * * * *", "every 5 minutes"],
  ["*/15 * * * *", "every 15 minutes"],
  ["0 * * * *", "every hour"],
  ["0 3 * * *", "every night at 03:00 UTC"],
  ["0 3 * * 1", "every Monday at 03:00 UTC"],
];

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/** A schedule in words; null where it takes cron's own. */
export function inWords(schedule) {
  if (schedule === null) return "only when asked for";
  if (schedule === "* * * * *") return "every minute";
  const [minute, hour, day, month, weekday] = schedule.split(/\s+/);
  if (day !== "*" || month !== "*") return null;
  const every = /^\*\/(\d+)$/.exec(minute);
  if (every && hour === "*" && weekday === "*") return `every ${every[1]} minutes`;
  if (!/^\d+$/.test(minute)) return null;
  if (hour === "*" && weekday === "*") return minute === "0" ? "every hour" : `every hour, ${minute} minutes past`;
  if (!/^\d+$/.test(hour)) return null;
  const clock = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")} UTC`;
  if (weekday === "*") return `every day at ${clock}`;
  return /^[0-7]$/.test(weekday) ? `every ${DAYS[weekday]} at ${clock}` : null;
}

/** The same as what stands on a page. */
export function scheduleText(schedule) {
  const words = inWords(schedule);
  return words === null ? h("code", {}, schedule, " UTC") : h("span", { title: schedule ?? "" }, words);
}
