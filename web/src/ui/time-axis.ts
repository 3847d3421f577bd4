import { TickMarkType, type IChartApi, type Time } from "lightweight-charts"
import { formatTime } from "@/lib/format"
import type { Preferences } from "@/lib/preferences"

/** How a chart names moments: a day with its month, and under the cursor with its zone. */
export function timeAxis(preferences: Pick<Preferences, "language" | "zone">) {
  const locale = preferences.language === "zh" ? "zh-CN" : "en-GB"
  const day = new Intl.DateTimeFormat(locale, { timeZone: "UTC", month: "short", day: "numeric" })
  const moment = (time: Time) => new Date(Number(time) * 1000)
  return {
    localization: {
      locale,
      timeFormatter: (time: Time) => formatTime(moment(time).toISOString(), preferences),
    },
    tickMarkFormatter: (time: Time, type: TickMarkType) =>
      type === TickMarkType.DayOfMonth ? day.format(moment(time)) : null,
  }
}

/** Everything in sight, with room at both ends for the words beneath the first moment and the last. */
export function fit(chart: IChartApi, moments: number) {
  const room = 0.5 + moments * 0.05
  chart.timeScale().setVisibleLogicalRange({ from: -room, to: moments - 1 + room })
}
