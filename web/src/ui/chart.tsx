import { lazy, Suspense } from "react"
import type { ChartOption, Mark } from "./chart-canvas"

export type { ChartOption, Mark }
export type ChartProps = {
  /** What ECharts draws. Colours are written as `var(--up)` or `var(--up) / 0.5`: they follow theme and market. */
  option: ChartOption
  /** What the pointer is told about a mark, as text: lines are parted by "\n". */
  hint?: (mark: Mark) => string
  /** What a click on a mark does. Whatever it does must have another door for the keyboard. */
  onPick?: (mark: Mark) => void
}

const Canvas = lazy(() => import("./chart-canvas"))

/**
 * A drawing without a time axis: heat map, parallel coordinates, bars, points, Sankey. `summary` says in words what
 * it shows: it is what a screen reader reads.
 */
export function Chart({
  summary,
  height = 224,
  ...drawn
}: ChartProps & { summary: string; height?: number }) {
  return (
    <figure className="min-w-0">
      <div style={{ height }} aria-hidden>
        <Suspense fallback={<div className="skeleton h-full" />}>
          <Canvas {...drawn} />
        </Suspense>
      </div>
      <figcaption className="sr-only">{summary}</figcaption>
    </figure>
  )
}
