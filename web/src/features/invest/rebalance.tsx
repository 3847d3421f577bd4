import { useEffect } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Facts } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Reason } from "@/ui/field"
import { Money, Percent } from "@/ui/shown"
import { Failed, Skeleton } from "@/ui/states"
import { Table } from "@/ui/table"

type Order = Schemas["RebalanceOrder"]

/** What a rebalance moves, flow by flow. */
export function Moves({ plan }: { plan: Schemas["RebalancePlan"] }) {
  const { t } = useTranslation()
  return (
    <Table
      label={t("portfolio.plan")}
      rows={plan.moves}
      id={(one) => one.flowId ?? "cash"}
      empty={t("portfolio.noHistory")}
      columns={[
        { key: "flow", head: t("portfolio.flow"), cell: (one) => one.title ?? t("portfolio.cash") },
        {
          key: "actual",
          wide: true,
          right: true,
          head: t("portfolio.actual"),
          cell: (one) => <Percent ratio={one.actual} />,
        },
        {
          key: "target",
          wide: true,
          right: true,
          head: t("portfolio.byRules"),
          cell: (one) => (one.flowId ? <Percent ratio={one.target} /> : null),
        },
        {
          key: "toGo",
          right: true,
          head: t("portfolio.toGo"),
          cell: (one) => <Percent ratio={one.weight} />,
        },
        {
          key: "moved",
          right: true,
          head: t("portfolio.moved"),
          cell: (one) => <Money amount={one.moved} asset={plan.asset} signed />,
        },
        {
          key: "trade",
          wide: true,
          right: true,
          head: t("portfolio.trade"),
          cell: (one) => <Money amount={one.trade} asset={plan.asset} marked />,
        },
        { key: "why", wide: true, head: t("portfolio.why"), cell: (one) => t(`portfolio.whys.${one.why}`) },
      ]}
    />
  )
}

/** A rebalance, or a way back to an earlier one: looked at first, then done. */
export function Rebalance({
  id,
  backTo,
  onClose,
}: {
  id: string
  backTo: number | null
  onClose: () => void
}) {
  const { t } = useTranslation()
  const order = { portfolioId: id, backTo }
  const preview = useAct(
    async (body: Order) => (await client.POST("/api/v1/portfolio/rebalance", { body })).data!,
  )
  const act = useAct(
    async (body: Order, key) =>
      (await client.POST("/api/v1/portfolio/rebalance", { params: { header: key }, body })).data!,
  )
  const { mutate } = preview
  useEffect(() => {
    mutate({ portfolioId: id, backTo, dryRun: true, reason: "preview" })
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once for each order
  }, [id, backTo])
  const plan = act.data ?? preview.data
  const title = backTo === null ? t("portfolio.preview") : t("portfolio.rollBackTo", { number: backTo })
  return (
    <Dialog title={title} onClose={onClose}>
      {!plan && !preview.error && <Skeleton rows={4} />}
      {preview.error && <Failed error={preview.error} />}
      {plan && (
        <div className="space-y-3">
          <Moves plan={plan} />
          <Facts
            rows={[
              [t("portfolio.turnover"), <Percent key="t" ratio={plan.turnover} />],
              [t("portfolio.cost"), <Money key="c" amount={plan.cost} asset={plan.asset} />],
            ]}
          />
          {act.data ? (
            <p role="status">{t("portfolio.done")}</p>
          ) : (
            <form
              className="space-y-3"
              onSubmit={(event) => act.mutate({ ...order, dryRun: false, reason: given(event).reason! })}
            >
              <Reason label={t("portfolio.reason")} error={act.refused("reason")} />
              {act.error && <Failed error={act.error} />}
              <Button type="submit" intent="primary" disabled={act.isPending}>
                {t("portfolio.doIt")}
              </Button>
            </form>
          )}
        </div>
      )}
    </Dialog>
  )
}
