import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { Badge } from "@/ui/badge"

/** How many alerts nobody has acknowledged, beside the page's name in the navigation. */
export function Unacknowledged() {
  const { t } = useTranslation()
  const { data } = api.useQuery("get", "/api/v1/alerts/standing")
  if (!data?.unacknowledged) return null
  return (
    <Badge tone={data.critical ? "bad" : "warn"} className="num ml-auto">
      {data.unacknowledged} <span className="sr-only">{t("alerts.new")}</span>
    </Badge>
  )
}
