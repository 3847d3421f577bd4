import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Card, PageHead } from "@/ui/card"
import { Choice } from "@/ui/field"
import { Money, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import type { State } from "../invest/holdings"
import { useSubscriptionColumns } from "./subscription-columns"

const STATES: readonly State[] = [
  "LIQUIDATING",
  "MATURED",
  "LIQUIDATED",
  "ACTIVE",
  "RESERVED",
  "SETTLED",
  "CANCELLED",
]

/** Everybody's subscriptions, by the state they are in. */
export default function Subscriptions() {
  const { t } = useTranslation()
  const shared = useSubscriptionColumns()
  const [status, setStatus] = useUrl<State | "ALL">("status", "ALL")
  const list = useList(["subscriptions", status], async (cursor) => {
    const { data } = await client.GET("/api/v1/managed-subscriptions", {
      params: { query: { ...(status === "ALL" ? {} : { status }), cursor, limit: 200 } },
    })
    return data!
  })
  const options = Object.fromEntries([
    ["ALL", t("kinds.all")],
    ...STATES.map((one) => [one, t(`states.${one}`)]),
  ])
  return (
    <>
      <PageHead title={t("pages.subscriptions")}>
        <Choice
          hideLabel
          label={t("common.state")}
          value={status}
          options={options as Record<State | "ALL", string>}
          onChange={setStatus}
        />
      </PageHead>
      <Card flush>
        <Loaded query={list} rows={10}>
          {(rows) => (
            <Table
              label={t("pages.subscriptions")}
              rows={rows}
              id={(row) => row.subscriptionId}
              to={(row) => `/subscriptions/${row.subscriptionId}`}
              empty={<Empty title={t("operation.noneIn")} />}
              more={list.more}
              columns={[
                {
                  key: "id",
                  head: t("operation.subscription"),
                  cell: (row) => row.subscriptionId.slice(0, 8),
                },
                ...shared,
                {
                  key: "gain",
                  head: t("holding.gain"),
                  right: true,
                  cell: (row) => <Money amount={row.performance.profit} asset={row.asset} signed />,
                  sort: (row) => Number(row.performance.profit),
                },
                {
                  key: "level",
                  head: t("operation.deviation"),
                  cell: (row) => t(`levels.${row.performance.deviationLevel}`),
                },
                {
                  key: "since",
                  head: t("holding.since"),
                  cell: (row) => <Time at={row.subscribedAt} />,
                  sort: (row) => row.subscribedAt,
                },
                {
                  key: "until",
                  head: t("holding.matures"),
                  cell: (row) => <Time at={row.maturesAt} />,
                  sort: (row) => row.maturesAt ?? "",
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  )
}
