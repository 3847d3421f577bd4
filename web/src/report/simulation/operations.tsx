import { useTranslation } from "react-i18next"
import { usePreferences } from "@/lib/preferences"
import { Card, Facts } from "@/ui/card"
import { Chart } from "@/ui/chart"
import { Quantity } from "@/ui/shown"
import { barRows, heightOf, spanRows, stacked, type Bar } from "./options"
import { Drawn, Pair, useTold, type Part } from "./parts"
import { eachDay, hoursOf } from "./sums"

export function Operations({ of }: Part) {
  return (
    <>
      <Outages of={of} />
      <Pair>
        <Tries of={of} />
        <Slippage of={of} />
        <Refusals of={of} />
        <Asked of={of} />
      </Pair>
    </>
  )
}

const HOUR = 3_600_000

function Outages({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { zone } = usePreferences()
  const { outages, liquidation } = of.series
  const most = Math.max(...liquidation.refusals.map((row) => row.refused), 1)
  const tried = t("simulation.outages.refused")
  const spans: (Bar & { hint: string })[] = [
    ...outages.map((row) => ({
      name: row.symbol ?? t("simulation.outages.every"),
      from: Date.parse(row.begin),
      to: Date.parse(row.end),
      tone: "--warn" as const,
      shown: "",
      hint: `${told.when(row.begin)} – ${told.when(row.end)}\n${row.reason}`,
    })),
    ...liquidation.refusals.map((row) => ({
      name: tried,
      from: Date.parse(row.at),
      to: Date.parse(row.at) + HOUR,
      tone: "--primary" as const,
      shown: "",
      share: row.refused / most,
      hint: `${told.when(row.at)}\n${tried}: ${row.refused}`,
    })),
  ]
  const rows = [...new Set([...spans.map((span) => span.name), tried])]
  const words = {
    title: t("simulation.outages.title"),
    method: t("simulation.outages.method"),
    basis: told.now(t("simulation.counted")),
    none: !spans.length && t("simulation.outages.none"),
    summary: t("simulation.outages.summary", {
      count: outages.length,
      hours: Number(hoursOf(outages).toFixed(2)),
      refused: of.liquidation.retried,
    }),
  }
  return (
    <Drawn {...words}>
      <Chart
        summary={words.summary}
        height={heightOf(rows.length)}
        option={spanRows(
          rows,
          spans,
          [Date.parse(of.scenario.start), Date.parse(of.scenario.end)],
          zone === "UTC",
        )}
        hint={({ dataIndex }) => spans[dataIndex]!.hint}
      />
    </Drawn>
  )
}

function Tries({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { liquidation } = of.series
  const found = new Map(liquidation.days.map((row) => [row.at, row]))
  const days = eachDay(of.scenario.start, of.scenario.end).map(
    (at) => found.get(at) ?? { at, through: 0, refused: 0 },
  )
  const parts = [
    { name: t("simulation.tries.through"), tone: "--primary", values: days.map((row) => row.through) },
    { name: t("simulation.tries.refused"), tone: "--warn", values: days.map((row) => row.refused) },
  ] as const
  const words = {
    title: t("simulation.tries.title"),
    method: t("simulation.tries.method"),
    basis: told.now(t("simulation.counted")),
    none: !liquidation.days.length && t("simulation.tries.none"),
    summary: t("simulation.tries.summary", {
      attempts: of.liquidation.attempts,
      through: liquidation.days.reduce((sum, row) => sum + row.through, 0),
      refused: of.liquidation.retried,
      hours: told.round(liquidation.longestHours ?? "0", 1),
    }),
  }
  return (
    <Drawn {...words}>
      <Chart
        summary={words.summary}
        option={stacked(
          days.map((row) => row.at.slice(5, 10)),
          parts,
        )}
      />
      <ul className="text-muted-foreground mt-2 flex gap-4 text-xs" aria-hidden>
        {parts.map((part) => (
          <li key={part.name} className="flex items-center gap-1.5">
            <span className="size-2.5 rounded-xs" style={{ background: `var(${part.tone})` }} />
            {part.name}
          </li>
        ))}
      </ul>
    </Drawn>
  )
}

function Slippage({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { symbols } = of.series.liquidation
  const bars = symbols.map((row) => ({
    name: row.symbol,
    from: 0,
    to: Number(row.slippageBps),
    tone: "--primary" as const,
    shown: t("simulation.slippage.shown", {
      bps: told.round(row.slippageBps, 2),
      orders: row.orders,
    }),
  }))
  const words = {
    title: t("simulation.slippage.title"),
    method: t("simulation.slippage.method"),
    basis: told.now(t("simulation.slippage.unit")),
    none: !symbols.length && t("simulation.tries.none"),
    summary: t("simulation.slippage.summary", {
      count: of.liquidation.orders,
      notional: told.money(of.liquidation.notional),
      asset: of.scenario.asset,
      bps: told.round(of.liquidation.slippageBps ?? "0", 2),
    }),
  }
  return (
    <Drawn {...words}>
      <Chart
        summary={words.summary}
        height={heightOf(bars.length)}
        option={barRows(bars, (value) => String(value))}
        hint={({ dataIndex }) => {
          const { symbol, notional } = symbols[dataIndex]!
          return `${symbol}\n${bars[dataIndex]!.shown}\n${told.money(notional)} ${of.scenario.asset}`
        }}
      />
    </Drawn>
  )
}

function Refusals({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { failures, retried } = of.liquidation
  const words = {
    title: t("simulation.refusals.title"),
    method: t("simulation.refusals.method"),
    basis: told.now(t("simulation.counted")),
    none: !failures.length && t("simulation.refusals.none"),
    summary: t("simulation.refusals.summary", { count: retried }),
  }
  const most = Math.max(...failures.map((row) => row.attempts), 1)
  return (
    <Drawn {...words}>
      {/* A reason is a sentence of the venue's: it is a row of its own above its bar. */}
      <ul className="space-y-2">
        {failures.map((row) => (
          <li key={row.reason}>
            <div className="flex justify-between gap-4">
              <span className="min-w-0 break-words">{row.reason ?? "–"}</span>
              <Quantity value={row.attempts} />
            </div>
            <div
              className="bg-warn h-2 rounded-sm"
              style={{ width: `${(row.attempts / most) * 100}%` }}
              aria-hidden
            />
          </li>
        ))}
      </ul>
    </Drawn>
  )
}

function Asked({ of: { liquidation } }: Part) {
  const { t } = useTranslation()
  if (!liquidation.doors.length) return null
  return (
    <Card title={t("simulation.asked.title")}>
      <Facts
        rows={liquidation.doors.map((row) => [
          t(`simulation.doors.${row.door}`),
          <Quantity key={row.door} value={row.subscriptions} />,
        ])}
      />
      <p className="text-muted-foreground mt-3 text-xs">{t("simulation.counted")}</p>
    </Card>
  )
}
