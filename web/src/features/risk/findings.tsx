import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card } from "@/ui/card"
import { Choice } from "@/ui/field"
import { Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

export type Kind = Schemas["FindingKind"]
type Page = { items: Schemas["FoundAt"][]; nextCursor: string | null }

/** What was found wrong, in an imported series or in a live market. */
export function Findings({
  of,
  title,
  kinds,
  counts = {},
  load,
  param = "kind",
  onClose,
}: {
  of: string
  title: string
  kinds: readonly Kind[]
  counts?: Record<string, number>
  load: (kind: Kind | null, cursor: string | undefined) => Promise<{ data?: Page }>
  /** What the chosen kind is called in the address. */
  param?: string
  onClose: () => void
}) {
  const { t } = useTranslation()
  const [kind, setKind] = useUrl<Kind | "all">(param, "all", ["all", ...kinds])
  const list = useList(["findings", of, kind], async (cursor) => {
    const { data } = await load(kind === "all" ? null : kind, cursor)
    return data!
  })
  const named = (one: Kind) => `${t(`findings.${one}`)}${counts[one] ? ` (${counts[one]})` : ""}`
  return (
    <Card
      title={title}
      flush={!!list.data?.length}
      actions={
        <div className="flex items-center gap-2">
          <Choice
            label={t("common.kind")}
            hideLabel
            value={kind}
            options={
              Object.fromEntries([
                ["all", t("alerts.all")],
                ...kinds.map((one) => [one, named(one)]),
              ]) as Record<Kind | "all", string>
            }
            onChange={setKind}
          />
          <Button onClick={onClose}>{t("common.close")}</Button>
        </div>
      }
    >
      <Loaded query={list} rows={4}>
        {(rows) => (
          <Table
            label={t("market.findings")}
            rows={rows}
            id={(row) => String(row.id)}
            more={list.more}
            empty={<Empty title={t("market.noFindings")} />}
            columns={[
              { key: "at", head: t("common.time"), cell: (row) => <Time at={row.at} seconds /> },
              { key: "kind", head: t("common.kind"), cell: (row) => t(`findings.${row.kind}`) },
              { key: "details", head: t("trail.details"), cell: (row) => row.details },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
