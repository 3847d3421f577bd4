import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Card, PageHead } from "@/ui/card"
import { AsOf, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"

type Alert = Schemas["Alert"]
const SHOWN = {
  open: (alert: Alert) => !alert.closedAt,
  critical: (alert: Alert) => !alert.closedAt && alert.severity === "critical",
  over: (alert: Alert) => !!alert.closedAt,
  all: () => true,
}
type Shown = keyof typeof SHOWN

/** The latest alerts: what is the matter now, since when, and what is over. */
export default function Alerts() {
  const { t } = useTranslation()
  const [shown, setShown] = useUrl<Shown>("shown", "open")
  const query = api.useQuery("get", "/api/v1/operations/overview")
  const choices = (["open", "critical", "over", "all"] as const).map(
    (one) => [one, t(`alerts.${one}`)] as const,
  )
  return (
    <>
      <PageHead title={t("pages.alerts")}>
        <Segments label={t("common.state")} value={shown} options={choices} onChange={setShown} />
        {query.data && <AsOf at={query.data.clock.now} />}
      </PageHead>
      <Card flush>
        <Loaded query={query} rows={8}>
          {({ alerts }) => (
            <Table
              label={t("pages.alerts")}
              rows={alerts.filter(SHOWN[shown])}
              id={(row) => `${row.kind}:${row.subject}:${row.at}`}
              empty={<Empty title={t(shown === "open" ? "alerts.noneOpen" : "operation.noAlerts")} />}
              columns={[
                {
                  key: "last",
                  head: t("alerts.last"),
                  cell: (row) => <Time at={row.lastAt} />,
                  sort: (row) => row.lastAt,
                },
                {
                  key: "severity",
                  head: t("common.state"),
                  cell: (row) => (
                    <Badge tone={row.closedAt ? "plain" : row.severity === "critical" ? "bad" : "warn"}>
                      {row.closedAt ? t("operation.over") : t(`severity.${row.severity}`)}
                    </Badge>
                  ),
                },
                {
                  key: "kind",
                  head: t("common.kind"),
                  cell: (row) =>
                    t(`alertKinds.${row.kind}` as "alertKinds.liquidation.failed", {
                      defaultValue: row.kind,
                    }),
                },
                {
                  key: "subject",
                  head: t("operation.subject"),
                  cell: (row) => <span title={row.subject}>{row.subject.slice(0, 36)}</span>,
                },
                {
                  key: "count",
                  head: t("alerts.count"),
                  right: true,
                  cell: (row) => row.count,
                  sort: (row) => row.count,
                },
                {
                  key: "result",
                  head: t("operation.result"),
                  cell: (row) => <span title={row.result}>{row.result.slice(0, 64)}</span>,
                },
                { key: "first", head: t("alerts.first"), cell: (row) => <Time at={row.at} /> },
                { key: "over", head: t("operation.over"), cell: (row) => <Time at={row.closedAt} /> },
                {
                  key: "details",
                  head: t("trail.details"),
                  cell: (row) => {
                    const details = JSON.stringify(row.details)
                    return <span title={details}>{details.slice(0, 64)}</span>
                  },
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  )
}
