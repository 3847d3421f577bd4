import { expect, test } from "vitest"
import { formatTime } from "./format"
import { isDay, isMinute } from "./url"

test("a day and a minute are not taken for each other", () => {
  expect(["2026-01-05", "2024-02-29"].every(isDay)).toBe(true)
  expect(isMinute("2026-01-05")).toBe(false)
  expect(isMinute("2026-01-05T12:30")).toBe(true)
  expect(isDay("2026-01-05T12:30")).toBe(false)
})

test.each([
  "",
  "2026-99-99",
  "2026-02-31",
  "2026-02-31T12:00",
  "2026-01-05T24:61",
  "2026-01-05T12:30:15",
  "2026-01-05T12:30Z",
  "2026-01-05T12:30+02:00",
  "1e400",
  "-5",
  "null",
  "<script>",
  "💩",
  "2026",
  "12345678901",
  "x".repeat(3000),
])("%s is neither, and is shown as it is where a moment was to be", (text) => {
  expect(isDay(text) || isMinute(text)).toBe(false)
  if (Number.isNaN(Date.parse(text))) expect(formatTime(text, { language: "en", zone: "UTC" })).toBe(text)
})
