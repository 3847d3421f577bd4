import { useQueries } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useMemo } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { formatPercent } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Money, Percent, Quantity, Time } from "@/ui/shown"
import { Empty, Failed, Loaded, Skeleton } from "@/ui/states"
import { TimeChart, type Line } from "@/ui/time-chart"
import { cents, intervalOf, numberIn, rounded, rowIn, said, textIn } from "./readings"
import { STEADY } from "./run-form"

type View = Schemas["BacktestView"]

/** Several kept runs: their curves over each other, their figures side by side. */
export default function Comparison() {
  const { t } = useTranslation()
  const [ids] = useUrl("ids", "")
  const enough = ids.includes(",")
  const query = api.useQuery(
    "get",
    "/api/v1/backtests/compare",
    { params: { query: { ids } } },
    { ...STEADY, enabled: enough },
  )
  return (
    <>
      <PageHead title={t("pages.compare")}>
        <Button asChild className="ml-auto">
          <Link to="/backtests">{t("compare.others")}</Link>
        </Button>
      </PageHead>
      <p className="text-muted-foreground">{t("compare.warning")}</p>
      {enough ? (
        <Loaded query={query} rows={10}>
          {({ items }) => (
            <>
              <Curves runs={items} />
              <SideBySide runs={items} />
            </>
          )}
        </Loaded>
      ) : (
        <Empty title={t("compare.how")} />
      )}
    </>
  )
}

const COLORS = ["--primary", "--warn", "--down", "--up", "--muted-foreground"] as const
const nameOf = (run: View, place: number) =>
  `${place + 1} ${textIn(run.inputs, "strategy", "name") ?? run.id.slice(0, 8)}`

/** The return since the start, so that runs of different cash can be laid over each other. */
function Curves({ runs }: { runs: readonly View[] }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const curves = useQueries({
    queries: runs.map((run) => ({
      ...api.queryOptions("get", "/api/v1/backtests/{backtest_id}/equity", {
        params: { path: { backtest_id: run.id } },
      }),
      ...STEADY,
    })),
    combine: (all) => ({
      data: all.every((one) => one.data) ? all.map((one) => one.data!) : null,
      error: all.find((one) => one.error)?.error ?? null,
    }),
  })
  const { data } = curves
  const lines = useMemo(
    () =>
      (data ?? []).map((curve, place): Line => ({
        name: nameOf(runs[place]!, place),
        as: place < COLORS.length ? "line" : "dashed",
        color: COLORS[place % COLORS.length]!,
        percent: true,
        points: curve.strategy.map((value, at) => ({
          at: new Date(curve.ts[at]! * 1000).toISOString(),
          value: value / curve.strategy[0]! - 1,
        })),
      })),
    [data, runs],
  )
  return (
    <Card title={t("compare.curves")}>
      {curves.error ? (
        <Failed error={curves.error} />
      ) : data ? (
        <TimeChart
          tall
          lines={lines}
          summary={runs
            .map(
              (run, place) =>
                `${nameOf(run, place)}: ${formatPercent(numberIn(run.metrics, "totalReturn") ?? 0, preferences)}`,
            )
            .join("; ")}
        />
      ) : (
        <Skeleton rows={6} />
      )}
    </Card>
  )
}

function SideBySide({ runs }: { runs: readonly View[] }) {
  const { t } = useTranslation()
  const ratio = (name: string) => (run: View) => <Percent ratio={numberIn(run.metrics, name)} />
  const plain = (name: string) => (run: View) => <Quantity value={rounded(numberIn(run.metrics, name), 2)} />
  const rows = [
    [t("backtest.totalReturn"), ratio("totalReturn")],
    [t("backtest.holding"), (run: View) => <Percent ratio={numberIn(run.benchmark, "totalReturn")} />],
    [t("backtest.annualReturn"), ratio("annualReturn")],
    [t("backtest.maxDrawdown"), ratio("maxDrawdown")],
    [t("flow.sharpe"), plain("sharpe")],
    [t("backtest.sortino"), plain("sortino")],
    [t("backtest.trades"), plain("trades")],
    [t("backtest.winRate"), ratio("winRate")],
    [t("backtest.profitFactor"), plain("profitFactor")],
    [t("backtest.timeInMarket"), ratio("timeInMarket")],
    [t("backtest.turnover"), plain("turnoverOfEquity")],
    [t("costs.fees"), (run: View) => <Money amount={cents(numberIn(run.costs, "fees"))} />],
    [t("costs.slippage"), (run: View) => <Money amount={cents(numberIn(run.costs, "slippage"))} />],
    [t("costs.funding"), (run: View) => <Money amount={cents(numberIn(run.costs, "funding"))} />],
    [t("costs.net"), (run: View) => <Money amount={cents(numberIn(run.costs, "net"))} signed />],
    [t("run.params"), (run: View) => said(rowIn(run.inputs, "strategy", "params"))],
    [
      t("run.data"),
      (run: View) =>
        `${textIn(run.inputs, "data", "symbol") ?? "–"} ${intervalOf(numberIn(run.inputs, "data", "intervalSeconds")) ?? ""}`,
    ],
    [t("common.from"), (run: View) => <Time at={textIn(run.inputs, "data", "first")} />],
    [t("common.to"), (run: View) => <Time at={textIn(run.inputs, "data", "last")} />],
  ] as const
  return (
    <Card title={t("compare.figures")} flush>
      {/* A region that scrolls must be reachable by keyboard. */}
      <div className="focusable overflow-x-auto" role="region" aria-label={t("compare.figures")} tabIndex={0}>
        <table className="w-full">
          <thead>
            <tr>
              <td className="border-b" />
              {runs.map((run, place) => (
                <th key={run.id} scope="col" className="border-b px-3 py-1.5 text-right whitespace-nowrap">
                  <Link
                    to={`/backtests/${run.id}`}
                    className="focusable text-primary rounded hover:underline"
                  >
                    {nameOf(run, place)}
                  </Link>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(([label, cell]) => (
              <tr key={label}>
                <th
                  scope="row"
                  className="text-muted-foreground border-b px-3 py-1 text-left font-normal whitespace-nowrap"
                >
                  {label}
                </th>
                {runs.map((run) => (
                  <td key={run.id} className="num border-b px-3 py-1 text-right whitespace-nowrap">
                    {cell(run)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}
