// Who is signed in, by the cookie that no script can read; and signing in and out.

import { get, Problem, post, remove } from "./api.js";

/** Who is signed in, as GET /v1/session tells; null for nobody. */
export async function whoIsThere() {
  try {
    return await get("/v1/session", { quiet: true });
  } catch (error) {
    if (error instanceof Problem && (error.status === 401 || error.status === 403)) return null;
    throw error;
  }
}

/** Sign in with a key ({key}) or with the secret of a one-time link ({link}). Throws `Problem`. */
export async function signIn(secret) {
  return post("/v1/session", secret, { quiet: true });
}

export async function signOut() {
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
