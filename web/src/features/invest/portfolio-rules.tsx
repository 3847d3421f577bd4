import { useState } from "react"
import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Check, Choice, NumberField } from "@/ui/field"

type Rules = Schemas["PortfolioRules"]
const METHODS = ["equal", "risk_budget", "target_volatility", "hierarchical", "kelly"] as const
type Method = Rules["method"]

/** What a form that has these fields says of rules; what it does not ask for stays as it was. */
export const rulesOf = (held: Record<string, string>, method: Method, before?: Rules): Rules => ({
  covariance: before?.covariance ?? "ledoit_wolf",
  budgets: before?.budgets ?? {},
  method,
  targetVolatility: held.targetVolatility ? Number(held.targetVolatility) : null,
  fraction: Number(held.fraction || 0.5),
  floor: Number(held.floor || 0),
  cap: Number(held.cap || 1),
  total: Number(held.total || 1),
  band: Number(held.band || 0),
  step: Number(held.step || 1),
  turnover: Number(held.turnover || 2),
  automatic: held.automatic === "on",
})

export function useMethod(before?: Rules) {
  return useState<Method>(before?.method ?? "equal")
}

/** The fields of a portfolio's rules. */
export function RulesFields({
  method,
  onMethod,
  before,
  refused,
}: {
  method: Method
  onMethod: (method: Method) => void
  before?: Rules
  refused: (field: string) => string | null | undefined
}) {
  const { t } = useTranslation()
  const options = Object.fromEntries(METHODS.map((one) => [one, t(`portfolio.methods.${one}`)]))
  const part = (name: "total" | "floor" | "cap" | "band" | "step", value: number, hint?: string) => (
    <NumberField
      name={name}
      label={t(`portfolio.${name}`)}
      hint={hint}
      max={1}
      defaultValue={String(before?.[name] ?? value)}
      error={refused(`rules.${name}`)}
    />
  )
  return (
    <>
      <Choice
        label={t("portfolio.method")}
        value={method}
        options={options as Record<Method, string>}
        onChange={onMethod}
      />
      {method !== "equal" && <p className="text-muted-foreground text-xs">{t("portfolio.short")}</p>}
      <div className="grid gap-3 sm:grid-cols-2">
        {method === "kelly" ? (
          <NumberField
            name="fraction"
            label={t("portfolio.fraction")}
            max={1}
            defaultValue={String(before?.fraction ?? 0.5)}
            error={refused("rules.fraction")}
          />
        ) : (
          <NumberField
            name="targetVolatility"
            label={t("portfolio.targetVolatility")}
            hint={t("portfolio.targetHint")}
            max={10}
            required={method === "target_volatility"}
            defaultValue={before?.targetVolatility == null ? "" : String(before.targetVolatility)}
            error={refused("rules.targetVolatility")}
          />
        )}
        {part("total", 1, t("portfolio.totalHint"))}
        {part("floor", 0)}
        {part("cap", 1)}
        {part("band", 0, t("portfolio.bandHint"))}
        {part("step", 1)}
        <NumberField
          name="turnover"
          label={t("portfolio.turnoverMost")}
          max={2}
          defaultValue={String(before?.turnover ?? 2)}
          error={refused("rules.turnover")}
        />
      </div>
      <Check
        name="automatic"
        label={t("portfolio.automaticLet")}
        defaultChecked={before?.automatic ?? false}
      />
    </>
  )
}
