import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { formatAge, formatNumber, formatTime } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { CandleChart } from "@/ui/candle-chart"
import { Card, PageHead } from "@/ui/card"
import { Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { Feeds } from "./feeds"
import { Findings, type Kind } from "./findings"
import { Import } from "./import"

type Coverage = Schemas["Coverage"]

/** What is known of the market: how old the feed is, which candles were imported, what is wrong with them. */
export default function Market() {
  const { t } = useTranslation()
  const may = useMay("market_data")
  const [sending, setSending] = useState(false)
  const [of, setOf] = useUrl("of", "")
  const [set, setSet] = useUrl("dataset", "")
  const feed = api.useQuery("get", "/api/v1/market/feed")
  const series = api.useQuery("get", "/api/v1/market/datasets")
  const [venue, symbol] = (of || place(feed.data?.[0] ?? series.data?.[0])).split(" ")
  const dataset = series.data?.find((one) => String(one.id) === set)
  return (
    <>
      <PageHead title={t("pages.marketData")}>
        {may && <Button onClick={() => setSending(true)}>{t("market.import")}</Button>}
      </PageHead>
      {venue && symbol && <Candles venue={venue} symbol={symbol} />}
      <Card title={t("market.feed")} flush={!!feed.data?.length}>
        <Loaded query={feed} rows={4}>
          {(rows) => <Feed rows={rows} choose={setOf} />}
        </Loaded>
      </Card>
      <Feeds choose={setOf} />
      <Card title={t("market.datasets")} flush={!!series.data?.length}>
        <Loaded query={series} rows={4}>
          {(rows) => <Datasets rows={rows} choose={setOf} look={(id) => setSet(id === set ? "" : id)} />}
        </Loaded>
      </Card>
      {dataset && (
        <Findings
          key={dataset.id}
          of={`dataset ${dataset.id}`}
          title={`${t("market.findings")}: ${dataset.symbol} ${dataset.interval ?? ""}`}
          kinds={Object.keys(dataset.findings) as Kind[]}
          counts={dataset.findings}
          load={async (kind, cursor) =>
            client.GET("/api/v1/market/datasets/{dataset_id}/findings", {
              params: {
                path: { dataset_id: String(dataset.id) },
                query: { ...(kind ? { kind } : {}), cursor, limit: 100 },
              },
            })
          }
          onClose={() => setSet("")}
        />
      )}
      {sending && <Import onClose={() => setSending(false)} />}
    </>
  )
}

const place = (one: { venue: string; symbol: string } | undefined) =>
  one ? `${one.venue} ${one.symbol}` : ""
const INTERVALS = ["15m", "1h", "4h", "1d"] as const

function Candles({ venue, symbol }: { venue: string; symbol: string }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const [interval, setInterval] = useUrl<(typeof INTERVALS)[number]>("interval", "1h", INTERVALS)
  const query = api.useQuery("get", "/api/v1/market/candles", {
    params: { query: { venue, symbol, interval, limit: 200 } },
  })
  return (
    <Card
      title={`${symbol} · ${venue}`}
      actions={
        <Segments
          label={t("market.interval")}
          value={interval}
          options={INTERVALS.map((one) => [one, one] as const)}
          onChange={setInterval}
        />
      }
    >
      <Loaded query={query} rows={5}>
        {({ items, simulated }) => {
          const last = items.at(-1)
          if (!last) return <Empty title={t("market.noCandles")} />
          return (
            <>
              {simulated && venue !== "simulated" && <Badge className="mb-2">{t("market.simulated")}</Badge>}
              <CandleChart
                candles={items}
                summary={t("market.summary", {
                  symbol,
                  interval,
                  count: items.length,
                  close: formatNumber(last.close, preferences),
                  at: formatTime(last.ts, preferences),
                })}
              />
            </>
          )
        }}
      </Loaded>
    </Card>
  )
}

const choosing = "focusable text-primary rounded hover:underline"

function Feed({ rows, choose }: { rows: Schemas["FeedState"][]; choose: (of: string) => void }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  return (
    <Table
      label={t("market.feed")}
      rows={rows}
      id={(row) => String(row.instrumentId)}
      empty={
        <Empty title={t("market.noFeed")}>
          <p>{t("market.noFeedWhy")}</p>
        </Empty>
      }
      columns={[
        {
          key: "symbol",
          head: t("common.symbol"),
          cell: (row) => (
            <button type="button" className={choosing} onClick={() => choose(place(row))}>
              {row.symbol}
            </button>
          ),
          sort: (row) => row.symbol,
        },
        { key: "venue", head: t("exposure.by_venue"), cell: (row) => row.venue },
        {
          key: "state",
          head: t("common.state"),
          cell: (row) => (
            <Badge tone={row.late ? "bad" : "good"}>{t(row.late ? "market.late" : "market.live")}</Badge>
          ),
        },
        { key: "interval", head: t("market.interval"), cell: (row) => row.interval },
        { key: "closed", head: t("market.closed"), cell: (row) => <Time at={row.closedAt} /> },
        {
          key: "age",
          head: t("margins.age"),
          right: true,
          cell: (row) => formatAge(row.ageSeconds, preferences),
          sort: (row) => row.ageSeconds,
        },
        {
          key: "mark",
          head: t("exposure.mark"),
          right: true,
          cell: (row) => <Quantity value={row.mark} />,
        },
        { key: "markAt", head: t("exposure.markAsOf"), cell: (row) => <Time at={row.markAsOf} /> },
      ]}
    />
  )
}

function Datasets({
  rows,
  choose,
  look,
}: {
  rows: Coverage[]
  choose: (of: string) => void
  look: (id: string) => void
}) {
  const { t } = useTranslation()
  return (
    <Table
      label={t("market.datasets")}
      rows={rows}
      id={(row) => String(row.id)}
      empty={
        <Empty title={t("market.noDatasets")}>
          <p>{t("market.noDatasetsWhy")}</p>
        </Empty>
      }
      columns={[
        {
          key: "symbol",
          head: t("common.symbol"),
          cell: (row) => (
            <button type="button" className={choosing} onClick={() => choose(place(row))}>
              {row.symbol}
            </button>
          ),
          sort: (row) => row.symbol,
        },
        {
          key: "venue",
          head: t("exposure.by_venue"),
          cell: (row) => (
            <>
              {row.venue}{" "}
              {row.simulated && row.venue !== "simulated" && <Badge>{t("market.simulated")}</Badge>}
            </>
          ),
        },
        { key: "series", head: t("market.series"), cell: (row) => t(`market.series_${row.series}`) },
        { key: "interval", head: t("market.interval"), cell: (row) => row.interval ?? "–" },
        { key: "first", head: t("common.from"), cell: (row) => <Time at={row.firstTs} /> },
        { key: "last", head: t("common.to"), cell: (row) => <Time at={row.lastTs} /> },
        {
          key: "rows",
          head: t("market.rows"),
          right: true,
          cell: (row) => <Quantity value={row.rows} />,
          sort: (row) => row.rows,
        },
        {
          key: "missing",
          head: t("market.missing"),
          right: true,
          cell: (row) => <Quantity value={row.missing} />,
          sort: (row) => row.missing ?? 0,
        },
        {
          key: "findings",
          right: true,
          head: t("market.findings"),
          cell: (row) => {
            const found = Object.values(row.findings).reduce((sum, one) => sum + one, 0)
            return found ? (
              <button type="button" className={choosing} onClick={() => look(String(row.id))}>
                {found}
              </button>
            ) : (
              0
            )
          },
        },
        { key: "imported", head: t("market.imported"), cell: (row) => <Time at={row.importedAt} /> },
        {
          key: "sha",
          head: "SHA-256",
          cell: (row) => (
            <code title={row.sha256} className="text-muted-foreground text-xs">
              {row.sha256.slice(0, 8)}
            </code>
          ),
        },
      ]}
    />
  )
}
