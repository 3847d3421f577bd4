import { lazy, Suspense } from "react"

export type Candle = { ts: string; open: number; high: number; low: number; close: number; volume: number }

const Canvas = lazy(() => import("./candle-canvas"))

/** Candles over their volume. `summary` says in words what they show: it is what a screen reader reads. */
export function CandleChart({ candles, summary }: { candles: readonly Candle[]; summary: string }) {
  return (
    <figure>
      <div className="h-80" aria-hidden>
        <Suspense fallback={<div className="skeleton h-full" />}>
          <Canvas candles={candles} />
        </Suspense>
      </div>
      <figcaption className="sr-only">{summary}</figcaption>
    </figure>
  )
}
