import { useMemo, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { formatPercent } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Card, PageHead } from "@/ui/card"
import { Change, Fall, Money, Percent, Quantity, Statistic, Time } from "@/ui/shown"
import { over, TimeChart, type Line } from "@/ui/time-chart"
import { useInputs } from "./backtest-inputs"
import { cents, rounded, type Compared } from "./readings"

type Named = (run: Compared, name: string) => ReactNode
const COLORS = ["--primary", "--warn", "--down", "--up", "--muted-foreground"] as const
const nameOf = ({ id, inputs }: Compared) => `${inputs.strategy.name} ${id.slice(0, 8)}`

/** Several kept runs: their curves over each other, their figures and inputs side by side. */
export function ComparisonReport({
  runs,
  actions,
  named = (_, name) => name,
}: {
  runs: readonly Compared[]
  actions?: ReactNode
  named?: Named
}) {
  const { t } = useTranslation()
  return (
    <>
      <PageHead title={t("compare.title")}>{actions}</PageHead>
      <p className="text-muted-foreground">{t("compare.warning")}</p>
      <Curves runs={runs} />
      <Figures runs={runs} named={named} />
      <Inputs runs={runs} named={named} />
    </>
  )
}

/** The return since the start, so that runs of different cash can be laid over each other. */
function Curves({ runs }: { runs: readonly Compared[] }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const lines = useMemo(
    () =>
      runs.map((run, place): Line => ({
        name: nameOf(run),
        as: place < COLORS.length ? "line" : "dashed",
        color: COLORS[place % COLORS.length]!,
        percent: true,
        points: over(
          run.equity.ts,
          run.equity.strategy.map((value) => value / run.inputs.cash - 1),
        ),
      })),
    [runs],
  )
  return (
    <Card title={t("compare.curves")}>
      <TimeChart
        tall
        lines={lines}
        summary={runs
          .map((run) => `${nameOf(run)}: ${formatPercent(run.metrics.totalReturn, preferences)}`)
          .join("; ")}
      />
    </Card>
  )
}

function Figures({ runs, named }: { runs: readonly Compared[]; named: Named }) {
  const { t } = useTranslation()
  const rows: readonly (readonly [string, (run: Compared) => ReactNode])[] = [
    [t("backtest.finalEquity"), ({ metrics }) => <Money amount={cents(metrics.finalEquity)} />],
    [t("backtest.totalReturn"), ({ metrics }) => <Change ratio={metrics.totalReturn.toFixed(6)} />],
    [t("backtest.holding"), ({ benchmark }) => <Percent ratio={benchmark.totalReturn} signed />],
    [t("backtest.annualReturn"), ({ metrics }) => <Percent ratio={metrics.annualReturn} signed />],
    [t("backtest.maxDrawdown"), ({ metrics }) => <Fall depth={metrics.maxDrawdown} />],
    [t("backtest.ruined"), ({ metrics }) => <Time at={metrics.ruinedAt} />],
    [t("flow.sharpe"), ({ metrics }) => <Statistic value={metrics.sharpe} />],
    [t("backtest.sortino"), ({ metrics }) => <Statistic value={metrics.sortino} />],
    [t("backtest.trades"), ({ metrics }) => <Quantity value={metrics.trades} />],
    [t("backtest.winRate"), ({ metrics }) => <Percent ratio={metrics.winRate} />],
    [t("backtest.profitFactor"), ({ metrics }) => <Statistic value={metrics.profitFactor} />],
    [t("backtest.timeInMarket"), ({ metrics }) => <Percent ratio={metrics.timeInMarket} />],
    [t("backtest.turnover"), ({ metrics }) => <Quantity value={rounded(metrics.turnoverOfEquity, 1)} />],
    [t("costs.gross"), ({ costs }) => <Money amount={cents(costs.gross)} signed />],
    [t("costs.fees"), ({ costs }) => <Money amount={cents(costs.fees)} />],
    [t("costs.slippage"), ({ costs }) => <Money amount={cents(costs.slippage)} />],
    [t("costs.funding"), ({ costs }) => <Money amount={cents(costs.funding)} />],
    [t("costs.shortfall"), ({ costs }) => <Money amount={cents(costs.shortfall)} />],
    [t("costs.net"), ({ costs }) => <Money amount={cents(costs.net)} signed />],
  ]
  return (
    <Beside
      title={t("compare.figures")}
      runs={runs}
      named={named}
      rows={rows.map(([label, cell]) => [label, runs.map(cell)])}
      note={t("compare.words")}
    />
  )
}

/** The inputs that differ; of the others only that they do not. */
function Inputs({ runs, named }: { runs: readonly Compared[]; named: Named }) {
  const { t } = useTranslation()
  const inputs = useInputs()
  const each = runs.map((run) => new Map(inputs(run.inputs).map((one) => [one.label, one] as const)))
  const labels = [...new Set(each.flatMap((one) => [...one.keys()]))]
  const rows = labels.map((label) => {
    const texts = each.map((one) => one.get(label)?.text ?? "–")
    if (texts.every((text) => text === texts[0])) return [label, [t("inputs.same")]] as const
    return [
      label,
      each.map((one, place) =>
        one.get(label)?.hash ? (
          <code key={place} title={texts[place]}>
            {texts[place]!.slice(0, 12)}
          </code>
        ) : (
          texts[place]
        ),
      ),
    ] as const
  })
  return <Beside title={t("inputs.title")} runs={runs} named={named} rows={rows} />
}

/** A column for each run. */
function Beside({
  title,
  runs,
  named,
  rows,
  note,
}: {
  title: string
  runs: readonly Compared[]
  named: Named
  rows: readonly (readonly [label: string, cells: readonly ReactNode[]])[]
  note?: string
}) {
  return (
    <Card title={title} flush>
      {/* A region that scrolls must be reachable by keyboard. */}
      <div className="focusable relative overflow-x-auto" role="region" aria-label={title} tabIndex={0}>
        <table className="w-full">
          <thead>
            <tr>
              <td className="border-b" />
              {runs.map((run) => (
                <th key={run.id} scope="col" className="border-b px-3 py-1.5 text-right whitespace-nowrap">
                  {named(run, nameOf(run))}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(([label, cells]) => (
              <tr key={label}>
                <th
                  scope="row"
                  className="text-muted-foreground border-b px-3 py-1 text-left font-normal whitespace-nowrap"
                >
                  {label}
                </th>
                {cells.map((cell, place) => (
                  <td
                    key={place}
                    colSpan={cells.length === 1 ? runs.length : undefined}
                    className="num border-b px-3 py-1 text-right"
                  >
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {note && <p className="text-muted-foreground px-3 py-2 text-xs">{note}</p>}
    </Card>
  )
}
