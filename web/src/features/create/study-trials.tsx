import { useMemo } from "react"
import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Card } from "@/ui/card"
import { Chart, type ChartOption } from "@/ui/chart"
import { Quantity } from "@/ui/shown"
import { Empty } from "@/ui/states"
import { Table } from "@/ui/table"
import { LESS, order, paramsSaid, rounded } from "./readings"
import { useObjective } from "./study-marks"

type Report = Schemas["StudyReport"]
type Trial = Schemas["TriedView"]
type Seen = { report: Report; best: number | null }

const finite = (value: number | null | undefined) => value !== null && value !== undefined

/** Every configuration as one line through its parameters to what it came to. */
export function Parallel({ report: { study, inputs, trials }, best }: Seen) {
  const { t } = useTranslation()
  const objective = useObjective()
  const drawn = useMemo(
    () => trials.filter((one) => one.state === "complete" && one.values.length && one.values.every(finite)),
    [trials],
  )
  const { objectives } = study
  const option = useMemo((): ChartOption => {
    const names = Object.keys(inputs.space)
    const axes = [...names, ...objectives.map(objective), t("study.outOfSample")]
    const row = (one: Trial) => [
      ...names.map((name) => one.params[name]!),
      ...one.values,
      one.testSharpe ?? "-",
    ]
    const first = drawn.map((one) => one.values[0]!)
    const colors = ["var(--border)", "var(--primary)"]
    const chosen = drawn.filter((one) => one.number === best)
    return {
      tooltip: {},
      parallel: { left: 32, right: 72, top: 40, bottom: 16 },
      parallelAxis: (drawn.some((one) => finite(one.testSharpe)) ? axes : axes.slice(0, -1)).map(
        (name, dim) => ({
          dim,
          name,
          type: inputs.space[name]?.endsWith(":log") ? ("log" as const) : ("value" as const),
          scale: true,
        }),
      ),
      visualMap: {
        show: false,
        seriesIndex: 0,
        dimension: names.length,
        min: Math.min(...first),
        max: Math.max(...first),
        inRange: { color: LESS.includes(objectives[0]!) ? colors.reverse() : colors },
      },
      series: [
        { type: "parallel", lineStyle: { width: 1, opacity: 0.6 }, data: drawn.map(row) },
        {
          type: "parallel",
          z: 3,
          lineStyle: { width: 3, opacity: 1, color: "var(--warn)" },
          data: chosen.map(row),
        },
      ],
    } as ChartOption
  }, [drawn, inputs.space, objectives, best, objective, t])
  if (drawn.length < 2) return null
  const name = objective(objectives[0]!)
  const words = t("study.parallelWords", { count: drawn.length, name })
  return (
    <Card title={t("study.parallel")}>
      <p className="text-muted-foreground mb-3 text-xs">
        {words} {best !== null && t("study.bold")}
      </p>
      <div
        className="focusable relative overflow-x-auto"
        role="region"
        aria-label={t("study.parallel")}
        tabIndex={0}
      >
        <div className="min-w-[40rem]">
          <Chart option={option} summary={words} height={320} />
        </div>
      </div>
    </Card>
  )
}

