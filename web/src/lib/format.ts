import type { Preferences } from "./preferences"

type Shown = Pick<Preferences, "language" | "hideAmounts">
const HIDDEN = "••••••"

/** Making a formatter takes a hundred times as long as using it: each is made once. */
const kept = <Options, Made>(make: (language: string, options: Options) => Made) => {
  const made = new Map<string, Made>()
  return (language: string, options: Options): Made => {
    const key = language + JSON.stringify(options)
    const found = made.get(key) ?? make(language, options)
    made.set(key, found)
    return found
  }
}
const numbers = kept(
  (language, options: Intl.NumberFormatOptions) => new Intl.NumberFormat(language, options),
)
const moments = kept(
  (language, options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(language, options),
)

/**
 * An exact decimal string with its digits grouped: at least two decimals and, unless `most` are asked for, none dropped
 * or rounded. It never passes through a float.
 */
export function formatAmount(
  amount: string,
  { language, hideAmounts }: Shown,
  sign: "auto" | "exceptZero" = "auto",
  most = 20,
) {
  return hideAmounts ? HIDDEN : grouped(amount, language, sign, most)
}

/** A plain number that is no secret: a quantity, a price, a count. */
export const formatNumber = (value: string | number, { language }: Shown, least = 0, most = 20) =>
  numbers(language, { minimumFractionDigits: least, maximumFractionDigits: most }).format(
    value as Intl.StringNumericLiteral,
  )

const grouped = (amount: string, language: string, signDisplay: "auto" | "exceptZero", most: number) =>
  numbers(language, {
    minimumFractionDigits: 2,
    maximumFractionDigits: most,
    signDisplay,
  }).format(amount as Intl.StringNumericLiteral)

/** A ratio such as "0.0125" as 1.25 %. Only what is shown is rounded, to two decimals unless more are asked for. */
export const formatPercent = (
  ratio: string | number,
  { language }: Shown,
  signDisplay: "auto" | "exceptZero" = "exceptZero",
  most = 2,
) =>
  numbers(language, {
    style: "percent",
    minimumFractionDigits: 2,
    maximumFractionDigits: most,
    signDisplay,
  }).format(ratio as Intl.StringNumericLiteral)

/** How far something fell from its peak, which comes as a ratio without a sign: a loss, so below zero, in every place. */
export const formatFall = (depth: string | number, shown: Shown) =>
  formatPercent(signOf(String(depth)) > 0 ? `-${depth}` : depth, shown)

/** -1, 0 or 1 of a decimal string. */
export const signOf = (amount: string) => (/^-?0*(\.0*)?$/.test(amount) ? 0 : amount.startsWith("-") ? -1 : 1)

/** A moment as 2026-01-05 14:15 with its zone, or a day as it is. */
export function formatTime(
  moment: string,
  { language, zone }: Pick<Preferences, "language" | "zone">,
  seconds = false,
) {
  const at = new Date(moment)
  if (moment.length === 10 || Number.isNaN(at.getTime())) return moment
  const parts = moments(language === "zh" ? "zh-CN" : "en-GB", {
    timeZone: zone === "UTC" ? "UTC" : undefined,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds ? { second: "2-digit" as const } : {}),
    hourCycle: "h23",
    timeZoneName: "short",
  }).formatToParts(at)
  const of = (type: Intl.DateTimeFormatPartTypes) => parts.find((part) => part.type === type)?.value ?? ""
  const clock = [of("hour"), of("minute"), ...(seconds ? [of("second")] : [])].join(":")
  return `${of("year")}-${of("month")}-${of("day")} ${clock} ${of("timeZoneName")}`
}

/** The first characters of an id; whole it stands in the title. */
export const shortId = (id: string) => id.slice(0, 8)

/** How long something takes, in its two largest units: 2 d 4 h, 3 min 20 s. */
export function formatAge(seconds: number, { language }: Pick<Preferences, "language">) {
  const units = [
    [86_400, "day"],
    [3_600, "hour"],
    [60, "minute"],
    [1, "second"],
  ] as const
  const first = Math.max(
    0,
    units.findIndex(([size]) => seconds >= size),
  )
  let left = Math.floor(Math.max(0, seconds))
  if (left < 1) return unit(0, "second", language)
  return units
    .slice(first, first + 2)
    .flatMap(([size, name]) => {
      const count = Math.floor(left / size)
      left -= count * size
      return count ? [unit(count, name, language)] : []
    })
    .join(" ")
}

const unit = (count: number, name: string, language: string) =>
  new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short" }).format(count)
