import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useList } from "@/lib/lists"
import { isDay, present, useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Choice, Field } from "@/ui/field"
import { Money, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { useAct } from "@/lib/form"
import { useMay } from "@/api/session"
import { useMovements } from "./names"

type Type = NonNullable<Schemas["AssetLogEntry"]["type"]>
const TYPES: readonly Type[] = [
  "recharge",
  "withdraw",
  "contract",
  "commission",
  "pool_in",
  "pool_out",
  "income",
]
const FUNDING_TONES: Record<Schemas["Funding"]["status"], Tone> = {
  pending: "warn",
  done: "good",
  rejected: "bad",
  reversed: "bad",
}

/** Every change of the wallet, from the ledger itself, and money asked in and out. */
export default function Activity() {
  const { t } = useTranslation()
  const movement = useMovements()
  const [type, setType] = useUrl<Type | "all">("type", "all", ["all", ...TYPES])
  const [from, setFrom] = useUrl("from", "", isDay)
  const [to, setTo] = useUrl("to", "", isDay)
  const range = {
    ...(type === "all" ? {} : { type }),
    ...(from ? { from: `${from}T00:00:00Z` } : {}),
    ...(to ? { to: `${to}T23:59:59.999999Z` } : {}),
  }
  const log = useList(["asset-log", type, from, to], async (cursor) => {
    const { data } = await client.GET("/api/v1/wallet/asset-log", {
      params: { query: { ...range, cursor, limit: 200 } },
    })
    return data!
  })
  const types = Object.fromEntries(["all", ...TYPES].map((one) => [one, t(`logTypes.${one as Type}`)]))
  return (
    <>
      <PageHead title={t("pages.activity")}>
        <Button asChild className="ml-auto">
          <Link to="/statement" search={present({ from, to }) as never}>
            {t("pages.statement")}
          </Link>
        </Button>
      </PageHead>
      <div className="filters" data-screen-only>
        <Choice
          label={t("common.kind")}
          value={type}
          options={types as Record<Type | "all", string>}
          onChange={setType}
        />
        <Field
          label={t("common.from")}
          type="date"
          value={from}
          onChange={(event) => setFrom(event.target.value)}
        />
        <Field
          label={t("common.to")}
          type="date"
          value={to}
          onChange={(event) => setTo(event.target.value)}
        />
      </div>
      <Card title={t("activity.log")} flush>
        <Loaded query={log} rows={8}>
          {(rows) => (
            <Table
              label={t("activity.log")}
              rows={rows}
              id={(row) => `${row.refNo}:${row.balanceAfter}`}
              empty={<Empty title={t("activity.none")} />}
              more={log.more}
              columns={[
                { key: "at", head: t("common.time"), cell: (row) => <Time at={row.createdAt} seconds /> },
                {
                  key: "type",
                  head: t("common.kind"),
                  cell: (row) => <Badge>{t(`logTypes.${row.type}`)}</Badge>,
                },
                {
                  key: "amount",
                  head: t("holding.amount"),
                  right: true,
                  cell: (row) => <Money amount={row.amount} asset={row.coin} signed />,
                },
                {
                  key: "remark",
                  head: t("activity.remark"),
                  cell: (row) => movement(row.remark),
                },
                {
                  key: "before",
                  head: t("activity.before"),
                  right: true,
                  cell: (row) => <Money amount={row.balanceBefore} asset={row.coin} />,
                },
                {
                  key: "after",
                  head: t("activity.after"),
                  right: true,
                  cell: (row) => <Money amount={row.balanceAfter} asset={row.coin} />,
                },
                {
                  key: "ref",
                  head: t("activity.reference"),
                  cell: (row) => (
                    <code title={row.refNo} className="block max-w-52 truncate text-xs">
                      {row.refNo}
                    </code>
                  ),
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
      <Transfers />
    </>
  )
}

/** Deposits and withdrawals that were asked for, and how they stand. */
function Transfers() {
  const { t } = useTranslation()
  const may = useMay("fund")
  const query = api.useQuery("get", "/api/v1/participation/funding", { params: { query: { limit: 50 } } })
  const cancel = useAct(async (id: string, key) => {
    await client.POST("/api/v1/participation/funding/{request_id}/cancel", {
      params: { path: { request_id: id }, header: key },
    })
  })
  return (
    <Card title={t("activity.transfers")} flush>
      {cancel.error && <Failed error={cancel.error} />}
      <Loaded query={query}>
        {({ items }) => (
          <Table
            label={t("activity.transfers")}
            rows={items}
            id={(row) => row.id}
            empty={<Empty title={t("activity.noTransfers")} />}
            columns={[
              { key: "at", head: t("common.time"), cell: (row) => <Time at={row.createdAt} /> },
              { key: "direction", head: t("common.kind"), cell: (row) => t(`transfer.${row.direction}`) },
              {
                key: "amount",
                head: t("holding.amount"),
                right: true,
                cell: (row) => <Money amount={row.amount} asset={row.asset} />,
              },
              {
                key: "status",
                head: t("common.state"),
                cell: (row) => (
                  <Badge tone={FUNDING_TONES[row.status]}>{t(`fundingStatus.${row.status}`)}</Badge>
                ),
              },
              {
                key: "pay",
                head: t("transfer.reference"),
                cell: (row) => <code className="text-xs">{row.paymentReference}</code>,
              },
              { key: "before", head: t("transfer.notBefore"), cell: (row) => <Time at={row.notBefore} /> },
              {
                key: "act",
                head: "",
                right: true,
                cell: (row) =>
                  may && row.status === "pending" && row.direction === "withdrawal" ? (
                    <Button
                      className="h-6"
                      intent="danger"
                      disabled={cancel.isPending}
                      onClick={() => cancel.mutate(row.id)}
                    >
                      {t("common.cancel")}
                    </Button>
                  ) : null,
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
