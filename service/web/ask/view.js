// Ask: a question, its answer as it comes about, and the source beside it.

import { pages, Problem } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { problemBlock, waitingBlock } from "../live.js";
import { hashOf } from "../views.js";
import { Composer } from "./composer.js";
import { ExchangeView } from "./exchange.js";
import { asFilters } from "./filters.js";
import { History, newConversation } from "./history.js";
import { showPast } from "./past.js";
import { SourcePanel } from "./source.js";
import { listen, stop } from "./stream.js";
import { nothingYet, take, told } from "./telling.js";

const MOST_COLLECTIONS = 200;
const TURNS_SENT = 6;
const LONGEST_TURN = 20_000;
const LAST_COLLECTION = "footnote.collection";

export function show(root, context) {
  const ask = new Ask(root, context);
  ask.begin();
  return () => ask.leave();
}

class Ask {
  constructor(root, { session, parameters, signal }) {
    this._root = root;
    this._session = session;
    this._signal = signal;
    this._history = new History(session);
    this._conversation = this._history.find(parameters.get("c")) ?? null;
    this._wanted = parameters.get("collection");
    this._running = null;
    this._panel = new SourcePanel({ closed: () => this._besideNothing() });
    this._opens = {
      source: (citation, number, trigger) => this._beside(trigger, () => this._panel.cite(citation, number, trigger)),
      document: (place, trigger) => this._beside(trigger, () => this._panel.look(place, trigger)),
    };
    this._thread = h("div", { class: "thread" });
    this._layout = h("div", { class: "ask" });
  }

  async begin() {
    fill(this._root, waitingBlock("One moment…"));
    try {
      const collections = await fetchCollections(this._signal);
      if (this._signal.aborted) return;
      if (collections.length === 0) fill(this._root, nothingToAsk(this._session));
      else this._draw(collections);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      fill(this._root, problemBlock(error, { retry: () => this.begin() }));
    }
  }

  leave() {
    this._running?.abort();
    this._panel.release();
  }

  _draw(collections) {
    this._composer = new Composer({
      collections,
      collection: chosenCollection(collections, this._conversation?.collection ?? this._wanted),
      filters: this._conversation?.filters ?? {},
      asks: (question) => this._ask(question),
      stops: () => this._stop(),
    });
    const hero = h("header", { class: "hero" },
      h("h1", {}, "What would you like to know?"),
      h("p", { class: "soft" }, "Every sentence of the answer leads to the place that supports it."));
    const past = h("button", { class: "button quiet", type: "button", on: { click: () => this._past() } }, icon("history"), "Earlier questions");
    const anew = h("button", { class: "button quiet anew", type: "button", on: { click: () => this._anew() } }, icon("plus"), "New question");
    fill(this._layout,
      h("div", { class: "talk" }, h("div", { class: "tools" }, anew, past), hero, this._thread, h("div", { class: "dock" }, this._composer.element)),
      this._panel.element);
    fill(this._root, this._layout);
    this._restore();
  }

  /** The conversation as it was kept; an answer that was still being told is listened to again. */
  _restore() {
    fill(this._thread);
    for (const exchange of this._conversation?.exchanges ?? []) this._redraw(exchange);
    this._settle();
    if (!this._conversation) this._composer.focus();
  }

  _redraw(exchange) {
    const view = this._add(exchange);
    if (exchange.done) view.finish(told(exchange.done, exchange.answerId), { rating: exchange.rating ?? null });
    else if (exchange.answerId && exchange === this._conversation.exchanges.at(-1)) this._tell(view, exchange, { answerId: exchange.answerId });
    else view.stopped("This question was left without an answer.");
  }

  _add(exchange) {
    const view = new ExchangeView(exchange.question, {
      opens: this._opens,
      rated: (rating) => { exchange.rating = rating; this._keep(); },
      retry: () => this._again(view, exchange),
    });
    this._thread.append(view.element);
    return view;
  }

  _ask(question) {
    this._conversation ??= newConversation(this._composer.collection, this._composer.filters);
    Object.assign(this._conversation, { collection: this._composer.collection, filters: this._composer.filters });
    localStorage.setItem(LAST_COLLECTION, this._conversation.collection);
    const body = this._body(question);
    const exchange = { question, answerId: null, done: null };
    this._conversation.exchanges.push(exchange);
    const view = this._add(exchange);
    this._settle();
    view.element.scrollIntoView({ block: "start" });
    history.replaceState(null, "", hashOf("ask", { c: this._conversation.id }));
    this._tell(view, exchange, { question: body });
  }

