import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useUser } from "@/api/session"
import { useList } from "@/lib/lists"
import { Badge } from "@/ui/badge"
import { Card, Figure, PageHead } from "@/ui/card"
import { Id, Money, Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

type Referred = Schemas["Referred"]

/** Whom somebody brought, directly and through others, and what their settlements brought in return. */
export default function Referrals() {
  const { t } = useTranslation()
  const user = useUser()!
  const query = api.useQuery("get", "/api/v1/referrals/mine", { params: { query: { limit: 1 } } })
  const earned = api.useQuery("get", "/api/v1/wallet/earnings")
  const balances = api.useQuery("get", "/api/v1/wallet/balances")
  const link = `${location.origin}/register?referrer=${encodeURIComponent(user.username)}`
  return (
    <>
      <PageHead title={t("pages.referrals")} />
      <Card title={t("referrals.link")}>
        <code className="break-all">{link}</code>
        <p className="text-muted-foreground mt-1 text-xs">{t("referrals.why")}</p>
      </Card>
      <Loaded query={query} rows={4}>
        {({ tree }) => (
          <>
            <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
              <Figure label={t("referrals.direct")}>
                <Quantity value={tree.filter((one) => one.level === 1).length} />
              </Figure>
              <Figure label={t("referrals.all")}>
                <Quantity value={tree.length} />
              </Figure>
              <Loaded query={earned} rows={2}>
                {({ income, asset }) => (
                  <>
                    <Figure label={t("referrals.earned")}>
                      <Money amount={income.referral} asset={asset} />
                    </Figure>
                    <Figure label={t("referrals.toCome")}>
                      <Money
                        amount={balances.data?.find((one) => one.asset === asset)?.pendingReferral}
                        asset={asset}
                      />
                    </Figure>
                  </>
                )}
              </Loaded>
            </div>
            <Card title={t("referrals.tree")}>
              {tree.length ? <Branch below={user.id} tree={tree} /> : <Empty title={t("referrals.nobody")} />}
            </Card>
          </>
        )}
      </Loaded>
      <Commissions />
    </>
  )
}

/** The people whom one person brought, each with those whom they brought. */
function Branch({ below, tree }: { below: string; tree: readonly Referred[] }) {
  const { t } = useTranslation()
  const people = tree.filter((one) => one.referrerId === below)
  if (!people.length) return null
  return (
    <ul className="space-y-1 border-l pl-4">
      {people.map((one) => (
        <li key={one.userId} className="space-y-1">
          <span className="flex flex-wrap items-center gap-2">
            <span className="font-medium break-all">{one.username}</span>
            <Badge>{t("referrals.level", { level: one.level })}</Badge>
            <span className="text-muted-foreground text-xs">
              <Time at={one.joinedAt} />
            </span>
          </span>
          <Branch below={one.userId} tree={tree} />
        </li>
      ))}
    </ul>
  )
}

function Commissions() {
  const { t } = useTranslation()
  const list = useList(["commissions"], async (cursor) => {
    const { data } = await client.GET("/api/v1/referrals/mine", { params: { query: { cursor, limit: 100 } } })
    return { items: data!.commissions, nextCursor: data!.nextCursor }
  })
  return (
    <Card title={t("referrals.commissions")} flush>
      <Loaded query={list}>
        {(rows) => (
          <Table
            label={t("referrals.commissions")}
            rows={rows}
            id={(row) => `${row.settlementId} ${row.level}`}
            empty={<Empty title={t("referrals.none")} />}
            more={list.more}
            columns={[
              {
                key: "settlement",
                head: t("settlement.title"),
                cell: (row) => <Id id={row.settlementId} />,
              },
              { key: "level", head: t("trace.level"), sort: (row) => row.level, cell: (row) => row.level },
              {
                key: "amount",
                head: t("holding.amount"),
                right: true,
                sort: (row) => Number(row.amount),
                cell: (row) => <Money amount={row.amount} asset={row.asset} />,
              },
              {
                key: "status",
                head: t("common.state"),
                cell: (row) => (
                  <Badge tone={row.status === "released" ? "good" : "warn"}>
                    {t(`commissionStatus.${row.status}`)}
                  </Badge>
                ),
              },
              {
                key: "release",
                head: t("referrals.release"),
                sort: (row) => row.releaseAt,
                cell: (row) => <Time at={row.releaseAt} />,
              },
              { key: "released", head: t("trace.released"), cell: (row) => <Time at={row.releasedAt} /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
