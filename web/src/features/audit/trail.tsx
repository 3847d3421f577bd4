import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useAct } from "@/lib/form"
import { keep } from "@/lib/keep"
import { useList } from "@/lib/lists"
import { present, useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Filter } from "@/ui/filter"
import { usePeriod } from "@/ui/period"
import { Id, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { said } from "../create/readings"

type Wanted = Partial<Record<"kind" | "actor" | "subject" | "correlationId" | "from" | "to", string>>

/** Who did what, when and why: the audit trail, by kind, subject, actor, period or what belongs together. */
export default function Trail() {
  const { t } = useTranslation()
  const [kind] = useUrl("kind", "")
  const [actor] = useUrl("actor", "")
  const [subject] = useUrl("subject", "")
  const [correlationId] = useUrl("correlationId", "")
  const [period, periodFields] = usePeriod()
  const wanted = present({ kind, actor, subject, correlationId, ...period })
  const act = useAct(async (format: "csv" | "ndjson") => {
    const { data } = await client.GET("/api/v1/audit/export", {
      params: { query: { ...wanted, format } },
      parseAs: "blob",
    })
    keep(data as Blob, `audit.${format}`)
  })
  return (
    <>
      <PageHead title={t("pages.trail")}>
        <div className="ml-auto flex flex-wrap gap-2">
          <Button disabled={act.isPending} onClick={() => act.mutate("csv")}>
            {t("trail.csv")}
          </Button>
          <Button disabled={act.isPending} onClick={() => act.mutate("ndjson")}>
            {t("trail.lines")}
          </Button>
        </div>
      </PageHead>
      {act.error && <Failed error={act.error} />}
      <div className="filters">
        <Filter name="kind" label={t("common.kind")} />
        <Filter name="actor" label={t("trail.actor")} />
        <Filter name="subject" label={t("approvals.subject")} />
        <Filter name="correlationId" label={t("journal.correlation")} />
        {periodFields}
      </div>
      <Card flush>
        <Events wanted={wanted} />
      </Card>
    </>
  )
}

/** Events that agree, the newest first. */
export function Events({ wanted }: { wanted: Wanted }) {
  const { t } = useTranslation()
  const list = useList(["trail", wanted], async (cursor) => {
    const { data } = await client.GET("/api/v1/audit/logs", {
      params: { query: { ...wanted, cursor, limit: 200 } },
    })
    return data!
  })
  return (
    <Loaded query={list} rows={6}>
      {(rows) => (
        <Table
          label={t("pages.trail")}
          rows={rows}
          id={(row) => String(row.id)}
          empty={<Empty title={t("trail.none")} />}
          more={list.more}
          columns={[
            { key: "at", head: t("common.time"), cell: (row) => <Time at={row.at} seconds /> },
            { key: "kind", head: t("common.kind"), cell: (row) => row.kind },
            {
              key: "actor",
              head: t("trail.actor"),
              cell: (row) => (
                <span title={row.actor}>{row.actorName ?? row.actor.replace(/(:\w{8})[-\w]+$/, "$1")}</span>
              ),
            },
            {
              key: "subject",
              head: t("approvals.subject"),
              cell: (row) => (
                <Link
                  to="/trace"
                  search={{ name: row.subject } as never}
                  className="focusable rounded hover:underline"
                >
                  <Id id={row.subject} />
                </Link>
              ),
            },
            { key: "result", head: t("operation.result"), cell: (row) => row.result },
            {
              key: "details",
              head: t("trail.details"),
              cell: (row) => {
                const details = said(row.details)
                return (
                  <span title={details}>{details.length > 80 ? `${details.slice(0, 80)}…` : details}</span>
                )
              },
            },
            { key: "rule", head: t("journal.rule"), cell: (row) => row.ruleVersion },
            {
              key: "sealed",
              head: t("proof.sealed"),
              cell: (row) => (
                <Badge tone={row.sealed ? "good" : "plain"}>
                  {row.sealed ? t("common.yes") : t("common.no")}
                </Badge>
              ),
            },
          ]}
        />
      )}
    </Loaded>
  )
}
