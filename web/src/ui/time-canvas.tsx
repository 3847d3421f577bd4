import { AreaSeries, createChart, LineSeries, type Time, type UTCTimestamp } from "lightweight-charts"
import { useEffect, useRef } from "react"
import { usePreferences } from "@/lib/preferences"
import { cssColor } from "./css-color"
import type { Line, Point } from "./time-chart"

const seconds = ({ at }: Point) => Math.floor(Date.parse(at) / 1000) as UTCTimestamp

/** One value for each second, in order: what the chart demands. */
const series = (points: readonly Point[]) =>
  [...new Map(points.map((point) => [seconds(point), point.value])).entries()]
    .sort(([left], [right]) => left - right)
    .map(([time, value]) => ({ time: time as Time, value }))

export default function TimeCanvas({ lines }: { lines: readonly Line[] }) {
  const host = useRef<HTMLDivElement>(null)
  const { theme, market, language, hideAmounts, paper } = usePreferences()

  useEffect(() => {
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
      timeScale: { borderVisible: false, timeVisible: true, minBarSpacing: 0.05 },
      localization: { locale: language === "zh" ? "zh-CN" : "en-GB" },
      handleScroll: { mouseWheel: false },
    })
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
            formatter: (value: number) => (hideAmounts ? "•••" : value.toFixed(2)),
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
    }
    chart.panes()[0]?.setStretchFactor(3)
    chart.timeScale().fitContent()
    if (paper) {
      // At once: what is to be printed does not wait for the next frame.
      const { clientWidth, clientHeight } = host.current!
      chart.applyOptions({ autoSize: false })
      chart.resize(clientWidth, clientHeight, true)
    }
    return () => chart.remove()
  }, [lines, theme, market, language, hideAmounts, paper])

  return <div ref={host} className="h-full" />
}
