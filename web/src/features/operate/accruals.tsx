import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useMay } from "@/api/session"
import { useList } from "@/lib/lists"
import { isDay, useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card } from "@/ui/card"
import { Money, Quantity, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { useScheduleActs } from "./schedules"

/** Pool income by the day, with its total, and below it the batch of each product. */
export function Accruals() {
  const { t } = useTranslation()
  const [day, setDay] = useUrl("day", "", isDay)
  const days = useList(["accrual-days"], async (cursor) => {
    const { data } = await client.GET("/api/v1/pools/accrual-days", {
      params: { query: { cursor, limit: 60 } },
    })
    return data!
  })
  const batches = useList(["accruals", day], async (cursor) => {
    const { data } = await client.GET("/api/v1/pools/accruals", {
      params: { query: { cursor, limit: 100, ...(day && { day }) } },
    })
    return data!
  })
  return (
    <>
      <Card title={t("accruals.days")} flush={!!days.data?.length} actions={<RunNow />}>
        <Loaded query={days} rows={6}>
          {(rows) => (
            <Table
              label={t("accruals.days")}
              rows={rows}
              id={(row) => `${row.day}:${row.asset}`}
              empty={<Empty title={t("accruals.none")} />}
              more={days.more}
              columns={[
                {
                  key: "day",
                  head: t("accruals.day"),
                  cell: (row) => (
                    <button
                      type="button"
                      className="focusable text-primary rounded hover:underline"
                      onClick={() => setDay(day === row.day ? "" : row.day)}
                    >
                      {row.day}
                    </button>
                  ),
                },
                {
                  key: "state",
                  head: t("common.state"),
                  cell: (row) => (
                    <Badge tone={row.open ? "warn" : "good"}>
                      {row.open ? t("accruals.open", { count: row.open }) : t("accruals.done")}
                    </Badge>
                  ),
                },
                { key: "products", head: t("accruals.batches"), right: true, cell: (row) => row.products },
                {
                  key: "holdings",
                  head: t("accruals.holdings"),
                  right: true,
                  cell: (row) => <Quantity value={row.holdings} />,
                },
                {
                  key: "amount",
                  head: t("accruals.amount"),
                  right: true,
                  cell: (row) => <Money amount={row.amount} asset={row.asset} />,
                },
                {
                  key: "ended",
                  head: t("accruals.ended"),
                  cell: (row) => <Time at={row.finishedAt} seconds />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
      <Card
        title={day ? t("accruals.of", { day }) : t("accruals.latest")}
        flush={!!batches.data?.length}
        actions={day && <Button onClick={() => setDay("")}>{t("accruals.allDays")}</Button>}
      >
        <Loaded query={batches} rows={6}>
          {(rows) => (
            <Table
              label={t("accruals.latest")}
              rows={rows}
              id={(row) => `${row.day}:${row.productId}`}
              empty={<Empty title={t("accruals.none")} />}
              more={batches.more}
              columns={[
                { key: "product", head: t("holding.name"), cell: (row) => row.productName },
                { key: "day", head: t("accruals.day"), cell: (row) => row.day, sort: (row) => row.day },
                {
                  key: "holdings",
                  head: t("accruals.holdings"),
                  right: true,
                  cell: (row) => <Quantity value={row.holdings} />,
                },
                {
                  key: "amount",
                  head: t("accruals.amount"),
                  right: true,
                  cell: (row) => <Money amount={row.amount} asset={row.asset} />,
                  sort: (row) => Number(row.amount),
                },
                {
                  key: "began",
                  head: t("accruals.began"),
                  cell: (row) => <Time at={row.begunAt} seconds />,
                },
                {
                  key: "ended",
                  head: t("accruals.ended"),
                  cell: (row) => <Time at={row.finishedAt} seconds />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  )
}

/** What is due and not accrued is made up for by the next run; a day that was accrued is never paid again. */
function RunNow() {
  const { t } = useTranslation()
  const may = useMay("schedules")
  const list = useList(["schedules"], async (cursor) => {
    const { data } = await client.GET("/api/v1/schedules", { params: { query: { cursor, limit: 100 } } })
    return data!
  })
  const { run } = useScheduleActs()
  const job = list.data?.find((one) => one.builtIn && one.target === "accrual")
  if (!may || !job) return null
  return (
    <span className="flex flex-wrap items-center gap-2">
      {run.data && <span role="status">{t("accruals.asked")}</span>}
      {run.error && <Failed error={run.error} />}
      <Button disabled={run.isPending} title={t("accruals.again")} onClick={() => run.mutate(job.id)}>
        {t("accruals.run")}
      </Button>
    </span>
  )
}
