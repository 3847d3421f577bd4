import { useMemo } from "react"
import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Chart, type ChartOption } from "@/ui/chart"
import { LESS, rounded, shortened } from "./readings"
import { useObjective } from "./study-marks"

type Map = Schemas["HeatMapView"]
/** More columns have no room for their figures. */
const MOST_WRITTEN = 14

/** The first objective over two parameters: the stronger a cell, the better; an empty one was not tried. */
export function HeatMap({ map, objective }: { map: Map; objective: string }) {
  const { t } = useTranslation()
  const name = useObjective()(objective)
  const written = map.xs.length <= MOST_WRITTEN
  const cells = useMemo(() => cellsOf(map), [map])
  const option = useMemo((): ChartOption => {
    const known = cells.flatMap(({ value }) => (value === null ? [] : [value]))
    // An opacity would fade the figures, too.
    const shades = ["var(--primary) / 0.05", "var(--primary) / 0.5"]
    const axis = (name: string, values: readonly number[]) => ({
      type: "category" as const,
      name,
      data: values.map((value) => String(shortened(value))),
    })
    return {
      tooltip: {},
      grid: { left: 8, right: 16, top: 28, bottom: 28 },
      xAxis: { ...axis(map.x, map.xs), nameLocation: "middle", nameGap: 26 },
      yAxis: { ...axis(map.y, map.ys), nameTextStyle: { align: "left" } },
      visualMap: {
        show: false,
        seriesIndex: 0,
        min: Math.min(...known),
        max: Math.max(...known),
        inRange: {
          color: LESS.includes(objective) ? shades.reverse() : shades,
        },
      },
      series: [
        {
          type: "heatmap",
          data: cells
            .filter(({ value }) => value !== null)
            .map(({ column, row, value }) => [column, row, rounded(value, 2)!]),
          label: { show: written, color: "var(--foreground)", fontSize: 10 },
          itemStyle: { borderWidth: 1, borderColor: "var(--card)" },
        },
        {
          // A figure would hide that of these some were ruined.
          type: "scatter",
          symbolSize: 12,
          itemStyle: { color: "transparent" },
          label: { show: true, formatter: "×", color: "var(--down)", fontSize: 14 },
          data: cells.filter(({ value }) => value === null).map(({ column, row }) => [column, row]),
        },
      ],
    } as ChartOption
  }, [map, cells, objective, written])
  const known = cells.filter(({ value }) => value !== null)
  const signed = (value: number | null) => (LESS.includes(objective) ? -value! : value!)
  const best = known.reduce<(typeof known)[number] | null>(
    (one, other) => (one && signed(one.value) >= signed(other.value) ? one : other),
    null,
  )
  const title = t("study.map", { x: map.x, y: map.y })
  const words = best
    ? t("study.mapBest", {
        name,
        value: rounded(best.value),
        x: `${map.x} ${shortened(map.xs[best.column]!)}`,
        y: `${map.y} ${shortened(map.ys[best.row]!)}`,
      })
    : t("study.mapRuined")
  return (
    <figure className="min-w-0">
      <figcaption className="mb-1 text-xs">
        <span className="font-medium">{title}</span> · {words}
      </figcaption>
      <div className="focusable relative overflow-x-auto" role="region" aria-label={title} tabIndex={0}>
        <div style={{ minWidth: 80 + map.xs.length * (written ? 36 : 18) }}>
          <Chart
            option={option}
            summary={words}
            height={72 + map.ys.length * (written ? 24 : 16)}
            hint={({ data }) => {
              const [column, row] = data as [number, number]
              const cell = cells.find((one) => one.column === column && one.row === row)!
              return [
                `${map.x} ${shortened(map.xs[column]!)} · ${map.y} ${shortened(map.ys[row]!)}`,
                cell.value === null ? t("backtest.ruined") : `${name}: ${rounded(cell.value)}`,
                t("study.mapTrials", { count: cell.count }),
              ].join("\n")
            }}
          />
        </div>
      </div>
    </figure>
  )
}

/** The cells that were tried. */
const cellsOf = (map: Map) =>
  map.ys.flatMap((_, row) =>
    map.xs.flatMap((_, column) => {
      const count = map.counts[row]![column]!
      return count ? [{ column, row, count, value: map.cells[row]![column]! }] : []
    }),
  )
