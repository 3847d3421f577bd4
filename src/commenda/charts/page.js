// Language, theme and the colours of gains: kept in the address, so that a link opens what is seen.
const page = document.documentElement;
const wanted = new URLSearchParams(location.hash.slice(1));
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const state = {
  lang: wanted.get("lang") || (navigator.language.startsWith("zh") ? "zh-CN" : "en"),
  theme: wanted.get("theme") || (dark ? "dark" : "light"),
  market: wanted.get("market"),
};
const others = {
  lang: { "zh-CN": "en", en: "zh-CN" },
  theme: { light: "dark", dark: "light" },
  market: { "red-up": "green-up", "green-up": "red-up" },
};

function show() {
  if (!others.lang[state.lang]) state.lang = "en";
  page.lang = state.lang;
  page.dataset.theme = state.theme;
  page.dataset.market = market();
}

function market() {
  return state.market || (state.lang === "zh-CN" ? "red-up" : "green-up");
}

addEventListener("click", (event) => {
  const key = event.target.dataset.switch;
  if (!key) return;
  state[key] = others[key][key === "market" ? market() : state[key]] || "light";
  const chosen = Object.entries(state).filter((entry) => entry[1]);
  history.replaceState(null, "", "#" + new URLSearchParams(chosen));
  show();
  document.querySelector(`main[lang="${state.lang}"] [data-switch="${key}"]`).focus();
});
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
show();
