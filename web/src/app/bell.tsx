import { BellDot, Bell as BellIcon } from "lucide-react"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { Button } from "@/ui/button"
import { Panel } from "@/ui/menu"
import { Time } from "@/ui/shown"

const SEEN = "commenda.noticesSeen"

/** What concerns you: sign-ins, changed passwords, and what was decided about your account. */
export function Bell() {
  const { t } = useTranslation()
  const { data } = api.useQuery("get", "/api/v1/auth/notices", { params: { query: { limit: 20 } } })
  const [seen, setSeen] = useState(localStorage.getItem(SEEN) ?? "")
  const items = data?.items ?? []
  const fresh = items.filter((notice) => notice.at > seen).length
  const look = () => {
    const newest = items[0]?.at
    if (newest) localStorage.setItem(SEEN, newest)
    setSeen(newest ?? "")
  }
  return (
    <Panel
      label={t("frame.noticesTitle")}
      trigger={
        <Button intent="ghost" size="icon" aria-label={t("frame.notices", { count: fresh })} onClick={look}>
          {fresh ? <BellDot className="text-warn" /> : <BellIcon />}
        </Button>
      }
    >
      <p className="px-2 py-1.5 text-xs font-medium">{t("frame.noticesTitle")}</p>
      {items.length === 0 && (
        <p className="text-muted-foreground px-2 pb-2 text-xs">{t("frame.noNotices")}</p>
      )}
      {items.map((notice, index) => (
        <div key={index} className="max-w-72 px-2 py-1.5 text-xs">
          <span>
            {t(`notices.${notice.kind}` as "notices.session.opened", { defaultValue: notice.kind })}
          </span>{" "}
          <span className="text-muted-foreground">
            {t(`approvalStatus.${notice.result}` as "approvalStatus.approved", { defaultValue: "" })}
          </span>
          <div className="text-muted-foreground">
            <Time at={notice.at} />
          </div>
        </div>
      ))}
    </Panel>
  )
}
