import { expect, test } from "vitest"
import { formatAge, formatAmount, formatPercent, formatTime, signOf, formatFall } from "./format"

const shown = { language: "en", hideAmounts: false } as const

test("an amount keeps all its digits", () => {
  expect(formatAmount("90071992547409931234.56", shown)).toBe("90,071,992,547,409,931,234.56")
  expect(formatAmount("0.000000000000000001", shown)).toBe("0.000000000000000001")
  expect(formatAmount("-5", shown)).toBe("-5.00")
})

test("whatever amount the API sends is what is shown, less the grouping", () => {
  let seed = 20261129
  const draw = (below: number) => (seed = (seed * 48271) % 2147483647) % below
  for (let round = 0; round < 800; round++) {
    const digits = (count: number) => Array.from({ length: count }, () => draw(10)).join("")
    const whole = draw(4) ? `${1 + draw(9)}${digits(draw(20))}` : "0"
    const part = `${digits(draw(18))}${1 + draw(9)}`
    const minus = draw(2) ? "-" : ""
    const amount = `${minus}${whole}.${part}`
    const wanted = part.length < 2 ? `${amount}0` : amount
    for (const language of ["en", "zh"] as const) {
      const [plain, signed] = (["auto", "exceptZero"] as const).map((sign) =>
        formatAmount(amount, { language, hideAmounts: false }, sign).replaceAll(",", ""),
      )
      expect(plain).toBe(wanted)
      expect(signed).toBe(minus ? wanted : `+${wanted}`)
      expect(formatAmount(amount, { language, hideAmounts: true })).not.toMatch(/[0-9]/)
    }
  }
})

test("a hidden amount shows nothing of itself", () => {
  expect(formatAmount("123.45", { ...shown, hideAmounts: true })).toBe("••••••")
})

test("a change says its direction, and zero has none", () => {
  expect(formatPercent("0.0125", shown)).toBe("+1.25%")
  expect(formatPercent("0", shown)).toBe("0.00%")
  expect([signOf("-0.00"), signOf("0"), signOf("-0.01"), signOf("3")]).toEqual([0, 0, -1, 1])
})

test("a moment names its zone; a day stays a day", () => {
  expect(formatTime("2026-01-05T14:15:00Z", { language: "zh", zone: "UTC" })).toBe("2026-01-05 14:15 UTC")
  expect(formatTime("2026-01-05", { language: "en", zone: "local" })).toBe("2026-01-05")
})

test("an age is said in its two largest units", () => {
  expect([0.4, 59, 61, 3_600, 90_061].map((seconds) => formatAge(seconds, { language: "en" }))).toEqual([
    "0 sec",
    "59 sec",
    "1 min 1 sec",
    "1 hr",
    "1 day 1 hr",
  ])
})

test("a fall is below zero however it comes, and none is none", () => {
  expect(["0.0818327379", 0.0818327379, "0", 0].map((depth) => formatFall(depth, shown))).toEqual([
    "-8.18%",
    "-8.18%",
    "0.00%",
    "0.00%",
  ])
})

test("a value at a price has as many decimals as money has; an amount keeps all of its own", () => {
  expect(formatAmount("190067.9362037407", shown, "auto", 8)).toBe("190,067.93620374")
  expect(formatAmount("190067.9362037407", shown)).toBe("190,067.9362037407")
})
