// The conversations of this browser: kept here alone, for each who signs in apart, and gone when they say so.

import { HISTORY } from "../session.js";

const MOST_CONVERSATIONS = 60;
const MOST_CHARACTERS = 2_000_000;

/**
 * What somebody has asked in this browser, newest first: {id, at, collection, filters, exchanges}, where an exchange is
 * {question, answerId, done, rating}.
 */
export class History {
  constructor(session) {
    this._name = HISTORY + (session.key ?? session.kind);
  }

  all() {
    try {
      const kept = JSON.parse(localStorage.getItem(this._name) ?? "[]");
      return Array.isArray(kept) ? kept : [];
    } catch {
      return [];
    }
  }

  find(id) {
    return this.all().find((conversation) => conversation.id === id) ?? null;
  }

  /** Keep a conversation as it is now, as the newest. The oldest go where there is no room. */
  keep(conversation) {
    let kept = [conversation, ...this.all().filter((other) => other.id !== conversation.id)].slice(0, MOST_CONVERSATIONS);
    while (kept.length > 1 && JSON.stringify(kept).length > MOST_CHARACTERS) kept = kept.slice(0, -1);
    while (kept.length > 0) {
      try {
        localStorage.setItem(this._name, JSON.stringify(kept));
        return;
      } catch {
        kept = kept.slice(0, -1); // this browser gives the page no more room
      }
    }
  }

  forget(id) {
    localStorage.setItem(this._name, JSON.stringify(this.all().filter((conversation) => conversation.id !== id)));
  }

  clear() {
    localStorage.removeItem(this._name);
  }
}

/** A conversation that has just begun. */
export function newConversation(collection, filters) {
  return { id: crypto.getRandomValues(new Uint32Array(2)).join(""), at: Date.now(), collection, filters, exchanges: [] };
}
