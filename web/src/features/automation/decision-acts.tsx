import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Reason } from "@/ui/field"
import { Failed } from "@/ui/states"
import type { Decision } from "./names"

type Props = { of: Decision; onClose: () => void }

/** What may be done about a decision: decide again, accept or turn down, take back. */
export function DecisionActs({ of }: { of: Decision }) {
  const { t } = useTranslation()
  const may = useMay("automate")
  const [asking, setAsking] = useState<"accept" | "reject" | "undo" | "replay" | null>(null)
  const close = () => setAsking(null)
  const done = of.state === "done" || of.state === "measured"
  return (
    <div className="ml-auto flex flex-wrap gap-2">
      <Button onClick={() => setAsking("replay")}>{t("decisions.replay")}</Button>
      {may && of.state === "recommended" && (
        <>
          <Button intent="primary" onClick={() => setAsking("accept")}>
            {t("decisions.accept")}
          </Button>
          <Button onClick={() => setAsking("reject")}>{t("decisions.turnDown")}</Button>
        </>
      )}
      {may && done && (
        <Button intent="danger" onClick={() => setAsking("undo")}>
          {t("decisions.undo")}
        </Button>
      )}
      {asking === "replay" && <Replay of={of} onClose={close} />}
      {asking === "accept" && <Accept of={of} onClose={close} />}
      {asking === "reject" && <TurnDown of={of} onClose={close} />}
      {asking === "undo" && <Undo of={of} onClose={close} />}
    </div>
  )
}

function Replay({ of, onClose }: Props) {
  const { t } = useTranslation()
  const act = useAct(
    async () =>
      (
        await client.GET("/api/v1/automation/decisions/{decision_id}/replay", {
          params: { path: { decision_id: of.id } },
        })
      ).data!,
  )
  return (
    <Dialog title={t("decisions.replay")} onClose={onClose}>
      <p className="text-muted-foreground">{t("decisions.evidenceWhy")}</p>
      {act.error && <Failed error={act.error} />}
      {act.data ? (
        <p role="status">
          {act.data.same
            ? t("decisions.same")
            : t("decisions.differs", { rule: act.data.rule, stored: act.data.storedRule })}
        </p>
      ) : (
        <Button intent="primary" disabled={act.isPending} onClick={() => act.mutate(undefined)}>
          {t("decisions.replay")}
        </Button>
      )}
    </Dialog>
  )
}

function Accept({ of, onClose }: Props) {
  const { t } = useTranslation()
  const act = useAct(async (_: undefined, key) => {
    await client.POST("/api/v1/automation/decisions/{decision_id}/accept", {
      params: { path: { decision_id: of.id }, header: key },
    })
  }, onClose)
  return (
    <Dialog title={t("decisions.accept")} onClose={onClose}>
      <p className="text-muted-foreground">{t("decisions.acceptWhy")}</p>
      {act.error && <Failed error={act.error} />}
      <Button intent="primary" disabled={act.isPending} onClick={() => act.mutate(undefined)}>
        {t("decisions.accept")}
      </Button>
    </Dialog>
  )
}

function TurnDown({ of, onClose }: Props) {
  const { t } = useTranslation()
  const act = useAct(async (body: { reason: string }, key) => {
    await client.POST("/api/v1/automation/decisions/{decision_id}/reject", {
      params: { path: { decision_id: of.id }, header: key },
      body,
    })
  }, onClose)
  return (
    <Dialog title={t("decisions.turnDown")} onClose={onClose}>
      <Why act={act} label={t("decisions.turnDown")} />
    </Dialog>
  )
}

function Undo({ of, onClose }: Props) {
  const { t } = useTranslation()
  const act = useAct(async (body: { reason: string }, key) => {
    await client.POST("/api/v1/automation/decisions/{decision_id}/undo", {
      params: { path: { decision_id: of.id }, header: key },
      body,
    })
  }, onClose)
  return (
    <Dialog title={t("decisions.undo")} onClose={onClose}>
      <p className="text-muted-foreground">{t("decisions.undoWhy")}</p>
      <Why act={act} label={t("decisions.undo")} />
    </Dialog>
  )
}

/** A form that asks for a reason, and for nothing else. */
function Why({
  act,
  label,
}: {
  act: {
    mutate: (body: { reason: string }) => void
    refused: (field: string) => string | null
    error: Error | null
    isPending: boolean
  }
  label: string
}) {
  const { t } = useTranslation()
  return (
    <form className="space-y-3" onSubmit={(event) => act.mutate({ reason: given(event).reason! })}>
      <Reason label={t("decisions.reason")} error={act.refused("reason")} />
      {act.error && <Failed error={act.error} />}
      <Button type="submit" intent="danger" disabled={act.isPending}>
        {label}
      </Button>
    </form>
  )
}
