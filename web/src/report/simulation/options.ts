import type { CustomSeriesOption } from "echarts/charts"
import type { ChartOption } from "@/ui/chart"

export type Tone = "--up" | "--down" | "--primary" | "--warn" | "--muted-foreground"
const paint = (tone: Tone) => `var(${tone})`
const GRID = { left: 0, right: 8, top: 8, bottom: 0 }

export const toneOf = (amount: string | number): Tone =>
  Number(amount) > 0 ? "--up" : Number(amount) < 0 ? "--down" : "--muted-foreground"

/** How high a chart of rows is. */
export const heightOf = (rows: number) => rows * 28 + 32

export type Bar = {
  name: string
  /** Where it begins and ends. */
  from: number
  to: number
  tone: Tone
  /** What is written behind it. */
  shown: string
  /** How high it is, as a share of its row. */
  share?: number
}

type Frame = {
  rows: readonly { name: string; shown?: string }[]
  x: NonNullable<ChartOption["xAxis"]>
}

/** Rows with their names before and their figures behind them. */
const rowed = ({ rows, x }: Frame): ChartOption => {
  const words = { axisTick: { show: false }, axisLine: { show: false }, splitLine: { show: false } }
  const names = { type: "category", inverse: true, ...words } as const
  return {
    tooltip: {},
    grid: GRID,
    xAxis: x,
    yAxis: [
      {
        ...names,
        data: rows.map((row) => row.name),
        axisLabel: { width: 130, overflow: "truncate", interval: 0 },
      },
      { ...names, data: rows.map((row) => row.shown ?? ""), position: "right", axisLabel: { interval: 0 } },
    ],
  }
}

/** A series of bars, each `[row, from, to, share of the row's height]`. */
const bars = (data: readonly (Bar & { row: number })[]): CustomSeriesOption => ({
  type: "custom",
  encode: { x: [1, 2], y: 0 },
  data: data.map(({ name, row, from, to, share, tone }) => ({
    name,
    value: [row, from, to, share ?? 1],
    itemStyle: { color: paint(tone) },
  })),
  renderItem: (_, api) => {
    const row = api.value(0)
    const [left, middle] = api.coord([api.value(1), row]) as [number, number]
    const [right] = api.coord([api.value(2), row]) as [number]
    const band = (api.size!([0, 1]) as number[])[1]! * 0.62
    const height = band * Number(api.value(3))
    return {
      type: "rect",
      shape: {
        x: Math.min(left, right),
        y: middle + band / 2 - height,
        width: Math.max(Math.abs(right - left), 1),
        height,
      },
      style: { fill: api.visual("color") },
    }
  },
})

/** Bars from zero or from where the one before ended, a row each; `marks` are where each was expected to end. */
export function barRows(
  data: readonly Bar[],
  label: (value: number) => string,
  marks?: readonly number[],
): ChartOption {
  const frame = rowed({
    rows: data,
    x: { type: "value", splitNumber: 3, axisLabel: { formatter: label, hideOverlap: true } },
  })
  return {
    ...frame,
    series: [
      bars(data.map((bar, row) => ({ ...bar, row }))),
      ...(marks
        ? [
            {
              type: "scatter" as const,
              symbol: "rect",
              symbolSize: [2, 18],
              itemStyle: { color: "var(--foreground)" },
              silent: true,
              data: marks.map((mark, row) => [mark, row]),
            },
          ]
        : []),
      // A figure behind a row belongs to an axis, which is there where something is drawn by it.
      { type: "scatter" as const, yAxisIndex: 1, silent: true, data: [] },
    ],
  }
}

/** Spans of time, each in the row of its name. */
export function spanRows(
  rows: readonly string[],
  spans: readonly Bar[],
  [begin, end]: readonly [number, number],
  utc: boolean,
): ChartOption {
  return {
    ...rowed({
      rows: rows.map((name) => ({ name })),
      x: {
        type: "time",
        min: begin,
        max: end,
        splitNumber: 6,
        axisLabel: { formatter: "{MM}-{dd}", hideOverlap: true },
      },
    }),
    useUTC: utc,
    series: [bars(spans.map((span) => ({ ...span, row: rows.indexOf(span.name) })))],
  }
}

/** How many fell into each class from one border to the next. */
export function histogram(
  classes: readonly { from: number; to: number; count: number; tone: Tone }[],
  label: (value: number) => string,
): ChartOption {
  return {
    tooltip: {},
    grid: { ...GRID, right: 16 },
    xAxis: {
      type: "value",
      min: classes[0]?.from,
      max: classes.at(-1)?.to,
      splitLine: { show: false },
      axisLabel: { formatter: label, hideOverlap: true },
    },
    yAxis: { type: "value", minInterval: 1 },
    series: [
      {
        type: "custom",
        encode: { x: [0, 1], y: 2 },
        data: classes.map(({ from, to, count, tone }) => ({
          value: [from, to, count],
          itemStyle: { color: paint(tone) },
        })),
        renderItem: (_, api) => {
          const [left, top] = api.coord([api.value(0), api.value(2)]) as [number, number]
          const [right, foot] = api.coord([api.value(1), 0]) as [number, number]
          return {
            type: "rect",
            shape: { x: left + 0.5, y: top, width: Math.max(right - left - 1, 1), height: foot - top },
            style: { fill: api.visual("color") },
          }
        },
      },
    ],
  }
}

/** Columns that stand on one another, a place for each name. */
export const stacked = (
  names: readonly string[],
  parts: readonly { name: string; tone: Tone; values: readonly number[] }[],
): ChartOption => ({
  tooltip: { trigger: "axis", axisPointer: { type: "shadow" } },
  grid: GRID,
  xAxis: { type: "category", data: [...names], axisLabel: { hideOverlap: true } },
  yAxis: { type: "value", minInterval: 1 },
  series: parts.map((part) => ({
    type: "bar",
    name: part.name,
    stack: "all",
    barCategoryGap: "20%",
    itemStyle: { color: paint(part.tone) },
    data: [...part.values],
  })),
})

/** Named points around the zero lines; a name that would hit another is left out. */
export const points = (
  data: readonly { name: string; x: number; y: number; tone: Tone }[],
  [across, up]: readonly [string, string],
  label: (value: number) => string,
): ChartOption => ({
  tooltip: {},
  grid: { ...GRID, top: 28, right: 16, bottom: 22 },
  xAxis: {
    type: "value",
    name: across,
    nameLocation: "middle",
    nameGap: 26,
    splitNumber: 4,
    axisLabel: { formatter: label, hideOverlap: true },
  },
  yAxis: {
    type: "value",
    name: up,
    nameTextStyle: { align: "left" },
    splitNumber: 4,
    axisLabel: { formatter: label },
  },
  series: [
    {
      type: "scatter",
      symbolSize: 9,
      data: data.map(({ name, x, y, tone }) => ({
        name,
        value: [x, y],
        itemStyle: { color: paint(tone) },
      })),
      label: {
        show: true,
        position: "right",
        formatter: "{b}",
        fontSize: 10,
        color: "var(--muted-foreground)",
      },
      labelLayout: { hideOverlap: true },
    },
  ],
})
