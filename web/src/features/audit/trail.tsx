import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useList } from "@/lib/lists"
import { present, useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Card, PageHead } from "@/ui/card"
import { Filter } from "@/ui/filter"
import { Id, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

/** Who did what, when and why: the audit trail, by kind, subject, actor or what belongs together. */
export default function Trail() {
  const { t } = useTranslation()
  const [kind] = useUrl("kind", "")
  const [actor] = useUrl("actor", "")
  const [subject] = useUrl("subject", "")
  const list = useList(["trail", kind, actor, subject], async (cursor) => {
    const filters = present({ kind, actor, subject })
    const { data } = await client.GET("/api/v1/audit/logs", {
      params: { query: { ...filters, cursor, limit: 200 } },
    })
    return data!
  })
  return (
    <>
      <PageHead title={t("pages.trail")} />
      <div className="flex flex-wrap items-end gap-3">
        <Filter name="kind" label={t("common.kind")} />
        <Filter name="actor" label={t("trail.actor")} />
        <Filter name="subject" label={t("approvals.subject")} />
      </div>
      <Card flush>
        <Loaded query={list} rows={10}>
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
                  cell: (row) => <span title={row.actor}>{row.actorName ?? row.actor.slice(0, 24)}</span>,
                },
                { key: "subject", head: t("approvals.subject"), cell: (row) => <Id id={row.subject} /> },
                { key: "result", head: t("operation.result"), cell: (row) => row.result },
                {
                  key: "details",
                  head: t("trail.details"),
                  cell: (row) => JSON.stringify(row.details).slice(0, 80),
                },
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
      </Card>
    </>
  )
}
