import { expect, it } from "vitest"
import { drawdown } from "./time-chart"

const falls = (...values: number[]) =>
  drawdown(values.map((value) => ({ at: "2026-01-05T00:00:00Z", value }))).map((point) => point.value)

it("a fall is measured from the highest level so far", () => {
  const found = falls(100, 110, 99, 121)
  expect(found[0]).toBe(0)
  expect(found[2]).toBeCloseTo(-0.1, 12)
  expect(found[3]).toBe(0)
})

it("no more than all can be lost, and nothing of nothing", () => {
  expect(falls(0, 10, 5, -5)).toEqual([0, 0, -0.5, -1])
})
