import { describe, expect, it } from "vitest"
import type { Simulation } from "./data"
import { eachDay, greatest, hoursOf, median, moneySteps } from "./sums"

const business = (insurancePaid: string) =>
  ({
    series: { profits: { gains: "100.5", losses: "-40.25", gross: "60.25", gaining: 2, losing: 1 } },
    platform: {
      managementFee: "3",
      paidToCreators: "7",
      keptOfCut: "2.5",
      referralCost: "0.5",
      insurancePaid,
    },
    investors: { outcomes: { netProfit: insurancePaid === "0" ? "47.25" : "48.25" } },
  }) as unknown as Simulation

describe("the steps from trading to investors", () => {
  it("begin each where the one before ended, and end at what investors keep", () => {
    expect(moneySteps(business("0")).map(({ key, from, to }) => [key, from, to])).toEqual([
      ["gains", "0", "100.5"],
      ["losses", "100.5", "60.25"],
      ["gross", "0", "60.25"],
      ["management", "60.25", "57.25"],
      ["creators", "57.25", "50.25"],
      ["platform", "50.25", "47.75"],
      ["referrers", "47.75", "47.25"],
      ["net", "0", "47.25"],
    ])
  })
  it("name insurance where it paid", () => {
    const steps = moneySteps(business("1"))
    expect(steps.at(-2)).toEqual({ key: "insurance", amount: "1", from: "47.25", to: "48.25" })
    expect(steps.at(-1)!.to).toBe("48.25")
  })
})

it("a span has every day that it touches", () => {
  expect(eachDay("2026-02-27T10:35:00Z", "2026-03-01T00:00:00Z")).toEqual([
    "2026-02-27T00:00:00Z",
    "2026-02-28T00:00:00Z",
  ])
})

it("outages last as long as they do together", () => {
  expect(
    hoursOf([
      { begin: "2026-01-07T00:00:00Z", end: "2026-01-07T04:00:00Z" },
      { begin: "2026-01-09T23:30:00Z", end: "2026-01-10T01:00:00Z" },
    ]),
  ).toBe(5.5)
})

it("the middle of an even number is between two", () => {
  expect(median(["10", "2", "9"])).toBe(9)
  expect(median(["4", "1", "2", "10"])).toBe(3)
  expect(median([])).toBe(0)
})

it("of equals the first is the greatest", () => {
  const rows = [
    { n: "9", at: 1 },
    { n: "10", at: 2 },
    { n: "10", at: 3 },
  ]
  expect(greatest(rows, (row) => row.n)?.at).toBe(2)
  expect(greatest([], () => 0)).toBeUndefined()
})
