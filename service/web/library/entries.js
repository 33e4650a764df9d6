// Documents as entries of a list: what they are called, what became of their files, and of what kind they are.

import { inert } from "../ask/words.js";
import { h, icon } from "../dom.js";

/** What the filter of states offers: the value that the service takes, and what it is called here. */
export const STATES = [
  ["any", "All states"],
  ["indexed", "Indexed"],
  ["pending", "Being read"],
  ["failed", "Failed"],
  ["skipped", "Skipped"],
  ["removed", "Removed"],
];

/** What the filter of kinds offers, with the media types that each stands for. */
export const KINDS = [
  ["", "All kinds", []],
  ["pdf", "PDF", ["application/pdf"]],
  ["text", "Plain text", ["text/plain"]],
  ["markdown", "Markdown", ["text/markdown"]],
  ["web", "Web pages", ["text/html", "application/xhtml+xml"]],
  ["letters", "Word processing", ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/msword", "application/rtf", "text/rtf", "application/vnd.oasis.opendocument.text"]],
  ["sheets", "Spreadsheets", ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/vnd.ms-excel", "application/vnd.oasis.opendocument.spreadsheet", "text/csv"]],
  ["slides", "Slides", ["application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/vnd.ms-powerpoint", "application/vnd.oasis.opendocument.presentation"]],
  ["mail", "Mail", ["message/*"]],
  ["pictures", "Pictures", ["image/*"]],
];

const TAGS = {
  indexed: { label: "Indexed", kind: "good", sign: "check" },
  pending: { label: "Being read", kind: "", sign: null },
  failed: { label: "Failed", kind: "bad", sign: "warning" },
  skipped: { label: "Skipped", kind: "warn", sign: "warning" },
  removed: { label: "Removed", kind: "", sign: null },
};

/** What a document is called: its title, or the name of its file. */
export function nameOf(entry) {
  return inert(entry.title || entry.path.split("/").pop());
}

/** What became of a document's file, as a word in a frame. */
export function stateTag(entry) {
  const { label, kind, sign } = TAGS[entry.status] ?? { label: entry.status, kind: "", sign: null };
  const mark = entry.status === "pending" ? h("span", { class: "dots", "aria-hidden": "true" }) : sign && icon(sign);
  return h("span", { class: `tag ${kind}` }, mark, label);
}

/** Why there is nothing of it, and what goes on meanwhile; nothing where all is well. */
export function reasonOf(entry) {
  if (entry.reason) {
    const again = entry.retryable ? " The next refresh tries again." : "";
    return sentence(entry.reason) + again;
  }
  if (entry.status === "pending" && entry.revision !== null) return `Until then answers come from revision ${entry.revision}.`;
  if (entry.status === "removed") return "Its file has gone. Answers that cited it still lead to its text, for a time.";
  return "";
}

// Reasons are said of a file ("contains no text"); those that are sentences of their own begin in another way.
const SAID_OF_A_FILE = /^(is|was|has|had|holds?|contains?|cannot|can|could|needs?|takes?|does|did|consists?|exceeds?|lies|changed|vanished|looks?|uses?|would|may|must)\b/;

/** A reason as the service gives it, as a sentence. */
export function sentence(reason) {
  const text = reason === "empty" ? "The file is empty" : SAID_OF_A_FILE.test(reason) ? `The file ${reason}` : reason.charAt(0).toUpperCase() + reason.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Of what kind a document is, as a word where there is one. */
export function kindOf(mediaType) {
  const family = mediaType.replace(/\/.*$/, "/*");
  return KINDS.find(([, , types]) => types.includes(mediaType) || types.includes(family))?.[1] ?? mediaType;
}
