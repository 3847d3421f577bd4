import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Badge } from "@/ui/badge"
import { Card } from "@/ui/card"
import { Change, Money, Percent, Quantity, Time } from "@/ui/shown"
import { Empty } from "@/ui/states"
import { Table } from "@/ui/table"

type Overview = Schemas["OverviewView"]

export function Pools({ income, asset }: { income: Overview["income"]; asset: string }) {
  const { t } = useTranslation()
  const rows = income.pools
  return (
    <Card
      title={t("kinds.pools")}
      flush={rows.length > 0}
      actions={
        <span className="text-muted-foreground text-xs">
          {income.day} · <Money amount={income.accrued} asset={asset} /> ·{" "}
          {t("operation.holdings", { count: income.holdings })}
        </span>
      }
    >
      <Table
        label={t("kinds.pools")}
        rows={rows}
        id={(row) => row.id}
        empty={<Empty title={t("discover.none")} />}
        columns={[
          { key: "name", head: t("holding.name"), cell: (row) => row.name },
          {
            key: "rate",
            head: t("pool.daily"),
            right: true,
            cell: (row) => <Percent ratio={row.dailyRate} exact />,
          },
          {
            key: "term",
            head: t("pool.term"),
            cell: (row) =>
              row.termDays === null ? t("pool.flexible") : t("common.days", { count: row.termDays }),
          },
          {
            key: "sold",
            head: t("pool.sold"),
            right: true,
            cell: (row) => <Money amount={row.soldAmount} asset={row.asset} />,
          },
          {
            key: "quota",
            head: t("pool.quota"),
            right: true,
            cell: (row) => <Money amount={row.totalQuota} asset={row.asset} />,
          },
          {
            key: "next",
            head: t("pools.nextRate"),
            right: true,
            cell: (row) =>
              row.nextRate && (
                <>
                  <Percent ratio={row.nextRate} exact /> · {row.nextRateFrom}
                </>
              ),
          },
          {
            key: "accrued",
            head: t("operation.accrued"),
            right: true,
            cell: (row) => <Money amount={row.accrued} asset={row.asset} />,
          },
          { key: "through", head: t("pool.through"), cell: (row) => row.accruedThrough },
        ]}
      />
    </Card>
  )
}

export function Workers({ seen }: { seen: Overview }) {
  const { t } = useTranslation()
  return (
    <Card
      title={t("operation.workers")}
      flush={seen.workers.length > 0}
      actions={
        <span className="text-muted-foreground text-xs">
          {t("operation.marks", { count: seen.feed.instruments })} <Time at={seen.feed.newestMark} />
        </span>
      }
    >
      <Table
        label={t("operation.workers")}
        rows={seen.workers}
        id={(row) => row.id}
        empty={<Empty title={t("operation.noWorkers")} />}
        columns={[
          { key: "id", head: t("operation.worker"), cell: (row) => row.id },
          {
            key: "state",
            head: t("common.state"),
            cell: (row) => (
              <Badge tone={row.silentSeconds > 15 ? "bad" : "good"}>
                {row.silentSeconds > 15 ? t("operation.silent") : t("operation.up")}
              </Badge>
            ),
          },
          {
            key: "leads",
            head: t("operation.leads"),
            cell: (row) => (row.leads ? t("common.yes") : t("common.no")),
          },
          { key: "tick", head: t("operation.lastTick"), cell: (row) => <Time at={row.tickAt} /> },
        ]}
      />
    </Card>
  )
}

export function Settled({ rows }: { rows: Overview["traces"] }) {
  const { t } = useTranslation()
  return (
    <Card title={t("operation.settled")} flush={rows.length > 0}>
      <Table
        label={t("operation.settled")}
        rows={rows}
        id={(row) => row.id}
        to={(row) => `/subscriptions/${row.id}`}
        empty={<Empty title={t("operation.noneSettled")} />}
        columns={[
          { key: "id", head: t("operation.subscription"), cell: (row) => row.id.slice(0, 8) },
          { key: "investor", head: t("operation.investor"), cell: (row) => row.investor },
          {
            key: "amount",
            head: t("holding.amount"),
            right: true,
            cell: (row) => <Money amount={row.amount} asset={row.asset} />,
          },
          {
            key: "wallet",
            head: t("settlement.toWallet"),
            right: true,
            cell: (row) => <Money amount={row.toWallet} asset={row.asset} />,
          },
          {
            key: "return",
            head: t("operation.return"),
            right: true,
            cell: (row) => <Change ratio={row.return} />,
          },
          { key: "at", head: t("settlement.at"), cell: (row) => <Time at={row.settledAt} /> },
          {
            key: "product",
            head: t("operation.product"),
            cell: (row) =>
              [
                t(`profiles.${row.profile as "balanced"}`),
                t("common.days", { count: row.termDays }),
                t(`tiers.${row.tier as "gold"}`, { defaultValue: row.tier }),
              ].join(" · "),
          },
          {
            key: "deviation",
            head: t("operation.deviation"),
            cell: (row) => t(`levels.${row.deviationLevel as "NORMAL"}`),
          },
        ]}
      />
    </Card>
  )
}

export function Signals({ rows }: { rows: readonly Schemas["LatestSignal"][] }) {
  const { t } = useTranslation()
  return (
    <Card title={t("flow.signals")} flush={rows.length > 0}>
      <Table
        label={t("flow.signals")}
        rows={rows}
        id={(row) => row.id}
        empty={<Empty title={t("flow.noSignals")} />}
        columns={[
          { key: "at", head: t("common.time"), cell: (row) => <Time at={row.createdAt} /> },
          {
            key: "flow",
            head: t("allocation.flow"),
            cell: (row) => (
              <Link to={`/flows/${row.flowId}`} className="text-primary hover:underline">
                {row.flow}
              </Link>
            ),
          },
          { key: "symbol", head: t("common.symbol"), cell: (row) => row.symbol },
          {
            key: "before",
            head: t("operation.before"),
            right: true,
            cell: (row) => <Percent ratio={row.previousTarget} signed />,
          },
          {
            key: "target",
            head: t("operation.target"),
            right: true,
            cell: (row) => <Percent ratio={row.target} signed />,
          },
          {
            key: "price",
            head: t("common.price"),
            right: true,
            cell: (row) => <Quantity value={row.referencePrice} />,
          },
        ]}
      />
    </Card>
  )
}
