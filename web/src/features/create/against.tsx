import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { formatNumber } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Figure } from "@/ui/card"
import { AsOf, Id, Money, Percent, Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

type Comparison = Schemas["FlowComparison"]
type Moment = Schemas["ComparedMoment"]
type Cause = Schemas["CauseTotal"]["cause"]

/** A live flow beside a backtest of what it saw. That is run when it is asked for. */
export function AgainstBacktest({ id }: { id: string }) {
  const { t } = useTranslation()
  const [asked, setAsked] = useState(false)
  const query = api.useQuery(
    "get",
    "/api/v1/co-trading/flows/{flow_id}/comparison",
    { params: { path: { flow_id: id } } },
    { enabled: asked, staleTime: Infinity, retry: false },
  )
  return (
    <Card
      title={t("modes.title")}
      actions={
        <Button disabled={query.isFetching} onClick={() => (asked ? void query.refetch() : setAsked(true))}>
          {t(asked ? "modes.again" : "modes.compare")}
        </Button>
      }
    >
      <p className="text-muted-foreground">{t("modes.why")}</p>
      {asked && (
        <div className="mt-4">
          <Loaded query={query} rows={6}>
            {(found) => <Compared of={found} />}
          </Loaded>
        </div>
      )}
    </Card>
  )
}

function Compared({ of }: { of: Comparison }) {
  const { t } = useTranslation()
  const { backtest, live, agreeing } = of.decisions
  const facts = [
    t(`modes.${of.mode}`),
    t("modes.bars", { count: of.bars }),
    ...(of.oneSidedBars ? [t("modes.oneSided", { count: of.oneSidedBars })] : []),
    ...(of.changedBars ? [t("modes.changed", { count: of.changedBars })] : []),
  ]
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center gap-2">
        {facts.map((fact) => (
          <Badge key={fact}>{fact}</Badge>
        ))}
        <AsOf at={of.ends} />
      </div>
      <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
        <Figure label={t("modes.decisions")} note={t("modes.decisionsNote", { backtest, live })}>
          <span>
            <Quantity value={agreeing} /> / <Quantity value={Math.max(backtest, live)} />
          </span>
        </Figure>
        <Figure label={t("modes.live")}>
          <Money amount={of.result.live} asset={of.currency} signed />
        </Figure>
        <Figure label={t("modes.backtest")}>
          <Money amount={of.result.backtest} asset={of.currency} signed />
        </Figure>
        <Figure label={t("modes.difference")}>
          <Money amount={of.result.difference} asset={of.currency} signed />
        </Figure>
      </div>
      <p className="text-muted-foreground flex flex-wrap gap-x-4 text-xs">
        <span>{t("modes.assumed")}</span>
        <span>
          {t("costs.fees")} <Percent ratio={of.assumed.fee} exact />
        </span>
        <span>
          {t("run.slippage")} <Percent ratio={of.assumed.slippage} exact />
        </span>
      </p>
      <Causes of={of} />
      <Moments of={of} />
    </div>
  )
}

/** What each cause makes; they add up to the difference. */
function Causes({ of }: { of: Comparison }) {
  const { t } = useTranslation()
  return (
    <Card title={t("modes.causes")} flush={of.causes.length > 0}>
      <Table
        label={t("modes.causes")}
        rows={of.causes}
        id={(row) => row.cause}
        empty={<Empty title={t("modes.same")} />}
        columns={[
          { key: "cause", head: t("modes.cause"), cell: (row) => <CauseName of={row.cause} /> },
          {
            key: "amount",
            head: t("modes.difference"),
            right: true,
            sort: (row) => Number(row.amount),
            cell: (row) => <Money amount={row.amount} asset={of.currency} signed />,
          },
          {
            key: "times",
            head: t("modes.times"),
            right: true,
            sort: (row) => row.moments,
            cell: (row) => <Quantity value={row.moments} />,
          },
        ]}
      />
    </Card>
  )
}

function CauseName({ of, amount }: { of: Cause; amount?: string }) {
  const { t } = useTranslation()
  return (
    <Badge tone={of === "unexplained" ? "bad" : "plain"} title={amount}>
      {t(`causes.${of}`)}
    </Badge>
  )
}

/** Each decision and trade of either side, and what came of the difference until the next one. */
function Moments({ of }: { of: Comparison }) {
  const { t } = useTranslation()
  const staff = useMay("overview")
  return (
    <Card
      title={t("modes.moments")}
      flush={of.moments.length > 0}
      actions={
        <span className="text-muted-foreground num text-xs">
          {t("modes.shown", { shown: of.moments.length, count: of.allMoments })}
        </span>
      }
    >
      <Table
        label={t("modes.moments")}
        rows={of.moments}
        id={(row) => `${row.at} ${row.kind} ${row.orderId}`}
        empty={<Empty title={t("modes.noMoments")} />}
        columns={[
          { key: "at", head: t("common.time"), cell: (row) => <Time at={row.at} /> },
          {
            key: "kind",
            wide: true,
            head: t("common.kind"),
            cell: (row) => t(`momentKinds.${row.kind}` as "momentKinds.target", { defaultValue: row.kind }),
          },
          {
            key: "backtest",
            head: t("modes.backtest"),
            right: true,
            cell: (row) => <Side of={row.backtest} />,
          },
          { key: "live", head: t("modes.liveSide"), right: true, cell: (row) => <Side of={row.live} /> },
          {
            key: "difference",
            head: t("modes.difference"),
            right: true,
            cell: (row) => <Money amount={row.difference} signed />,
          },
          { key: "why", head: t("modes.cause"), cell: (row) => <Why of={row} /> },
          ...(staff
            ? [
                {
                  key: "order",
                  head: t("pages.order"),
                  cell: (row: Moment) =>
                    row.orderId && (
                      <Link
                        to={`/orders/${row.orderId}`}
                        className="focusable text-primary rounded hover:underline"
                      >
                        <Id id={row.orderId} />
                      </Link>
                    ),
                },
              ]
            : []),
        ]}
      />
    </Card>
  )
}

/** What one side traded. */
function Side({ of }: { of: Moment["live"] }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  if (of.price === null) return <span>–</span>
  return (
    <span className="num whitespace-nowrap">
      {t("modes.at", {
        quantity: formatNumber(of.quantity, preferences),
        price: formatNumber(of.price, preferences),
      })}
    </span>
  )
}

function Why({ of }: { of: Moment }) {
  const { t } = useTranslation()
  return (
    <span className="flex gap-1">
      {of.why && <Badge tone="warn">{t("modes.apart", { why: t(`causes.${of.why}`) })}</Badge>}
      {of.causes.slice(0, 3).map((one) => (
        <CauseName key={one.cause} of={one.cause} amount={one.amount} />
      ))}
    </span>
  )
}
