import {
  AreaSeries,
  BaselineSeries,
  createChart,
  createSeriesMarkers,
  LineSeries,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts"
import { useEffect, useRef } from "react"
import { usePreferences } from "@/lib/preferences"
import { cssColor } from "./css-color"
import { fit, timeAxis } from "./time-axis"
import type { Line, Point } from "./time-chart"

const seconds = ({ at }: Point) => Math.floor(Date.parse(at) / 1000) as UTCTimestamp

/** One value for each second, in order: what the chart demands. */
const series = (points: readonly Point[]) =>
  [...new Map(points.map((point) => [seconds(point), point.value])).entries()]
    .sort(([left], [right]) => left - right)
    .map(([time, value]) => ({ time: time as Time, value }))

export default function TimeCanvas({ lines }: { lines: readonly Line[] }) {
  const host = useRef<HTMLDivElement>(null)
  const { theme, market, language, zone, hideAmounts, paper } = usePreferences()

  useEffect(() => {
    const axis = timeAxis({ language, zone })
    const chart = createChart(host.current!, {
      autoSize: true,
      layout: {
        background: { color: "transparent" },
        textColor: cssColor("--muted-foreground"),
        fontFamily: getComputedStyle(host.current!).fontFamily,
        attributionLogo: false,
        panes: { separatorColor: cssColor("--border") },
      },
      grid: { vertLines: { visible: false }, horzLines: { color: cssColor("--border", 0.6) } },
      rightPriceScale: { borderVisible: false },
      // A thousand columns of extremes fit a telephone, too.
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        minBarSpacing: 0.05,
        tickMarkFormatter: axis.tickMarkFormatter,
      },
      localization: axis.localization,
      handleScroll: { mouseWheel: false },
    })
    const number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 })
    for (const line of lines) {
      const format = line.percent
        ? {
            type: "custom" as const,
            minMove: 0.0001,
            formatter: (value: number) => `${(value * 100).toFixed(2)}%`,
          }
        : {
            type: "custom" as const,
            minMove: 0.01,
            formatter: (value: number) => (hideAmounts ? "•••" : number.format(value)),
          }
      const shared = { priceLineVisible: false, lastValueVisible: line.as !== "dashed", priceFormat: format }
      const color = cssColor(line.color)
      const drawn =
        line.as === "area"
          ? chart.addSeries(
              AreaSeries,
              {
                ...shared,
                lineColor: color,
                topColor: cssColor(line.color, line.pane ? 0 : 0.25),
                bottomColor: cssColor(line.color, line.pane ? 0.3 : 0),
                lineWidth: line.pane ? 1 : 2,
                invertFilledArea: !!line.pane,
              },
              line.pane ?? 0,
            )
          : line.as === "signed"
            ? chart.addSeries(
                BaselineSeries,
                {
                  ...shared,
                  baseValue: { type: "price", price: 0 },
                  topLineColor: color,
                  topFillColor1: cssColor(line.color, 0.25),
                  topFillColor2: cssColor(line.color, 0.05),
                  bottomLineColor: color,
                  bottomFillColor1: cssColor(line.color, 0.05),
                  bottomFillColor2: cssColor(line.color, 0.25),
                  lineWidth: 1,
                },
                line.pane ?? 0,
              )
            : chart.addSeries(
                LineSeries,
                {
                  ...shared,
                  color,
                  lineWidth: line.as === "dashed" ? 1 : 2,
                  lineStyle: line.as === "dashed" ? 2 : 0,
                },
                line.pane ?? 0,
              )
      drawn.setData(series(line.points))
      if (line.marks?.length)
        createSeriesMarkers(
          drawn,
          line.marks.map((mark) => ({
            time: seconds(mark) as Time,
            position: mark.up ? ("atPriceBottom" as const) : ("atPriceTop" as const),
            price: mark.value,
            shape: mark.up ? ("arrowUp" as const) : ("arrowDown" as const),
            color: cssColor(mark.color),
            size: 0.6,
          })),
        )
    }
    chart.panes()[0]?.setStretchFactor(3)
    fit(chart, new Set(lines.flatMap((line) => line.points.map(seconds))).size)
    if (!paper) return () => chart.remove()
    const still = stilled(chart.takeScreenshot())
    chart.remove()
    host.current!.append(still)
    return () => still.remove()
  }, [lines, theme, market, language, zone, hideAmounts, paper])

  return <div ref={host} className="h-full" />
}

/** As dots, at once: a printer does not wait for the next frame, and the steps of drawing it may spoil its page. */
function stilled(drawn: HTMLCanvasElement) {
  const still = document.createElement("canvas")
  Object.assign(still, { width: drawn.width, height: drawn.height })
  // A sheet may be wider than its place on the screen was: it grows no taller than the room it has.
  Object.assign(still.style, { width: "100%", height: "100%", objectFit: "contain", objectPosition: "left" })
  const dots = drawn.getContext("2d")!.getImageData(0, 0, drawn.width, drawn.height)
  still.getContext("2d")!.putImageData(dots, 0, 0)
  return still
}
