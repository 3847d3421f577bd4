import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { multiply } from "@/lib/decimal"
import { Badge, type Tone } from "@/ui/badge"
import { Card } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Id, Percent, Quantity, Said, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

/** A flow's latest signals, as far as the reader may see them, and what became of each. */
export function Signals({ id }: { id: string }) {
  const { t } = useTranslation()
  const [opened, setOpened] = useState<string | null>(null)
  const query = api.useQuery("get", "/api/v1/co-trading/signals/{flow_id}", {
    params: { path: { flow_id: id }, query: { limit: 100 } },
  })
  return (
    <Card title={t("flow.signals")} flush>
      <Loaded query={query}>
        {({ items }) => (
          <Table
            label={t("flow.signals")}
            rows={items}
            id={(row) => row.signalId}
            empty={<Empty title={t("flow.noSignals")} />}
            columns={[
              {
                key: "at",
                head: t("common.time"),
                cell: (row) => (
                  <button
                    type="button"
                    className="focusable text-primary rounded hover:underline"
                    onClick={() => setOpened(row.signalId)}
                  >
                    <Time at={row.createdAt} />
                  </button>
                ),
              },
              { key: "type", head: t("common.side"), cell: (row) => t(`signalTypes.${row.signalType}`) },
              {
                key: "pair",
                head: t("common.symbol"),
                cell: (row) => `${row.signalData.fromToken} → ${row.signalData.toToken}`,
              },
              {
                key: "share",
                head: t("flow.share"),
                right: true,
                cell: (row) => <Percent ratio={multiply(row.signalData.amountInPercentage, "0.01")} />,
              },
              {
                key: "done",
                head: t("flow.executed"),
                right: true,
                cell: (row) => `${row.executionStatus.executed} / ${row.executionStatus.total}`,
              },
              {
                key: "failed",
                head: t("flow.failed"),
                right: true,
                cell: (row) => <Quantity value={row.executionStatus.failed} />,
              },
              {
                key: "skipped",
                head: t("flow.skipped"),
                right: true,
                cell: (row) => <Quantity value={row.executionStatus.skipped} />,
              },
            ]}
          />
        )}
      </Loaded>
      {opened && <Executions signal={opened} onClose={() => setOpened(null)} />}
    </Card>
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

/** What one signal became in each book that the reader may see. */
function Executions({ signal, onClose }: { signal: string; onClose: () => void }) {
  const { t } = useTranslation()
  const staff = useMay("overview")
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
                ...(items.some((row) => row.wanted !== null)
                  ? [
                      {
                        key: "wanted",
                        head: t("executions.wanted"),
                        right: true,
                        cell: (row: Execution) => <Quantity value={row.wanted} />,
                      },
                    ]
                  : []),
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
                ...(staff
                  ? [
                      {
                        key: "order",
                        head: t("pages.order"),
                        cell: (row: Execution) =>
                          row.txHash && (
                            <Link
                              to={`/orders/${row.txHash}`}
                              className="focusable text-primary rounded hover:underline"
                            >
                              <Id id={row.txHash} />
                            </Link>
                          ),
                      },
                    ]
                  : []),
                { key: "error", head: t("liquidation.reason"), cell: (row) => <Said words={row.error} /> },
              ]}
            />
          </>
        )}
      </Loaded>
    </Dialog>
  )
}
