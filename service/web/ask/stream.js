// An answer as it comes about: server-sent events by fetch, taken up again where a connection broke off.

import { Problem, request } from "../api.js";

const PAUSES_MS = [250, 500, 1000, 2000, 3000, 4000, 4000];
/** Waiting is in vain after that: an answer that nobody listens to is stopped after 15 s. */

/**
 * The events of an answer, as {id, name, data}: of a question that is asked now (`question`, a body of POST /v1/ask), or
 * of an answer that was begun before (`answerId`, `after`).
 *
 * Ends after `done` or `error`. Throws `Problem` where the question is refused or the answer cannot be reached any more,
 * and what `fetch` throws where `signal` was aborted. `broken(isBroken)` is told when the connection goes and comes.
 */
export async function* listen({ question = null, answerId = null, after = null, signal, broken = () => {} }) {
  let id = after;
  let pauses = [...PAUSES_MS];
  let first = question !== null;
  while (true) {
    try {
      const response = first ? await ask(question, signal) : await comeBack(answerId, id, signal);
      first = false;
      broken(false);
      if (response.status === 204) throw new Problem({ title: "Nothing is left", detail: "The answer has ended, and its end is not kept any more. Ask again." });
      for await (const event of framesOf(response.body)) {
        id = event.id;
        pauses = [...PAUSES_MS];
        if (event.name === "started") answerId = event.data.answer_id;
        yield event;
        if (event.name === "done" || event.name === "error") return;
      }
    } catch (error) {
      if (error.name === "AbortError" || !isBreak(error)) throw error;
      if (answerId === null) throw error;
    }
    if (answerId === null) throw new Problem({ detail: "The connection broke off before the answer began. Ask again." });
    broken(true);
    const pause = pauses.shift();
    if (pause === undefined) throw new Problem({ detail: "The connection broke off and could not be made again. Ask again once you are online." });
    await wait(pause, signal);
  }
}

/** Stop an answer that is being told, for good. One that has ended or was stopped already is as well. */
export async function stop(answerId) {
  try {
    await request("DELETE", `/v1/answers/${answerId}`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

const EVENTS = { Accept: "text/event-stream" };

const ask = (question, signal) => request("POST", "/v1/ask", { body: { ...question, stream: true }, headers: EVENTS, signal });

function comeBack(answerId, after, signal) {
  const headers = after === null ? EVENTS : { ...EVENTS, "Last-Event-ID": String(after) };
  return request("GET", `/v1/answers/${answerId}/events`, { headers, signal });
}

/** Whether a failure is one of the line, which may come back, and no answer of the service's. */
function isBreak(error) {
  return error instanceof TypeError || (error instanceof Problem && (error.status === 0 || error.status === 502 || error.status === 503));
}

/** The events of a body, however it is cut. Comments are passed over. */
export async function* framesOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      pending += decoder.decode(value, { stream: true });
      const blocks = pending.split("\n\n");
      pending = blocks.pop();
      for (const block of blocks) {
        const event = eventOf(block);
        if (event !== null) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function eventOf(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, "");
  }
  return fields.data === undefined ? null : { id: Number(fields.id), name: fields.event, data: JSON.parse(fields.data) };
}

function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(new DOMException("Stopped.", "AbortError")); }, { once: true });
  });
}
