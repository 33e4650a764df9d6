// The service, as this page asks it: with the cookie of its session, and with problems that say what is wrong.

/** What the service refused, or why it could not be reached (status 0). `detail` is a sentence for people. */
export class Problem extends Error {
  constructor({ status = 0, type = "", title = "", detail = "", request_id: requestId = null, errors = null, limit = null, retryAfter = null }) {
    super(detail || title || `The service answered with status ${status}.`);
    this.name = "Problem";
    Object.assign(this, { status, type, title, detail: this.message, requestId, errors, limit, retryAfter });
  }

  /** Its kind: the last word of its type, as in "urn:footnote:problem:not-found". */
  get kind() {
    return this.type.split(":").pop();
  }
}

const listeners = new Set();

/** Have `listener` called when the service says that nobody is signed in any more. */
export function onSignedOut(listener) {
  listeners.add(listener);
}

/**
 * The response to a request; throws `Problem` for one that is not well, and what `fetch` throws where it was aborted.
 *
 * query: values by name; arrays are repeated, null and "" left out. body: sent as JSON, or as it is where it is a form.
 */
export async function request(method, path, { query = {}, body = null, headers = {}, signal = null, quiet = false } = {}) {
  const init = { method, headers: { ...headers }, signal, credentials: "same-origin", cache: "no-cache", redirect: "error" };
  if (body instanceof FormData) {
    init.body = body;
  } else if (body !== null) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(address(path, query), init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "Not reached", detail: "The service cannot be reached. Is it running, and are you online?" });
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401 && !quiet) listeners.forEach((listener) => listener(problem));
  throw problem;
}

export const get = async (path, options) => (await request("GET", path, options)).json();
export const post = async (path, body, options) => told(await request("POST", path, { body, ...options }));
export const patch = async (path, body, options) => told(await request("PATCH", path, { body, ...options }));
export const remove = async (path, options) => told(await request("DELETE", path, options));

async function told(response) {
  return response.status === 204 ? null : response.json();
}

/** The entries of a list, page after page; `name` is what the list is called in its pages, as in "documents". */
export async function* pages(path, name, { query = {}, signal = null } = {}) {
  let cursor = null;
  do {
    const page = await get(path, { query: { ...query, cursor }, signal });
    yield* page[name];
    cursor = page.next;
  } while (cursor !== null);
}

/** Send a form, and say how far it has come: `progress(share from 0 to 1)`. As `fetch` cannot, in browsers of today. */
export function upload(path, form, { progress = () => {}, headers = {}, signal = null } = {}) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", path);
    for (const [name, value] of Object.entries(headers)) sending.setRequestHeader(name, value);
    sending.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    sending.addEventListener("load", () => {
      if (sending.status < 400) return resolve(JSON.parse(sending.responseText));
      const problem = new Problem(read(sending.responseText, sending.status));
      if (problem.status === 401) listeners.forEach((listener) => listener(problem));
      return reject(problem);
    });
    sending.addEventListener("error", () => reject(new Problem({ detail: "The connection broke off before the file was sent. Try again." })));
    sending.addEventListener("abort", () => reject(new DOMException("Stopped.", "AbortError")));
    signal?.addEventListener("abort", () => sending.abort());
    sending.send(form);
  });
}

/** The path with its query. */
export function address(path, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") search.append(name, each);
    }
  }
  return search.size ? `${path}?${search}` : path;
}

async function problemOf(response) {
  const told = read(await response.text().catch(() => ""), response.status);
  const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new Problem({ ...told, retryAfter: Number.isNaN(retryAfter) ? null : retryAfter });
}

/** A proxy on the way may answer in its own words, which are nobody's here. */
function read(text, status) {
  try {
    const told = JSON.parse(text);
    if (typeof told === "object" && told !== null && typeof told.status === "number") return told;
  } catch {
    // not JSON, so not the service's
  }
  return { status };
}
