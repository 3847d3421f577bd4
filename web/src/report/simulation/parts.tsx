import { useId, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { formatPercent, formatTime } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Card } from "@/ui/card"
import { Empty } from "@/ui/states"
import type { Simulation } from "./data"

export type Part = { of: Simulation }

/** A part of the report: the contents lead to it by its name. */
export function Section({ name, title, children }: { name: string; title: string; children: ReactNode }) {
  const heading = useId()
  return (
    <section id={name} aria-labelledby={heading} className="scroll-mt-4 space-y-4">
      <h2 id={heading} className="pt-2 text-base font-semibold">
        {title}
      </h2>
      {children}
    </section>
  )
}

/** Two beside each other where there is room for them. */
export const Pair = ({ children }: { children: ReactNode }) => (
  <div className="grid gap-4 @2xl:grid-cols-2">{children}</div>
)

/** A drawing with what it says above it, and how it was made beneath; `none` says why there is none. */
export function Drawn({
  title,
  summary,
  method,
  basis,
  none,
  children,
}: {
  title: string
  summary: string
  method: string
  basis: string
  none?: string | false
  children: ReactNode
}) {
  return (
    <Card title={title} className="break-inside-avoid">
      {none ? (
        <Empty title={none} />
      ) : (
        <>
          {/* A screen reader reads it from the drawing. */}
          <p className="mb-3" aria-hidden>
            {summary}
          </p>
          {children}
          <p className="text-muted-foreground mt-3 text-xs">
            {method} · {basis}
          </p>
        </>
      )}
    </Card>
  )
}

/** A share of an axis, as short as it can be. */
export const share = (value: number) => `${Number((value * 100).toFixed(6))}%`

/** Figures that a sentence tells, and on what they are based. */
export function useTold({ reconciliation, series }: Simulation) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const { language, hideAmounts } = preferences
  /** A decimal to so many digits: in a sentence, and never in place of the figure itself. */
  const round = (value: string | number, digits: number, sign?: "exceptZero") =>
    new Intl.NumberFormat(language, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      signDisplay: sign ?? "auto",
    }).format(value as Intl.StringNumericLiteral)
  const when = (at: string) => formatTime(at, preferences)
  return {
    round,
    when,
    day: (at: string) => at.slice(0, 10),
    money: (value: string, digits = 2, sign?: "exceptZero") =>
      hideAmounts ? "••••••" : round(value, digits, sign),
    percent: (value: string | number, sign: "auto" | "exceptZero" = "exceptZero") =>
      formatPercent(value, preferences, sign),
    /** As of the end of the run, in a unit. */
    now: (unit: string) => `${t("simulation.asOf", { when: when(reconciliation.asOf) })} · ${unit}`,
    /** By daily closes, in a unit. */
    closes: (unit: string) =>
      `${t("simulation.closes", { when: series.days.at(-1)?.at.slice(0, 10) ?? "–" })} · ${unit}`,
    compact: (value: number) =>
      hideAmounts ? "•••" : new Intl.NumberFormat(language, { notation: "compact" }).format(value),
  }
}
