import type { EChartsOption } from "echarts"
import {
  BarChart,
  CustomChart,
  HeatmapChart,
  ParallelChart,
  SankeyChart,
  ScatterChart,
  type BarSeriesOption,
  type CustomSeriesOption,
  type HeatmapSeriesOption,
  type ParallelSeriesOption,
  type SankeySeriesOption,
  type ScatterSeriesOption,
} from "echarts/charts"
import {
  GridComponent,
  MarkLineComponent,
  ParallelComponent,
  TooltipComponent,
  VisualMapComponent,
  type GridComponentOption,
  type MarkLineComponentOption,
  type TooltipComponentOption,
  type VisualMapComponentOption,
} from "echarts/components"
import { init, use as register, type ComposeOption } from "echarts/core"
import { LabelLayout } from "echarts/features"
import { SVGRenderer } from "echarts/renderers"
import { useEffect, useEffectEvent, useRef } from "react"
import { usePreferences } from "@/lib/preferences"
import type { ChartProps } from "./chart"
import { cssColor } from "./css-color"

register([BarChart, CustomChart, HeatmapChart, ParallelChart, SankeyChart, ScatterChart])
register([GridComponent, MarkLineComponent, ParallelComponent, TooltipComponent, VisualMapComponent])
register([LabelLayout, SVGRenderer])

export type ChartOption = ComposeOption<
  | BarSeriesOption
  | CustomSeriesOption
  | HeatmapSeriesOption
  | ParallelSeriesOption
  | SankeySeriesOption
  | ScatterSeriesOption
  | GridComponentOption
  | MarkLineComponentOption
  | TooltipComponentOption
  | VisualMapComponentOption
> &
  Pick<EChartsOption, "parallel" | "parallelAxis"> // whose component's own type takes any key
/** What was pointed at: its name, its data as the option has them, and where among them it stands. */
export type Mark = { name: string; data: unknown; dataIndex: number; seriesIndex?: number }

export default function ChartCanvas({ option, hint, onPick }: ChartProps) {
  const host = useRef<HTMLDivElement>(null)
  const { theme, market, paper } = usePreferences()

  const told = useEffectEvent((mark: unknown) => said(hint?.(mark as Mark) ?? ""))
  const picked = useEffectEvent((mark: unknown) => onPick?.(mark as Mark))
  const [hints, picks] = [!!hint, !!onPick]

  useEffect(() => {
    const chart = init(host.current!, look(getComputedStyle(host.current!).fontFamily), { renderer: "svg" })
    const { tooltip, ...rest } = painted(option) as ChartOption
    chart.setOption({
      animation: false,
      ...rest,
      // An element, since a text would be read as markup, and its words may come from anybody.
      tooltip: hints ? { ...tooltip, formatter: (mark: unknown) => told(mark) } : tooltip,
    })
    if (picks) chart.on("click", (mark) => picked(mark))
    const resized = new ResizeObserver(() => chart.resize())
    resized.observe(host.current!)
    return () => {
      resized.disconnect()
      chart.dispose()
    }
  }, [option, hints, picks, theme, market, paper])

  return <div ref={host} className="h-full" />
}

/** An option with each `var(--name)`, or `var(--name) / 0.5`, as the colour that it is now. */
export function painted(part: unknown): unknown {
  if (typeof part === "string")
    return part.replace(/^var\((--[\w-]+)\)(?: \/ ([\d.]+))?$/, (_, name: string, alpha = "1") =>
      cssColor(name, Number(alpha)),
    )
  if (Array.isArray(part)) return part.map(painted)
  if (part === null || typeof part !== "object") return part
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, painted(value)]))
}

function said(text: string): HTMLElement {
  const element = document.createElement("div")
  element.style.whiteSpace = "pre-line"
  element.textContent = text
  return element
}

/** How every chart looks, unless its option says otherwise. */
function look(fontFamily: string) {
  const [words, line] = [cssColor("--muted-foreground"), cssColor("--border")]
  const axis = {
    axisLine: { lineStyle: { color: line } },
    axisTick: { show: false },
    axisLabel: { color: words },
    nameTextStyle: { color: words },
    splitLine: { lineStyle: { color: line } },
  }
  return {
    color: [cssColor("--primary")],
    textStyle: { color: words, fontFamily },
    categoryAxis: axis,
    valueAxis: axis,
    timeAxis: axis,
    logAxis: axis,
    parallel: { parallelAxisDefault: axis },
    visualMap: { textStyle: { color: words } },
    tooltip: {
      backgroundColor: cssColor("--card"),
      borderColor: line,
      confine: true,
      textStyle: { color: cssColor("--foreground"), fontSize: 12 },
    },
  }
}
