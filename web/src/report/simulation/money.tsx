import { useTranslation } from "react-i18next"
import { Chart } from "@/ui/chart"
import { barRows, heightOf, toneOf, type Tone } from "./options"
import { Drawn, useTold, type Part } from "./parts"
import { moneySteps, type Step } from "./sums"

/** What trading came to, step by step to what investors keep. */
export function Money({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { asset } = of.scenario
  const { profits } = of.series
  const count = { gains: profits.gaining, losses: profits.losing }
  const result = (key: Step["key"]) => ["gains", "losses", "gross", "net"].includes(key)
  const bars = moneySteps(of).map((step) => ({
    name: t(`simulation.flow.${step.key}`, { count: count[step.key as "gains"] ?? 0 }),
    from: Number(step.from),
    to: Number(step.to),
    tone: result(step.key) ? toneOf(step.amount) : ("--primary" satisfies Tone),
    shown: told.money(step.amount, 2, "exceptZero"),
  }))
  const words = {
    title: `${t("simulation.flow.title")} (${asset})`,
    method: t("simulation.flow.method"),
    basis: told.now(asset),
    none: !of.investors.outcomes.settled && t("simulation.nothingSettled"),
    summary: t("simulation.flow.summary", {
      gross: told.money(profits.gross, 2, "exceptZero"),
      net: told.money(of.investors.outcomes.netProfit ?? "0", 2, "exceptZero"),
      asset,
    }),
  }
  return (
    <Drawn {...words}>
      <Chart
        summary={words.summary}
        height={heightOf(bars.length)}
        option={barRows(bars, told.compact)}
        hint={({ dataIndex }) => `${bars[dataIndex]!.name}\n${bars[dataIndex]!.shown} ${asset}`}
      />
    </Drawn>
  )
}
