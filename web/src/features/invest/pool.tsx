import { useParams } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { useMay } from "@/api/session"
import { useAct } from "@/lib/form"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Figure, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Id, Money, Percent, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { useMovements } from "./names"

/** One holding of a pool product: what it earned day by day, and taking it back. */
export default function Pool() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const path = { holding_id: id }
  const movement = useMovements()
  const may = useMay("income")
  const [redeeming, setRedeeming] = useState(false)
  const query = api.useQuery("get", "/api/v1/pools/holdings/{holding_id}", {
    params: { path, query: { limit: 200 } },
  })
  const redeem = useAct(
    async (_: void, key) =>
      (await client.POST("/api/v1/pools/holdings/{holding_id}/redeem", { params: { path, header: key } }))
        .data!,
    () => setRedeeming(false),
  )
  return (
    <Loaded query={query} rows={6}>
      {(holding) => (
        <>
          <PageHead title={holding.productName}>
            <Badge tone={holding.status === "held" ? "strong" : "plain"}>
              {t(`holdingStatus.${holding.status}`)}
            </Badge>
            <Id id={holding.id} />
            {may && holding.status === "held" && (
              <Button intent="danger" className="ml-auto" onClick={() => setRedeeming(true)}>
                {t("pool.redeem")}
              </Button>
            )}
          </PageHead>
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
            <Figure label={t("holding.amount")}>
              <Money amount={holding.amount} asset={holding.asset} />
            </Figure>
            <Figure label={t("pool.income")} note={`${t("pool.through")} ${holding.accruedThrough}`}>
              <Money amount={holding.totalIncome} asset={holding.asset} signed />
            </Figure>
            <Figure label={t("pool.daily")}>
              <Percent ratio={holding.dailyRate} exact />
            </Figure>
            <Figure label={t("pool.matures")}>
              <span className="text-sm">
                <Time at={holding.endAt ?? holding.redeemableAt} />
              </span>
            </Figure>
          </div>
          <Card title={t("pool.entries")} flush>
            <Table
              label={t("pool.entries")}
              rows={holding.entries}
              id={(row) => row.refNo}
              empty={<Empty title={t("pool.noEntries")} />}
              columns={[
                { key: "at", head: t("common.time"), cell: (row) => <Time at={row.effectiveAt} /> },
                { key: "type", head: t("common.kind"), cell: (row) => movement(row.type) },
                {
                  key: "amount",
                  head: t("holding.amount"),
                  right: true,
                  cell: (row) => <Money amount={row.amount} asset={holding.asset} signed />,
                },
              ]}
            />
          </Card>
          {redeeming && (
            <Dialog title={t("pool.redeem")} onClose={() => setRedeeming(false)}>
              <p>{t("pool.redeemWhy")}</p>
              <p>
                {t("pool.redeemable")} <Time at={holding.redeemableAt} />
              </p>
              {redeem.error && <Failed error={redeem.error} />}
              <Button intent="danger" disabled={redeem.isPending} onClick={() => redeem.mutate(undefined)}>
                {t("pool.redeem")}
              </Button>
            </Dialog>
          )}
        </>
      )}
    </Loaded>
  )
}
