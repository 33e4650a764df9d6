// Library: what is in the index, what is on its way there, what did not get there and why; and a document as it was cut.

import { showDocument } from "./document.js";
import { showShelf } from "./shelf.js";

export function show(root, context) {
  return context.parameters.has("document") ? showDocument(root, context) : showShelf(root, context);
}
