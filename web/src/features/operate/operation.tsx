import { useMemo } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { multiply, subtract } from "@/lib/decimal"
import { formatAmount, formatNumber } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "@/ui/badge"
import { Card, Figure, PageHead } from "@/ui/card"
import { AsOf, Change, Id, Money, Said, Time } from "@/ui/shown"
import { AlertResult } from "../risk/alert-result"
import { RiskLights } from "../risk/lights"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { TimeChart, type Line } from "@/ui/time-chart"
import { Pools, Settled, Signals, Workers } from "./latest"

type Overview = Schemas["OverviewView"]

/** The operation at a glance: what is running, what is stuck, what it is worth, and who watches over it. */
export default function Operation() {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/operations/overview")
  return (
    <Loaded query={query} rows={10}>
      {(seen) => (
        <>
          <PageHead title={t("pages.operation")}>
            <AsOf at={seen.clock.now} />
            <Badge>
              {t(`clock.${seen.clock.mode as "wall"}`)}
              {seen.clock.mode === "paced" && ` × ${seen.clock.pace}`}
            </Badge>
          </PageHead>
          <RiskLights alerts={seen.alerts} />
          <Loop seen={seen} />
          <Sums seen={seen} />
          <Charts seen={seen} />
          <div className="grid gap-4 xl:grid-cols-2">
            <Stuck rows={seen.retries} />
            <Alerts rows={seen.alerts} />
            <Pools income={seen.income} asset={seen.asset} />
            <Workers seen={seen} />
            <Settled rows={seen.traces} />
            <Signals rows={seen.signals} />
          </div>
        </>
      )}
    </Loaded>
  )
}

/** What an index that began with 100 has gained. */
const over = (index: string) => subtract(multiply(index, "0.01"), "1")

const STATES = ["reserved", "active", "matured", "liquidating", "liquidated", "settled", "cancelled"] as const

/** The life of a subscription, with how many stand at each step. */
function Loop({ seen }: { seen: Overview }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const steps = [
    [t("operation.registered"), seen.people.investors, null],
    [t("operation.funded"), seen.people.funded, null],
    ...STATES.map(
      (state) =>
        [
          t(`states.${state.toUpperCase() as "ACTIVE"}`),
          seen.subscriptions[state].now,
          seen.subscriptions[state],
        ] as const,
    ),
  ] as const
  return (
    <Card title={t("operation.loop")}>
      <ol className="grid grid-cols-2 gap-3 sm:grid-cols-3 xl:grid-cols-9">
        {steps.map(([name, count, of], place) => (
          <li key={place} className="border-l-2 pl-3">
            <div className="text-muted-foreground text-xs">{name}</div>
            <div className="num text-lg font-semibold">{formatNumber(count ?? 0, preferences)}</div>
            {of?.lastDay != null && (
              <div className="text-muted-foreground text-xs">
                <div>{t("operation.lastDay", { count: of.lastDay })}</div>
                {of.ever != null && <div>{t("operation.ever", { count: of.ever })}</div>}
              </div>
            )}
          </li>
        ))}
      </ol>
    </Card>
  )
}

function Sums({ seen }: { seen: Overview }) {
  const { t } = useTranslation()
  const { money, asset } = seen
  return (
    <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
      <Figure
        label={t("operation.underManagement")}
        note={
          <>
            {t("common.asOf")} <Time at={money.valuedAt} />
          </>
        }
      >
        <Money amount={money.underManagement} asset={asset} marked />
      </Figure>
      <Figure
        label={t("operation.outstanding")}
        note={
          <>
            {t("states.RESERVED")} <Money amount={money.reserved} />
          </>
        }
      >
        <Money amount={money.outstanding} asset={asset} />
      </Figure>
      <Figure
        label={t("operation.deposited")}
        note={
          <>
            {t("operation.withdrawn")} <Money amount={money.withdrawn} />
          </>
        }
      >
        <Money amount={money.deposited} asset={asset} />
      </Figure>
      <Figure label={t("fees.management")}>
        <Money amount={money.managementFee} asset={asset} />
      </Figure>
      <Figure label={t("settlement.toCreators")}>
        <Money amount={money.toCreators} asset={asset} />
      </Figure>
      <Figure
        label={t("settlement.toPlatform")}
        note={
          <>
            {t("settlement.toReferrers")} <Money amount={money.toReferrers} /> · {t("operation.referralPaid")}{" "}
            <Money amount={money.referralPaid} /> · {t("operation.pending")}{" "}
            <Money amount={money.referralPending} />
          </>
        }
      >
        <Money amount={money.toPlatform} asset={asset} />
      </Figure>
    </div>
  )
}

