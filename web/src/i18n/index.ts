import i18next from "i18next"
import { initReactI18next } from "react-i18next"
import { preferences, setPreferences, type Preferences } from "@/lib/preferences"
import type { en } from "./en"
import type { simulation } from "./en/simulation"

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en & typeof simulation }
  }
}

/** English is where texts are named; Chinese must have the same ones, or it is a type error. Only one is loaded. */
const TEXTS = {
  en: () => import("./en").then((module) => module.en),
  zh: () => import("./zh").then((module) => module.zh),
}

/** What only a report says: the console's first load goes without it. */
export const REPORT = {
  en: () => import("./en/simulation").then((module) => module.simulation),
  zh: () => import("./zh/simulation").then((module) => module.simulation),
}

let beside: typeof REPORT | undefined

async function load(language: Preferences["language"]) {
  if (!i18next.hasResourceBundle(language, "translation"))
    i18next.addResourceBundle(language, "translation", {
      ...(await TEXTS[language]()),
      ...(await beside?.[language]()),
    })
  await i18next.changeLanguage(language)
}

/** Have the words of the reader's language, and of what is shown `also`. */
export async function startTexts(also?: typeof REPORT) {
  beside = also
  await i18next.use(initReactI18next).init({
    lng: preferences().language,
    fallbackLng: false,
    resources: {},
    interpolation: { escapeValue: false },
  })
  await load(preferences().language)
}

export async function chooseLanguage(language: Preferences["language"]) {
  await load(language)
  setPreferences({ language })
}
