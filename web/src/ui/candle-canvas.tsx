import { CandlestickSeries, createChart, HistogramSeries, type UTCTimestamp } from "lightweight-charts"
import { useEffect, useRef } from "react"
import { usePreferences } from "@/lib/preferences"
import { cssColor } from "./css-color"
import { fit, timeAxis } from "./time-axis"
import type { Candle } from "./candle-chart"

const time = (at: string) => Math.floor(Date.parse(at) / 1000) as UTCTimestamp

export default function CandleCanvas({ candles }: { candles: readonly Candle[] }) {
  const host = useRef<HTMLDivElement>(null)
  const { theme, market, language, zone } = usePreferences()

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
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        minBarSpacing: 0.05,
        tickMarkFormatter: axis.tickMarkFormatter,
      },
      localization: axis.localization,
      handleScroll: { mouseWheel: false },
    })
    const [up, down] = [cssColor("--up"), cssColor("--down")]
    const bars = chart.addSeries(CandlestickSeries, {
      upColor: up,
      borderUpColor: up,
      wickUpColor: up,
      downColor: down,
      borderDownColor: down,
      wickDownColor: down,
    })
    bars.setData(
      candles.map(({ ts, open, high, low, close }) => ({ time: time(ts), open, high, low, close })),
    )
    const traded = chart.addSeries(
      HistogramSeries,
      { priceLineVisible: false, lastValueVisible: false, priceFormat: { type: "volume" } },
      1,
    )
    traded.setData(
      candles.map(({ ts, volume, open, close }) => ({
        time: time(ts),
        value: volume,
        color: cssColor(close < open ? "--down" : "--up", 0.5),
      })),
    )
    chart.panes()[0]?.setStretchFactor(4)
    fit(chart, candles.length)
    return () => chart.remove()
  }, [candles, theme, market, language, zone])

  return <div ref={host} className="h-full" />
}
