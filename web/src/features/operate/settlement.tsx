import { Link } from "@tanstack/react-router"
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
import { BatchState } from "./settlement-run"
import { useSubscriptionColumns } from "./subscription-columns"
import { useSubscriptions } from "./subscriptions"
import { Asked } from "./asked"

type Row = Schemas["SubscriptionSummary"]
/** As many as the API takes in one batch. */
const LARGEST = 500

/** A batch by hand: what matured is closed, what is closed is settled, once somebody else agrees. */
export default function Settlement() {
  const { t } = useTranslation()
  const matured = useSubscriptions(["settlement", "MATURED"], { status: "MATURED" })
  const liquidated = useSubscriptions(["settlement", "LIQUIDATED"], { status: "LIQUIDATED" })
  const [leftOut, setLeftOut] = useState<ReadonlySet<string>>(new Set())
  const [asking, setAsking] = useState<"chosen" | "everything" | null>(null)
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
        <span className="ml-auto flex flex-wrap gap-2">
          <Button disabled={!chosen.length || chosen.length > LARGEST} onClick={() => setAsking("chosen")}>
            {t("batch.run")}
          </Button>
          <Button intent="primary" disabled={!ready.length} onClick={() => setAsking("everything")}>
            {t("batch.everything")}
          </Button>
        </span>
      </PageHead>
      <p className="text-muted-foreground">{t("batch.why")}</p>
      <Totals />
      {chosen.length > LARGEST && <Badge tone="warn">{t("batch.tooMany", { most: LARGEST })}</Badge>}
      {ready.length > 0 && (
        <>
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
          <Ready
            title={t("batch.liquidated")}
            query={liquidated}
            empty={t("batch.noneLiquidated")}
            {...lists}
          />
          <Ready title={t("batch.matured")} query={matured} empty={t("batch.noneMatured")} {...lists} />
        </>
      )}
      <History />
      {asking && <Ask rows={asking === "chosen" ? chosen : null} onClose={() => setAsking(null)} />}
    </>
  )
}

/** Everything that a run would take up now, whether it was read into the lists below or not. */
function Totals() {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/managed-settlement/ready")
  return (
    <Card title={t("batch.ready")} flush={!!query.data?.length}>
      <Loaded query={query} rows={3}>
        {(rows) => (
          <Table
            label={t("batch.ready")}
            rows={rows}
            id={(row) => `${row.status}:${row.asset}`}
            empty={<Empty title={t("batch.noneReady")} />}
            columns={[
              { key: "state", head: t("common.state"), cell: (row) => t(`states.${row.status}`) },
              {
                key: "count",
                head: t("pages.subscriptions"),
                right: true,
                cell: (row) => <Quantity value={row.count} />,
              },
              {
                key: "principal",
                head: t("batch.principal"),
                right: true,
                cell: (row) => <Money amount={row.principal} asset={row.asset} />,
              },
              {
                key: "worth",
                head: t("batch.worth"),
                right: true,
                cell: (row) => <Money amount={row.worth} asset={row.asset} />,
              },
              {
                key: "refused",
                head: t("runs.failed"),
                right: true,
                cell: (row) => <Quantity value={row.refused} />,
              },
              { key: "next", head: t("batch.next"), cell: (row) => t(`batch.becomes.${row.status}`) },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}

/** Runs that were asked for, and how far what they took up is. */
function History() {
  const { t } = useTranslation()
  const list = useList(["settlement-runs"], async (cursor) => {
    const { data } = await client.GET("/api/v1/managed-settlement/runs", {
      params: { query: { cursor, limit: 50 } },
    })
    return data!
  })
  return (
    <Card title={t("runs.title")} flush={!!list.data?.length}>
      <Loaded query={list} rows={3}>
        {(rows) => (
          <Table
            label={t("runs.title")}
            rows={rows}
            id={(row) => row.approvalId}
            to={(row) => `/settlement/${row.approvalId}`}
            empty={<Empty title={t("runs.none")} />}
            more={list.more}
            columns={[
              { key: "at", head: t("runs.askedAt"), cell: (row) => <Time at={row.requestedAt} /> },
              {
                key: "what",
                head: t("approvals.what"),
                cell: (row) => t(row.everything ? "runs.everything" : "runs.chosen"),
              },
              { key: "state", head: t("common.state"), cell: (row) => <BatchState batch={row} /> },
              { key: "by", head: t("approvals.by"), cell: (row) => row.requestedByName },
              { key: "decided", head: t("approvals.decidedBy"), cell: (row) => row.decidedByName ?? "–" },
              {
                key: "settled",
                head: t("runs.settled"),
                right: true,
                cell: (row) => `${total(row.parts, "settled")} / ${total(row.parts, "count")}`,
              },
              {
                key: "failed",
                head: t("runs.failed"),
                right: true,
                cell: (row) => total(row.parts, "refused"),
              },
              {
                key: "paid",
                head: t("runs.paid"),
                right: true,
                cell: (row) =>
                  row.parts.map((part) => <Money key={part.asset} amount={part.paid} asset={part.asset} />),
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}

const total = (parts: readonly Schemas["BatchPart"][], name: "count" | "settled" | "refused") =>
  parts.reduce((sum, part) => sum + part[name], 0)

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
  query: ReturnType<typeof useSubscriptions>
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

/** Ask for a run of some, or (without rows) of all that is ready when somebody approves it. */
function Ask({ rows, onClose }: { rows: readonly Row[] | null; onClose: () => void }) {
  const { t } = useTranslation()
  // What somebody agreed to here stays what it was, whatever moves behind the window.
  const [held] = useState(rows)
  const act = useAct(
    async (_: void, key) =>
      (
        await client.POST("/api/v1/managed-settlement/run", {
          params: { header: key },
          body: { subscriptionIds: held?.map((row) => row.subscriptionId) ?? null },
        })
      ).data!,
  )
  return (
    <Dialog title={t(held ? "batch.run" : "batch.everything")} onClose={onClose}>
      {act.data ? (
        <>
          <Asked id={act.data.approvalId} />
          <Button asChild>
            <Link to={`/settlement/${act.data.approvalId}`}>{t("runs.follow")}</Link>
          </Button>
        </>
      ) : (
        <>
          {held ? (
            <>
              <p>{t("batch.sure", { count: held.length })}</p>
              <p>
                {t("batch.principal")}: <Sum rows={held} of={(row) => row.amount} />
              </p>
            </>
          ) : (
            <p>{t("batch.sureEverything")}</p>
          )}
          {act.error && <Failed error={act.error} />}
          <Button intent="primary" disabled={act.isPending} onClick={() => act.mutate()}>
            {t("asked.propose")}
          </Button>
        </>
      )}
    </Dialog>
  )
}
