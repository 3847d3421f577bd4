import type { ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { formatAmount, formatFall, formatNumber, formatTime } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "@/ui/badge"
import { Card, Figure, PageHead } from "@/ui/card"
import { Change, Fall, Money, Percent, Quantity, Statistic } from "@/ui/shown"
import { Equity, Exposure, Price } from "./backtest-charts"
import { Execution, Inputs } from "./backtest-tables"
import { Costs, Months, Profits } from "./distribution"
import { Grid } from "./grid"
import { cents, dataOf, intervalOf, type Told } from "./readings"

/** The report of one run: what came of it, what it cost, when, and out of which inputs. */
export function BacktestReport({ run, actions }: { run: Told; actions?: ReactNode }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const { strategy, data, depth } = run.inputs
  const moment = (at: string) => formatTime(at, preferences)
  const end = new Date(run.series.equity.ts.at(-1)! * 1000).toISOString()
  const period = { begin: moment(data.first), end: moment(data.last) }
  const count = formatNumber((depth ? data.events : data.bars) ?? 0, preferences)
  return (
    <>
      <PageHead title={t("backtest.of", { strategy: `${strategy.name} ${strategy.version}` })}>
        <Badge>{dataOf(data)}</Badge>
        <Badge tone="warn">{t("backtest.simulated")}</Badge>
        {run.metrics.ruinedAt && <Badge tone="bad">{t("backtest.ruined")}</Badge>}
        {actions}
      </PageHead>
      <p>
        {depth
          ? t("backtest.factsBook", { ...period, count: count as never })
          : t("backtest.facts", {
              ...period,
              count: count as never,
              interval: intervalOf(data.intervalSeconds),
            })}
      </p>
      <p className="text-muted-foreground">{t("backtest.warning")}</p>
      <Remarks run={run} />
      <Metrics run={run} />
      <p className="text-muted-foreground text-xs">
        {t(depth ? "backtest.basisBook" : "backtest.basis", { when: moment(end) })}
      </p>
      <Price run={run} />
      <Equity run={run} />
      <div className="grid gap-4 lg:grid-cols-2">
        <Exposure run={run} />
        <Costs run={run} />
      </div>
      {run.months.length > 0 && <Months run={run} />}
      <div className="grid gap-4 lg:grid-cols-2">
        <Profits run={run} />
        <Execution run={run} />
      </div>
      <Legs run={run} />
      <Inputs run={run} />
    </>
  )
}

/** What must be known before a figure is believed. */
function Remarks({ run: { metrics, execution } }: { run: Told }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const remarks = [
    metrics.ruinedAt &&
      t("backtest.ruinedAt", {
        when: formatTime(metrics.ruinedAt, preferences),
        owed: formatAmount(cents(execution.shortfall) ?? "0", preferences),
      }),
    !metrics.fundingCharged && t("backtest.noFunding"),
    metrics.fundingEstimated > 0 && t("backtest.estimated", { count: metrics.fundingEstimated }),
    metrics.missingBars > 0 && t("backtest.missingBars", { count: metrics.missingBars }),
    metrics.undecided && t("backtest.undecided", metrics.undecided),
  ].filter((remark) => typeof remark === "string")
  return remarks.length ? (
    <ul className="border-warn/40 bg-warn/5 space-y-1 rounded-lg border p-3">
      {remarks.map((remark) => (
        <li key={remark}>{remark}</li>
      ))}
    </ul>
  ) : null
}

/** The key figures, each with the method it was taken by. */
function Metrics({ run: { metrics, benchmark, inputs } }: { run: Told }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const { data, depth, cash } = inputs
  const money = (value: number | null) => (value === null ? "–" : formatAmount(value.toFixed(2), preferences))
  const number = (value: number | null, digits: number) =>
    value === null ? "–" : formatNumber(value.toFixed(digits), preferences)
  const days = number(metrics.days, 1)
  const method = depth
    ? t("backtest.sharpeBook")
    : t("backtest.sharpeNote", {
        interval: intervalOf(data.intervalSeconds),
        bars: number(metrics.barsPerYear, 0),
        year: t(`calendars.${metrics.calendar ?? "every_day"}`),
      }) + (metrics.days < 365 ? t("backtest.shortRecord", { days }) : "")
  const held = metrics.fundingCharged ? "backtest.holdingFunded" : "backtest.holdingNote"
  return (
    <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
      <Figure label={t("backtest.finalEquity")} note={t("backtest.finalEquityNote", { cash: money(cash) })}>
        <Money amount={cents(metrics.finalEquity)} />
      </Figure>
      <Figure label={t("backtest.totalReturn")} note={t("backtest.totalReturnNote", { days })}>
        <Change ratio={metrics.totalReturn.toFixed(6)} />
      </Figure>
      <Figure
        label={t("backtest.annualReturn")}
        note={t(metrics.annualReturn === null ? "backtest.underYear" : "backtest.annualReturnNote")}
      >
        <Percent ratio={metrics.annualReturn} signed />
      </Figure>
      <Figure
        label={t("backtest.holdingOf", { name: benchmark.name })}
        note={t(depth ? "backtest.holdingBook" : held, {
          drawdown: formatFall(benchmark.maxDrawdown, preferences),
        })}
      >
        <Change ratio={benchmark.totalReturn.toFixed(6)} />
      </Figure>
      <Figure label={t("backtest.maxDrawdown")} note={t("backtest.maxDrawdownNote")}>
        <Fall depth={metrics.maxDrawdown} />
      </Figure>
      <Figure label={t("flow.sharpe")} note={method}>
        <Statistic value={metrics.sharpe} />
      </Figure>
      <Figure label={t("backtest.sortino")} note={t("backtest.sortinoNote")}>
        <Statistic value={metrics.sortino} />
      </Figure>
      <Figure
        label={t("backtest.trades")}
        note={t(depth ? "backtest.tradesBook" : "backtest.tradesNote", {
          open: metrics.openTrades,
          bars: number(metrics.averageBarsHeld, 1),
        })}
      >
        <Quantity value={metrics.trades} />
      </Figure>
      <Figure label={t("backtest.winRate")} note={t("backtest.winRateNote")}>
        <Percent ratio={metrics.winRate} />
      </Figure>
      <Figure
        label={t("backtest.profitFactor")}
        note={t("backtest.profitFactorNote", {
          gain: money(metrics.averageGain),
          loss: money(metrics.averageLoss),
        })}
      >
        <Statistic value={metrics.profitFactor} />
      </Figure>
      <Figure
        label={t("backtest.timeInMarket")}
        note={t(depth ? "backtest.timeInMarketBook" : "backtest.timeInMarketNote", {
          turnover: number(metrics.turnoverOfEquity, 1),
        })}
      >
        <Percent ratio={metrics.timeInMarket} />
      </Figure>
      <Figure label={t("backtest.net")} note={t("backtest.netNote")}>
        <Money amount={cents(metrics.profit)} signed />
      </Figure>
    </div>
  )
}

/** Of several instruments, or of both sides of one: what each came to. */
function Legs({ run: { legs } }: { run: Told }) {
  const { t } = useTranslation()
  if (!legs?.length) return null
  return (
    <Card title={t("backtest.legs")}>
      <Grid
        label={t("backtest.legs")}
        corner={t("backtest.leg")}
        columns={[
          t("backtest.profit"),
          t("backtest.trades"),
          t("backtest.winRate"),
          t("execution.fills"),
          t("costs.fees"),
          t("costs.slippage"),
          t("costs.funding"),
        ]}
        rows={legs.map((leg) => ({
          head: leg.name,
          cells: [
            <Money key="p" amount={cents(leg.profit)} signed />,
            <Quantity key="t" value={leg.trades} />,
            <Percent key="w" ratio={leg.winRate} />,
            <Quantity key="n" value={leg.fills} />,
            <Money key="f" amount={cents(leg.fees)} />,
            <Money key="s" amount={cents(leg.slippage)} />,
            <Money key="u" amount={cents(leg.funding)} />,
          ].map((text) => ({ text, strength: 0 })),
        }))}
      />
    </Card>
  )
}
