import { useState } from "react"
import { useTranslation } from "react-i18next"
import { Link } from "@tanstack/react-router"
import { client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Choice, Field } from "@/ui/field"
import { Id, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { AlertResult } from "./alert-result"
import { subjectPage } from "./alert-subject"

type Alert = Schemas["Alert"]
type Shown = "open" | "new" | "acknowledged" | "closed" | "all"
const SHOWN = ["open", "new", "acknowledged", "closed", "all"] as const
const SEVERITIES = ["all", "critical", "warning"] as const
const tone = ({ state, severity }: Alert): Tone =>
  state === "closed" ? "plain" : severity === "critical" ? "bad" : "warn"

/** What is the matter, since when, and who looks after it. */
export default function Alerts() {
  const { t } = useTranslation()
  const may = useMay("acknowledge")
  const [shown, setShown] = useUrl<Shown>("shown", "open", SHOWN)
  const [severity, setSeverity] = useUrl<Alert["severity"] | "all">("severity", "all", SEVERITIES)
  const [seen, setSeen] = useState<Alert | null>(null)
  const list = useList(["alerts", shown, severity], async (cursor) => {
    const { data } = await client.GET("/api/v1/alerts", {
      params: {
        query: {
          ...(shown === "all" ? {} : { state: shown }),
          ...(severity === "all" ? {} : { severity }),
          cursor,
          limit: 100,
        },
      },
    })
    return data!
  })
  return (
    <>
      <PageHead title={t("pages.alerts")}>
        <Segments
          label={t("common.state")}
          value={shown}
          options={SHOWN.map((one) => [one, t(`alerts.${one}`)] as const)}
          onChange={setShown}
        />
        <Choice
          label={t("alerts.severity")}
          hideLabel
          value={severity}
          options={{
            all: t("alerts.anySeverity"),
            critical: t("severity.critical"),
            warning: t("severity.warning"),
          }}
          onChange={setSeverity}
        />
      </PageHead>
      <Card flush>
        <Loaded query={list} rows={8}>
          {(rows) => (
            <Table
              label={t("pages.alerts")}
              rows={rows}
              id={(row) => String(row.id)}
              more={list.more}
              empty={<Empty title={t(shown === "open" ? "alerts.noneOpen" : "operation.noAlerts")} />}
              columns={[
                {
                  key: "kind",
                  head: t("common.kind"),
                  cell: (row) => (
                    <button
                      type="button"
                      className="focusable text-primary rounded hover:underline"
                      onClick={() => setSeen(row)}
                    >
                      <Kind of={row} />
                    </button>
                  ),
                },
                {
                  key: "severity",
                  head: t("alerts.severity"),
                  cell: (row) => <Badge tone={tone(row)}>{t(`severity.${row.severity}`)}</Badge>,
                },
                {
                  key: "state",
                  head: t("common.state"),
                  cell: (row) => (
                    <Badge tone={row.state === "new" ? "strong" : "plain"}>{t(`alerts.${row.state}`)}</Badge>
                  ),
                },
                { key: "subject", head: t("operation.subject"), cell: (row) => <Subject of={row} /> },
                {
                  key: "count",
                  head: t("alerts.count"),
                  right: true,
                  cell: (row) => row.count,
                  sort: (row) => row.count,
                },
                {
                  key: "last",
                  head: t("alerts.last"),
                  cell: (row) => <Time at={row.lastAt} />,
                  sort: (row) => row.lastAt,
                },
                {
                  key: "first",
                  head: t("alerts.first"),
                  cell: (row) => <Time at={row.at} />,
                  sort: (row) => row.at,
                },
                {
                  key: "result",
                  head: t("operation.result"),
                  cell: (row) => <AlertResult of={row} />,
                },
                {
                  key: "by",
                  head: t("alerts.by"),
                  cell: (row) => row.acknowledgedByName ?? row.acknowledgedBy ?? "–",
                },
                {
                  key: "note",
                  head: t("alerts.note"),
                  cell: (row) => <span title={row.note ?? undefined}>{row.note?.slice(0, 48) ?? "–"}</span>,
                },
                ...(may
                  ? [
                      {
                        key: "act",
                        head: "",
                        right: true,
                        cell: (row: Alert) =>
                          row.state === "new" && (
                            <Button className="h-6" onClick={() => setSeen(row)}>
                              {t("alerts.acknowledge")}
                            </Button>
                          ),
                      },
                    ]
                  : []),
              ]}
            />
          )}
        </Loaded>
      </Card>
      {seen && <One alert={seen} may={may} onClose={() => setSeen(null)} />}
    </>
  )
}

const Kind = ({ of }: { of: Alert }) => {
  const { t } = useTranslation()
  return t(`alertKinds.${of.kind}` as "alertKinds.liquidation.failed", { defaultValue: of.kind })
}

function Subject({ of }: { of: Alert }) {
  const [path, search] = (subjectPage(of) ?? "").split("?")
  const short = <Id id={of.subject} />
  if (!path) return short
  return (
    <Link
      to={path}
      search={Object.fromEntries(new URLSearchParams(search)) as never}
      className="focusable text-primary rounded hover:underline [&_code]:text-primary"
    >
      {short}
    </Link>
  )
}

/** One alert whole, and who looks after it. */
function One({ alert, may, onClose }: { alert: Alert; may: boolean; onClose: () => void }) {
  const { t } = useTranslation()
  const called = (name: string) => t(`alertDetails.${name}` as "alertDetails.reason", { defaultValue: name })
  const act = useAct(
    async (note: string, key) =>
      (
        await client.POST("/api/v1/alerts/{alert_id}/acknowledge", {
          params: { path: { alert_id: String(alert.id) }, header: key },
          body: { note },
        })
      ).data!,
    onClose,
  )
  return (
    <Dialog title={t("alerts.one")} onClose={onClose}>
      <Facts
        rows={[
          [t("common.kind"), <Kind key="k" of={alert} />],
          [t("operation.subject"), <Subject key="s" of={alert} />],
          [t("operation.result"), <AlertResult key="r" of={alert} />],
          [t("alerts.first"), <Time key="f" at={alert.at} />],
          [t("alerts.last"), <Time key="l" at={alert.lastAt} />],
          [t("alerts.count"), alert.count],
          ...(alert.closedAt ? [[t("alerts.closed"), <Time key="c" at={alert.closedAt} />] as const] : []),
          ...(alert.acknowledgedAt
            ? ([
                [t("alerts.by"), alert.acknowledgedByName ?? alert.acknowledgedBy],
                [t("alerts.acknowledged"), <Time key="a" at={alert.acknowledgedAt} />],
                [t("alerts.note"), alert.note],
              ] as const)
            : []),
          ...Object.entries(alert.details).map(([name, value]) => [called(name), String(value)] as const),
        ]}
      />
      {may && alert.state === "new" && (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            act.mutate(given(event).note!)
          }}
        >
          <p className="text-muted-foreground">{t("alerts.why")}</p>
          <Field
            name="note"
            label={t("alerts.note")}
            hint={t("alerts.noteHint")}
            maxLength={500}
            required
            error={act.refused("note")}
          />
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t("alerts.acknowledge")}
          </Button>
        </form>
      )}
    </Dialog>
  )
}
