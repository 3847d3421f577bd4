import { Link, useParams } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { useMay } from "@/api/session"
import { multiply, subtract } from "@/lib/decimal"
import { useAct } from "@/lib/form"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { AsOf, Change, Id, Money, Percent, Said, Time } from "@/ui/shown"
import { Failed, Loaded } from "@/ui/states"

/** One copy of a flow: what it is worth, its settings, and the way out of it. */
export default function Copy() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const path = { subscription_id: id }
  const may = useMay("copy")
  const [leaving, setLeaving] = useState(false)
  const query = api.useQuery("get", "/api/v1/co-trading/subscriptions/{subscription_id}", {
    params: { path },
  })
  const leave = useAct(
    async () => {
      await client.DELETE("/api/v1/co-trading/subscriptions/{subscription_id}", { params: { path } })
    },
    () => setLeaving(false),
  )
  const change = useAct(async (autoFollow: boolean) => {
    await client.PATCH("/api/v1/co-trading/subscriptions/{subscription_id}/settings", {
      params: { path },
      body: { autoFollow },
    })
  })
  return (
    <Loaded query={query} rows={6}>
      {(copy) => (
        <>
          <PageHead title={copy.flowTitle}>
            <Badge tone={copy.status === "active" ? "strong" : "plain"}>
              {t(`copyStatus.${copy.status}`)}
            </Badge>
            <AsOf at={copy.asOf} method={t(`valuation.${copy.valuation}`)} />
            <Id id={copy.subscriptionId} />
            {may && copy.status !== "cancelled" && !copy.exit && (
              <div className="ml-auto flex gap-2">
                <Button disabled={change.isPending} onClick={() => change.mutate(!copy.settings.autoFollow)}>
                  {copy.settings.autoFollow ? t("copy.pause") : t("copy.resume")}
                </Button>
                <Button intent="danger" onClick={() => setLeaving(true)}>
                  {t("copy.stop")}
                </Button>
              </div>
            )}
          </PageHead>
          {change.error && <Failed error={change.error} />}
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
            <Figure label={t("holding.amount")}>
              <Money amount={copy.investmentAmount} asset={copy.currency} />
            </Figure>
            <Figure label={t("holding.worth")}>
              <Money amount={copy.currentValue} asset={copy.currency} />
            </Figure>
            <Figure label={t("holding.gain")}>
              <Money amount={copy.profitLoss} asset={copy.currency} signed />
            </Figure>
            <Figure label={t("flow.return")}>
              <Change ratio={multiply(copy.profitLossPercentage, "0.01")} />
            </Figure>
          </div>
          <Card title={t("copy.settings")}>
            <Facts
              rows={[
                [
                  t("allocation.flow"),
                  <Link key="f" to={`/flows/${copy.flowId}`} className="text-primary hover:underline">
                    {copy.flowTitle}
                  </Link>,
                ],
                [t("follow.mode"), t(`follow.${copy.copyMode}`)],
                [t("follow.auto"), copy.settings.autoFollow ? t("common.yes") : t("common.no")],
                [t("follow.slippage"), <Percent key="s" ratio={copy.settings.maxSlippage} />],
                [t("holding.since"), <Time key="t" at={copy.subscribedAt} />],
                [t("copy.lastExecuted"), <Time key="l" at={copy.lastExecutedAt} />],
                ...(copy.exit
                  ? ([
                      [t("liquidation.requested"), <Time key="r" at={copy.exit.requestedAt} />],
                      [t("liquidation.attempts"), copy.exit.attempts],
                      [
                        t("liquidation.reason"),
                        copy.exit.reason ? (
                          <Said key="w" words={copy.exit.reason} />
                        ) : (
                          t("liquidation.noReason")
                        ),
                      ],
                      [t("copy.paid"), <Money key="p" amount={copy.exit.paid} asset={copy.currency} />],
                    ] as const)
                  : []),
              ]}
            />
          </Card>
          {leaving && (
            <Dialog title={t("copy.stop")} onClose={() => setLeaving(false)}>
              <p>{t("copy.stopWhy")}</p>
              <Facts
                rows={[
                  [t("holding.worth"), <Money key="w" amount={copy.currentValue} asset={copy.currency} />],
                  [t("copy.exitFee"), <Money key="f" amount={copy.exitFee} asset={copy.currency} />],
                  [
                    t("copy.about"),
                    <Money
                      key="a"
                      amount={subtract(copy.currentValue, copy.exitFee)}
                      asset={copy.currency}
                    />,
                  ],
                ]}
              />
              <p className="text-muted-foreground text-xs">
                {t("common.asOf")} <Time at={copy.asOf} /> · {t("copy.aboutWhy")}
              </p>
              {leave.error && <Failed error={leave.error} />}
              <Button intent="danger" disabled={leave.isPending} onClick={() => leave.mutate(undefined)}>
                {t("copy.stop")}
              </Button>
            </Dialog>
          )}
        </>
      )}
    </Loaded>
  )
}
