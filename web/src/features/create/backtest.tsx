import { Link, useParams } from "@tanstack/react-router"
import { useMemo } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { formatAmount, formatPercent } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { Change, Money, Percent, Quantity, Time } from "@/ui/shown"
import { Loaded } from "@/ui/states"
import { drawdown, TimeChart, type Line } from "@/ui/time-chart"
import { Months, Profits } from "./distribution"
import { cents, intervalOf, numberIn, part, rounded, rowIn, said, textIn } from "./readings"
import { STEADY } from "./run-form"

type View = Schemas["BacktestView"]

/** The report of one kept run: what came of it, what it cost, when, and out of which inputs. */
export default function Backtest() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const query = api.useQuery(
    "get",
    "/api/v1/backtests/{backtest_id}",
    { params: { path: { backtest_id: id } } },
    STEADY,
  )
  return (
    <Loaded query={query} rows={10}>
      {(run) => (
        <>
          <PageHead title={t("backtest.of", { strategy: textIn(run.inputs, "strategy", "name") ?? run.id })}>
            <Badge>
              {textIn(run.inputs, "data", "symbol") ?? textIn(run.inputs, "data", "name")} ·{" "}
              {intervalOf(numberIn(run.inputs, "data", "intervalSeconds"))}
            </Badge>
            <Badge tone="warn">{t("backtest.simulated")}</Badge>
            {textIn(run.metrics, "ruinedAt") && <Badge tone="bad">{t("backtest.ruined")}</Badge>}
            <Button asChild className="ml-auto">
              <Link
                to="/backtests"
                search={{ run: textIn(run.inputs, "strategy", "name") ?? "new" } as never}
              >
                {t("backtest.again")}
              </Link>
            </Button>
          </PageHead>
          <p className="text-muted-foreground">{t("backtest.warning")}</p>
          <Remarks run={run} />
          <Metrics run={run} />
          <Equity run={run} />
          <div className="grid gap-4 lg:grid-cols-2">
            <Costs run={run} />
            <Execution run={run} />
          </div>
          <Months run={run} />
          <div className="grid gap-4 lg:grid-cols-2">
            <Profits run={run} />
            <Inputs run={run} />
          </div>
        </>
      )}
    </Loaded>
  )
}

/** What must be known before a figure is believed. */
function Remarks({ run }: { run: View }) {
  const { t } = useTranslation()
  const missing = numberIn(run.metrics, "missingBars")
  const undecided = rowIn(run.metrics, "undecided")
  const remarks = [
    part(run.metrics, "fundingCharged") === false && t("backtest.noFunding"),
    missing && t("backtest.missingBars", { count: missing }),
    numberIn(undecided, "bars") !== null &&
      t("backtest.undecided", { warmup: numberIn(undecided, "warmup"), bars: numberIn(undecided, "bars") }),
  ].filter(Boolean)
  return remarks.length ? (
    <ul className="border-warn/40 bg-warn/5 space-y-1 rounded-lg border p-3">
      {remarks.map((remark) => (
        <li key={String(remark)}>{remark}</li>
      ))}
    </ul>
  ) : null
}

function Metrics({ run: { metrics, benchmark } }: { run: View }) {
  const { t } = useTranslation()
  return (
    <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
      <Figure
        label={t("backtest.totalReturn")}
        note={
          <>
            {t("backtest.holding")} <Percent ratio={numberIn(benchmark, "totalReturn")} signed />
          </>
        }
      >
        <Change ratio={numberIn(metrics, "totalReturn")?.toFixed(6)} />
      </Figure>
      <Figure
        label={t("backtest.annualReturn")}
        note={t("backtest.ofDays", { count: rounded(numberIn(metrics, "days"), 0) ?? 0 })}
      >
        <Percent ratio={numberIn(metrics, "annualReturn")} signed />
      </Figure>
      <Figure
        label={t("backtest.maxDrawdown")}
        note={
          <>
            {t("backtest.holding")} <Percent ratio={numberIn(benchmark, "maxDrawdown")} />
          </>
        }
      >
        <Percent ratio={numberIn(metrics, "maxDrawdown")} />
      </Figure>
      <Figure
        label={t("flow.sharpe")}
        note={
          <>
            {t("backtest.sortino")} <Quantity value={rounded(numberIn(metrics, "sortino"), 2)} />
          </>
        }
      >
        <Quantity value={rounded(numberIn(metrics, "sharpe"), 2)} />
      </Figure>
      <Figure label={t("backtest.finalEquity")}>
        <Money amount={cents(numberIn(metrics, "finalEquity"))} />
      </Figure>
      <Figure
        label={t("backtest.trades")}
        note={
          <>
            {t("backtest.barsHeld")} <Quantity value={rounded(numberIn(metrics, "averageBarsHeld"), 1)} />
          </>
        }
      >
        <Quantity value={numberIn(metrics, "trades")} />
      </Figure>
      <Figure
        label={t("backtest.winRate")}
        note={
          <>
            {t("backtest.profitFactor")} <Quantity value={rounded(numberIn(metrics, "profitFactor"), 2)} />
          </>
        }
      >
        <Percent ratio={numberIn(metrics, "winRate")} />
      </Figure>
      <Figure
        label={t("backtest.timeInMarket")}
        note={
          <>
            {t("backtest.turnover")} <Quantity value={rounded(numberIn(metrics, "turnoverOfEquity"), 1)} />
          </>
        }
      >
        <Percent ratio={numberIn(metrics, "timeInMarket")} />
      </Figure>
    </div>
  )
}

