// Adding a source: a folder, or what else the service takes from elsewhere.

import { post } from "../api.js";
import { h } from "../dom.js";
import { announce } from "../live.js";
import { askFirst } from "./dialog.js";
import { SCHEDULES } from "./schedules.js";

/** Ask where it is, and have it read at once; `added()` is called then. */
export function addSource({ added }) {
  const location = field("location", "Place", { required: true, placeholder: "/srv/handbook", spellcheck: "false", autocomplete: "off" }, "A folder's path on the service's machine, or an address that it can read; at or below one that the settings allow.");
  const collection = field("collection", "Collection", { value: "default", required: true, autocomplete: "off", spellcheck: "false" });
  const schedule = h("select", { id: "source-schedule", name: "schedule" }, SCHEDULES.map(([value, label]) => h("option", { value, selected: value === "*/15 * * * *" }, label)));
  const readers = field("readers", "Readable by", { placeholder: "as the service is set", autocomplete: "off", spellcheck: "false" }, "public, group:NAME, user:NAME, with commas between.");
  const exclude = field("exclude", "Leave out", { placeholder: "drafts/, *.tmp", autocomplete: "off", spellcheck: "false" }, "Patterns as in .gitignore, with commas between.");
  const listed = (input) => {
    const parts = input.value.split(",").map((each) => each.trim()).filter(Boolean);
    return parts.length ? parts : null;
  };
  askFirst({
    title: "Add a source",
    label: "Add",
    body: h("div", { class: "fields" }, location.element, collection.element,
      h("div", { class: "field" }, h("label", { for: "source-schedule" }, "Refreshed"), schedule),
      readers.element, exclude.element),
    run: async () => {
      const source = await post("/v1/sources", {
        location: location.input.value.trim(), collection: collection.input.value.trim(), schedule: schedule.value || null,
        readers: listed(readers.input), exclude: listed(exclude.input),
      });
      if (source.state === "idle") await post(`/v1/sources/${source.id}/refresh`, null);
      announce(`${source.name} is added.`);
      added();
    },
  });
}

function field(name, label, properties, hint = null) {
  const id = `source-${name}`;
  const input = h("input", { id, name, "aria-describedby": `${id}-hint ${id}-trouble`, ...properties });
  const element = h("div", { class: "field" }, h("label", { for: id }, label), input,
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
    h("p", { class: "small wrong", id: `${id}-trouble`, data: { trouble: name } }));
  return { input, element };
}
