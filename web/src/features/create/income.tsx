import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { add } from "@/lib/decimal"
import { useList } from "@/lib/lists"
import { present } from "@/lib/url"
import { Card, Figure, PageHead } from "@/ui/card"
import { usePeriod } from "@/ui/period"
import { Money, Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

/** What a creator's flows brought: by flow, over a period, down to each share. */
export default function Income() {
  const { t } = useTranslation()
  const [period, periodFields] = usePeriod()
  const asked = present(period)
  const query = api.useQuery("get", "/api/v1/wallet/profit-shares", {
    params: { query: { ...asked, limit: 1 } },
  })
  const list = useList(["profit-shares", asked], async (cursor) => {
    const { data } = await client.GET("/api/v1/wallet/profit-shares", {
      params: { query: { ...asked, cursor, limit: 200 } },
    })
    return data!
  })
  return (
    <>
      <PageHead title={t("pages.income")} />
      <p className="text-muted-foreground">{t("income.why")}</p>
      <div className="filters">{periodFields}</div>
      <Loaded query={query} rows={6}>
        {({ flows, asset }) => (
          <>
            <Figure label={t("income.total")} note={t("income.method")}>
              <Money amount={add("0", ...flows.map((one) => one.amount))} asset={asset} />
            </Figure>
            <Card title={t("income.byFlow")} flush>
              <Table
                label={t("income.byFlow")}
                rows={flows}
                id={(row) => row.flowId ?? ""}
                empty={<Empty title={t("income.none")} />}
                columns={[
                  {
                    key: "flow",
                    head: t("allocation.flow"),
                    cell: (row) =>
                      row.flowId ? (
                        <Link to={`/my-flows/${row.flowId}`} className="text-primary hover:underline">
                          {row.flowTitle}
                        </Link>
                      ) : (
                        t("income.several")
                      ),
                  },
                  {
                    key: "shares",
                    head: t("income.shares"),
                    right: true,
                    cell: (row) => <Quantity value={row.shares} />,
                  },
                  {
                    key: "amount",
                    head: t("holding.amount"),
                    right: true,
                    sort: (row) => Number(row.amount),
                    cell: (row) => <Money amount={row.amount} asset={asset} />,
                  },
                ]}
              />
            </Card>
          </>
        )}
      </Loaded>
      <Card title={t("income.each")} flush>
        <Loaded query={list} rows={6}>
          {(rows) => (
            <Table
              label={t("income.each")}
              rows={rows}
              id={(row) => String(row.version)}
              empty={<Empty title={t("income.none")}>{t("income.next")}</Empty>}
              more={list.more}
              columns={[
                { key: "at", head: t("common.time"), cell: (row) => <Time at={row.at} /> },
                {
                  key: "flow",
                  head: t("allocation.flow"),
                  cell: (row) => row.flowTitle ?? t("income.several"),
                },
                {
                  key: "kind",
                  wide: true,
                  head: t("common.kind"),
                  cell: (row) =>
                    t(`income.kinds.${row.kind}` as "income.kinds.settlement", { defaultValue: row.kind }),
                },
                {
                  key: "amount",
                  head: t("holding.amount"),
                  right: true,
                  cell: (row) => <Money amount={row.amount} asset={query.data?.asset} signed />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  )
}
