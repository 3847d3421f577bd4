import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { formatAmount, formatNumber, formatPercent, formatTime } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { cents, said } from "./readings"

type Inputs = Schemas["RunInputs"]
export type Input = { label: string; text: string; hash?: boolean }

const RATES = ["feeBps", "makerBps", "slippageBps", "spreadBps", "impactBps"] as const
const DELAYS = ["feedLatency", "orderLatency", "responseLatency"] as const
const MILLISECOND = 1e6

/** Costs, a venue's terms and a replay's rules in words: only what is set, each a part. */
export function useTerms() {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const number = (value: number) => formatNumber(Number(value.toPrecision(12)), preferences)

  const costs = ({ tiers, ...rates }: Schemas["RunCosts"]) => [
    ...RATES.filter((name) => rates[name]).map((name) => t(`terms.${name}`, { value: number(rates[name]!) })),
    ...(tiers?.length ? [t("terms.tiers", { value: JSON.stringify(tiers) })] : []),
  ]
  const terms = ({ participation, lot, latency, margin }: Schemas["RunTerms"]) => [
    ...(participation
      ? [t("terms.participation", { value: formatPercent(participation, preferences, "auto") })]
      : []),
    ...(lot ? [t("terms.lot", { value: number(lot) })] : []),
    ...(margin ? [t("terms.leverage", { value: number(margin.leverage) })] : []),
    ...(margin?.isolated ? [t("terms.isolated")] : []),
    ...(Object.values(latency ?? {}).some(Boolean) ? [t("terms.latency", { value: said(latency!) })] : []),
  ]
  const replay = (rules: Schemas["RunRules"]) => [
    ...(rules.interval ? [t("terms.interval", { value: number(rules.interval / MILLISECOND) })] : []),
    ...(rules.everyEvents ? [t("terms.everyEvents", { value: number(rules.everyEvents) })] : []),
    ...DELAYS.filter((name) => rules[name]).map((name) =>
      t(`terms.${name}`, { value: number(rules[name]! / MILLISECOND) }),
    ),
    ...(["takerBps", "makerBps"] as const).map((name) =>
      t(`terms.${name}`, { value: number(rules[name] ?? 0) }),
    ),
    t("terms.queue", { value: rules.queue }),
    ...(rules.queue === "power" ? [t("terms.exponent", { value: number(rules.exponent ?? 1) })] : []),
  ]
  const listed = (parts: readonly string[]) => parts.join(" · ") || t("inputs.none")
  return {
    number,
    costs: (found: Schemas["RunCosts"]) => listed(costs(found)),
    terms: (found: Schemas["RunTerms"]) => listed(terms(found)),
    replay: (found: Schemas["RunRules"]) => listed(replay(found)),
  }
}

/** What a run is repeated from, in words, in the order it is shown. */
export function useInputs(): (inputs: Inputs) => Input[] {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const { number, costs, terms, replay } = useTerms()
  const sizes = ({ legs, size }: Inputs) => {
    const found = [...new Set(legs ? legs.map((leg) => leg.size) : [size])]
    return found.includes(null)
      ? t("inputs.ofEquity")
      : t("inputs.units", { count: found.map((one) => number(one!)).join(", ") as never })
  }
  const beside = (found: { name: string; sha256: string } | null | undefined) =>
    found ? { text: `${found.name} ${found.sha256}`, hash: true } : { text: t("inputs.none") }

  return (inputs) => {
    const { strategy, data, funding } = inputs
    return [
      { label: t("run.strategy"), text: `${strategy.name} ${strategy.version}` },
      { label: t("run.params"), text: said(strategy.params) },
      { label: t("inputs.size"), text: sizes(inputs) },
      { label: t("run.cash"), text: formatAmount(cents(inputs.cash)!, preferences) },
      ...(inputs.depth
        ? [{ label: t("inputs.replay"), text: replay(inputs.depth) }]
        : [
            { label: t("inputs.costs"), text: costs(inputs.costs ?? {}) },
            { label: t("inputs.terms"), text: terms(inputs.terms ?? {}) },
            { label: t("inputs.finer"), ...beside(inputs.finer) },
            { label: t("inputs.book"), ...beside(inputs.book) },
          ]),
      {
        label: t("inputs.seed"),
        text: inputs.seed === null ? t("inputs.nothingDrawn") : String(inputs.seed),
      },
      { label: t("run.data"), text: data.name },
      {
        label: t("inputs.period"),
        text: `${formatTime(data.first, preferences)} – ${formatTime(data.last, preferences)}`,
      },
      { label: t("inputs.dataHash"), text: data.sha256, hash: true },
      { label: t("costs.funding"), text: funding ? funding.name : t("backtest.noFunding") },
      ...(funding ? [{ label: t("inputs.fundingHash"), text: funding.sha256, hash: true }] : []),
      { label: t("inputs.code"), text: strategy.codeHash, hash: true },
      { label: t("inputs.engine"), text: inputs.engineHash, hash: true },
    ]
  }
}
