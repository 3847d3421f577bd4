import { add, compare, subtract } from "@/lib/decimal"
import type { Simulation } from "./data"

export type Step = {
  key:
    "gains" | "losses" | "gross" | "management" | "creators" | "platform" | "referrers" | "insurance" | "net"
  amount: string
  /** Where its bar begins and ends. */
  from: string
  to: string
  total?: boolean
}

/** How what trading came to went to everybody: steps of which each begins where the one before ended. */
export function moneySteps({ series, platform, investors }: Simulation): Step[] {
  const { gains, losses, gross } = series.profits
  const moves: [Step["key"], string][] = [
    ["gains", gains],
    ["losses", losses],
    ["gross", gross],
    ["management", negated(platform.managementFee)],
    ["creators", negated(platform.paidToCreators)],
    ["platform", negated(platform.keptOfCut)],
    ["referrers", negated(platform.referralCost)],
    ["insurance", platform.insurancePaid],
    ["net", investors.outcomes.netProfit ?? "0"],
  ]
  let at = "0"
  return moves
    .filter(([key, amount]) => key !== "insurance" || compare(amount, "0") !== 0)
    .map(([key, amount]) => {
      if (key === "gross" || key === "net") return { key, amount, from: "0", to: amount, total: true }
      const from = at
      at = add(at, amount)
      return { key, amount, from, to: at }
    })
}

const negated = (amount: string) => subtract("0", amount)

/** Every day from the one on which a span begins to the one on which it ends, as its midnight. */
export function eachDay(start: string, end: string): string[] {
  const days = []
  for (let at = Date.parse(`${start.slice(0, 10)}T00:00:00Z`); at < Date.parse(end); at += 86_400_000)
    days.push(new Date(at).toISOString().replace(".000", ""))
  return days
}

/** How many hours some spans last together. */
export const hoursOf = (spans: readonly { begin: string; end: string }[]) =>
  spans.reduce((sum, { begin, end }) => sum + (Date.parse(end) - Date.parse(begin)), 0) / 3_600_000

/** The middle of some decimals: the mean of the two in the middle where they are even in number. */
export function median(values: readonly string[]): number {
  const sorted = values.map(Number).sort((left, right) => left - right)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half]! : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2
}

/** The row that is greatest by what a function reads of it: the first of equals. */
export const greatest = <Row>(rows: readonly Row[], read: (row: Row) => string | number) =>
  rows.reduce<Row | undefined>(
    (found, row) => (found === undefined || Number(read(row)) > Number(read(found)) ? row : found),
    undefined,
  )
