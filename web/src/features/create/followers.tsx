import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { Badge } from "@/ui/badge"
import { Card } from "@/ui/card"
import { Id, Money, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

type Follower = Schemas["FlowFollower"]

/** Who follows a flow of one's own with how much, and who left. */
export function Followers({ id }: { id: string }) {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/co-trading/flows/{flow_id}/followers", {
    params: { path: { flow_id: id }, query: { limit: 100 } },
  })
  return (
    <Card
      title={t("followers.title")}
      flush
      actions={
        query.data &&
        query.data.total > query.data.items.length && (
          <span className="text-muted-foreground text-xs">
            {t("executions.shown", { count: query.data.items.length, total: query.data.total })}
          </span>
        )
      }
    >
      <Loaded query={query}>
        {({ items }) => (
          <Table<Follower>
            label={t("followers.title")}
            rows={items}
            id={(row) => row.subscriptionId}
            empty={<Empty title={t("followers.none")} />}
            columns={[
              { key: "who", head: t("executions.follower"), cell: (row) => <Id id={row.followerId} /> },
              {
                key: "how",
                head: t("common.kind"),
                cell: (row) => (row.managed ? t("followers.managed") : t("followers.copy")),
              },
              {
                key: "state",
                head: t("common.state"),
                sort: (row) => row.status,
                cell: (row) => (
                  <Badge tone={row.status === "active" ? "strong" : "plain"}>
                    {t(`followers.states.${row.status}`)}
                  </Badge>
                ),
              },
              {
                key: "amount",
                head: t("holding.amount"),
                right: true,
                sort: (row) => Number(row.investmentAmount),
                cell: (row) => <Money amount={row.investmentAmount} asset={row.currency} />,
              },
              {
                key: "worth",
                head: t("holding.worth"),
                right: true,
                cell: (row) => <Money amount={row.currentValue} asset={row.currency} />,
              },
              {
                key: "gain",
                head: t("holding.gain"),
                right: true,
                cell: (row) => <Money amount={row.profitLoss} asset={row.currency} signed />,
              },
              { key: "since", head: t("holding.since"), cell: (row) => <Time at={row.subscribedAt} /> },
              { key: "left", head: t("followers.left"), cell: (row) => <Time at={row.leftAt} /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
