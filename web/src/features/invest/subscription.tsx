import { useParams } from "@tanstack/react-router"
import { useMemo, useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay, useUser } from "@/api/session"
import { formatPercent } from "@/lib/format"
import { given, useAct } from "@/lib/form"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { NumberField } from "@/ui/field"
import { AsOf, Id, Money, Named, Percent, Said, Time } from "@/ui/shown"
import { Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { TimeChart, type Line } from "@/ui/time-chart"
import { Timeline } from "../trace/timeline"
import { WhyNotSettled } from "../trace/waits"
import { STATE_TONES } from "./holdings"

type Detail = Schemas["SubscriptionDetail"]

export default function Subscription() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const path = { subscription_id: id }
  const user = useUser()
  const query = api.useQuery("get", "/api/v1/managed-subscriptions/{subscription_id}", { params: { path } })
  return (
    <Loaded query={query} rows={8}>
      {(one) => (
        <>
          <PageHead
            title={`${t(`profiles.${one.product.profile}`)} · ${t("common.days", { count: one.product.termDays })}`}
          >
            <Badge tone={STATE_TONES[one.status]}>{t(`states.${one.status}`)}</Badge>
            <AsOf at={one.performance.asOf} method="TWR" />
            {one.investorId !== user?.id && (
              <Badge>
                {t("operation.investor")} <Named id={one.investorId} name={one.investorName} />
              </Badge>
            )}
            <Id id={one.subscriptionId} />
            <div className="ml-auto">
              <Leave one={one} />
            </div>
          </PageHead>
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
            <Figure label={t("holding.amount")}>
              <Money amount={one.amount} asset={one.asset} />
            </Figure>
            <Figure label={t("holding.worth")}>
              <Money amount={one.performance.currentValue} asset={one.asset} />
            </Figure>
            <Figure label={t("holding.gain")}>
              <Money amount={one.performance.profit} asset={one.asset} signed />
            </Figure>
            <Figure
              label={t("holding.expected")}
              note={
                <>
                  <Percent ratio={one.performance.annualReturn} /> {t("common.aYear")} ·{" "}
                  {one.settlement && one.performance.deviationLevel === "INSUFFICIENT"
                    ? t("levels.SHORT")
                    : t(`levels.${one.performance.deviationLevel}`)}
                </>
              }
            >
              <Money amount={one.performance.expectedGain} asset={one.asset} signed />
            </Figure>
          </div>
          <WhyNotSettled waits={one.waits} />
          {one.liquidation && <Liquidation part={one.liquidation} />}
          <div className="grid gap-4 xl:grid-cols-[2fr_1fr]">
            <Nav one={one} />
            <Settlement one={one} />
          </div>
          <Allocation one={one} />
          <Card title={t("trace.title")}>
            <Timeline id={id} />
          </Card>
        </>
      )}
    </Loaded>
  )
}

/** NAV beside what was promised: a straight line at the expected yearly rate. */
function Nav({ one }: { one: Detail }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const query = api.useQuery("get", "/api/v1/managed-subscriptions/{subscription_id}/nav", {
    params: { path: { subscription_id: one.subscriptionId } },
  })
  const points = query.data?.points
  const lines = useMemo((): Line[] => {
    if (!points?.length) return []
    const begin = Date.parse(points[0]!.at)
    const yearly = Number(one.performance.annualReturn)
    return [
      {
        name: t("holding.nav"),
        as: "area",
        color: "--primary",
        percent: true,
        points: points.map((point) => ({ at: point.at, value: Number(point.return) })),
      },
      {
        name: t("holding.expected"),
        as: "dashed",
        color: "--muted-foreground",
        percent: true,
        points: points.map((point) => ({
          at: point.at,
          value: (yearly * (Date.parse(point.at) - begin)) / (365 * 86_400_000),
        })),
      },
    ]
  }, [points, one.performance.annualReturn, t])
  return (
    <Card title={t("holding.navTitle")}>
      <Loaded query={query} rows={6}>
        {(nav) =>
          nav.points.length > 1 ? (
            <TimeChart
              tall
              lines={lines}
              summary={t("holding.navSummary", {
                value: formatPercent(nav.points.at(-1)!.return, preferences),
              })}
            />
          ) : (
            <p className="text-muted-foreground">{t("holding.noNav")}</p>
          )
        }
      </Loaded>
    </Card>
  )
}

