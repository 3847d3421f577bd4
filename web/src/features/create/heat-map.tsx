import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Grid } from "./grid"
import { rounded } from "./readings"

/** The first objective over two parameters: the stronger a cell, the better; an empty one was not tried. */
export function HeatMap({ map, less }: { map: Schemas["HeatMapView"]; less: boolean }) {
  const { t } = useTranslation()
  const values = map.cells.flat().filter((value) => value !== null)
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const strength = (value: number) => {
    const share = high > low ? (value - low) / (high - low) : 1
    return less ? 1 - share : share
  }
  const label = t("study.map", { x: map.x, y: map.y })
  const cell = (value: number | null, count: number) => {
    if (!count) return null
    return {
      text: value === null ? "×" : rounded(value, 2),
      strength: value === null ? 0 : strength(value),
      hint: value === null ? t("backtest.ruined") : t("study.mapTrials", { count }),
    }
  }
  return (
    <figure className="min-w-0">
      <figcaption className="mb-1 text-xs font-medium">{label}</figcaption>
      <Grid
        label={label}
        corner={`${map.y} ↓ ${map.x} →`}
        columns={map.xs.map((x) => String(rounded(x)))}
        rows={map.ys.map((y, row) => ({
          head: String(rounded(y)),
          cells: map.xs.map((_, column) => cell(map.cells[row]![column]!, map.counts[row]![column]!)),
        }))}
      />
    </figure>
  )
}
