import { CloudOff, Radio, RefreshCw } from "lucide-react"
import { useTranslation } from "react-i18next"
import { useNow } from "@/lib/clock"
import { cn } from "@/lib/cn"
import { useLiveness } from "@/lib/live"
import { Time } from "@/ui/shown"

const MARKS = {
  live: { icon: Radio, tone: "text-muted-foreground" },
  reconnecting: { icon: RefreshCw, tone: "text-warn" },
  polling: { icon: CloudOff, tone: "text-warn" },
} as const

/** What time the business has: products mature and income accrues by it. */
export function BusinessTime({ className }: { className?: string }) {
  const { t } = useTranslation()
  const now = useNow()
  if (!now) return null
  return (
    <span
      className={cn("text-muted-foreground text-xs whitespace-nowrap", className)}
      title={t("live.timeWords")}
    >
      {t("live.time")} <Time at={now} />
    </span>
  )
}

/** Whether what is on the page keeps itself up to date. */
export function LiveMark() {
  const { t } = useTranslation()
  const state = useLiveness()
  const { icon: Icon, tone } = MARKS[state]
  return (
    <span
      role="status"
      data-live={state}
      title={t(`live.${state}Words`)}
      className={cn("flex items-center gap-1 px-1 text-xs whitespace-nowrap", tone)}
    >
      <Icon className="size-3.5" aria-hidden />
      <span className={cn(state === "live" && "max-sm:sr-only")}>{t(`live.${state}`)}</span>
    </span>
  )
}
