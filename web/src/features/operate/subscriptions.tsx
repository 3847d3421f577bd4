import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Card, PageHead } from "@/ui/card"
import { Choice } from "@/ui/field"
import { Money, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import type { State } from "../invest/holdings"
import { useWaits } from "../trace/waits"
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

/** Everybody's subscriptions: those that are stuck first, with why; then all, by the state they are in. */
export default function Subscriptions() {
  const { t } = useTranslation()
  const [status, setStatus] = useUrl<State | "ALL">("status", "ALL", ["ALL", ...STATES])
  const counts = api.useQuery("get", "/api/v1/operations/overview").data?.subscriptions
  const list = useSubscriptions(["subscriptions", status], status === "ALL" ? {} : { status })
  const stuck = useSubscriptions(["subscriptions", "stuck"], { stuck: true })
  const options = Object.fromEntries([
    ["ALL", t("kinds.all")],
    ...STATES.map((one) => {
      const count = counts?.[one.toLowerCase() as "active"]?.now
      return [one, count == null ? t(`states.${one}`) : `${t(`states.${one}`)} (${count})`]
    }),
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
      {status === "ALL" && (
        <List title={t("waits.stuckTitle")} query={stuck} empty={t("waits.noneStuck")} rows={3} />
      )}
      <List title={t("waits.all")} query={list} empty={t("operation.noneIn")} rows={10} />
    </>
  )
}

type Row = Schemas["SubscriptionSummary"]

/** Subscriptions of a kind, page by page. */
export function useSubscriptions(
  key: readonly string[],
  asked: { status?: State; stuck?: boolean; batch?: string },
) {
  return useList<Row>(key, async (cursor) => {
    const { data } = await client.GET("/api/v1/managed-subscriptions", {
      params: { query: { ...asked, cursor, limit: 200 } },
    })
    return data!
  })
}

/** Subscriptions, each with what it waits for. */
export function List({
  title,
  query,
  empty,
  rows: size,
}: {
  title: string
  query: ReturnType<typeof useSubscriptions>
  empty: string
  rows: number
}) {
  const { t } = useTranslation()
  const shared = useSubscriptionColumns()
  const say = useWaits()
  return (
    <Card title={title} flush={!!query.data?.length}>
      <Loaded query={query} rows={size}>
        {(rows) => (
          <Table
            label={title}
            rows={rows}
            id={(row) => row.subscriptionId}
            to={(row) => `/subscriptions/${row.subscriptionId}`}
            empty={<Empty title={empty} />}
            more={query.more}
            columns={[
              {
                key: "id",
                head: t("operation.subscription"),
                cell: (row) => row.subscriptionId.slice(0, 8),
              },
              ...shared,
              {
                key: "waits",
                head: t("waits.title"),
                cell: (row) =>
                  row.waits ? (
                    <span title={say(row.waits)} className={row.waits.late ? "text-warn" : undefined}>
                      {shorten(say(row.waits))}
                    </span>
                  ) : (
                    "–"
                  ),
              },
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
                wide: true,
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
  )
}

const LONGEST = 96
const shorten = (text: string) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text)
