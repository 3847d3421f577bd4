import type { Schemas } from "@/api/client"

type View = Schemas["BacktestReport"]
type Keeping = "id" | "createdBy" | "createdAt" | "seconds" | "equitySha256" | "again" | "legs"

/** What is shown of a run. One that was not kept has no id, and nobody who keeps it. */
export type Told = Omit<View, Keeping> & Partial<Pick<View, Keeping>>
export type Compared = Schemas["ComparedBacktest"]

type Row = Record<string, unknown>

export const numberIn = (row: Row, key: string) => {
  const found = row[key]
  return typeof found === "number" ? found : null
}

export const rowIn = (row: Row, key: string): Row => {
  const found = row[key]
  return found !== null && typeof found === "object" ? (found as Row) : {}
}

/** A ratio as it is read, to so many digits; what is computed with keeps its own. */
export const rounded = (value: number | null | undefined, digits = 3) =>
  value == null ? null : Number(value.toFixed(digits))

/** As many digits as tell something: of a price, or of a share that may be tiny. */
export const significant = (value: number, digits: number) => Number(value.toPrecision(digits))

/** An amount of a simulation, to the cent. */
export const cents = (value: number | null | undefined) => (value == null ? null : value.toFixed(2))

/** A table's order: what is undefined comes after the least. */
export const order = (value: number | null | undefined) => value ?? -Number.MAX_VALUE

/** Names and values in one line: `fast 48 · slow 192`. */
export const said = (row: Row) =>
  Object.entries(row)
    .filter(([, value]) => value !== null && !(Array.isArray(value) && !value.length))
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(" · ")

/** Parameters in one line, to four digits: `band 0.0021 · fast 21`. */
export const paramsSaid = (params: Record<string, number>) =>
  said(Object.fromEntries(Object.entries(params).map(([name, value]) => [name, shortened(value)])))

export const shortened = (value: number) => Number(value.toPrecision(4))

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
] as const

/** An interval as it is written in a request: 300 seconds are `5m`. */
export const intervalOf = (seconds: number | undefined) => {
  const [unit, size] = UNITS.find(([, each]) => seconds && seconds % each === 0) ?? []
  return seconds && size ? `${seconds / size}${unit}` : null
}

/** Objectives of which less is better. */
export const LESS = ["max_drawdown", "turnover"]

/** What a run was over, as its instrument and its candles. */
export const dataOf = ({ symbol, name, intervalSeconds }: Schemas["RunSource"]) =>
  [symbol ?? name, intervalOf(intervalSeconds)].filter(Boolean).join(" · ")
