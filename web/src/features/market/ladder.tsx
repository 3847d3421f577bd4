import { ArrowDown, ArrowUp } from "lucide-react"
import { memo } from "react"
import { useTranslation } from "react-i18next"
import { cn } from "@/lib/cn"
import { formatNumber } from "@/lib/format"
import type { Book, Level, Trade } from "@/lib/market"
import { usePreferences, type Preferences } from "@/lib/preferences"

const ROWS = 15

/** Decimals that the longest of some numbers has: so written, their points stand below each other. */
export const decimalsOf = (values: readonly number[]) =>
  Math.max(0, ...values.map((one) => (/\.(\d+)$/.exec(String(one))?.[1] ?? "").length))

/** Both sides of a book, the best first, each level with a bar for how much stands there beside the others. */
export function Ladder({ book }: { book: Book }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const sides = { bids: book.bids.slice(0, ROWS), asks: book.asks.slice(0, ROWS) }
  const all = [...sides.bids, ...sides.asks]
  const most = Math.max(...all.map(([, quantity]) => quantity))
  const decimals = [decimalsOf(all.map(([price]) => price)), decimalsOf(all.map(([, n]) => n))] as const
  const rows = Math.max(sides.bids.length, sides.asks.length)
  const head = "text-muted-foreground px-3 py-1.5 text-xs font-normal"
  return (
    <table className={cn("num w-full table-fixed", !book.right && "opacity-50")}>
      <caption className="sr-only">{t("markets.book")}</caption>
      <thead>
        <tr className="border-b">
          <th scope="col" className={cn(head, "text-left")}>
            {t("markets.bidQuantity")}
          </th>
          <th scope="col" className={cn(head, "text-right")}>
            {t("markets.bid")}
          </th>
          <th scope="col" className={cn(head, "text-left")}>
            {t("markets.ask")}
          </th>
          <th scope="col" className={cn(head, "text-right")}>
            {t("markets.askQuantity")}
          </th>
        </tr>
      </thead>
      <tbody>
        {Array.from({ length: rows }, (_, row) => (
          <Row
            key={row}
            {...parts("bid", sides.bids[row])}
            {...parts("ask", sides.asks[row])}
            most={most}
            price={decimals[0]}
            quantity={decimals[1]}
            language={preferences.language}
          />
        ))}
      </tbody>
    </table>
  )
}

type RowProps = {
  bidPrice?: number
  bidQuantity?: number
  askPrice?: number
  askQuantity?: number
  most: number
  price: number
  quantity: number
  language: Preferences["language"]
}

const parts = (side: "bid" | "ask", level: Level | undefined) => ({
  [`${side}Price`]: level?.[0],
  [`${side}Quantity`]: level?.[1],
})

/** Drawn again only where a number of it is another one. */
const Row = memo(function Row(row: RowProps) {
  const { language, most } = row
  const price = (value: number | undefined) =>
    value === undefined ? "" : formatNumber(value, { language, hideAmounts: false }, row.price, row.price)
  const quantity = (value: number | undefined) =>
    value === undefined
      ? ""
      : formatNumber(value, { language, hideAmounts: false }, row.quantity, row.quantity)
  const bar = (value = 0, to: "left" | "right", colour: string) => ({
    background: `linear-gradient(to ${to}, color-mix(in oklab, var(--${colour}) 16%, transparent) ${(100 * value) / most}%, transparent 0)`,
  })
  return (
    <tr>
      <td className="px-3 py-0.5" style={bar(row.bidQuantity, "left", "up")}>
        {quantity(row.bidQuantity)}
      </td>
      <td className="text-up px-3 py-0.5 text-right">{price(row.bidPrice)}</td>
      <td className="text-down px-3 py-0.5">{price(row.askPrice)}</td>
      <td className="px-3 py-0.5 text-right" style={bar(row.askQuantity, "right", "down")}>
        {quantity(row.askQuantity)}
      </td>
    </tr>
  )
})

/** The last trades, the newest first. */
export function Tape({ trades }: { trades: readonly Trade[] }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const head = "text-muted-foreground px-3 py-1.5 text-xs font-normal"
  const price = decimalsOf(trades.map((one) => one[2]))
  const quantity = decimalsOf(trades.map((one) => one[3]))
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: preferences.zone === "UTC" ? "UTC" : undefined,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  })
  return (
    <table className="num w-full">
      <caption className="sr-only">{t("markets.trades")}</caption>
      <thead>
        <tr className="border-b">
          <th scope="col" className={cn(head, "text-left")}>
            {t("common.time")}
          </th>
          <th scope="col" className={cn(head, "text-left")}>
            {t("common.side")}
          </th>
          <th scope="col" className={cn(head, "text-right")}>
            {t("common.price")}
          </th>
          <th scope="col" className={cn(head, "text-right")}>
            {t("common.quantity")}
          </th>
        </tr>
      </thead>
      <tbody>
        {trades.toReversed().map(([number, at, paid, size, side]) => {
          const Arrow = side === "buy" ? ArrowUp : ArrowDown
          return (
            <tr key={number}>
              <td className="text-muted-foreground px-3 py-0.5">{clock.format(at)}</td>
              <td className={cn("px-3 py-0.5", side === "buy" ? "text-up" : "text-down")}>
                <Arrow aria-hidden className="inline size-3" /> {t(`sides.${side}`)}
              </td>
              <td className="px-3 py-0.5 text-right">{formatNumber(paid, preferences, price, price)}</td>
              <td className="px-3 py-0.5 text-right">
                {formatNumber(size, preferences, quantity, quantity)}
              </td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}
