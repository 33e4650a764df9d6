// What is known of an answer while it is told, and once it is. Nothing here draws.

/** An answer of which nothing is known yet. */
export function nothingYet() {
  return { answerId: null, lookedAt: null, searched: null, written: [], settled: 0, sentences: [], citations: [], dropped: 0, done: null, problem: null };
}

/** Take in an event. */
export function take(answer, { name, data }) {
  switch (name) {
    case "started":
      answer.answerId = data.answer_id;
      break;
    case "retrieved":
      answer.lookedAt = data.looked_at;
      answer.searched = data.searched ?? null;
      break;
    case "delta":
      answer.written.push(...data.text);
      break;
    case "citation":
      answer.citations[data.number] = data;
      break;
    case "sentence":
      answer.sentences[data.number] = data;
      answer.settled = data.settled;
      break;
    case "dropped":
      answer.dropped += 1;
      answer.settled = data.settled;
      break;
    case "done":
      Object.assign(answer, told(data), { answerId: answer.answerId });
      break;
    case "error":
      answer.problem = data;
      break;
    default: // usage, and what later releases tell
  }
}

/** A whole answer, as it was told before. */
export function told(done, answerId = null) {
  return {
    ...nothingYet(),
    answerId,
    lookedAt: done.looked_at,
    searched: done.searched ?? null,
    sentences: withSeparators(done),
    citations: done.citations,
    dropped: done.dropped,
    done,
  };
}

/** What the language model has written and nobody has checked, after what is decided on. */
export function provisional(answer) {
  return answer.done ? "" : answer.written.slice(answer.settled).join("");
}

/** A whole answer names its sentences and its text; what stands between them is the rest of the text. */
function withSeparators(done) {
  let cursor = 0;
  return done.sentences.map((sentence) => {
    const start = done.answer.indexOf(sentence.text, cursor);
    const separator = start < 0 ? " " : done.answer.slice(cursor, start);
    cursor = start < 0 ? cursor : start + sentence.text.length;
    return { ...sentence, separator };
  });
}

/** How many of the sentences are supported. */
export const supportedCount = (answer) => answer.sentences.filter((sentence) => sentence.supported).length;
