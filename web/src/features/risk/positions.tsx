import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useList } from "@/lib/lists"
import { Card } from "@/ui/card"
import { Id, Money, Percent, Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

/** Positions of margined books with their liquidation prices, the nearest first. */
export function Positions() {
  const { t } = useTranslation()
  const list = useList(["positions-at-risk"], async (cursor) => {
    const { data } = await client.GET("/api/v1/risk/exposure", { params: { query: { cursor, limit: 100 } } })
    return data!
  })
  return (
    <Card title={t("margins.positions")} flush={!!list.data?.length}>
      <Loaded query={list} rows={6}>
        {(rows) => (
          <Table
            label={t("margins.positions")}
            rows={rows}
            id={(row) => `${row.scopeId} ${row.instrumentId}`}
            more={list.more}
            empty={<Empty title={t("exposure.none")} />}
            columns={[
              { key: "symbol", head: t("exposure.by_instrument"), cell: (row) => row.symbol },
              { key: "book", head: t("exposure.book"), cell: (row) => <Id id={row.scopeId} /> },
              { key: "owner", head: t("proof.owner"), cell: (row) => row.owner ?? t("exposure.platform") },
              { key: "mode", head: t("margins.mode"), cell: (row) => t(`margins.${row.mode}`) },
              {
                key: "distance",
                head: t("exposure.nearest"),
                right: true,
                cell: (row) => <Percent ratio={row.distance} />,
              },
              {
                key: "liquidation",
                head: t("margins.liquidationPrice"),
                right: true,
                cell: (row) => <Quantity value={row.liquidationPrice} />,
              },
              {
                key: "mark",
                head: t("exposure.mark"),
                right: true,
                cell: (row) => <Quantity value={row.mark} />,
              },
              {
                key: "quantity",
                head: t("common.quantity"),
                right: true,
                cell: (row) => <Quantity value={row.quantity} />,
              },
              {
                key: "notional",
                head: t("exposure.gross"),
                right: true,
                cell: (row) => <Money amount={row.notional} asset={row.asset} marked />,
              },
              {
                key: "use",
                head: t("margins.use"),
                right: true,
                cell: (row) => <Percent ratio={row.marginUse} />,
              },
              {
                key: "equity",
                head: t("exposure.equity"),
                right: true,
                cell: (row) => <Money amount={row.equity} asset={row.asset} marked />,
              },
              { key: "marked", head: t("margins.marked"), cell: (row) => <Time at={row.markAsOf} /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