function Charts({ seen }: { seen: Overview }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const { days, asset } = seen
  const last = days.at(-1)
  const newest = last?.at
  // Days that are over do not change: lines are drawn again when a new one has come.
  const [index, worth] = useMemo(
    (): [Line[], Line[]] => [
      [
        {
          name: t("operation.index"),
          as: "area",
          color: "--primary",
          points: days.flatMap((day) =>
            day.index === null ? [] : [{ at: day.at, value: Number(day.index) }],
          ),
        },
      ],
      [
        {
          name: t("operation.underManagement"),
          as: "area",
          color: "--primary",
          points: days.map((day) => ({ at: day.at, value: Number(day.nav) })),
        },
      ],
    ],
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [newest, days.length, t],
  )
  if (!last || days.length < 2) return null
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      <Card
        title={t("operation.index")}
        actions={<Change ratio={last.index === null ? null : over(last.index)} />}
      >
        <p className="text-muted-foreground mb-2 text-xs">{t("operation.indexMethod")}</p>
        <TimeChart lines={index} summary={t("operation.indexSummary", { value: last.index ?? "–" })} />
      </Card>
      <Card title={`${t("operation.underManagement")} (${asset})`}>
        <TimeChart
          lines={worth}
          summary={t("operation.worthSummary", {
            value: formatAmount(last.nav, preferences, "auto", 8),
            asset,
          })}
        />
      </Card>
    </div>
  )
}

/** What could not be closed yet, first of all that needs somebody. */
export function Stuck({ rows }: { rows: readonly Schemas["Retry"][] }) {
  const { t } = useTranslation()
  return (
    <Card title={t("operation.stuck")} flush={rows.length > 0}>
      <Table
        label={t("operation.stuck")}
        rows={rows}
        id={(row) => row.id}
        to={(row) => `/subscriptions/${row.id}`}
        empty={<Empty title={t("operation.noneStuck")} />}
        columns={[
          { key: "id", head: t("operation.subscription"), cell: (row) => row.id.slice(0, 8) },
          {
            key: "amount",
            head: t("holding.amount"),
            right: true,
            cell: (row) => <Money amount={row.amount} asset={row.asset} />,
          },
          { key: "attempts", head: t("liquidation.attempts"), right: true, cell: (row) => row.attempts },
          { key: "reason", head: t("liquidation.reason"), cell: (row) => <Said words={row.reason} /> },
          { key: "next", head: t("liquidation.next"), cell: (row) => <Time at={row.nextRetryAt} /> },
        ]}
      />
    </Card>
  )
}

export function Alerts({ rows }: { rows: readonly Schemas["Alert"][] }) {
  const { t } = useTranslation()
  return (
    <Card title={t("operation.alerts")} flush={rows.length > 0}>
      <Table
        label={t("operation.alerts")}
        rows={rows}
        id={(row) => `${row.kind}:${row.subject}:${row.at}`}
        empty={<Empty title={t("operation.noAlerts")} />}
        columns={[
          { key: "at", head: t("common.time"), cell: (row) => <Time at={row.lastAt} /> },
          {
            key: "severity",
            head: t("common.state"),
            cell: (row) => (
              <Badge tone={row.closedAt ? "plain" : row.severity === "critical" ? "bad" : "warn"}>
                {row.closedAt ? t("operation.over") : t(`severity.${row.severity}`)}
              </Badge>
            ),
          },
          {
            key: "kind",
            head: t("common.kind"),
            cell: (row) =>
              t(`alertKinds.${row.kind}` as "alertKinds.alert.flow_failed", { defaultValue: row.kind }) +
              (row.count > 1 ? ` × ${row.count}` : ""),
          },
          { key: "subject", head: t("operation.subject"), cell: (row) => <Id id={row.subject} /> },
          { key: "result", head: t("operation.result"), cell: (row) => <AlertResult of={row} /> },
        ]}
      />
    </Card>
  )
}
