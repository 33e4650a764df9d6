// Light or dark: what the system says, until somebody says otherwise here.

const NAME = "footnote.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function isDark() {
  const chosen = localStorage.getItem(NAME);
  return chosen ? chosen === "dark" : system.matches;
}

/** Show the page as chosen; called before anything is drawn, and when the system changes its mind. */
export function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}

/** The other one; forgotten again where it is what the system says. */
export function switchTheme() {
  const wanted = isDark() ? "light" : "dark";
  if ((wanted === "dark") === system.matches) localStorage.removeItem(NAME);
  else localStorage.setItem(NAME, wanted);
  applyTheme();
}

system.addEventListener("change", applyTheme);
applyTheme();
