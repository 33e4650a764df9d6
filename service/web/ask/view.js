// Ask: a question, and its answer beside its sources.

import { fill, h } from "../dom.js";

export function show(root) {
  fill(root, h("h1", {}, "Ask"));
}