  _body(question) {
    const filters = asFilters(this._conversation.filters);
    const turns = this._conversation.exchanges.filter(({ done }) => done).slice(-TURNS_SENT)
      .map((exchange) => ({ question: exchange.question, answer: exchange.done.answer.slice(0, LONGEST_TURN) }));
    return { question, collection: this._conversation.collection, ...(filters && { filters }), ...(turns.length && { turns }) };
  }

  async _tell(view, exchange, what) {
    const running = new AbortController();
    this._running = running;
    this._composer.isRunning = true;
    const answer = nothingYet();
    answer.answerId = exchange.answerId;
    try {
      for await (const event of listen({ ...what, signal: running.signal, broken: (isBroken) => view.lineIsBroken(isBroken) })) {
        take(answer, event);
        if (event.name === "started") {
          exchange.answerId = answer.answerId;
          this._keep();
        }
        if (answer.problem) throw new Problem(answer.problem);
        if (!answer.done) view.update(answer);
      }
      exchange.done = answer.done;
      view.finish(answer);
      this._keep();
    } catch (error) {
      if (error.name === "AbortError") {
        if (!this._signal.aborted) view.stopped();
      } else if (error instanceof Problem) view.fail(error);
      else throw error;
    } finally {
      if (this._running === running) {
        this._running = null;
        this._composer.isRunning = false;
      }
    }
  }

  _stop() {
    const exchange = this._conversation.exchanges.at(-1);
    this._running?.abort();
    if (exchange?.answerId) stop(exchange.answerId);
    if (exchange) exchange.answerId = null;
    this._keep();
  }

  _again(view, exchange) {
    view.element.remove();
    this._conversation.exchanges = this._conversation.exchanges.filter((each) => each !== exchange);
    this._ask(exchange.question);
  }

  _anew() {
    this._running?.abort();
    this._panel.close();
    this._conversation = null;
    history.replaceState(null, "", hashOf("ask"));
    this._restore();
  }

  _past() {
    showPast(this._history, {
      takesUp: (conversation) => {
        this._running?.abort();
        this._panel.close();
        this._conversation = conversation;
        history.replaceState(null, "", hashOf("ask", { c: conversation.id }));
        this._restore();
      },
      forgot: (id) => this._conversation?.id === id && this._anew(),
    });
  }

  _settle() {
    const isEmpty = !this._conversation?.exchanges.length;
    this._layout.classList.toggle("is-empty", isEmpty);
    this._composer.invitation = isEmpty ? "Ask a question…" : "Ask on…";
  }

  _keep() {
    this._conversation.at = Date.now();
    this._history.keep(this._conversation);
  }

  _beside(trigger, open) {
    this._besideNothing();
    this._layout.classList.add("with-source");
    trigger.classList.add("open");
    open();
    trigger.scrollIntoView({ block: "nearest" });
  }

  _besideNothing() {
    this._layout.classList.remove("with-source");
    this._layout.querySelector(".open")?.classList.remove("open");
  }
}

async function fetchCollections(signal) {
  const found = [];
  for await (const collection of pages("/v1/collections", "collections", { signal })) {
    found.push(collection);
    if (found.length === MOST_COLLECTIONS) break;
  }
  return found.filter(({ documents }) => documents > 0);
}

function chosenCollection(collections, wanted) {
  const names = collections.map(({ name }) => name);
  return [wanted, localStorage.getItem(LAST_COLLECTION), "default"].find((name) => names.includes(name)) ?? names[0];
}

function nothingToAsk(session) {
  return h("div", { class: "empty" },
    h("h1", {}, "There is nothing to ask yet."),
    h("p", { class: "soft" }, session.may.edit
      ? "No document is indexed that you may read. Bring some in, or have a folder ingested with footnote ingest PATH."
      : "No document is indexed that you may read. Whoever runs this service can give your key access, or bring documents in."),
    session.may.edit && h("p", {}, h("a", { class: "button main", href: "#/library" }, "Go to the library")));
}
