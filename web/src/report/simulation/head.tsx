import { TriangleAlert } from "lucide-react"
import { useTranslation } from "react-i18next"
import { add, compare } from "@/lib/decimal"
import { formatPercent } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "@/ui/badge"
import { Facts, Figure, PageHead } from "@/ui/card"
import { AsOf, Change, Money, Quantity, Time } from "@/ui/shown"
import type { Part } from "./parts"

/** What was replayed, whether its books hold, and what it is no evidence of. */
export function Head({ of: { scenario, verify, reconciliation } }: Part) {
  const { t } = useTranslation()
  const market = scenario.market === "simulated" ? "simulated" : "recorded"
  const { asset } = scenario
  return (
    <div className="space-y-3">
      <PageHead title={scenario.title}>
        <Badge tone="warn">{t(`simulation.market.${market}`)}</Badge>
        <Badge tone={verify.clean ? "good" : "bad"}>
          {verify.clean ? t("simulation.clean") : t("simulation.found", { count: verify.findings.length })}
        </Badge>
        <Badge tone={compare(reconciliation.unexplained, "0") === 0 ? "good" : "bad"}>
          {t("simulation.unexplained", { amount: reconciliation.unexplained, asset })}
        </Badge>
        <AsOf at={reconciliation.asOf} />
      </PageHead>
      <p
        role="note"
        className="border-warn/40 bg-warn/10 flex items-start gap-2 rounded-lg border p-3 leading-relaxed"
      >
        <TriangleAlert className="text-warn mt-0.5 size-4 shrink-0" aria-hidden />
        {t(`simulation.warning.${market}`)}
      </p>
      <div className="grid gap-x-10 gap-y-1.5 @2xl:grid-cols-2">
        <Facts
          rows={[
            [
              t("simulation.period"),
              <>
                <Time at={scenario.start} /> – <Time at={scenario.end} />
              </>,
            ],
            [t("simulation.symbols"), scenario.symbols.join(", ")],
          ]}
        />
        <Facts
          rows={[
            [t("simulation.candles"), t("simulation.minutes", { minutes: scenario.interval / 60 })],
            [t("simulation.seed"), scenario.seed],
          ]}
        />
      </div>
      <p className="text-muted-foreground text-xs">{t("simulation.basis", { asset })}</p>
    </div>
  )
}

export function Figures({ of }: Part) {
  const { t } = useTranslation()
  const { investors, platform, referral, scenario } = of
  const { asset } = scenario
  return (
    <div className="grid gap-4 @md:grid-cols-2 @3xl:grid-cols-3">
      <Figure
        label={t("simulation.figures.investors")}
        note={t("simulation.figures.referred", { count: referral.referredInvestors })}
      >
        <Quantity value={investors.investors} />
      </Figure>
      <Figure
        label={t("simulation.figures.deposits")}
        note={
          <>
            {t("simulation.figures.subscribed")} <Money amount={investors.subscribed} />
          </>
        }
      >
        <Money amount={investors.deposited} asset={asset} />
      </Figure>
      <Figure
        label={t("simulation.figures.subscriptions")}
        note={[
          ...investors.states.map((one) => `${t(`states.${one.status}`)} ${one.subscriptions}`),
          ...(investors.refused ? [t("simulation.figures.refused", { count: investors.refused })] : []),
        ].join(" · ")}
      >
        <Quantity value={investors.subscriptions} />
      </Figure>
      <Settled of={of} />
      <Figure
        label={t("simulation.figures.creators")}
        note={
          <>
            {t("simulation.figures.creatorsNote")} <Money amount={platform.profitShare} />
          </>
        }
      >
        <Money amount={platform.paidToCreators} asset={asset} />
      </Figure>
      <Figure
        label={t("simulation.figures.platform")}
        note={
          <>
            {t("simulation.figures.platformFee")} <Money amount={platform.managementFee} /> +{" "}
            {t("simulation.figures.platformCut")} <Money amount={platform.keptOfCut} />
          </>
        }
      >
        <Money amount={add(platform.managementFee, platform.keptOfCut)} asset={asset} />
      </Figure>
      <Figure
        label={t("simulation.figures.referrers")}
        note={t("simulation.figures.referrersNote", {
          payees: referral.payees,
          released: referral.released,
        })}
      >
        <Money amount={platform.referralCost} asset={asset} />
      </Figure>
    </div>
  )
}

function Settled({ of: { investors, scenario, series } }: Part) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const { outcomes } = investors
  const { asset } = scenario
  if (!outcomes.settled)
    return (
      <Figure label={t("simulation.figures.in")} note={t("simulation.nothingSettled")}>
        –
      </Figure>
    )
  return (
    <>
      <Figure
        label={t("simulation.figures.in")}
        note={t("simulation.figures.inNote", { count: outcomes.settled })}
      >
        <Money amount={outcomes.principal} asset={asset} />
      </Figure>
      <Figure label={t("simulation.figures.out")} note={t("simulation.figures.outNote")}>
        <Money amount={outcomes.returned} asset={asset} />
      </Figure>
      <Figure
        label={t("simulation.figures.net")}
        note={t("simulation.figures.netNote", {
          share: formatPercent(outcomes.shareWithGain ?? "0", preferences, "auto"),
        })}
      >
        <Money amount={outcomes.netProfit} asset={asset} signed />
      </Figure>
      <Figure label={t("simulation.figures.median")} note={t("simulation.figures.return")}>
        <Change ratio={outcomes.median} />
      </Figure>
      <Figure label={t("simulation.figures.pooled")} note={t("simulation.figures.pooledNote")}>
        <Change ratio={outcomes.pooledReturn} />
      </Figure>
      <Figure label={t("simulation.figures.gross")} note={t("simulation.figures.grossNote")}>
        <Money amount={series.profits.gross} asset={asset} signed />
      </Figure>
    </>
  )
}
