import { Link, useParams } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { subtract } from "@/lib/decimal"
import { given, useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { AsOf, Id, Money, Percent, Time } from "@/ui/shown"
import { Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { RulesFields, rulesOf, useMethod } from "./portfolio-rules"
import { PORTFOLIO_TONES } from "./portfolios"
import { Rebalance } from "./rebalance"

type Portfolio = Schemas["Portfolio"]

/** One portfolio: target against actual, the plan of a rebalance, what was done, the way back and the way out. */
export default function PortfolioPage() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const path = { portfolio_id: id }
  const may = useMay("copy")
  const [order, setOrder] = useState<{ backTo: number | null } | null>(null)
  const [changing, setChanging] = useState(false)
  const [closing, setClosing] = useState(false)
  const query = api.useQuery("get", "/api/v1/portfolios/{portfolio_id}", { params: { path } })
  const close = useAct(
    async () => {
      await client.DELETE("/api/v1/portfolios/{portfolio_id}", { params: { path } })
    },
    () => setClosing(false),
  )
  return (
    <Loaded query={query} rows={6}>
      {(one) => (
        <>
          <PageHead title={one.name}>
            <Badge tone={PORTFOLIO_TONES[one.status]}>{t(`portfolio.status.${one.status}`)}</Badge>
            <AsOf at={one.asOf} />
            <Id id={one.id} />
            {may && one.status === "active" && (
              <div className="ml-auto flex gap-2">
                <Button intent="primary" onClick={() => setOrder({ backTo: null })}>
                  {t("portfolio.rebalance")}
                </Button>
                <Button onClick={() => setChanging(true)}>{t("portfolio.changeRules")}</Button>
                <Button intent="danger" onClick={() => setClosing(true)}>
                  {t("portfolio.close")}
                </Button>
              </div>
            )}
          </PageHead>
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
            <Figure label={t("portfolio.equity")}>
              <Money amount={one.equity} asset={one.asset} />
            </Figure>
            <Figure label={t("portfolio.paidIn")}>
              <Money amount={one.paidIn} asset={one.asset} />
            </Figure>
            <Figure label={t("holding.gain")}>
              <Money amount={subtract(one.equity, one.paidIn)} asset={one.asset} signed />
            </Figure>
            <Figure label={t("portfolio.drift")} note={t("portfolio.driftWhy")}>
              <Percent ratio={one.drift} />
            </Figure>
          </div>
          <Parts one={one} />
          <Card title={t("portfolio.rules")}>
            <Facts
              rows={[
                [t("portfolio.method"), t(`portfolio.methods.${one.rules.method}`)],
                [t("portfolio.targetVolatility"), <Percent key="v" ratio={one.rules.targetVolatility} />],
                [t("portfolio.total"), <Percent key="a" ratio={one.rules.total} />],
                [t("portfolio.floor"), <Percent key="f" ratio={one.rules.floor} />],
                [t("portfolio.cap"), <Percent key="c" ratio={one.rules.cap} />],
                [t("portfolio.band"), <Percent key="b" ratio={one.rules.band} />],
                [t("portfolio.step"), <Percent key="s" ratio={one.rules.step} />],
                [t("portfolio.turnoverMost"), <Percent key="t" ratio={one.rules.turnover} />],
                [t("portfolio.automatic"), t(one.rules.automatic ? "common.yes" : "common.no")],
                [t("portfolio.version"), one.rulesVersion],
              ]}
            />
          </Card>
          <History
            id={id}
            back={may && one.status === "active" ? (backTo) => setOrder({ backTo }) : undefined}
          />
          {order && <Rebalance id={id} backTo={order.backTo} onClose={() => setOrder(null)} />}
          {changing && <ChangeRules one={one} onClose={() => setChanging(false)} />}
          {closing && (
            <Dialog title={t("portfolio.close")} onClose={() => setClosing(false)}>
              <p>{t("portfolio.closeWhy")}</p>
              {close.error && <Failed error={close.error} />}
              <Button intent="danger" disabled={close.isPending} onClick={() => close.mutate(undefined)}>
                {t("portfolio.close")}
              </Button>
            </Dialog>
          )}
        </>
      )}
    </Loaded>
  )
}

function Parts({ one }: { one: Portfolio }) {
  const { t } = useTranslation()
  return (
    <Card flush title={t("portfolio.parts")}>
      <Table
        label={t("portfolio.parts")}
        rows={one.parts}
        id={(part) => part.flowId ?? "cash"}
        empty={t("portfolio.none")}
        columns={[
          {
            key: "flow",
            head: t("portfolio.flow"),
            cell: (part) =>
              part.flowId ? (
                <Link to={`/flows/${part.flowId}`} className="text-primary hover:underline">
                  {part.title}
                </Link>
              ) : (
                t("portfolio.cash")
              ),
          },
          {
            key: "weight",
            right: true,
            head: t("portfolio.weight"),
            cell: (part) => <Percent ratio={part.weight} />,
          },
          {
            key: "target",
            right: true,
            head: t("portfolio.target"),
            cell: (part) => <Percent ratio={part.target} />,
          },
          {
            key: "equity",
            right: true,
            wide: true,
            head: t("portfolio.equity"),
            cell: (part) => <Money amount={part.equity} asset={one.asset} />,
          },
          {
            key: "exposure",
            right: true,
            wide: true,
            head: t("portfolio.exposure"),
            cell: (part) => <Money amount={part.exposure} asset={one.asset} marked />,
          },
        ]}
      />
    </Card>
  )
}

function History({ id, back }: { id: string; back?: (number: number) => void }) {
  const { t } = useTranslation()
  const query = useList(["portfolios", id], async (cursor) => {
    const { data } = await client.GET("/api/v1/portfolios/{portfolio_id}/rebalances", {
      params: { path: { portfolio_id: id }, query: { cursor, limit: 50 } },
    })
    return data!
  })
  return (
    <Loaded query={query} rows={3}>
      {(plans) => (
        <Card flush title={t("portfolio.history")}>
          <Table
            label={t("portfolio.history")}
            rows={plans}
            id={(plan) => String(plan.number)}
            more={query.more}
            empty={t("portfolio.noHistory")}
            columns={[
              { key: "number", head: t("portfolio.number"), cell: (plan) => plan.number },
              { key: "at", head: t("portfolio.rebalanced"), cell: (plan) => <Time at={plan.at} /> },
              {
                key: "cause",
                head: t("portfolio.cause"),
                cell: (plan) => t(`portfolio.causes.${plan.cause}`, { number: plan.backTo }),
              },
              {
                key: "turnover",
                right: true,
                wide: true,
                head: t("portfolio.turnover"),
                cell: (plan) => <Percent ratio={plan.turnover} />,
              },
              { key: "reason", wide: true, head: t("portfolio.reason"), cell: (plan) => plan.reason },
              {
                key: "back",
                head: t("portfolio.rollBack"),
                cell: (plan) =>
                  back &&
                  plan.number !== null &&
                  plan.number < plans[0]!.number! && (
                    <Button onClick={() => back(plan.number!)}>{t("portfolio.rollBack")}</Button>
                  ),
              },
            ]}
          />
        </Card>
      )}
    </Loaded>
  )
}

function ChangeRules({ one, onClose }: { one: Portfolio; onClose: () => void }) {
  const { t } = useTranslation()
  const [method, setMethod] = useMethod(one.rules)
  const act = useAct(async (body: Schemas["PortfolioChange"]) => {
    const params = { path: { portfolio_id: one.id } }
    await client.PATCH("/api/v1/portfolios/{portfolio_id}", { params, body })
  }, onClose)
  return (
    <Dialog title={t("portfolio.changeRules")} onClose={onClose}>
      <form
        className="space-y-3"
        onSubmit={(event) => act.mutate({ rules: rulesOf(given(event), method, one.rules) })}
      >
        <p>{t("portfolio.rulesWhy")}</p>
        <RulesFields method={method} onMethod={setMethod} before={one.rules} refused={act.refused} />
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="primary" disabled={act.isPending}>
          {t("portfolio.changeRules")}
        </Button>
      </form>
    </Dialog>
  )
}
