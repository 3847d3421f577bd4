/**
 * The figures of a kept run are JSON whose parts depend on what was run (one instrument, several legs, an order
 * book), so each is looked for, and may be missing.
 */
export type Row = Record<string, unknown>

export const part = (row: Row, ...path: string[]): unknown =>
  path.reduce<unknown>((at, key) => (at !== null && typeof at === "object" ? (at as Row)[key] : null), row)

export const numberIn = (row: Row, ...path: string[]) => {
  const found = part(row, ...path)
  return typeof found === "number" ? found : null
}

export const textIn = (row: Row, ...path: string[]) => {
  const found = part(row, ...path)
  return typeof found === "string" ? found : null
}

export const rowIn = (row: Row, ...path: string[]): Row => {
  const found = part(row, ...path)
  return found !== null && typeof found === "object" ? (found as Row) : {}
}

/** A ratio as it is read, to so many digits; what is computed with keeps its own. */
export const rounded = (value: number | null | undefined, digits = 3) =>
  value == null ? null : Number(value.toFixed(digits))

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
export const intervalOf = (seconds: number | null) => {
  const [unit, size] = UNITS.find(([, each]) => seconds && seconds % each === 0) ?? []
  return seconds && size ? `${seconds / size}${unit}` : null
}

/** Objectives of which less is better. */
export const LESS = ["max_drawdown", "turnover"]
