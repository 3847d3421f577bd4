import { useParams } from "@tanstack/react-router"
import { Pause, Play } from "lucide-react"
import { useEffect, useState } from "react"
import { useTranslation } from "react-i18next"
import { formatNumber, formatPercent, formatTime } from "@/lib/format"
import { follow, type Market } from "@/lib/market"
import { usePreferences } from "@/lib/preferences"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Figure, PageHead } from "@/ui/card"
import { Percent, Quantity, Time } from "@/ui/shown"
import { Empty, Skeleton } from "@/ui/states"
import { Ladder, Tape } from "./ladder"

const iso = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString())

/** An instrument as it is now: its book, its last trades, what it is marked at, and whether that is to be trusted. */
export default function Instrument() {
  const { t } = useTranslation()
  const { symbol } = useParams({ strict: false }) as { symbol: string }
  const [venue] = useUrl("venue", "")
  const [paused, setPaused] = useState(false)
  return (
    <>
      <PageHead title={symbol}>
        {venue && <Badge>{venue}</Badge>}
        <Button onClick={() => setPaused(!paused)} aria-pressed={paused}>
          {paused ? <Play aria-hidden /> : <Pause aria-hidden />}
          {t(paused ? "markets.resume" : "markets.pause")}
        </Button>
      </PageHead>
      <Followed key={`${venue} ${symbol}`} symbol={symbol} venue={venue} paused={paused} />
    </>
  )
}

export function Followed({ symbol, venue, paused }: { symbol: string; venue: string; paused: boolean }) {
  const { t } = useTranslation()
  const [known, setKnown] = useState<Market>({ live: false })
  const [begun, setBegun] = useState(false)
  useEffect(() => {
    if (paused) return
    return follow(symbol, venue, (next) => {
      setBegun(true)
      setKnown(next)
    })
  }, [symbol, venue, paused])
  if (known.refused !== undefined) return <Empty title={t("markets.unknown", { symbol })} />
  if (!begun) return <Skeleton rows={8} />
  const { tick, book, funding, bar } = known
  const last = tick ?? (bar && { price: bar.close, at: (bar.ts + bar.interval) * 1000 })
  return (
    <>
      <Standing known={known} paused={paused} />
      <div className="grid grid-cols-2 gap-4 lg:grid-cols-4">
        <Figure label={t("markets.last")} note={<Time at={iso(last?.at)} seconds />}>
          <Quantity value={last?.price} />
        </Figure>
        <Figure label={t("exposure.mark")} note={<Time at={iso(funding?.at)} seconds />}>
          <Quantity value={funding && Number(funding.mark)} />
        </Figure>
        <Figure label={t("market.index")} note={<Time at={iso(funding?.at)} seconds />}>
          <Quantity value={funding && Number(funding.index)} />
        </Figure>
        <Figure
          label={t("market.fundingRate")}
          note={
            <>
              {t("markets.nextFunding")} <Time at={iso(funding?.next)} />
            </>
          }
        >
          <Percent ratio={funding?.rate} signed exact />
        </Figure>
      </div>
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <Card title={t("markets.book")} flush={!!book}>
          {book ? (
            <>
              <Spread bid={book.bids[0]?.[0]} ask={book.asks[0]?.[0]} at={book.at} />
              <Ladder book={book} />
            </>
          ) : (
            <Empty title={t("markets.noBook")} />
          )}
        </Card>
        <Card title={t("markets.trades")} flush={!!tick}>
          {tick ? <Tape trades={tick.trades} /> : <Empty title={t("markets.noTrades")} />}
        </Card>
      </div>
      {bar && (
        <p className="text-muted-foreground text-xs">
          {t("market.closed")}: <Time at={iso((bar.ts + bar.interval) * 1000)} /> ·{" "}
          <Quantity value={bar.close} />
        </p>
      )}
    </>
  )
}

/** Whether what is shown holds, in words: said aloud when it changes, which the figures are not. */
function Standing({ known, paused }: { known: Market; paused: boolean }) {
  const { t } = useTranslation()
  const { live, book, tick, funding } = known
  const distrust = (book ?? tick ?? funding)?.distrust
  const feed = (book ?? tick ?? funding)?.feed
  const stale = book && !book.right
  const [tone, words] = paused
    ? (["warn", t("markets.paused")] as const)
    : !live
      ? (["warn", t("markets.reconnecting")] as const)
      : !feed
        ? ([undefined, t("markets.noFeed")] as const)
        : stale
          ? (["bad", t("markets.stale")] as const)
          : distrust
            ? (["bad", t("market.feed_untrusted")] as const)
            : (["good", t("market.feed_live")] as const)
  const why = live && !paused ? (distrust ?? (stale ? book.why : null)) : null
  return (
    <p role="status" className="flex flex-wrap items-center gap-2">
      <Badge tone={tone}>{words}</Badge>
      {why && (
        <span lang="en" className="text-muted-foreground text-xs">
          {why}
        </span>
      )}
      {feed && <span className="text-muted-foreground text-xs">{t("markets.told", { feed })}</span>}
    </p>
  )
}

function Spread({ bid, ask, at }: { bid: number | undefined; ask: number | undefined; at: number }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  if (bid === undefined || ask === undefined) return null
  return (
    <p className="text-muted-foreground border-b px-3 py-1.5 text-xs">
      {t("markets.spread", {
        spread: formatNumber(Number((ask - bid).toPrecision(8)), preferences),
        part: formatPercent((2 * (ask - bid)) / (ask + bid), preferences, "auto", 4),
        at: formatTime(new Date(at).toISOString(), preferences, true),
      })}
    </p>
  )
}
