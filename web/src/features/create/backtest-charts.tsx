import { useMemo } from "react"
import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { formatAmount, formatFall, formatNumber, formatPercent, formatTime } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Card } from "@/ui/card"
import { over, TimeChart, type Line } from "@/ui/time-chart"
import { Grid } from "./grid"
import { cents, significant, type Told } from "./readings"

type Marker = Schemas["FillMarker"]

/** Kinds of fills that no target and no order of the strategy asked for. */
const STOPS: ReadonlySet<Marker["kind"]> = new Set([
  "stop",
  "trailing",
  "equity_curve",
  "account",
  "time",
  "liquidation",
  "stop_order",
])

/** The price with the fills on it; several instruments have none in common. */
export function Price({ run: { series, markers, execution } }: { run: Told }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const lines = useMemo(
    (): Line[] => [
      {
        name: t("backtest.priceLine"),
        as: "line",
        color: "--muted-foreground",
        points: over(series.price?.ts ?? [], series.price?.close ?? []),
        marks: markers.map((one) => ({
          at: one.at,
          value: one.price,
          up: one.side === "buy",
          color: STOPS.has(one.kind) ? "--warn" : one.side === "buy" ? "--up" : "--down",
        })),
      },
    ],
    [series, markers, t],
  )
  if (!series.price) return null
  const { close } = series.price
  const number = (value: number, digits: number) => formatNumber(significant(value, digits), preferences)
  const moment = (at: string) => formatTime(at, preferences)
  const count = (side: Marker["side"]) =>
    formatNumber(
      markers.reduce((sum, one) => sum + (one.side === side ? one.fills : 0), 0),
      preferences,
    )
  return (
    <Card title={t("backtest.price")}>
      <TimeChart
        tall
        said
        lines={lines}
        summary={`${t("backtest.priceSummary", {
          fills: formatNumber(execution.fills, preferences),
          buys: count("buy"),
          sells: count("sell"),
          first: number(close[0]!, 8),
          last: number(close.at(-1)!, 8),
        })} ${t("backtest.priceMethod")}`}
      />
      {markers.length > 0 && (
        <details className="mt-2">
          <summary className="focusable text-primary w-fit cursor-pointer rounded text-xs">
            {t("backtest.marks", { count: markers.length })}
          </summary>
          <div className="mt-2 max-h-96 relative overflow-y-auto print:max-h-none">
            <Grid
              label={t("backtest.price")}
              corner={t("common.time")}
              columns={[
                t("common.side"),
                t("common.kind"),
                t("common.quantity"),
                t("common.price"),
                t("execution.fills"),
              ]}
              rows={markers.map((one) => ({
                head: one.at === one.until ? moment(one.at) : `${moment(one.at)} – ${moment(one.until)}`,
                cells: [
                  t(`sides.${one.side}`),
                  t(`fillKinds.${one.kind}`),
                  number(one.quantity, 6),
                  number(one.price, 8),
                  formatNumber(one.fills, preferences),
                ].map((text) => ({ text, strength: 0 })),
              }))}
            />
          </div>
        </details>
      )}
    </Card>
  )
}

/** Equity of the strategy beside holding, and how far below its peak it stood. */
export function Equity({ run: { series, metrics, benchmark } }: { run: Told }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const lines = useMemo(
    (): Line[] => [
      {
        name: t("backtest.strategyLine"),
        as: "area",
        color: "--primary",
        points: over(series.equity.ts, series.equity.strategy),
      },
      {
        name: `${t("backtest.holding")} ${benchmark.name}`,
        as: "dashed",
        color: "--muted-foreground",
        points: over(series.equity.ts, series.equity.benchmark),
      },
      {
        name: t("backtest.drawdownLine"),
        as: "area",
        color: "--down",
        percent: true,
        pane: 1,
        points: over(series.drawdown.ts, series.drawdown.drawdown),
      },
    ],
    [series, benchmark, t],
  )
  const moment = (at: string) => formatTime(at, preferences)
  const { drawdownFrom, drawdownTo, recoveredAt } = metrics
  const fall =
    drawdownFrom && drawdownTo
      ? t("backtest.drawdownSummary", {
          deepest: formatFall(metrics.maxDrawdown, preferences),
          begin: moment(drawdownFrom),
          end: moment(drawdownTo),
          recovered: recoveredAt
            ? t("backtest.recovered", { when: moment(recoveredAt) })
            : t("backtest.notRecovered"),
        })
      : t("backtest.neverBelow")
  const ends = t("backtest.equitySummary", {
    strategy: formatAmount(cents(metrics.finalEquity)!, preferences),
    benchmark: formatAmount(cents(benchmark.finalEquity)!, preferences),
  })
  return (
    <Card title={t("backtest.equity")}>
      <TimeChart tall said lines={lines} summary={`${ends} ${fall} ${t("backtest.extremes")}`} />
    </Card>
  )
}

/** How much of the equity was in the market, and on which side. */
export function Exposure({ run: { series, metrics } }: { run: Told }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const lines = useMemo(
    (): Line[] => [
      {
        name: t("backtest.exposureMethod"),
        as: "signed",
        color: "--primary",
        percent: true,
        points: over(series.exposure.ts, series.exposure.exposure),
      },
    ],
    [series, t],
  )
  return (
    <Card title={t("backtest.exposure")}>
      <TimeChart
        said
        lines={lines}
        summary={t("backtest.exposureSummary", {
          share: formatPercent(metrics.timeInMarket, preferences, "auto"),
          average: formatPercent(metrics.averageExposure, preferences),
          greatest: formatPercent(metrics.greatestExposure, preferences, "auto"),
        })}
      />
    </Card>
  )
}
