// Small charts, drawn in SVG: columns, lines, and bars that lie. Each says in a sentence what it shows, and has the same
// figures as a table for whoever wants or needs them.

import { h, svg } from "../dom.js";

const NARROW = 340;
const WIDE = 740;
const HEIGHT = 132;
const LEFT = 40;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 22;
const FLOOR = HEIGHT - BOTTOM;

/**
 * Columns, one a point, in which the series stand on one another.
 *
 * points: [{label, values}], `values` in the order of `series`: [{name, tone}]. format: of a value, in words. ticks: what
 * stands along the floor: [[place, text]]. isWide: there is room for twice the width.
 */
export function columns({ points, series, format, ticks, sentence, isWide = false }) {
  const width = isWide ? WIDE : NARROW;
  const top = ceiling(Math.max(...points.map(({ values }) => sum(values)), 0));
  const y = scale(top);
  const step = (width - LEFT - RIGHT) / points.length;
  const broad = Math.max(1.5, Math.min(step * 0.72, 22));
  const drawn = points.flatMap(({ label, values }, place) => {
    let below = 0;
    const x = LEFT + step * (place + 0.5) - broad / 2;
    const pieces = values.map((value, number) => {
      const from = below;
      below += value;
      return value > 0 && svg("rect", { class: `tone-${series[number].tone}`, x: round(x), width: round(broad), y: round(y(below)), height: round(y(from) - y(below)) });
    });
    const said = `${label}: ${series.map(({ name }, number) => `${format(values[number])}${series.length > 1 ? ` ${name}` : ""}`).join(", ")}`;
    return svg("g", {}, svg("title", {}, said), svg("rect", { class: "reach", x: round(LEFT + step * place), y: TOP, width: round(step), height: FLOOR - TOP }), pieces);
  });
  return frame({ drawn, top, y, format, ticks: placed(ticks, points.length, width), sentence, width });
}

/** Lines through the points; where a value is null, a line is broken. A point alone is a dot. */
export function lines({ points, series, format, ticks, sentence }) {
  const top = ceiling(Math.max(...points.flatMap(({ values }) => values.map((value) => value ?? 0)), 0));
  const y = scale(top);
  const step = (NARROW - LEFT - RIGHT) / points.length;
  const x = (place) => LEFT + step * (place + 0.5);
  const drawn = series.flatMap(({ tone }, number) => runs(points.map(({ values }) => values[number])).map((run) =>
    run.length === 1
      ? svg("circle", { class: `dot-${tone}`, cx: round(x(run[0].place)), cy: round(y(run[0].value)), r: 2.5 })
      : svg("polyline", { class: `line-${tone}`, points: run.map(({ place, value }) => `${round(x(place))},${round(y(value))}`).join(" ") })));
  const reach = points.map(({ label, values }, place) => {
    const said = values.every((value) => value === null) ? "none" : series.map(({ name }, number) => `${name} ${values[number] === null ? "none" : format(values[number])}`).join(", ");
    return svg("g", {}, svg("title", {}, `${label}: ${said}`), svg("rect", { class: "reach", x: round(LEFT + step * place), y: TOP, width: round(step), height: FLOOR - TOP }));
  });
  return frame({ drawn: [...drawn, ...reach], top, y, format, ticks: placed(ticks, points.length, NARROW), sentence, width: NARROW });
}

/** Bars that lie under one another, the longest as wide as there is room: [{label, value, text, tone}]. */
export function bars(rows) {
  const most = Math.max(...rows.map(({ value }) => value), 0) || 1;
  return h("ul", { class: "bars" }, rows.map(({ label, value, text, tone = "first" }) => {
    const share = value <= 0 ? 0 : Math.max(0.01, value / most);
    const drawing = svg("svg", { class: "bar-line", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
      svg("rect", { class: "bar-rest", width: 100, height: 6, rx: 0 }), svg("rect", { class: `tone-${tone}`, width: round(share * 100), height: 6 }));
    return h("li", {}, h("span", { class: "bar-label" }, h("bdi", {}, label)), h("span", { class: "bar-text number" }, text), drawing);
  }));
}

/** What the tones of a chart stand for. */
export function legend(series) {
  return h("ul", { class: "legend" }, series.map(({ name, tone }) =>
    h("li", {}, svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true", focusable: "false" }, svg("rect", { class: `tone-${tone}`, width: 10, height: 10, rx: 2 })), name)));
}

/** The figures of a chart as a table, folded up. */
export function table({ caption, heads, rows }) {
  return h("details", { class: "as-table" },
    h("summary", {}, "As a table"),
    h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": caption },
      h("table", {},
        h("caption", { class: "unseen" }, caption),
        h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
        h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row" }, first), rest.map((cell) => h("td", { class: "number" }, cell))))))));
}

function frame({ drawn, top, y, format, ticks, sentence, width }) {
  const levels = top === 0 ? [0] : [0, top / 2, top];
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": sentence },
    levels.map((level) => svg("line", { class: level === 0 ? "floor" : "level", x1: LEFT, x2: width - RIGHT, y1: round(y(level)), y2: round(y(level)) })),
    levels.map((level) => svg("text", { class: "tick", x: LEFT - 6, y: round(y(level) + 3.5), "text-anchor": "end" }, level === 0 ? "0" : format(level))),
    ticks.map(({ text, x, anchor }) => svg("text", { class: "tick", x: round(x), y: HEIGHT - 6, "text-anchor": anchor }, text)),
    drawn);
}

/** Where the names of points stand along the floor. */
function placed(ticks, count, width) {
  return ticks.map(([place, text]) => {
    const anchor = place === 0 ? "start" : place === count - 1 ? "end" : "middle";
    const middle = LEFT + ((width - LEFT - RIGHT) / count) * (place + 0.5);
    return { text, anchor, x: anchor === "start" ? LEFT : anchor === "end" ? width - RIGHT : middle };
  });
}

function scale(top) {
  return (value) => (top === 0 ? FLOOR : FLOOR - (value / top) * (FLOOR - TOP));
}

/** The next round number: 1, 2, 4, 5 or 10 times a power of ten, so that the half of it is one, too. */
export function ceiling(value) {
  if (value <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((factor) => factor * power).find((each) => each >= value * 0.9999);
}

/** The stretches of values that follow one another without a gap. */
function runs(values) {
  const found = [];
  let run = [];
  values.forEach((value, place) => {
    if (value !== null) run.push({ place, value });
    if ((value === null || place === values.length - 1) && run.length) {
      found.push(run);
      run = [];
    }
  });
  return found;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
const round = (value) => Math.round(value * 10) / 10;
