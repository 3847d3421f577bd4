import { lazy, Suspense } from "react"

export type Point = { at: string; value: number }
export type Line = {
  name: string
  points: readonly Point[]
  as: "area" | "line" | "dashed"
  color: "--primary" | "--muted-foreground" | "--up" | "--down" | "--warn"
  percent?: boolean
  /** 0 is the upper part; 1 a narrow one beneath it. */
  pane?: 0 | 1
}

const Canvas = lazy(() => import("./time-canvas"))

/** Lines over time. `summary` says in words what they show: it is what a screen reader reads. */
export function TimeChart({
  lines,
  summary,
  tall,
}: {
  lines: readonly Line[]
  summary: string
  tall?: boolean
}) {
  return (
    <figure>
      <div className={tall ? "h-80" : "h-56"} aria-hidden>
        <Suspense fallback={<div className="skeleton h-full" />}>
          <Canvas lines={lines} />
        </Suspense>
      </div>
      <ul className="text-muted-foreground mt-2 flex flex-wrap gap-x-4 gap-y-1 text-xs" aria-hidden>
        {lines.map((line) => (
          <li key={line.name} className="flex items-center gap-1.5">
            <span
              className="inline-block w-4 border-t-2"
              style={{
                borderColor: `var(${line.color})`,
                borderStyle: line.as === "dashed" ? "dashed" : "solid",
              }}
            />
            {line.name}
          </li>
        ))}
      </ul>
      <figcaption className="sr-only">{summary}</figcaption>
    </figure>
  )
}

/** How far below its highest value so far a series stands, as a share of it. */
export function drawdown(points: readonly Point[]): Point[] {
  let peak = -Infinity
  return points.map(({ at, value }) => {
    peak = Math.max(peak, value)
    return { at, value: peak > 0 ? Math.max(value / peak - 1, -1) : 0 }
  })
}
