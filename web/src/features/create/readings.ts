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

/** What a run was over, as its instrument and its candles. */
export const dataOf = ({ symbol, name, intervalSeconds }: Schemas["RunSource"]) =>
  [symbol ?? name, intervalOf(intervalSeconds)].filter(Boolean).join(" · ")