function Settlement({ one }: { one: Detail }) {
  const { t } = useTranslation()
  const paid = one.settlement
  const money = (amount: string, signed = false) => (
    <Money amount={amount} asset={one.asset} signed={signed} />
  )
  return (
    <Card title={paid ? t("settlement.title") : t("holding.dates")}>
      <Facts
        rows={
          paid
            ? [
                [t("settlement.at"), <Time key="t" at={paid.settledAt} />],
                [t("settlement.equity"), money(paid.equity)],
                [t("fees.management"), money(paid.managementFee)],
                [t("fees.hurdle"), money(paid.hurdle)],
                [t("fees.profitShare"), money(paid.profitShare)],
                [t("settlement.toCreators"), money(paid.toCreators)],
                [t("settlement.toPlatform"), money(paid.toPlatform)],
                [t("settlement.toReferrers"), money(paid.toReferrers)],
                [t("settlement.toWallet"), money(paid.toWallet)],
              ]
            : [
                [t("holding.since"), <Time key="s" at={one.subscribedAt} />],
                [t("holding.activated"), <Time key="a" at={one.activatedAt} />],
                [t("holding.matures"), <Time key="m" at={one.maturesAt} />],
                [t("holding.reserved"), money(one.reservation.reservedAmount)],
                [t("holding.released"), money(one.reservation.releasedAmount)],
              ]
        }
      />
    </Card>
  )
}

/** Why a subscription is not settled yet: what closing it met, and when it is tried again. */
function Liquidation({ part }: { part: Schemas["LiquidationPart"] }) {
  const { t } = useTranslation()
  if (part.liquidatedAt) return null
  return (
    <Card title={t("liquidation.title")} className="border-warn/50">
      <Facts
        rows={[
          [t("liquidation.door"), t(`doors.${part.door}`)],
          [t("liquidation.requested"), <Time key="r" at={part.requestedAt} />],
          [t("liquidation.attempts"), part.attempts],
          [
            t("liquidation.reason"),
            part.reason ? <Said key="w" words={part.reason} /> : t("liquidation.noReason"),
          ],
          [t("liquidation.next"), <Time key="n" at={part.nextRetryAt} />],
        ]}
      />
    </Card>
  )
}

function Allocation({ one }: { one: Detail }) {
  const { t } = useTranslation()
  return (
    <Card
      title={t("allocation.title")}
      flush
      actions={
        <Badge>
          {t("allocation.last")} <Time at={one.allocation.lastRebalanceAt} />
        </Badge>
      }
    >
      <Table
        label={t("allocation.title")}
        rows={one.allocation.traders}
        id={(row) => row.flowId}
        to={(row) => `/flows/${row.flowId}`}
        empty={t("state.nothing")}
        columns={[
          { key: "flow", head: t("allocation.flow"), cell: (row) => row.title },
          { key: "creator", wide: true, head: t("allocation.creator"), cell: (row) => row.creator },
          {
            key: "weight",
            head: t("allocation.weight"),
            right: true,
            cell: (row) => <Percent ratio={row.weight} />,
          },
          {
            key: "amount",
            head: t("holding.amount"),
            right: true,
            cell: (row) => <Money amount={row.amount} asset={one.asset} />,
          },
          {
            key: "worth",
            head: t("holding.worth"),
            right: true,
            cell: (row) => <Money amount={row.currentValue} asset={one.asset} />,
          },
        ]}
      />
    </Card>
  )
}

/** Take a part out, or all of it, with what that means said before it is done. */
function Leave({ one }: { one: Detail }) {
  const { t } = useTranslation()
  const may = useMay("subscribe")
  const [open, setOpen] = useState(false)
  const act = useAct(
    async (amount: string | null, key) =>
      (
        await client.POST("/api/v1/managed-subscriptions/{subscription_id}/withdraw", {
          params: { path: { subscription_id: one.subscriptionId }, header: key },
          body: amount ? { amount } : null,
        })
      ).data!,
    () => setOpen(false),
  )
  if (!may || !["ACTIVE", "MATURED"].includes(one.status)) return null
  return (
    <>
      <Button intent="danger" onClick={() => setOpen(true)}>
        {t("leave.title")}
      </Button>
      {open && (
        <Dialog title={t("leave.title")} onClose={() => setOpen(false)}>
          <form className="space-y-3" onSubmit={(event) => act.mutate(given(event).amount || null)}>
            <p>
              {one.status === "MATURED"
                ? t("leave.matured")
                : one.product.earlyExit
                  ? t("leave.early")
                  : t("leave.notYet")}
            </p>
            <Facts
              rows={[
                [
                  t("holding.worth"),
                  <Money key="w" amount={one.performance.currentValue} asset={one.asset} />,
                ],
                [
                  t("holding.gain"),
                  <Money key="g" amount={one.performance.profit} asset={one.asset} signed />,
                ],
              ]}
            />
            <p className="text-muted-foreground">{t("leave.costs")}</p>
            <NumberField
              name="amount"
              label={t("leave.part", { asset: one.asset })}
              hint={t("leave.partHint")}
              error={act.refused("amount")}
            />
            {act.error && <Failed error={act.error} />}
            <Button type="submit" intent="danger" disabled={act.isPending}>
              {t("leave.title")}
            </Button>
          </form>
        </Dialog>
      )}
    </>
  )
}
