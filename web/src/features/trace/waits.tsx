import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { formatTime } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "@/ui/badge"
import { Card } from "@/ui/card"

type Waits = Schemas["Waits"]

/** What a subscription waits for, as a sentence. */
export function useWaits() {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const time = (at: string | null) => (at ? formatTime(at, preferences) : "–")
  return (waits: Waits) =>
    [
      t(`waits.${waits.code}`, {
        since: time(waits.since),
        until: time(waits.until),
        count: waits.attempts,
        reason: waits.reason ?? t("liquidation.noReason"),
      }),
      ...(waits.late && waits.code !== "retry" ? [t("waits.late")] : []),
      ...(waits.approvalId ? [t("waits.batch")] : []),
    ].join(" ")
}

/** Why a subscription is not settled yet, for whoever it is of and for the operator. */
export function WhyNotSettled({ waits }: { waits: Waits | null }) {
  const { t } = useTranslation()
  const say = useWaits()
  const decides = useMay("approvals")
  if (!waits) return null
  return (
    <Card title={t("waits.title")} className={waits.late ? "border-warn/50" : undefined}>
      <div className="flex flex-wrap items-center gap-2">
        {waits.late && <Badge tone="warn">{t("waits.stuck")}</Badge>}
        <p className="min-w-0">{say(waits)}</p>
        {waits.approvalId && decides && (
          <Link
            to="/approvals"
            search={{ open: waits.approvalId } as never}
            className="focusable text-primary rounded hover:underline"
          >
            {t("asked.see")}
          </Link>
        )}
      </div>
    </Card>
  )
}
