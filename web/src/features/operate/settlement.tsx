import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { add } from "@/lib/decimal"
import { useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Figure, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Check } from "@/ui/field"
import { Money, Quantity, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { WorkBar, WorkState } from "@/ui/work"
import { useSubscriptionColumns } from "./subscription-columns"
import { Asked } from "./asked"

type Row = Schemas["SubscriptionSummary"]
/** As many as the API takes in one batch. */
const LARGEST = 500

/** A batch by hand: what matured is closed, what is closed is settled, once somebody else agrees. */
export default function Settlement() {
  const { t } = useTranslation()
  const matured = useReady("MATURED")
  const liquidated = useReady("LIQUIDATED")
  const [leftOut, setLeftOut] = useState<ReadonlySet<string>>(new Set())
  const [asking, setAsking] = useState(false)
  const ready = [...(matured.data ?? []), ...(liquidated.data ?? [])]
  const chosen = ready.filter((row) => !leftOut.has(row.subscriptionId))
  const turn = (id: string) => {
    const next = new Set(leftOut)
    if (!next.delete(id)) next.add(id)
    setLeftOut(next)
  }
  const lists = { leftOut, turn }
  return (
    <>
      <PageHead title={t("pages.settlement")}>
        <Button
          intent="primary"
          className="ml-auto"
          disabled={!chosen.length || chosen.length > LARGEST}
          onClick={() => setAsking(true)}
        >
          {t("batch.run")}
        </Button>
      </PageHead>
      <p className="text-muted-foreground">{t("batch.why")}</p>
      {chosen.length > LARGEST && <Badge tone="warn">{t("batch.tooMany", { most: LARGEST })}</Badge>}
      <div className="grid gap-4 sm:grid-cols-3">
        <Figure label={t("batch.chosen")} note={t("batch.of", { count: ready.length })}>
          <Quantity value={chosen.length} />
        </Figure>
        <Figure label={t("batch.principal")}>
          <Sum rows={chosen} of={(row) => row.amount} />
        </Figure>
        <Figure label={t("batch.worth")} note={t("batch.worthNote")}>
          <Sum rows={chosen} of={(row) => row.performance.currentValue} />
        </Figure>
      </div>
      <Batches />
      <Ready title={t("batch.liquidated")} query={liquidated} empty={t("batch.noneLiquidated")} {...lists} />
      <Ready title={t("batch.matured")} query={matured} empty={t("batch.noneMatured")} {...lists} />
      {asking && <Ask rows={chosen} onClose={() => setAsking(false)} />}
    </>
  )
}

/** How far the batches are that were approved: each book settles by itself, as its positions are really closed. */
function Batches() {
  const { t } = useTranslation()
  const { data } = api.useQuery("get", "/api/v1/work", { params: { query: { limit: 50 } } })
  const batches = data?.items.filter((one) => one.kind === "settlement") ?? []
  if (!batches.length) return null
  return (
    <Card title={t("batch.asked")}>
      <ul className="divide-y">
        {batches.slice(0, 5).map((one) => (
          <li key={one.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
            <Time at={one.begunAt} />
            <span className="min-w-48 flex-1">
              <WorkBar work={one} />
            </span>
            <WorkState work={one} />
            <span className="text-muted-foreground text-xs">{one.startedBy}</span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

const useReady = (status: "MATURED" | "LIQUIDATED") =>
  useList(["settlement", status], async (cursor) => {
    const { data } = await client.GET("/api/v1/managed-subscriptions", {
      params: { query: { status, cursor, limit: 200 } },
    })
    return data!
  })

/** What rows come to, each asset by itself. */
function Sum({ rows, of }: { rows: readonly Row[]; of: (row: Row) => string }) {
  const assets = [...new Set(rows.map((row) => row.asset))]
  if (!assets.length) return <Money amount={null} />
  return assets.map((asset) => (
    <Money key={asset} asset={asset} amount={add(...rows.filter((row) => row.asset === asset).map(of))} />
  ))
}

type ReadyProps = {
  title: string
  empty: string
  query: ReturnType<typeof useReady>
  leftOut: ReadonlySet<string>
  turn: (id: string) => void
}

function Ready({ title, empty, query, leftOut, turn }: ReadyProps) {
  const { t } = useTranslation()
  const shared = useSubscriptionColumns()
  return (
    <Card title={title} flush={!!query.data?.length}>
      <Loaded query={query} rows={4}>
        {(rows) => (
          <Table
            label={title}
            rows={rows}
            id={(row) => row.subscriptionId}
            to={(row) => `/subscriptions/${row.subscriptionId}`}
            empty={<Empty title={empty} />}
            more={query.more}
            columns={[
              { key: "id", head: t("operation.subscription"), cell: (row) => row.subscriptionId.slice(0, 8) },
              {
                key: "chosen",
                head: t("batch.in"),
                cell: (row) => (
                  <Check
                    label={<span className="sr-only">{`${t("batch.in")} ${row.subscriptionId}`}</span>}
                    checked={!leftOut.has(row.subscriptionId)}
                    onChange={() => turn(row.subscriptionId)}
                  />
                ),
              },
              ...shared,
              {
                key: "worth",
                head: t("holding.worth"),
                right: true,
                cell: (row) => <Money amount={row.performance.currentValue} asset={row.asset} />,
                sort: (row) => Number(row.performance.currentValue),
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

function Ask({ rows, onClose }: { rows: readonly Row[]; onClose: () => void }) {
  const { t } = useTranslation()
  // What somebody agreed to here stays what it was, whatever moves behind the window.
  const [held] = useState(rows)
  const act = useAct(
    async (_: void, key) =>
      (
        await client.POST("/api/v1/managed-settlement/run", {
          params: { header: key },
          body: { subscriptionIds: held.map((row) => row.subscriptionId) },
        })
      ).data!,
  )
  return (
    <Dialog title={t("batch.run")} onClose={onClose}>
      {act.data ? (
        <Asked id={act.data.approvalId} />
      ) : (
        <>
          <p>{t("batch.sure", { count: held.length })}</p>
          <p>
            {t("batch.principal")}: <Sum rows={held} of={(row) => row.amount} />
          </p>
          {act.error && <Failed error={act.error} />}
          <Button intent="primary" disabled={act.isPending} onClick={() => act.mutate()}>
            {t("asked.propose")}
          </Button>
        </>
      )}
    </Dialog>
  )
}
