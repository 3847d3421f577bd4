import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useList } from "@/lib/lists"
import { Card } from "@/ui/card"
import { Id, Money, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

/** What limits have left of what was asked for. */
export function Findings() {
  const { t } = useTranslation()
  const list = useList(["risk-findings"], async (cursor) => {
    const { data } = await client.GET("/api/v1/risk/findings", {
      params: { query: { cursor, limit: 100 } },
    })
    return data!
  })
  return (
    <Card title={t("limits.findings")} flush={!!list.data?.length}>
      <Loaded query={list} rows={6}>
        {(rows) => (
          <Table
            label={t("limits.findings")}
            rows={rows}
            id={(row) => String(row.number)}
            more={list.more}
            empty={<Empty title={t("limits.noneFound")} />}
            columns={[
              { key: "at", head: t("common.time"), cell: (row) => <Time at={row.foundAt} seconds /> },
              {
                key: "measure",
                head: t("limits.measure"),
                cell: (row) => t(`limits.measures.${row.measure}`),
              },
              {
                key: "level",
                head: t("limits.level"),
                cell: (row) => t(`limits.levels.${row.level}`),
              },
              { key: "symbol", head: t("common.symbol"), cell: (row) => row.symbol },
              {
                key: "cause",
                head: t("limits.signal"),
                cell: (row) => (
                  <>
                    {t(`orderCauses.${row.cause}` as "orderCauses.signal", { defaultValue: row.cause })}{" "}
                    <Id id={row.causeId} />
                  </>
                ),
              },
              {
                key: "books",
                head: t("limits.books"),
                right: true,
                cell: (row) => `${row.cut} / ${row.refused}`,
              },
              {
                key: "wanted",
                head: t("limits.wanted"),
                right: true,
                cell: (row) => <Money amount={row.wanted} asset={row.asset} />,
              },
              {
                key: "granted",
                head: t("limits.granted"),
                right: true,
                cell: (row) => <Money amount={row.granted} asset={row.asset} />,
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
