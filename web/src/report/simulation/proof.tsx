import { useTranslation } from "react-i18next"
import { compare } from "@/lib/decimal"
import { Badge } from "@/ui/badge"
import { Card, Facts } from "@/ui/card"
import { AsOf, Money, Quantity } from "@/ui/shown"
import { Table } from "@/ui/table"
import { useAccountKinds } from "@/features/invest/names"
import { COUNTS } from "./data"
import { Pair, type Part } from "./parts"

/** Whether the books agree with themselves and with the venue, and by which digests a replay is known again. */
export function Proof({ of }: Part) {
  return (
    <>
      <Findings of={of} />
      <Reconciled of={of} />
      <Pair>
        <Counts of={of} />
        <Balances of={of} />
      </Pair>
      <Digests of={of} />
    </>
  )
}

function Findings({ of: { verify } }: Part) {
  const { t } = useTranslation()
  if (!verify.findings.length) return null
  return (
    <Card title={t("simulation.findings")} className="border-bad/40">
      <ul className="list-disc space-y-1 pl-5">
        {verify.findings.map((one) => (
          <li key={one}>{one}</li>
        ))}
      </ul>
    </Card>
  )
}

function Reconciled({ of: { reconciliation } }: Part) {
  const { t } = useTranslation()
  const columns = ["venue", "ledger", "explained", "unexplained"] as const
  return (
    <Card title={t("simulation.reconciliation.title")} flush actions={<AsOf at={reconciliation.asOf} />}>
      <Table
        label={t("simulation.reconciliation.title")}
        rows={reconciliation.lines}
        id={(row) => row.subject}
        empty={t("state.nothing")}
        columns={[
          { key: "subject", head: t("simulation.reconciliation.subject"), cell: (row) => row.subject },
          ...columns.map((name) => ({
            key: name,
            head: t(`simulation.reconciliation.${name}`),
            right: true,
            cell: (row: (typeof reconciliation.lines)[number]) =>
              name === "unexplained" && compare(row[name], "0") !== 0 ? (
                <Badge tone="bad">
                  <Quantity value={row[name]} />
                </Badge>
              ) : (
                <Quantity value={row[name]} />
              ),
          })),
        ]}
      />
    </Card>
  )
}

function Counts({ of: { counts } }: Part) {
  const { t } = useTranslation()
  const status = counts.executionStatus.map(
    (row) =>
      [
        `${t("simulation.counts.executions")}: ${t(`executionStatus.${row.status}`)}`,
        row.executions,
      ] as const,
  )
  return (
    <Card title={t("simulation.counts.title")}>
      <Facts
        rows={[
          ...COUNTS.map((name) => [t(`simulation.counts.${name}`), counts[name]] as const),
          ...status,
        ].map(([name, count]) => [name, <Quantity key={name} value={count} />])}
      />
    </Card>
  )
}

function Balances({ of: { ledger } }: Part) {
  const { t } = useTranslation()
  const called = useAccountKinds()
  return (
    <Card
      title={t("simulation.balances.title")}
      flush
      actions={Object.entries(ledger.totals).map(([asset, total]) => (
        <Badge key={asset} tone={compare(total, "0") === 0 ? "good" : "bad"}>
          {t("simulation.balances.sum")} <Money amount={total} asset={asset} />
        </Badge>
      ))}
    >
      <Table
        label={t("simulation.balances.title")}
        rows={ledger.balances}
        id={(row) => `${row.kind}:${row.ownerKind}:${row.asset}`}
        empty={t("state.nothing")}
        columns={[
          {
            key: "kind",
            head: t("simulation.balances.kind"),
            cell: (row) => <span title={row.kind}>{called(row.kind)}</span>,
          },
          { key: "owner", head: t("simulation.balances.owner"), cell: (row) => t(`owners.${row.ownerKind}`) },
          {
            key: "accounts",
            head: t("simulation.balances.accounts"),
            right: true,
            cell: (row) => <Quantity value={row.accounts} />,
          },
          {
            key: "balance",
            head: t("simulation.balances.balance"),
            right: true,
            cell: (row) => <Money amount={row.balance} asset={row.asset} />,
          },
        ]}
      />
    </Card>
  )
}

function Digests({ of }: Part) {
  const { t } = useTranslation()
  return (
    <Card title={t("simulation.digests.title")}>
      <dl className="space-y-2">
        {(["scenario", "allocation", "ledger"] as const).map((name) => (
          <div key={name} className="sm:flex sm:gap-6">
            <dt className="text-muted-foreground w-24 shrink-0">{t(`simulation.digests.${name}`)}</dt>
            <dd className="min-w-0">
              <code className="text-xs break-all">{of[name].digest}</code>
            </dd>
          </div>
        ))}
      </dl>
      <p className="text-muted-foreground mt-3 text-xs">{t("simulation.digests.why")}</p>
    </Card>
  )
}
