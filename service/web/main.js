// The page begins here: who is there, which view, and what happens when either changes.

import "./theme.js";
import { onSignedOut, Problem } from "./api.js";
import { showBar } from "./bar.js";
import { fill } from "./dom.js";
import { announce, problemBlock, sentenceOf } from "./live.js";
import { signIn, signOut, takeLink, whoIsThere } from "./session.js";
import { showSignIn } from "./signin.js";
import { hashOf, viewAt } from "./views.js";

const main = document.getElementById("main");
let session = null;
let leaving = null;

async function begin() {
  const link = takeLink();
  try {
    session = link === null ? await whoIsThere() : await signIn({ link });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (link !== null) return askWho(sentenceOf(error));
    showBar();
    return fill(main, problemBlock(error, { retry: begin }));
  }
  return session === null ? askWho() : show();
}

function askWho(why = null) {
  leaveView();
  if (session !== null) dispatchEvent(new Event("footnote:signedout"));
  session = null;
  showBar();
  document.title = "Sign in · Footnote";
  showSignIn(main, {
    why,
    entered: (found) => {
      session = found;
      show();
    },
  });
}

async function show() {
  leaveView();
  const { view, parameters } = viewAt(location.hash, session);
  const controller = new AbortController();
  leaving = () => controller.abort();
  showBar({ session, current: view.name, leave });
  document.title = `${view.label} · Footnote`;
  fill(main);
  main.className = `view view-${view.name}`;
  const { show: draw } = await view.load();
  if (controller.signal.aborted) return;
  const left = draw(main, { session, parameters, signal: controller.signal, go });
  leaving = () => {
    controller.abort();
    if (typeof left === "function") left();
  };
}

function leaveView() {
  leaving?.();
  leaving = null;
  main.className = "";
}

function go(name, parameters = {}) {
  location.hash = hashOf(name, parameters);
}

async function leave() {
  await signOut();
  askWho("You are signed out.");
  announce("You are signed out.");
}

addEventListener("hashchange", () => {
  if (location.hash === "#main") return;
  if (/^#link=/.test(location.hash)) begin();
  else if (session !== null) {
    show();
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
});
onSignedOut(() => session !== null && askWho("Your session has ended. Sign in again."));
begin();
