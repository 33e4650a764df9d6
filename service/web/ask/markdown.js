// An answer as Markdown with footnotes, to be pasted where one writes.

import { inert } from "./words.js";

/** The question in bold, the sentences with their footnotes, and the footnotes with path, page and quote. */
export function asMarkdown(question, answer) {
  const parts = [`**${escape(oneLine(question))}**`, ""];
  if (answer.done?.status === "refused") {
    parts.push(escape(answer.done.answer), ...(answer.done.missing ? ["", escape(answer.done.missing)] : []));
  } else {
    parts.push(answer.sentences.map(sentence).join("").trim());
    if (answer.done?.missing) parts.push("", `*Not answered:* ${escape(answer.done.missing)}`);
  }
  if (answer.citations.length) parts.push("", ...answer.citations.map(note));
  return `${parts.join("\n")}\n`;
}

function sentence({ text, separator, citations, supported }) {
  const markers = citations.map((number) => `[^${number + 1}]`).join("");
  return `${separator}${escape(text)}${markers}${supported ? "" : " *(not supported)*"}`;
}

function note(citation, number) {
  const where = [escape(citation.path), citation.page === null ? null : `page ${citation.page}`, `revision ${citation.revision}`];
  return `[^${number + 1}]: ${where.filter(Boolean).join(", ")}: “${escape(oneLine(citation.quote))}”`;
}

const oneLine = (text) => text.replace(/\s+/g, " ").trim();

/** Characters that Markdown or HTML would take for more than themselves. */
const escape = (text) => inert(text).replace(/[\\`*_[\]<>|#~]/g, "\\$&");
