import { useSyncExternalStore } from "react"

/** How one person wants to see things. It lives on <html> as attributes, so that CSS and charts read one truth. */
export type Preferences = {
  theme: "light" | "dark"
  market: "green-up" | "red-up"
  language: "en" | "zh"
  zone: "UTC" | "local"
  hideAmounts: boolean
}

/** As they are now: whether for the screen or for paper, too. */
type Seen = Preferences & { paper: boolean }

const KEPT = "commenda.preferences"
const CHOICES: { [K in keyof Preferences]: readonly Preferences[K][] } = {
  theme: ["light", "dark"],
  market: ["green-up", "red-up"],
  language: ["en", "zh"],
  zone: ["UTC", "local"],
  hideAmounts: [true, false],
}

const listeners = new Set<() => void>()
let current: Seen = { ...starting(), paper: false }

/** What was chosen before, else what browser and language suggest: where Chinese is read, red rises. */
function starting(): Preferences {
  const chinese = navigator.language.startsWith("zh")
  const asked: Record<string, unknown> = {
    ...kept(),
    ...Object.fromEntries(new URLSearchParams(location.search)),
  }
  const language = asked.language ?? (chinese ? "zh" : "en")
  const wanted: Record<string, unknown> = {
    theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
    market: language === "zh" ? "red-up" : "green-up",
    zone: "UTC",
    hideAmounts: false,
    ...asked,
    language,
  }
  const pick = <K extends keyof Preferences>(key: K) =>
    CHOICES[key].find((one) => one === wanted[key]) ?? CHOICES[key][0]!
  return {
    theme: pick("theme"),
    market: pick("market"),
    language: pick("language"),
    zone: pick("zone"),
    hideAmounts: pick("hideAmounts"),
  }
}

function kept(): Record<string, unknown> {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "{}")
  } catch {
    return {}
  }
}

function apply() {
  const root = document.documentElement
  root.classList.toggle("dark", current.theme === "dark")
  root.dataset.market = current.market
  root.toggleAttribute("data-paper", current.paper)
  root.lang = current.language
}

export const preferences = () => current

export function setPreferences(change: Partial<Preferences>) {
  current = { ...current, ...change }
  try {
    localStorage.setItem(KEPT, JSON.stringify(current))
  } catch {
    // a browser that keeps nothing, as for a file from disk
  }
  apply()
  listeners.forEach((notify) => notify())
}

/** What is printed is drawn for paper, which is white and does not scroll; afterwards it is as it was. */
function onPaper() {
  const { theme } = current
  const show = (change: Partial<Seen>) => {
    current = { ...current, ...change }
    apply()
    listeners.forEach((notify) => notify())
  }
  show({ theme: "light", paper: true })
  addEventListener("afterprint", () => show({ theme, paper: false }), { once: true })
}
addEventListener("beforeprint", onPaper)

export const usePreferences = () =>
  useSyncExternalStore((notify) => (listeners.add(notify), () => listeners.delete(notify)), preferences)

apply()
