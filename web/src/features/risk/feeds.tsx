import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Card } from "@/ui/card"
import { Percent, Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Findings, type Kind } from "./findings"

type Feed = Schemas["FeedSeen"]

const TONES = { live: "good", untrusted: "bad", silent: "bad", stopped: undefined } as const
const KINDS: readonly Kind[] = [
  "stale",
  "sequence_break",
  "crossed_book",
  "gap",
  "candle_differs",
  "price_jump",
  "clock_skew",
  "zero_volume",
  "impossible_bar",
]
const choosing = "focusable text-primary rounded hover:underline"

/** Who follows the live market, whether it can be trusted, and what was found wrong with it. */
export function Feeds({ choose }: { choose: (of: string) => void }) {
  const { t } = useTranslation()
  const [live, setLive] = useUrl("live", "")
  const feeds = api.useQuery("get", "/api/v1/market/feeds", {}, { refetchInterval: 5_000 })
  const chosen = feeds.data?.find((one) => String(one.instrumentId) === live)
  const look = (row: Feed) => setLive(String(row.instrumentId) === live ? "" : String(row.instrumentId))
  return (
    <>
      <Card title={t("market.feeds")} flush={!!feeds.data?.length}>
        <Loaded query={feeds} rows={3}>
          {(rows) => <Followed rows={rows} choose={choose} look={look} />}
        </Loaded>
      </Card>
      {chosen && (
        <Findings
          key={live}
          of={`instrument ${live}`}
          title={`${t("market.findings")}: ${chosen.symbol} · ${chosen.venue}`}
          kinds={KINDS}
          param="liveKind"
          load={async (kind, cursor) =>
            client.GET("/api/v1/market/instruments/{instrument_id}/findings", {
              params: {
                path: { instrument_id: live },
                query: { ...(kind ? { kind } : {}), cursor, limit: 100 },
              },
            })
          }
          onClose={() => setLive("")}
        />
      )}
    </>
  )
}

function Followed({
  rows,
  choose,
  look,
}: {
  rows: Feed[]
  choose: (of: string) => void
  look: (row: Feed) => void
}) {
  const { t } = useTranslation()
  return (
    <Table
      label={t("market.feeds")}
      rows={rows}
      id={(row) => `${row.name} ${row.instrumentId}`}
      empty={
        <Empty title={t("market.noFeeds")}>
          <p>{t("market.noFeedsWhy")}</p>
        </Empty>
      }
      columns={[
        {
          key: "symbol",
          head: t("common.symbol"),
          cell: (row) => (
            <button type="button" className={choosing} onClick={() => choose(`${row.venue} ${row.symbol}`)}>
              {row.symbol}
            </button>
          ),
          sort: (row) => row.symbol,
        },
        { key: "venue", head: t("exposure.by_venue"), cell: (row) => row.venue },
        { key: "name", head: t("market.feedName"), cell: (row) => row.name, sort: (row) => row.name },
        {
          key: "state",
          head: t("common.state"),
          cell: (row) => (
            <>
              <Badge tone={TONES[row.state]}>{t(`market.feed_${row.state}`)}</Badge>{" "}
              {row.state === "untrusted" && (
                <span className="text-muted-foreground text-xs">{row.distrust}</span>
              )}
            </>
          ),
          sort: (row) => row.state,
        },
        {
          key: "findings",
          head: t("market.findingsOfDay"),
          cell: (row) => (
            <button type="button" className={choosing} onClick={() => look(row)}>
              {row.findings}
            </button>
          ),
          sort: (row) => row.findings,
        },
        {
          key: "cache",
          head: t("markets.cache"),
          cell: (row) => (row.cache ? t(`markets.cache_${row.cache}`) : "–"),
        },
        {
          key: "bid",
          head: t("market.bid"),
          right: true,
          cell: (row) => (
            <Link
              to={`/markets/${row.symbol}` as "/"}
              search={{ venue: row.venue } as never}
              className={choosing}
              aria-label={`${t("markets.book")}: ${row.symbol}`}
            >
              <Quantity value={row.bestBid} />
            </Link>
          ),
        },
        { key: "ask", head: t("market.ask"), right: true, cell: (row) => <Quantity value={row.bestAsk} /> },
        { key: "index", head: t("market.index"), right: true, cell: (row) => <Quantity value={row.index} /> },
        {
          key: "funding",
          head: t("market.fundingRate"),
          right: true,
          cell: (row) => <Percent ratio={row.funding} signed />,
        },
        {
          key: "interest",
          head: t("market.openInterest"),
          right: true,
          cell: (row) => <Quantity value={row.openInterest} />,
        },
        { key: "event", head: t("market.lastEvent"), cell: (row) => <Time at={row.eventAt} seconds /> },
        { key: "lag", head: t("market.lag"), right: true, cell: (row) => <Quantity value={row.lagMs} /> },
        {
          key: "losses",
          head: t("market.losses"),
          right: true,
          cell: (row) => <Quantity value={row.losses} />,
        },
        {
          key: "resyncs",
          head: t("market.resyncs"),
          right: true,
          cell: (row) => <Quantity value={row.resyncs} />,
        },
      ]}
    />
  )
}
