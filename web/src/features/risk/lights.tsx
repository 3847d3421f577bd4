import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { Badge, type Tone } from "@/ui/badge"
import { Card } from "@/ui/card"

/** From which share of a limit on it is nearly used up. */
const NEAR = 0.8

/** Whether anything is stopped, nearly used up or waits for a person: each a light that leads to its page. */
export function RiskLights({ alerts }: { alerts: readonly Schemas["Alert"][] }) {
  const { t } = useTranslation()
  const breakers = api.useQuery("get", "/api/v1/risk/breakers")
  const limits = api.useQuery("get", "/api/v1/risk/limits", { params: { query: { limit: 200 } } })
  const abilities = api.useQuery("get", "/api/v1/automation/abilities")
  const standing = breakers.data?.filter((one) => one.state !== "closed").length
  const near = limits.data?.items.filter(
    ({ used, amount }) => used !== null && Number(used) >= NEAR * Number(amount),
  ).length
  const waits = abilities.data?.reduce(
    (sum, { states }) => sum + (states.waiting ?? 0) + (states.recommended ?? 0),
    0,
  )
  const critical = alerts.filter((one) => !one.closedAt && one.severity === "critical").length
  return (
    <Card title={t("lights.title")}>
      <ul className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        <Light
          to="/breakers"
          name={t("lights.breakers")}
          count={standing}
          tone="bad"
          text={standing ? t("lights.stopped", { count: standing }) : t("lights.free")}
        />
        <Light
          to="/limits"
          name={t("lights.limits")}
          count={near}
          tone="warn"
          text={near ? t("lights.near", { count: near }) : t("lights.roomy")}
        />
        <Light
          to="/alerts"
          name={t("lights.alerts")}
          count={critical}
          tone="bad"
          text={critical ? t("lights.critical", { count: critical }) : t("lights.quiet")}
        />
        <Light
          to="/decisions"
          name={t("lights.machine")}
          count={waits}
          tone="warn"
          text={waits ? t("lights.waits", { count: waits }) : t("lights.calm")}
        />
      </ul>
    </Card>
  )
}

function Light({
  to,
  name,
  count,
  tone,
  text,
}: {
  to: string
  name: string
  count: number | undefined
  tone: Tone
  text: string
}) {
  return (
    <li>
      <Link to={to} className="focusable hover:bg-muted/60 block space-y-1 rounded-md border p-3">
        <span className="text-muted-foreground block text-xs">{name}</span>
        <Badge tone={count === undefined ? "plain" : count ? tone : "good"}>
          {count === undefined ? "…" : text}
        </Badge>
      </Link>
    </li>
  )
}
