import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Money, Percent, Statistic, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { Findings } from "./limit-findings"
import { SetLimit } from "./limit-form"

type Limit = Schemas["LimitUse"]
const VIEWS = ["in_force", "past", "findings"] as const

/** How much each part of the business may hold, order and lose, how much of it is used, and what was cut. */
export default function Limits() {
  const { t } = useTranslation()
  const may = useMay("risk")
  const [view, setView] = useUrl<(typeof VIEWS)[number]>("view", "in_force", VIEWS)
  const [setting, setSetting] = useState<Limit | "new" | null>(null)
  return (
    <>
      <PageHead title={t("pages.limits")}>
        <Segments
          label={t("pages.limits")}
          value={view}
          options={VIEWS.map((one) => [one, t(`limits.${one}`)] as const)}
          onChange={setView}
        />
        {may && (
          <Button intent="primary" onClick={() => setSetting("new")}>
            {t("limits.set")}
          </Button>
        )}
      </PageHead>
      <p className="text-muted-foreground max-w-3xl">{t("limits.why")}</p>
      {view === "findings" ? (
        <Findings />
      ) : (
        <List key={view} state={view} onChange={may && view === "in_force" ? setSetting : undefined} />
      )}
      {setting && <SetLimit limit={setting === "new" ? null : setting} onClose={() => setSetting(null)} />}
    </>
  )
}

function List({ state, onChange }: { state: "in_force" | "past"; onChange?: (limit: Limit) => void }) {
  const { t } = useTranslation()
  const past = state === "past"
  const list = useList(["risk-limits", state], async (cursor) => {
    const { data } = await client.GET("/api/v1/risk/limits", {
      params: { query: { state, cursor, limit: 100 } },
    })
    return data!
  })
  return (
    <Card flush>
      <Loaded query={list} rows={8}>
        {(rows) => (
          <Table
            label={t("pages.limits")}
            rows={rows}
            id={(row) => row.id}
            more={list.more}
            empty={
              past ? (
                <Empty title={t("limits.nonePast")} />
              ) : (
                <Empty title={t("limits.none")}>{t("limits.noneWhy")}</Empty>
              )
            }
            columns={[
              {
                key: "measure",
                head: t("limits.measure"),
                cell: (row) => t(`limits.measures.${row.measure}`),
                sort: (row) => row.measure,
              },
              {
                key: "level",
                head: t("limits.level"),
                cell: (row) => t(`limits.levels.${row.level}`),
                sort: (row) => row.level,
              },
              { key: "subject", head: t("limits.subject"), cell: (row) => <Whose limit={row} /> },
              {
                key: "amount",
                head: t("limits.amount"),
                right: true,
                cell: (row) => <Measured limit={row} value={row.amount} />,
              },
              ...(past
                ? []
                : [
                    {
                      key: "used",
                      head: t("limits.used"),
                      right: true,
                      cell: (row: Limit) => <Used limit={row} />,
                      sort: (row: Limit) => Number(row.used ?? 0) / Number(row.amount),
                    },
                    {
                      key: "headroom",
                      head: t("limits.headroom"),
                      right: true,
                      cell: (row: Limit) => <Measured limit={row} value={row.headroom} />,
                    },
                  ]),
              {
                key: "effect",
                head: t("limits.effect"),
                cell: (row) => (row.effect ? t(`limits.effects.${row.effect}`) : "–"),
              },
              { key: "since", head: t("limits.since"), cell: (row) => <Time at={row.validFrom} /> },
              ...(past
                ? [{ key: "until", head: t("limits.until"), cell: (row: Limit) => <Time at={row.endedAt} /> }]
                : []),
              {
                key: "reason",
                head: t("limits.reason"),
                cell: (row) => <span title={row.reason}>{row.reason.slice(0, 48)}</span>,
              },
              ...(onChange
                ? [
                    {
                      key: "act",
                      head: "",
                      cell: (row: Limit) => (
                        <Button onClick={() => onChange(row)}>{t("limits.change")}</Button>
                      ),
                    },
                  ]
                : []),
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}

/** Whose books a limit takes together, by name. */
export function Whose({ limit }: { limit: Pick<Limit, "subject" | "called"> }) {
  const { t } = useTranslation()
  if (!limit.subject) return "–"
  return limit.subject === "*" ? t("limits.each") : <span title={limit.subject}>{limit.called}</span>
}

/** What is used, and how near that is to what may be. */
function Used({ limit }: { limit: Limit }) {
  const share = limit.used === null ? null : Number(limit.used) / Number(limit.amount)
  return (
    <span className="inline-flex items-center gap-2">
      {share !== null && (
        <Badge tone={share >= 1 ? "bad" : share >= 0.8 ? "warn" : "plain"}>
          <Percent ratio={String(share)} />
        </Badge>
      )}
      <Measured limit={limit} value={limit.used} />
    </span>
  )
}

const SHARES: readonly string[] = [
  "concentration",
  "margin_use",
  "daily_loss",
  "drawdown",
  "error_rate",
  "price_jump",
]

/** An amount in the unit of a limit: money, a share, a multiple, or a number of orders. */
export function Measured({
  limit,
  value,
}: {
  limit: Pick<Limit, "measure" | "asset">
  value: string | null
}) {
  if (value === null) return "–"
  if (limit.asset) return <Money amount={value} asset={limit.asset} />
  if (SHARES.includes(limit.measure)) return <Percent ratio={value} />
  return limit.measure === "leverage" ? <Statistic value={value} unit="×" /> : Number(value)
}
