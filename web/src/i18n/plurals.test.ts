import i18next from "i18next"
import { expect, test } from "vitest"
import { en } from "./en"

test("one of something is said as one", async () => {
  await i18next.init({ lng: "en", resources: { en: { translation: en } } })
  const said = (count: number) =>
    i18next.t("studyReasons.trades", { count, value: count, wanted: 30 }) as string
  expect(said(1)).toBe("1 closed trade, 30 are wanted.")
  expect(said(2)).toBe("2 closed trades, 30 are wanted.")
  expect(i18next.exists("studyReasons.trades", { count: 1 })).toBe(true)
  expect(i18next.t("backtest.profitsWords", { count: 1 })).toMatch(/^1 closed trade after/)
})
