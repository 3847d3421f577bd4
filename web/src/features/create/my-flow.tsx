import { Link, useParams } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { AsOf, Change, Fall, Id, Money, Percent, Quantity, Said, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Nav, Signals } from "../invest/flow"
import { Tags } from "../invest/tags"
import { CloseFlow, EditFlow } from "./edit-flow"
import { Followers } from "./followers"
import { Status, Toggle } from "./my-flows"

/** One flow of a creator's own: whom it leads, its record, and how each of its signals was executed. */
export default function MyFlow() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const [signal, setSignal] = useState<string | null>(null)
  const [doing, setDoing] = useState<"edit" | "close" | null>(null)
  const query = api.useQuery("get", "/api/v1/co-trading/flows/{flow_id}", {
    params: { path: { flow_id: id } },
  })
  const own = api.useQuery("get", "/api/v1/co-trading/subscriptions", { params: { query: { limit: 100 } } })
  const book = own.data?.items.find((one) => one.flowId === id && one.isLeader)
  return (
    <Loaded query={query} rows={8}>
      {(flow) => (
        <>
          <PageHead title={flow.title}>
            <Status flow={flow} />
            <Tags of={flow} />
            <AsOf at={flow.stats.performance.asOf} method="TWR" />
            <div className="ml-auto flex flex-wrap items-center gap-2">
              <Button asChild>
                <Link to={`/flows/${flow.flowId}`}>{t("myFlows.asSeen")}</Link>
              </Button>
              {flow.status !== "closed" && (
                <Button onClick={() => setDoing("edit")}>{t("myFlows.edit")}</Button>
              )}
              <Toggle flow={flow} />
              {book && flow.status !== "closed" && (
                <Button intent="danger" onClick={() => setDoing("close")}>
                  {t("myFlows.close")}
                </Button>
              )}
            </div>
          </PageHead>
          {flow.description && <p>{flow.description}</p>}
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3 2xl:grid-cols-5">
            <Figure label={t("flow.aum")}>
              <Money amount={flow.stats.totalAUM} asset={flow.stats.currency} />
            </Figure>
            <Figure label={t("flow.followers")}>
              <Quantity value={flow.stats.followers} />
            </Figure>
            <Figure label={t("flow.return")}>
              <Change ratio={flow.stats.performance.totalReturn} />
            </Figure>
            <Figure label={t("flow.winRate")}>
              <Percent ratio={flow.stats.performance.winRate} />
            </Figure>
            <Figure label={t("flow.drawdown")}>
              <Fall depth={flow.stats.performance.maxDrawdown} />
            </Figure>
          </div>
          <Card title={t("myFlows.terms")}>
            <Facts
              rows={[
                [t("run.strategy"), flow.strategy],
                [t("common.symbol"), flow.symbol],
                [
                  t("publish.minimum"),
                  <Money key="m" amount={flow.settings.minInvestment} asset={flow.stats.currency} />,
                ],
                [t("publish.most"), flow.settings.maxFollowers ?? t("publish.unlimited")],
                [
                  t("myFlows.ownBook"),
                  book ? (
                    <Link
                      key="b"
                      to={`/copies/${book.subscriptionId}`}
                      className="text-primary hover:underline"
                    >
                      <Money amount={book.currentValue} asset={book.currency} />
                    </Link>
                  ) : null,
                ],
                [t("myFlows.published"), <Time key="p" at={flow.createdAt} />],
                [t("myFlows.changed"), <Time key="c" at={flow.updatedAt} />],
              ]}
            />
          </Card>
          <Followers id={id} />
          <Nav id={id} />
          <Signals id={id} onOpen={setSignal} />
          {doing === "edit" && <EditFlow flow={flow} onClose={() => setDoing(null)} />}
          {doing === "close" && book && <CloseFlow flow={flow} book={book} onClose={() => setDoing(null)} />}
          {signal && <Executions signal={signal} onClose={() => setSignal(null)} />}
        </>
      )}
    </Loaded>
  )
}

type Execution = Schemas["SignalExecution"]
const TONES: Record<Execution["status"], Tone> = {
  pending: "plain",
  executing: "strong",
  completed: "good",
  partial: "warn",
  failed: "bad",
  skipped: "plain",
}

/** What one signal became in each follower's book. */
function Executions({ signal, onClose }: { signal: string; onClose: () => void }) {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/co-trading/executions/{signal_id}", {
    params: { path: { signal_id: signal }, query: { limit: 100 } },
  })
  return (
    <Dialog title={t("executions.title")} onClose={onClose}>
      <Loaded query={query}>
        {({ items, total }) => (
          <>
            <p className="text-muted-foreground">{t("executions.shown", { count: items.length, total })}</p>
            <Table
              label={t("executions.title")}
              rows={items}
              id={(row) => row.executionId}
              empty={<Empty title={t("executions.none")} />}
              columns={[
                { key: "who", head: t("executions.follower"), cell: (row) => <Id id={row.followerId} /> },
                {
                  key: "status",
                  head: t("common.state"),
                  cell: (row) => (
                    <Badge tone={TONES[row.status]} title={row.error ?? undefined}>
                      {t(`executionStatus.${row.status}`)}
                    </Badge>
                  ),
                },
                {
                  key: "amount",
                  head: t("common.quantity"),
                  right: true,
                  cell: (row) => <Quantity value={row.executedAmount} />,
                },
                {
                  key: "price",
                  head: t("common.price"),
                  right: true,
                  cell: (row) => <Quantity value={row.executedPrice} />,
                },
                {
                  key: "slippage",
                  head: t("run.slippage"),
                  right: true,
                  cell: (row) => <Percent ratio={row.slippage} />,
                },
                { key: "at", head: t("common.time"), cell: (row) => <Time at={row.executedAt} seconds /> },
                { key: "error", head: t("liquidation.reason"), cell: (row) => <Said words={row.error} /> },
              ]}
            />
          </>
        )}
      </Loaded>
    </Dialog>
  )
}
