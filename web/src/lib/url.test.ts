import { expect, test } from "vitest"
import { formatTime } from "./format"
import { isMoment } from "./url"

test.each(["2026-01-05", "2026-01-05T12:30"])("%s is a moment", (text) => expect(isMoment(text)).toBe(true))

test.each([
  "",
  "2026-99-99",
  "1e400",
  "-5",
  "null",
  "<script>",
  "💩",
  "2026",
  "12345678901",
  "x".repeat(3000),
])("%s is none, and is shown as it is where one was to be", (text) => {
  expect(isMoment(text)).toBe(false)
  if (Number.isNaN(Date.parse(text))) expect(formatTime(text, { language: "en", zone: "UTC" })).toBe(text)
})
