import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Card, PageHead } from "@/ui/card"
import { Field } from "@/ui/field"
import { Id, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

/** Who did what, when and why: the audit trail, by kind, subject, actor or what belongs together. */
export default function Trail() {
  const { t } = useTranslation()
  const [kind, setKind] = useUrl("kind", "")
  const [actor, setActor] = useUrl("actor", "")
  const [subject, setSubject] = useUrl("subject", "")
  const list = useList(["trail", kind, actor, subject], async (cursor) => {
    const filters = {
      ...(kind ? { kind } : {}),
      ...(actor ? { actor } : {}),
      ...(subject ? { subject } : {}),
    }
    const { data } = await client.GET("/api/v1/audit/logs", {
      params: { query: { ...filters, cursor, limit: 200 } },
    })
    return data!
  })
  return (
    <>
      <PageHead title={t("pages.trail")} />
      <div className="flex flex-wrap items-end gap-3">
        <Field
          label={t("common.kind")}
          value={kind}
          onChange={(event) => setKind(event.target.value.trim())}
        />
        <Field
          label={t("trail.actor")}
          value={actor}
          onChange={(event) => setActor(event.target.value.trim())}
        />
        <Field
          label={t("approvals.subject")}
          value={subject}
          onChange={(event) => setSubject(event.target.value.trim())}
        />
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
                { key: "actor", head: t("trail.actor"), cell: (row) => row.actor.slice(0, 24) },
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
