import { useTranslation } from "react-i18next"
import { drawdown, TimeChart, type Line, type Point } from "@/ui/time-chart"
import type { Profile, Series } from "./data"
import { Drawn, Pair, useTold, type Part } from "./parts"
import { greatest } from "./sums"

const PROFILES: readonly (readonly [Profile, Line["color"], Line["as"]])[] = [
  ["conservative", "--muted-foreground", "line"],
  ["balanced", "--muted-foreground", "dashed"],
  ["aggressive", "--warn", "line"],
]
const along = (index: Series["index"], name: Profile | "all"): Point[] =>
  index.flatMap((row) => (row[name] == null ? [] : [{ at: row.at, value: Number(row[name]) }]))

export function Growth({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { days, index } = of.series
  const { asset } = of.scenario
  const all = along(index, "all")
  const area = (name: string, points: Point[]): Line => ({ name, points, as: "area", color: "--primary" })
  const at = (read: (row: Series["days"][number]) => string | number) =>
    days.map((row) => ({ at: row.at, value: Number(read(row)) }))
  const worth: Line[] = [
    area(
      t("simulation.aum.nav"),
      at((row) => row.nav),
    ),
    {
      name: t("simulation.aum.principal"),
      points: at((row) => row.principal),
      as: "dashed",
      color: "--muted-foreground",
    },
  ]
  const indices = [
    area(t("simulation.index.all"), all),
    ...PROFILES.flatMap(([profile, color, as]): Line[] => {
      const points = along(index, profile)
      return points.length ? [{ name: t(`profiles.${profile}`), points, color, as }] : []
    }),
  ]
  const falls = drawdown(all)
  const fall: Line = {
    name: t("simulation.drawdown.title"),
    points: falls,
    as: "area",
    color: "--down",
    percent: true,
  }

  const last = days.at(-1)
  const richest = greatest(days, (row) => row.nav)
  const busiest = greatest(days, (row) => row.active)
  const levels = all.map((point) => point.value)
  const deepest = greatest(falls, (point) => -point.value)
  const none = !last && t("simulation.noClose")
  const noIndex = !all.length && t("simulation.noClose")
  return (
    <Pair>
      {[
        {
          title: t("simulation.aum.title"),
          method: t("simulation.aum.method"),
          basis: told.closes(asset),
          none,
          lines: worth,
          summary: t("simulation.aum.summary", {
            peak: told.money(richest?.nav ?? "0", 0),
            day: told.day(richest?.at ?? ""),
            last: told.money(last?.nav ?? "0", 0),
            asset,
          }),
        },
        {
          title: t("simulation.active.title"),
          method: t("simulation.active.method"),
          basis: told.closes(t("simulation.counted")),
          none,
          lines: [
            area(
              t("simulation.active.title"),
              at((row) => row.active),
            ),
          ],
          summary: t("simulation.active.summary", {
            peak: busiest?.active ?? 0,
            day: told.day(busiest?.at ?? ""),
            last: last?.active ?? 0,
          }),
        },
        {
          title: t("simulation.index.title"),
          method: t("simulation.index.method"),
          basis: told.closes(t("simulation.index.unit")),
          none: noIndex,
          lines: indices,
          summary: t("simulation.index.summary", {
            last: told.round(levels.at(-1) ?? 100, 2),
            low: told.round(Math.min(...levels), 2),
            high: told.round(Math.max(...levels), 2),
          }),
        },
        {
          title: t("simulation.drawdown.title"),
          method: t("simulation.drawdown.method"),
          basis: told.closes(t("simulation.percent")),
          none: noIndex,
          lines: [fall],
          summary: t("simulation.drawdown.summary", {
            deepest: told.percent(deepest?.value ?? 0),
            day: told.day(deepest?.at ?? ""),
          }),
        },
      ].map(({ lines: drawn, ...words }) => (
        <Drawn key={words.title} {...words}>
          <TimeChart lines={drawn} summary={words.summary} />
        </Drawn>
      ))}
    </Pair>
  )
}
