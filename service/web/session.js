// Who is signed in, by the cookie that no script can read; and signing in and out.

import { get, Problem, post, remove } from "./api.js";

/** What the names begin with under which conversations are kept (`ask/history.js`). */
export const HISTORY = "footnote.history.";

/** Whether somebody has signed in here; whether they still are, the service knows. It spares strangers a refusal. */
const SIGNED_IN = "footnote.signed-in";

/** Who is signed in, as GET /v1/session tells; null for nobody. */
export async function whoIsThere() {
  if (localStorage.getItem(SIGNED_IN) === null) return null;
  try {
    return await get("/v1/session", { quiet: true });
  } catch (error) {
    if (!(error instanceof Problem && (error.status === 401 || error.status === 403))) throw error;
    localStorage.removeItem(SIGNED_IN);
    return null;
  }
}

/** Sign in with a key ({key}) or with the secret of a one-time link ({link}). Throws `Problem`. */
export async function signIn(secret) {
  const session = await post("/v1/session", secret, { quiet: true });
  localStorage.setItem(SIGNED_IN, "yes");
  return session;
}

/** Sign out, and leave nothing of what was asked and read in this browser. */
export async function signOut() {
  localStorage.removeItem(SIGNED_IN);
  for (const name of Object.keys(localStorage)) if (name.startsWith(HISTORY)) localStorage.removeItem(name);
  try {
    await remove("/v1/session", { quiet: true });
  } catch (error) {
    if (!(error instanceof Problem && error.status === 401)) throw error;
  }
}

/** The secret of a one-time link in this page's address, which is taken out of it. */
export function takeLink() {
  const found = /^#link=([\w-]{20,200})$/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, "", location.pathname);
  return found[1];
}
