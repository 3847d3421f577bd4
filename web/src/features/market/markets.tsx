import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { Card, PageHead } from "@/ui/card"
import { Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

/** Everything that is traded here, with what it was marked at last; each leads to its book. */
export default function Markets() {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/market/instruments")
  return (
    <>
      <PageHead title={t("pages.markets")} />
      <Card flush={!!query.data?.length}>
        <Loaded query={query} rows={6}>
          {(rows) => (
            <Table
              label={t("pages.markets")}
              rows={rows}
              id={(row) => `${row.venue} ${row.symbol}`}
              to={(row) => `/markets/${row.symbol}?venue=${row.venue}`}
              empty={<Empty title={t("market.noDatasets")} />}
              columns={[
                {
                  key: "symbol",
                  head: t("common.symbol"),
                  cell: (row) => row.symbol,
                  sort: (row) => row.symbol,
                },
                {
                  key: "venue",
                  head: t("exposure.by_venue"),
                  cell: (row) => row.venue,
                  sort: (row) => row.venue,
                },
                {
                  key: "mark",
                  head: t("exposure.mark"),
                  right: true,
                  cell: (row) => <Quantity value={row.mark} />,
                },
                {
                  key: "at",
                  head: t("exposure.markAsOf"),
                  wide: true,
                  cell: (row) => <Time at={row.markAsOf} />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  )
}
