// Deleting, with time to think better of it: the service is asked only once that time is over.
//
// Whoever goes to another view still has the notice, and the time. Whoever closes or leaves the page, or signs out, has
// not deleted anything: what cannot be taken back is done only while somebody can see that it is about to be done.

import { Problem, remove } from "../api.js";
import { announce, notify, sentenceOf } from "../live.js";

export const UNDO_MS = 6000;

const pending = new Map(); // id of a document → how to take its deletion back

/** Whether a document is about to be deleted, and so is not to be shown. */
export function isLeaving(id) {
  return pending.has(id);
}

/**
 * Delete a document, in some seconds. `name`: what it is called; `back(problem)` is called if it stays after all, with
 * the problem where the service refused; `gone()` once it is deleted.
 */
export function deleteSoon(id, name, { back, gone = () => {} }) {
  const takeBack = () => {
    if (!pending.delete(id)) return;
    away();
    announce(`“${name}” stays.`);
    back(null);
  };
  const send = async () => {
    if (!pending.has(id)) return;
    try {
      await remove(`/v1/documents/${id}`);
      announce(`“${name}” is deleted.`);
      pending.delete(id);
      gone();
    } catch (error) {
      pending.delete(id);
      if (!(error instanceof Problem)) throw error;
      if (error.kind === "erased" || error.kind === "not-found") return gone();
      notify(`“${name}” could not be deleted. ${sentenceOf(error)}`, { kind: "wrong" });
      back(error);
    }
  };
  const away = notify(`“${name}” is about to be deleted, with all of its texts.`, {
    shownMs: UNDO_MS, action: { label: "Undo", run: takeBack }, lapsed: send,
  });
  pending.set(id, takeBack);
}

function takeBackLast() {
  const last = [...pending.values()].pop();
  last?.();
  return last !== undefined;
}

function takeBackAll() {
  while (takeBackLast());
}

addEventListener("keydown", (event) => {
  const writes = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !writes && takeBackLast()) event.preventDefault();
});
addEventListener("pagehide", takeBackAll);
addEventListener("footnote:signedout", takeBackAll);
