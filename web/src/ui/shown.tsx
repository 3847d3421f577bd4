import { ArrowDownRight, ArrowUpRight, Minus } from "lucide-react"
import { useTranslation } from "react-i18next"
import { cn } from "@/lib/cn"
import {
  formatAmount,
  formatFall,
  formatNumber,
  formatPercent,
  formatTime,
  shortId,
  signOf,
} from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "./badge"

const NONE = "–"
/** Characters of what was said that a row has room for; the title has all. */
const LONG = 160

/** Decimals of a value at a price of the market: an estimate, which has no more than an amount of money has. */
const MARKED = 8

/** An amount of money with its asset; hidden where the reader hides amounts. One that is `marked` is a value at a price. */
export function Money({
  amount,
  asset,
  signed,
  marked,
}: {
  amount: string | null | undefined
  asset?: string
  signed?: boolean
  marked?: boolean
}) {
  const preferences = usePreferences()
  if (amount == null) return <span>{NONE}</span>
  const sign = signed ? signOf(amount) : 0
  return (
    <span className={cn("num whitespace-nowrap", sign > 0 && "text-up", sign < 0 && "text-down")}>
      {formatAmount(amount, preferences, signed ? "exceptZero" : "auto", marked ? MARKED : undefined)}
      {asset && <small className="text-muted-foreground ml-1 text-[0.75em] font-normal">{asset}</small>}
    </span>
  )
}

export function Quantity({ value }: { value: string | number | null | undefined }) {
  const preferences = usePreferences()
  return <span className="num">{value == null ? NONE : formatNumber(value, preferences)}</span>
}

/** A ratio as a percentage; a rate that says too little with two decimals keeps all of its own. */
export function Percent({
  ratio,
  signed,
  exact,
}: {
  ratio: string | number | null | undefined
  signed?: boolean
  exact?: boolean
}) {
  const preferences = usePreferences()
  if (ratio == null) return <span>{NONE}</span>
  const sign = signed ? "exceptZero" : "auto"
  return <span className="num">{formatPercent(ratio, preferences, sign, exact ? 18 : 2)}</span>
}

/** A drawdown, or any other way down from a peak. */
export function Fall({ depth }: { depth: string | number | null | undefined }) {
  const preferences = usePreferences()
  return <span className="num">{depth == null ? NONE : formatFall(depth, preferences)}</span>
}

/** A statistic or a multiple, which is an estimate: to two decimals. */
export function Statistic({ value, unit }: { value: string | number | null | undefined; unit?: "×" }) {
  const preferences = usePreferences()
  if (value == null) return <span>{NONE}</span>
  return (
    <span className="num">
      {formatNumber(value, preferences, 2, 2)}
      {unit}
    </span>
  )
}

/** A change as arrow, sign and colour: it reads without colour vision, and in either market's colours. */
export function Change({ ratio }: { ratio: string | null | undefined }) {
  const preferences = usePreferences()
  if (ratio == null) return <span>{NONE}</span>
  const sign = signOf(ratio)
  const Icon = sign > 0 ? ArrowUpRight : sign < 0 ? ArrowDownRight : Minus
  return (
    <Badge tone={sign > 0 ? "up" : sign < 0 ? "down" : "plain"} className="num">
      <Icon aria-hidden /> {formatPercent(ratio, preferences)}
    </Badge>
  )
}

export function Time({ at, seconds }: { at: string | null | undefined; seconds?: boolean }) {
  const preferences = usePreferences()
  if (!at) return <span>{NONE}</span>
  return (
    <time dateTime={at} title={at} className="num whitespace-nowrap">
      {formatTime(at, preferences, seconds)}
    </time>
  )
}

/** The moment for which figures hold. */
export function AsOf({ at, method }: { at: string | null | undefined; method?: string }) {
  const { t } = useTranslation()
  return (
    <Badge>
      {t("common.asOf")} <Time at={at} />
      {method && <> · {method}</>}
    </Badge>
  )
}

/** Whether something is an id that is known by its beginning: names, such as a strategy's, stay whole. */
const isLong = (id: string) => /^[0-9a-f-]{16,}$/i.test(id)

export function Id({ id }: { id: string | null | undefined }) {
  return id ? (
    <code title={id} className="text-muted-foreground text-xs">
      {isLong(id) ? shortId(id) : id}
    </code>
  ) : (
    <span>{NONE}</span>
  )
}

/** What a venue or a machine said, in its own words: they are its, and in English, whatever the reader's language. */
export function Said({ words }: { words: string | null | undefined }) {
  return words ? (
    <q lang="en" title={words}>
      {words.length > LONG ? `${words.slice(0, LONG)}…` : words}
    </q>
  ) : (
    <span>{NONE}</span>
  )
}

/** Somebody by name, with their id in the title; by id where they have no name. */
export function Named({ id, name }: { id: string | null | undefined; name: string | null | undefined }) {
  return name ? <span title={id ?? undefined}>{name}</span> : <Id id={id} />
}
