// The views of the page, in the order of the navigation.
//
// A view is a module with `show(root, context)`, which draws into `root` and may return a function that is called when
// the view is left. `context` is {session, parameters, signal, go}: who is signed in, the address's parameters
// (URLSearchParams), what is aborted when the view is left, and `go(name, parameters)` to another one.
//
// may: for whom a view is there at all. What a role may not do is not shown.

export const VIEWS = [
  { name: "ask", label: "Ask", icon: "ask", may: (session) => session.may.read, load: () => import("./ask/view.js") },
  { name: "library", label: "Library", icon: "library", may: (session) => session.may.read, load: () => import("./library/view.js") },
  { name: "sources", label: "Sources", icon: "sources", may: (session) => session.may.edit, load: () => import("./sources/view.js") },
  { name: "health", label: "Health", icon: "health", may: (session) => session.may.administer, load: () => import("./health/view.js") },
];

/** The view and its parameters that an address (`#/name?parameters`) names; the first where it names none. */
export function viewAt(hash, session) {
  const found = /^#\/([a-z]*)(?:\?(.*))?$/.exec(hash);
  const open = VIEWS.filter((view) => view.may(session));
  const view = open.find((each) => each.name === found?.[1]) ?? open[0];
  return { view, parameters: new URLSearchParams(found?.[2] ?? "") };
}

/** The address of a view. */
export function hashOf(name, parameters = {}) {
  const search = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== null && value !== ""));
  return search.size ? `#/${name}?${search}` : `#/${name}`;
}
