import { Link } from "@tanstack/react-router"
import { CircleX, Loader } from "lucide-react"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { Button } from "@/ui/button"
import { Panel } from "@/ui/menu"
import { Empty } from "@/ui/states"
import { CancelWork, WorkBar, WorkState } from "@/ui/work"

type Work = Schemas["Work"]

/** Where one looks at a piece of work, or at what came of it. */
const placeOf = ({ kind, result }: Work) =>
  kind === "study" ? `/studies/${result}` : kind === "backtest" && result ? `/backtests/${result}` : null

/** The long work that is under way, for whoever asked for it; there is nothing here while there is none. */
export function UnderWay() {
  const { t } = useTranslation()
  const [stopping, setStopping] = useState<Work | null>(null)
  const may = useMay("share", "schedules")
  const { data } = api.useQuery("get", "/api/v1/work", { params: { query: { limit: 10 } } })
  const items = data?.items ?? []
  const open = items.filter((one) => !one.endedAt).length
  if (!items.length) return null
  return (
    <>
      <Panel
        label={t("work.title")}
        trigger={
          <Button intent="ghost" aria-label={t("work.underWay", { count: open })}>
            <Loader className={open ? "text-primary motion-safe:animate-spin" : undefined} />
            {open > 0 && <span className="num">{open}</span>}
          </Button>
        }
      >
        <p className="px-2 py-1.5 text-xs font-medium">{t("work.title")}</p>
        {items.length === 0 && <Empty title={t("state.nothing")} />}
        <ul className="w-[min(24rem,calc(100vw-2rem))]">
          {items.map((one) => (
            <li key={one.id} className="space-y-1 border-t px-2 py-2 text-xs">
              <div className="flex items-center gap-2">
                <span className="min-w-0 flex-1 truncate" title={one.subject}>
                  {t(`workKinds.${one.kind}` as "workKinds.study", { defaultValue: one.kind })}{" "}
                  {placeOf(one) ? (
                    <Link to={placeOf(one)!} className="focusable text-primary underline">
                      {one.subject}
                    </Link>
                  ) : (
                    one.subject
                  )}
                </span>
                <WorkState work={one} />
                {may && one.cancellable && (
                  <Button
                    intent="ghost"
                    size="icon"
                    aria-label={t("work.cancel")}
                    onClick={() => setStopping(one)}
                  >
                    <CircleX />
                  </Button>
                )}
              </div>
              {!one.endedAt && <WorkBar work={one} />}
              {one.refusal && <p className="text-bad break-words">{String(one.refusal.detail)}</p>}
              <p className="text-muted-foreground">{one.startedBy ?? one.askedBy}</p>
            </li>
          ))}
        </ul>
      </Panel>
      {stopping && <CancelWork work={stopping} onClose={() => setStopping(null)} />}
    </>
  )
}
