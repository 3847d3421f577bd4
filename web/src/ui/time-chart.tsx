import { lazy, Suspense } from "react"

export type Point = { at: string; value: number }
/** Something that happened at a point: an arrow that says which way. */
export type Mark = Point & { up: boolean; color: Line["color"] }
export type Line = {
  name: string
  points: readonly Point[]
  /** What is signed is filled from zero. */
  as: "area" | "line" | "dashed" | "signed"
  color: "--primary" | "--muted-foreground" | "--up" | "--down" | "--warn"
  percent?: boolean
  /** 0 is the upper part; 1 a narrow one beneath it. */
  pane?: 0 | 1
  marks?: readonly Mark[]
}

const Canvas = lazy(() => import("./time-canvas"))

/** Points of a series whose stamps are epoch seconds. */
export const over = (stamps: readonly number[], values: readonly number[]): Point[] =>
  values.map((value, place) => ({ at: new Date(stamps[place]! * 1000).toISOString(), value }))

/**
 * Lines over time. `summary` says in words what they show: it is what a screen reader reads, and everybody where it
 * is `said`.
 */
export function TimeChart({
  lines,
  summary,
  tall,
  said,
}: {
  lines: readonly Line[]
  summary: string
  tall?: boolean
  said?: boolean
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
      <figcaption className={said ? "text-muted-foreground mt-2 text-xs" : "sr-only"}>{summary}</figcaption>
    </figure>
  )
}

/** How far below its highest value so far a series stands, as a share of it. */
export function drawdown(points: readonly Point[]): Point[] {
  let peak = -Infinity
  return points.map(({ at, value }) => {
    peak = Math.max(peak, value)
    return { at, value: peak > 0 ? value / peak - 1 : 0 }
  })
}
