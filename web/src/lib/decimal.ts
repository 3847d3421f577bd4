/** Exact sums and products of decimal strings, for what a form shows before it is sent. */

const SCALE = 18
const UNIT = 10n ** BigInt(SCALE)

const parse = (text: string) => {
  const [, minus, whole = "", part = ""] = /^(-?)(\d*)\.?(\d*)$/.exec(text) ?? []
  const size = BigInt(whole || "0") * UNIT + BigInt((part + "0".repeat(SCALE)).slice(0, SCALE))
  return minus ? -size : size
}

const print = (units: bigint) => {
  const size = units < 0n ? -units : units
  const part = (size % UNIT).toString().padStart(SCALE, "0").replace(/0+$/, "")
  return `${units < 0n ? "-" : ""}${size / UNIT}${part ? `.${part}` : ""}`
}

export const isDecimal = (text: string) => /^\d{1,20}(\.\d{1,18})?$/.test(text)
export const add = (...amounts: string[]) => print(amounts.reduce((sum, each) => sum + parse(each), 0n))
export const subtract = (from: string, amount: string) => print(parse(from) - parse(amount))
export const multiply = (left: string, right: string) => print((parse(left) * parse(right)) / UNIT)
/** What a yearly rate takes of an amount in so many days, the year having 365. */
export const yearlyPart = (amount: string, rate: string, days: number) =>
  print((parse(multiply(amount, rate)) * BigInt(days)) / 365n)
/** An estimate without the digits that no asset has: cut, not rounded. */
export const cut = (amount: string, digits: number) =>
  amount.replace(new RegExp(`(\\.\\d{${digits}})\\d+$`), "$1")
export const isZero = (amount: string) => parse(amount) === 0n
export const compare = (left: string, right: string) => {
  const difference = parse(left) - parse(right)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

const PLAIN = { whole: /^-?\d{1,18}$/, decimal: /^-?\d{1,20}(\.\d{1,18})?$/ }
type Bounds = { whole?: boolean; min?: string | number; max?: string | number }

/** What is wrong with a number that was typed: not one, or beyond a bound. Nothing is wrong with none. */
export function faultOf(text: string, { whole, min, max }: Bounds) {
  if (!text) return null
  const kind = whole ? "whole" : "decimal"
  if (!PLAIN[kind].test(text)) return kind
  if (beyond(text, min, -1)) return "least"
  return beyond(text, max, 1) ? "most" : null
}

/** A bound that is no plain decimal, such as 1e-9, is the server's to hold. */
const beyond = (text: string, bound: string | number | undefined, side: -1 | 1) =>
  PLAIN.decimal.test(String(bound)) && compare(text, String(bound)) === side
