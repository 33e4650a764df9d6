// Words that come from documents, made fit to be read, and figures and times in words.

/** Text without the characters that turn the order of what follows: they can make it read as something else. */
export function inert(text) {
  return text.replace(/[\u202d\u202e]/g, "\ufffd");
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const day = (moment) => DAY.format(new Date(moment));
export const moment = (at) => MOMENT.format(new Date(at));

/** "1 sentence", "3 sentences". */
export const count = (number, noun, plural = `${noun}s`) => `${number.toLocaleString()} ${number === 1 ? noun : plural}`;

/** A support or evidence score in words, which are read faster than a figure. */
export function strength(score) {
  if (score >= 0.9) return "strong";
  if (score >= 0.6) return "good";
  return score >= 0.3 ? "weak" : "very weak";
}

export const percent = (share) => `${Math.round(share * 100)} %`;

/** The last part of a path, and what comes before it. */
export function fileName(path) {
  const at = path.lastIndexOf("/") + 1;
  return { folder: path.slice(0, at), name: path.slice(at) };
}

/** What kind of file it is, in a word. */
export function kindOf(mediaType) {
  const known = { "application/pdf": "PDF", "text/markdown": "Markdown", "text/html": "Web page", "text/plain": "Text" };
  if (known[mediaType]) return known[mediaType];
  if (/wordprocessing|msword|opendocument\.text|rtf/.test(mediaType)) return "Document";
  if (/spreadsheet|excel|csv/.test(mediaType)) return "Table";
  if (/presentation|powerpoint/.test(mediaType)) return "Slides";
  return /^message\/|outlook/.test(mediaType) ? "Mail" : "File";
}
