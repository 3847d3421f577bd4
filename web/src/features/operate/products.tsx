import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { isMinute, useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Check, Field } from "@/ui/field"
import { AsOf, Percent, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { Accruals } from "./accruals"
import { useBusinessTime } from "./asked"
import { useProductName } from "./changes"
import { Pools } from "./pools"
import { Propose } from "./propose"

type Cell = Schemas["MatrixCell"]
type Row = { key: string; termDays: number; tier: string; cells: Partial<Record<Cell["profile"], Cell>> }
const PROFILES = ["conservative", "balanced", "aggressive"] as const
const KINDS = ["managed", "pools", "accruals"] as const

/** What is sold: the dated return matrix of managed products, pool products with their rates, what they paid. */
export default function Products() {
  const { t } = useTranslation()
  const [kind, setKind] = useUrl<(typeof KINDS)[number]>("kind", "managed", KINDS)
  const { now } = useBusinessTime()
  const kinds = KINDS.map(
    (one) => [one, one === "accruals" ? t("accruals.title") : t(`kinds.${one}`)] as const,
  )
  return (
    <>
      <PageHead title={t("pages.products")}>
        <Segments label={t("discover.kind")} value={kind} options={kinds} onChange={setKind} />
        {now && <AsOf at={now} />}
      </PageHead>
      {kind === "managed" ? <Matrix /> : kind === "pools" ? <Pools /> : <Accruals />}
    </>
  )
}

/** Profiles beside each other, a line for each term and tier; several cells can be changed at once. */
function Matrix() {
  const { t } = useTranslation()
  const productName = useProductName()
  const may = useMay("terms")
  const [at, setAt] = useUrl("at", "", isMinute)
  const [chosen, setChosen] = useState<ReadonlySet<string> | null>(null)
  const [proposing, setProposing] = useState(false)
  const query = api.useQuery("get", "/api/v1/managed/return-matrix", {
    params: { query: at ? { at: `${at}:00Z` } : {} },
  })
  const turn = (id: string) => {
    const next = new Set(chosen)
    if (!next.delete(id)) next.add(id)
    setChosen(next)
  }
  return (
    <Card
      title={t("matrix.title")}
      actions={
        may &&
        (chosen ? (
          <span className="flex gap-2">
            <Button intent="primary" disabled={!chosen.size} onClick={() => setProposing(true)}>
              {t("propose.chosen", { count: chosen.size })}
            </Button>
            <Button onClick={() => setChosen(null)}>{t("common.cancel")}</Button>
          </span>
        ) : (
          <Button onClick={() => setChosen(new Set())}>{t("propose.choose")}</Button>
        ))
      }
    >
      <p className="text-muted-foreground mb-3">{t("matrix.why")}</p>
      <div className="mb-3 w-56">
        <Field
          label={t("proof.asOf")}
          type="datetime-local"
          value={at}
          onChange={(event) => setAt(event.target.value)}
        />
      </div>
      <Loaded query={query} rows={8}>
        {(cells) => (
          <>
            <Table
              label={t("matrix.title")}
              rows={linesOf(cells)}
              id={(row) => row.key}
              empty={<Empty title={t("matrix.none")} />}
              columns={[
                {
                  key: "term",
                  head: t("pool.term"),
                  cell: (row) => t("common.days", { count: row.termDays }),
                  sort: (row) => row.termDays,
                },
                {
                  key: "tier",
                  head: t("matrix.tier"),
                  cell: (row) => t(`tiers.${row.tier}` as "tiers.gold", { defaultValue: row.tier }),
                },
                ...PROFILES.map((profile) => ({
                  key: profile,
                  head: t(`profiles.${profile}`),
                  right: true,
                  cell: (row: Row) => {
                    const cell = row.cells[profile]
                    if (!cell) return "–"
                    return (
                      <span className="inline-flex items-center gap-2">
                        <small className="text-muted-foreground">
                          {t("matrix.since")} <Time at={cell.validFrom} />
                        </small>
                        {chosen && (
                          <Check
                            label={<span className="sr-only">{productName(cell)}</span>}
                            checked={chosen.has(cell.productId)}
                            onChange={() => turn(cell.productId)}
                          />
                        )}
                        <Link
                          to={`/products/${cell.productId}`}
                          className="focusable text-primary rounded hover:underline"
                        >
                          <span className="sr-only">{productName(cell)} </span>
                          <Percent ratio={cell.annualReturn} />
                        </Link>
                      </span>
                    )
                  },
                })),
              ]}
            />
            {proposing && (
              <Propose
                cells={cells.filter((cell) => chosen?.has(cell.productId))}
                onClose={() => {
                  setProposing(false)
                  setChosen(null)
                }}
              />
            )}
          </>
        )}
      </Loaded>
    </Card>
  )
}

function linesOf(cells: readonly Cell[]): Row[] {
  const lines = new Map<string, Row>()
  for (const cell of cells) {
    const key = `${cell.termDays}:${cell.tier}`
    const line = lines.get(key) ?? { key, termDays: cell.termDays, tier: cell.tier, cells: {} }
    line.cells[cell.profile] = cell
    lines.set(key, line)
  }
  return [...lines.values()]
}
