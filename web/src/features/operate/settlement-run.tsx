import { Link, useParams } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { Money, Quantity, Time } from "@/ui/shown"
import { Loaded } from "@/ui/states"
import { List, useSubscriptions } from "./subscriptions"

export type Batch = Schemas["Batch"]
const TONES: Record<Batch["status"], Tone> = {
  requested: "warn",
  approved: "good",
  rejected: "bad",
  expired: "plain",
}

/** One settlement run: who asked, who approved, how far it is, and what could not be settled and why. */
export default function SettlementRun() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const query = api.useQuery("get", "/api/v1/managed-settlement/runs/{approval_id}", {
    params: { path: { approval_id: id } },
  })
  const list = useSubscriptions(["settlement-run", id], { batch: id })
  return (
    <Loaded query={query} rows={8}>
      {(batch) => (
        <>
          <PageHead title={t("pages.settlementRun")}>
            <BatchState batch={batch} />
            <Button asChild className="ml-auto">
              <Link to="/approvals" search={{ open: id } as never}>
                {t("asked.see")}
              </Link>
            </Button>
          </PageHead>
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
            {batch.parts.map((part) => (
              <Figure
                key={part.asset}
                label={t("runs.settledOf", { count: part.count })}
                note={
                  <progress className="accent-primary h-1.5 w-full" value={part.settled} max={part.count}>
                    {part.settled} / {part.count}
                  </progress>
                }
              >
                <Quantity value={part.settled} />
                {part.refused > 0 && <Badge tone="bad">{t("runs.refused", { count: part.refused })}</Badge>}
              </Figure>
            ))}
            {batch.parts.length > 0 && (
              <>
                <Figure label={t("batch.principal")}>
                  {batch.parts.map((part) => (
                    <Money key={part.asset} amount={part.principal} asset={part.asset} />
                  ))}
                </Figure>
                <Figure label={t("runs.paid")}>
                  {batch.parts.map((part) => (
                    <Money key={part.asset} amount={part.paid} asset={part.asset} />
                  ))}
                </Figure>
              </>
            )}
          </div>
          <Card title={t("runs.about")}>
            <Facts
              rows={[
                [t("approvals.by"), batch.requestedByName],
                [t("common.time"), <Time key="t" at={batch.requestedAt} />],
                [t("approvals.decidedBy"), batch.decidedByName ?? "–"],
                [t("approvals.decidedAt"), <Time key="d" at={batch.decidedAt} />],
                ...(batch.reason ? ([[t("liquidation.reason"), batch.reason]] as const) : []),
              ]}
            />
          </Card>
          <List title={t("runs.subscriptions")} query={list} empty={t("runs.nothingYet")} rows={6} />
        </>
      )}
    </Loaded>
  )
}

/** Whether a run waits, was turned down, goes on, or is over. */
export function BatchState({ batch }: { batch: Batch }) {
  const { t } = useTranslation()
  const over = batch.parts.every((part) => part.settled === part.count)
  return batch.status === "approved" ? (
    <Badge tone={over ? "good" : "strong"}>{t(over ? "runs.over" : "runs.goesOn")}</Badge>
  ) : (
    <Badge tone={TONES[batch.status]}>{t(`approvalStatus.${batch.status}`)}</Badge>
  )
}
