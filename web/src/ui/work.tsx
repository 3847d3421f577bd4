import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useAct } from "@/lib/form"
import { Badge, type Tone } from "./badge"
import { Button } from "./button"
import { Dialog } from "./dialog"
import { Quantity } from "./shown"
import { Failed } from "./states"

type Work = Schemas["Work"]
const TONES: Record<Schemas["WorkState"], Tone> = {
  waiting: "plain",
  running: "strong",
  complete: "good",
  cancelled: "plain",
  failed: "bad",
}

export function WorkState({ work }: { work: Pick<Work, "state"> }) {
  const { t } = useTranslation()
  return <Badge tone={TONES[work.state]}>{t(`workStates.${work.state}`)}</Badge>
}

/** How far a piece of work is, as a bar and as a number. */
export function WorkBar({ work }: { work: Pick<Work, "subject" | "progress" | "done" | "total"> }) {
  return (
    <span className="flex items-center gap-2">
      <progress
        className="accent-primary h-2 min-w-20 flex-1"
        value={work.progress}
        max={1}
        aria-label={work.subject}
      />
      <span className="num text-xs whitespace-nowrap">
        {work.total == null ? (
          `${Math.round(work.progress * 100)}%`
        ) : (
          <>
            <Quantity value={work.done} /> / <Quantity value={work.total} />
          </>
        )}
      </span>
    </span>
  )
}

/** Whether it is really to stop. */
export function CancelWork({ work, onClose }: { work: Pick<Work, "id" | "subject">; onClose: () => void }) {
  const { t } = useTranslation()
  const act = useAct(
    async (_: void, key) =>
      (
        await client.POST("/api/v1/work/{work_id}/cancel", {
          params: { header: key, path: { work_id: work.id } },
        })
      ).data!,
    onClose,
  )
  return (
    <Dialog title={t("work.cancel")} onClose={onClose}>
      <p>{t("work.sure", { subject: work.subject })}</p>
      {act.error && <Failed error={act.error} />}
      <Button intent="danger" disabled={act.isPending} onClick={() => act.mutate()}>
        {t("work.cancel")}
      </Button>
    </Dialog>
  )
}
