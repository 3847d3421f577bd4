import { useParams } from "@tanstack/react-router"
import { useMemo, useState } from "react"
import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { useMay } from "@/api/session"
import { formatPercent } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Figure, PageHead } from "@/ui/card"
import { AsOf, Change, Fall, Money, Statistic } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { drawdown, TimeChart, type Line } from "@/ui/time-chart"
import { AgainstBacktest } from "../create/against"
import { Follow } from "./follow"
import { Signals } from "./signals"
import { Tags } from "./tags"

/** One flow: what its creator's own book did, how far it fell, and its latest signals. */
export default function Flow() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const may = useMay("copy")
  const staff = useMay("overview")
  const [following, setFollowing] = useState(false)
  const query = api.useQuery("get", "/api/v1/co-trading/flows/{flow_id}", {
    params: { path: { flow_id: id } },
  })
  return (
    <Loaded query={query} rows={8}>
      {(flow) => (
        <>
          <PageHead title={flow.title}>
            <Badge tone={flow.status === "active" ? "strong" : "plain"}>
              {t(`flowStatus.${flow.status}`)}
            </Badge>
            <Tags of={flow} />
            <AsOf at={flow.stats.performance.asOf} method="TWR" />
            {may && flow.status === "active" && (
              <Button intent="primary" className="ml-auto" onClick={() => setFollowing(true)}>
                {t("follow.title")}
              </Button>
            )}
          </PageHead>
          {flow.description && <p>{flow.description}</p>}
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
            <Figure label={t("flow.return")}>
              <Change ratio={flow.stats.performance.totalReturn} />
            </Figure>
            <Figure label={t("flow.drawdown")}>
              <Fall depth={flow.stats.performance.maxDrawdown} />
            </Figure>
            <Figure label={t("flow.sharpe")}>
              <Statistic value={flow.stats.performance.sharpeRatio} />
            </Figure>
            <Figure label={t("flow.aum")} note={`${t("flow.followers")}: ${flow.stats.followers}`}>
              <Money amount={flow.stats.totalAUM} asset={flow.stats.currency} />
            </Figure>
          </div>
          <p className="text-muted-foreground text-xs">{t("flow.method")}</p>
          <Nav id={id} />
          {staff && <AgainstBacktest id={id} />}
          <Signals id={id} />
          {following && <Follow flow={flow} onClose={() => setFollowing(false)} />}
        </>
      )}
    </Loaded>
  )
}

export function Nav({ id }: { id: string }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const query = api.useQuery("get", "/api/v1/co-trading/flows/{flow_id}/nav", {
    params: { path: { flow_id: id } },
  })
  const points = query.data?.points
  const lines = useMemo((): Line[] => {
    const values = (points ?? []).map((point) => ({ at: point.at, value: Number(point.nav) }))
    return [
      { name: t("flow.nav"), as: "area", color: "--primary", points: values },
      {
        name: t("flow.fall"),
        as: "area",
        color: "--down",
        percent: true,
        pane: 1,
        points: drawdown(values),
      },
    ]
  }, [points, t])
  return (
    <Card title={t("flow.navTitle")}>
      <Loaded query={query} rows={6}>
        {(nav) =>
          nav.points.length > 1 ? (
            <TimeChart
              tall
              lines={lines}
              summary={t("flow.navSummary", {
                drawdown: formatPercent(
                  Math.min(...lines[1]!.points.map((point) => point.value)),
                  preferences,
                ),
              })}
            />
          ) : (
            <Empty title={t("holding.noNav")} />
          )
        }
      </Loaded>
    </Card>
  )
}
