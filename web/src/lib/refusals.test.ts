import i18next from "i18next"
import { expect, test } from "vitest"
import { refusals, rules } from "@/i18n/zh/refusals"
import { strategyWords } from "@/i18n/zh/strategies"
import { docOf, wordsOf } from "./refusals"

const late = {
  status: 422,
  code: "valid_from_past",
  detail: "What is expected cannot be changed for subscriptions that were made",
  field: "validFrom",
  value: "2026-01-04T00:00:00Z",
  mend: "choose 2026-01-05T00:00:00Z or later",
  requestId: "r",
}

test("a refusal is said in the reader's language, by its code and with its value", async () => {
  await i18next.init({
    lng: "zh",
    resources: { zh: { translation: { refusals, rules, strategyWords } }, en: { translation: {} } },
  })
  expect(wordsOf(late)).toEqual({
    what: "生效时间 2026-01-04T00:00:00Z 已过，请选择更晚的业务时间。",
    mend: null,
  })
  await i18next.changeLanguage("en")
  expect(wordsOf(late)).toEqual({ what: late.detail, mend: late.mend })
})

test("a code without words is said as the API says it", () => {
  expect(wordsOf({ ...late, code: "new_code" }).what).toBe(late.detail)
})

test("what a schema refuses is said by its rule, with its bound and no more of the value than a sentence carries", async () => {
  const long = {
    ...late,
    code: "invalid_request",
    rule: "less_than_equal",
    bound: "5",
    value: "9".repeat(200),
  }
  await i18next.changeLanguage("zh")
  expect(wordsOf(long).what).toBe(`“${"9".repeat(40)}…”太大：不得大于 5。`)
  expect(wordsOf({ ...long, rule: "new_rule", value: "x" }).what).toBe("此项的值不合要求：x。请修改后重试。")
  await i18next.changeLanguage("en")
  expect(wordsOf(long).what).toBe(late.detail)
})

test("a platform's strategy is described in the reader's language, and everybody else's in its author's", async () => {
  await i18next.changeLanguage("zh")
  const ours = { name: "sma_cross", ownerId: null }
  expect(docOf(ours, "Long")).toEqual({ doc: strategyWords.sma_cross, lang: "zh" })
  expect(docOf({ ...ours, ownerId: "somebody" }, "Long")).toEqual({ doc: "Long", lang: "en" })
  expect(docOf({ ...ours, name: "mine" }, "Long")).toEqual({ doc: "Long", lang: "en" })
  await i18next.changeLanguage("en")
  expect(docOf(ours, "Long")).toEqual({ doc: "Long", lang: "en" })
})
