// Elements, made without ever reading text as markup: what comes from documents is text, and stays text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. Children are elements, texts, or nothing (null, false); arrays of them are taken apart.
 *
 * Properties: `class`, `on` ({event: listener}), `data` ({name: value}), `value`/`checked`/… (set as properties where
 * the element has them), and anything else as an attribute; true sets an empty one, null and false none.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...flat(children));
  return element;
}

/** Put these children in the place of what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "selected", "indeterminate", "open", "htmlFor"]);

function set(element, name, value) {
  if (name === "on") {
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  } else if (name === "data") {
    Object.assign(element.dataset, value);
  } else if (value === null || value === undefined || value === false) {
    if (PROPERTIES.has(name)) element[name] = value ?? "";
  } else if (PROPERTIES.has(name)) {
    element[name] = value;
  } else if (name === "class") {
    element.className = value;
  } else {
    check(name, value);
    element.setAttribute(name, value === true ? "" : value);
  }
}

/** Links lead within this page or to addresses of this service: no text from elsewhere can become another one. */
function check(name, value) {
  if (/^on|^style$|^srcdoc$/i.test(name)) throw new Error(`an attribute '${name}' is set by no part of this page`);
  if (name === "href" && !/^(#|\/(?!\/))/.test(value)) throw new Error("a link leads within this service");
  if (name === "src" && !/^(blob:|\/(?!\/))/.test(value)) throw new Error("a picture comes from this service");
}

/** A drawing of lines in a square of 24 units, in the colour of the text around it; it says nothing to who listens. */
export function icon(name) {
  const drawing = svg("svg", {
    viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false",
  });
  for (const path of ICONS[name]) drawing.append(svg("path", { d: path }));
  return drawing;
}

/** An element of SVG, with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...flat(children));
  return element;
}

const ICONS = {
  ask: ["M4 5h16v11H9l-5 4z"],
  library: ["M5 4h4v16H5z", "M9 4h4v16H9z", "m14.500 4.700 3.900-1 3.900 15.500-3.900 1z"],
  sources: ["M3 6h6l2 2h10v11H3z"],
  health: ["M3 12h4l3-7 4 14 3-7h4"],
  sun: ["M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2"],
  moon: ["M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z"],
  leave: ["M14 4h5v16h-5", "M3 12h11", "m10 8 4 4-4 4"],
  close: ["M6 6l12 12M18 6 6 18"],
  send: ["M12 19V5", "m6 11 6-6 6 6"],
  stop: ["M7 7h10v10H7z"],
  copy: ["M9 9h11v11H9z", "M5 15H4V4h11v1"],
  up: ["M7 11v9H3v-9z", "M7 11l4-8c1.500 0 2.500 1 2.500 2.500V9H19a2 2 0 0 1 2 2.300l-1.100 7A2 2 0 0 1 17.900 20H7"],
  down: ["M7 13V4H3v9z", "M7 13l4 8c1.500 0 2.500-1 2.500-2.500V15H19a2 2 0 0 0 2-2.300l-1.100-7A2 2 0 0 0 17.900 4H7"],
  filter: ["M4 6h16M7 12h10M10 18h4"],
  history: ["M4 12a8 8 0 1 0 2.500-5.800L4 8.500", "M4 4v4.500h4.500", "M12 8v4.500l3 2"],
  plus: ["M12 5v14M5 12h14"],
  trash: ["M5 7h14", "M9 7V4h6v3", "M7 7l1 13h8l1-13", "M10.500 11v5M13.500 11v5"],
  refresh: ["M20 12a8 8 0 1 1-2.500-5.800L20 8.500", "M20 4v4.500h-4.500"],
  upload: ["M12 16V4", "m7 9 5-5 5 5", "M4 16v4h16v-4"],
  search: ["M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13z", "m15.500 15.500 5 5"],
  check: ["m5 12.500 4.500 4.500L19 7.500"],
  warning: ["M12 4 2.500 20h19z", "M12 10v4.500M12 17.200v.3"],
  document: ["M6 3h8l4 4v14H6z", "M14 3v4h4"],
  next: ["m9 5 7 7-7 7"],
  back: ["m15 5-7 7 7 7"],
  more: ["M5 12h.01M12 12h.01M19 12h.01"],
};