/** Equity of the strategy beside holding, and how far below its peak it stood. */
function Equity({ run }: { run: View }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const query = api.useQuery(
    "get",
    "/api/v1/backtests/{backtest_id}/equity",
    { params: { path: { backtest_id: run.id } } },
    STEADY,
  )
  const curve = query.data
  const lines = useMemo((): Line[] => {
    const over = (values: readonly number[]) =>
      values.map((value, place) => ({ at: new Date(curve!.ts[place]! * 1000).toISOString(), value }))
    const strategy = over(curve?.strategy ?? [])
    return [
      { name: t("backtest.strategyLine"), as: "area", color: "--primary", points: strategy },
      {
        name: t("backtest.holding"),
        as: "dashed",
        color: "--muted-foreground",
        points: over(curve?.benchmark ?? []),
      },
      {
        name: t("flow.drawdown"),
        as: "area",
        color: "--down",
        percent: true,
        pane: 1,
        points: drawdown(strategy),
      },
    ]
  }, [curve, t])
  return (
    <Card title={t("backtest.equity")}>
      <Loaded query={query} rows={6}>
        {() => (
          <TimeChart
            tall
            lines={lines}
            summary={t("backtest.equitySummary", {
              strategy: formatAmount(cents(numberIn(run.metrics, "finalEquity")) ?? "0", preferences),
              benchmark: formatAmount(cents(numberIn(run.benchmark, "finalEquity")) ?? "0", preferences),
              drawdown: formatPercent(-(numberIn(run.metrics, "maxDrawdown") ?? 0), preferences),
            })}
          />
        )}
      </Loaded>
    </Card>
  )
}

/** From the result before costs to the one after them, line by line. */
function Costs({ run: { costs } }: { run: View }) {
  const { t } = useTranslation()
  const taken = (name: string) => {
    const value = numberIn(costs, name)
    return value === null ? null : -value
  }
  const rows = [
    ["gross", numberIn(costs, "gross")],
    ["fees", taken("fees")],
    ["slippage", taken("slippage")],
    ["funding", taken("funding")],
    ["shortfall", numberIn(costs, "shortfall")],
  ] as const
  return (
    <Card title={t("backtest.costs")}>
      <Facts
        rows={[
          ...rows.map(
            ([name, value]) =>
              [t(`costs.${name}`), <Money key={name} amount={cents(value)} signed />] as const,
          ),
          [
            <strong key="n">{t("costs.net")}</strong>,
            <strong key="v">
              <Money amount={cents(numberIn(costs, "net"))} signed />
            </strong>,
          ],
        ]}
      />
      <p className="text-muted-foreground mt-3 text-xs">{t("costs.words")}</p>
    </Card>
  )
}

function Execution({ run: { execution, metrics } }: { run: View }) {
  const { t } = useTranslation()
  const counted = [
    "fills",
    "makerFills",
    "ambiguousBars",
    "refinedBars",
    "shortFilled",
    "clamped",
    "refused",
    "barsWithoutVolume",
  ] as const
  return (
    <Card title={t("execution.title")}>
      <Facts
        rows={[
          ...counted.map(
            (name) =>
              [
                t(`execution.${name}`),
                <Quantity key={name} value={rounded(numberIn(execution, name), 2)} />,
              ] as const,
          ),
          [t("execution.byKind"), said(rowIn(execution, "byKind"))],
          [t("execution.targetChanges"), <Quantity key="t" value={numberIn(metrics, "targetChanges")} />],
          [
            t("execution.greatestShare"),
            <Percent key="g" ratio={numberIn(execution, "greatestShareOfVolume")} />,
          ],
          [t("execution.meanShare"), <Percent key="m" ratio={numberIn(execution, "meanShareOfVolume")} />],
        ]}
      />
    </Card>
  )
}

/** Everything that the result depends on: the same inputs give the same equity to the last bit. */
function Inputs({ run }: { run: View }) {
  const { t } = useTranslation()
  const { inputs } = run
  const hash = (...path: string[]) => {
    const text = textIn(inputs, ...path)
    return text && <code title={text}>{text.slice(0, 16)}</code>
  }
  return (
    <Card title={t("inputs.title")}>
      <Facts
        rows={[
          [
            t("run.strategy"),
            `${textIn(inputs, "strategy", "name") ?? ""} ${textIn(inputs, "strategy", "version") ?? ""}`,
          ],
          [t("run.params"), said(rowIn(inputs, "strategy", "params"))],
          [t("run.data"), textIn(inputs, "data", "name")],
          [t("inputs.bars"), <Quantity key="b" value={numberIn(inputs, "data", "bars")} />],
          [t("common.from"), <Time key="f" at={textIn(inputs, "data", "first")} />],
          [t("common.to"), <Time key="l" at={textIn(inputs, "data", "last")} />],
          [t("inputs.costs"), said(rowIn(inputs, "costs"))],
          [t("inputs.terms"), said(rowIn(inputs, "terms"))],
          [t("run.cash"), <Money key="c" amount={cents(numberIn(inputs, "cash"))} />],
          [t("inputs.code"), hash("strategy", "codeHash")],
          [t("inputs.engine"), hash("engineHash")],
          [t("inputs.dataHash"), hash("data", "sha256")],
          [t("inputs.equityHash"), <code key="e">{run.equitySha256.slice(0, 16)}</code>],
          [t("inputs.by"), run.createdBy],
          [t("common.time"), <Time key="t" at={run.createdAt} />],
          [t("inputs.seconds"), <Quantity key="s" value={rounded(run.seconds, 2)} />],
        ]}
      />
    </Card>
  )
}