/** Each configuration's Sharpe ratio where it was chosen by, against that where nothing was. */
export function Samples({ report: { trials }, best }: { report: Report; best: number }) {
  const { t } = useTranslation()
  const drawn = useMemo(
    () => trials.filter((one) => finite(one.trainSharpe) && finite(one.testSharpe)),
    [trials],
  )
  const option = useMemo((): ChartOption => {
    const at = (one: Trial) => [one.trainSharpe!, one.testSharpe!]
    const [inside, outside] = [drawn.map((one) => one.trainSharpe!), drawn.map((one) => one.testSharpe!)]
    // The part of the diagonal that both axes have.
    const [low, high] = [
      Math.max(Math.min(...inside), Math.min(...outside)),
      Math.min(Math.max(...inside), Math.max(...outside)),
    ]
    const chosen = drawn.filter((one) => one.number === best)
    return {
      tooltip: {},
      grid: { left: 8, right: 24, top: 28, bottom: 24 },
      xAxis: { type: "value", name: t("study.inSample"), nameLocation: "middle", nameGap: 26, scale: true },
      yAxis: { type: "value", name: t("study.outOfSample"), nameTextStyle: { align: "left" }, scale: true },
      series: [
        {
          type: "scatter",
          symbolSize: 6,
          itemStyle: { color: "var(--primary)", opacity: 0.5 },
          data: drawn
            .filter((one) => one.number !== best)
            .map((one) => ({ value: at(one), name: nameOf(one) })),
          markLine: {
            silent: true,
            symbol: "none",
            lineStyle: { color: "var(--muted-foreground)", type: "dashed" },
            data: [[{ coord: [low, low] }, { coord: [high, high] }]],
          },
        },
        {
          type: "scatter",
          symbolSize: 13,
          z: 3,
          itemStyle: { color: "var(--warn)" },
          data: chosen.map((one) => ({ value: at(one), name: nameOf(one) })),
        },
      ],
    } as ChartOption
  }, [drawn, best, t])
  if (!drawn.length) return null
  const held = drawn.filter((one) => one.testSharpe! > 0).length
  const words = t("study.samplesWords", { count: drawn.length, held })
  return (
    <Card title={t("study.samples")}>
      <p className="text-muted-foreground mb-3 text-xs">{words}</p>
      <Chart
        option={option}
        summary={words}
        height={320}
        hint={({ name, data }) => {
          const [inside, outside] = (data as { value: [number, number] }).value
          return `${name}\n${t("study.inSample")}: ${rounded(inside, 2)}\n${t("study.outOfSample")}: ${rounded(outside, 2)}`
        }}
      />
    </Card>
  )
}

const nameOf = (one: Trial) => `#${one.number} · ${paramsSaid(one.params)}`

/** Every configuration that was tried, by number; ordered where it is seen. */
export function Trials({ report: { study, tried, trials } }: { report: Report }) {
  const { t } = useTranslation()
  const objective = useObjective()
  const walked = trials.some((one) => finite(one.testSharpe))
  const figure = (
    key: string,
    head: string,
    of: (row: Trial) => number | null | undefined,
    digits?: number,
  ) => ({
    key,
    head,
    right: true,
    sort: (row: Trial) => order(of(row)),
    cell: (row: Trial) => <Quantity value={rounded(of(row), digits)} />,
  })
  return (
    <Card title={t("study.trials")} flush>
      {trials.length < tried && (
        <p className="text-muted-foreground px-4 pt-3 text-xs">
          {t("study.sampled", { shown: trials.length, count: tried })}
        </p>
      )}
      <Table
        label={t("study.trials")}
        rows={trials}
        id={(row) => String(row.number)}
        empty={<Empty title={t("study.noTrials")} />}
        columns={[
          { key: "number", head: t("study.number"), sort: (row) => row.number, cell: (row) => row.number },
          { key: "params", head: t("run.params"), cell: (row) => paramsSaid(row.params) },
          {
            key: "state",
            head: t("common.state"),
            cell: (row) => (
              <span title={row.reason ?? undefined}>
                {row.ruined ? t("backtest.ruined") : t(`trialStates.${row.state}`)}
              </span>
            ),
          },
          ...study.objectives.map((name, place) => figure(name, objective(name), (row) => row.values[place])),
          ...(walked
            ? [
                figure("inSample", t("study.inSample"), (row) => row.trainSharpe),
                figure("outOfSample", t("study.outOfSample"), (row) => row.testSharpe),
              ]
            : []),
          figure("trades", t("backtest.trades"), (row) => row.trades),
          figure("seconds", t("inputs.seconds"), (row) => row.seconds, 2),
        ]}
      />
    </Card>
  )
}
