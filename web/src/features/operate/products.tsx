import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Field, NumberField } from "@/ui/field"
import { AsOf, Percent, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { Asked, useBusinessTime } from "./asked"
import { Pools } from "./pools"

type Cell = Schemas["MatrixCell"]
type Row = { key: string; termDays: number; tier: string; cells: Partial<Record<Cell["profile"], Cell>> }
const PROFILES = ["conservative", "balanced", "aggressive"] as const

/** What is sold: the dated return matrix of managed products, and pool products with their rates. */
export default function Products() {
  const { t } = useTranslation()
  const [kind, setKind] = useUrl<"managed" | "pools">("kind", "managed")
  const { now } = useBusinessTime()
  const kinds = (["managed", "pools"] as const).map((one) => [one, t(`kinds.${one}`)] as const)
  return (
    <>
      <PageHead title={t("pages.products")}>
        <Segments label={t("discover.kind")} value={kind} options={kinds} onChange={setKind} />
        {now && <AsOf at={now} />}
      </PageHead>
      {kind === "managed" ? <Matrix /> : <Pools />}
    </>
  )
}

/** Profiles beside each other, a line for each term and tier. */
function Matrix() {
  const { t } = useTranslation()
  const may = useMay("terms")
  const [at, setAt] = useUrl("at", "")
  const [open, setOpen] = useState<Cell | null>(null)
  const query = api.useQuery("get", "/api/v1/managed/return-matrix", {
    params: { query: at ? { at: `${at}:00Z` } : {} },
  })
  return (
    <Card title={t("matrix.title")}>
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
                      {may ? (
                        <button
                          type="button"
                          className="focusable text-primary rounded hover:underline"
                          onClick={() => setOpen(cell)}
                        >
                          <Percent ratio={cell.annualReturn} />
                        </button>
                      ) : (
                        <Percent ratio={cell.annualReturn} />
                      )}
                    </span>
                  )
                },
              })),
            ]}
          />
        )}
      </Loaded>
      {open && <Change cell={open} onClose={() => setOpen(null)} />}
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

/** Another cell from a day on. It is a proposal: what was subscribed before keeps what it came with. */
function Change({ cell, onClose }: { cell: Cell; onClose: () => void }) {
  const { t } = useTranslation()
  const { dayAfter } = useBusinessTime()
  const act = useAct(
    async (
      body: { annualReturn: string; warningPercent: string; alertPercent: string; validFrom: string },
      key,
    ) =>
      (
        await client.PUT("/api/v1/managed/return-matrix", {
          params: { header: key },
          body: { ...body, productId: cell.productId },
        })
      ).data!,
  )
  const tier = t(`tiers.${cell.tier}` as "tiers.gold", { defaultValue: cell.tier })
  return (
    <Dialog
      title={`${t(`profiles.${cell.profile}`)} · ${t("common.days", { count: cell.termDays })} · ${tier}`}
      onClose={onClose}
    >
      <Facts
        rows={[
          [t("matrix.annual"), <Percent key="r" ratio={cell.annualReturn} />],
          [t("matrix.warning"), `${cell.warningPercent} %`],
          [t("matrix.alert"), `${cell.alertPercent} %`],
          [t("matrix.from"), <Time key="s" at={cell.validFrom} />],
        ]}
      />
      {act.data ? (
        <Asked id={act.data.approvalId} />
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const { annualReturn, warningPercent, alertPercent, validFrom } = given(event)
            act.mutate({
              annualReturn: annualReturn!,
              warningPercent: warningPercent!,
              alertPercent: alertPercent!,
              validFrom: `${validFrom}:00Z`,
            })
          }}
        >
          <NumberField
            name="annualReturn"
            label={t("matrix.annual")}
            hint={t("matrix.share")}
            min={-1}
            defaultValue={cell.annualReturn}
            required
            error={act.refused("annualReturn")}
          />
          <div className="grid gap-3 sm:grid-cols-2">
            <NumberField
              name="warningPercent"
              label={t("matrix.warning")}
              hint={t("matrix.points")}
              defaultValue={cell.warningPercent}
              required
              error={act.refused("warningPercent")}
            />
            <NumberField
              name="alertPercent"
              label={t("matrix.alert")}
              hint={t("matrix.points")}
              defaultValue={cell.alertPercent}
              required
              error={act.refused("alertPercent")}
            />
          </div>
          <Field
            name="validFrom"
            type="datetime-local"
            label={t("matrix.from")}
            hint={t("matrix.fromHint")}
            defaultValue={dayAfter(2) && `${dayAfter(2)}T00:00`}
            required
            error={act.refused("validFrom")}
          />
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t("asked.propose")}
          </Button>
        </form>
      )}
    </Dialog>
  )
}
