import { Link, useParams } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { multiply } from "@/lib/decimal"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { AsOf, Money, Percent, Time } from "@/ui/shown"
import { Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { useProductName, Waiting } from "./changes"
import { Propose } from "./propose"

type History = Schemas["ProductHistory"]

/** One managed product: what it asks and what is expected of it, since when, and who decided that. */
export default function Product() {
  const { t } = useTranslation()
  const productName = useProductName()
  const { id } = useParams({ strict: false }) as { id: string }
  const may = useMay("terms")
  const [changing, setChanging] = useState(false)
  const query = api.useQuery("get", "/api/v1/managed/products/{product_id}", {
    params: { path: { product_id: id } },
  })
  return (
    <Loaded query={query} rows={8}>
      {(held) => (
        <>
          <PageHead title={productName(held.offer)}>
            <AsOf at={held.asOf} />
            {may && (
              <Button intent="primary" className="ml-auto" onClick={() => setChanging(true)}>
                {t("propose.one")}
              </Button>
            )}
          </PageHead>
          <Waiting subject={id} />
          <Cells held={held} />
          <Terms held={held} />
          {changing && (
            <Propose
              cells={[{ ...held.offer, ...held.offer.expectedReturn }]}
              onClose={() => setChanging(false)}
            />
          )}
        </>
      )}
    </Loaded>
  )
}

/** Whether something dated holds now, has been, or is to come. */
function Dated({ from, until, now }: { from: string; until: string | null; now: string }) {
  const { t } = useTranslation()
  const at = Date.parse(now)
  if (Date.parse(from) > at) return <Badge tone="warn">{t("product.toCome")}</Badge>
  if (until && Date.parse(until) <= at) return <Badge>{t("product.past")}</Badge>
  return <Badge tone="good">{t("product.inForce")}</Badge>
}

function Cells({ held }: { held: History }) {
  const { t } = useTranslation()
  return (
    <Card title={t("product.cells")} flush>
      <Table
        label={t("product.cells")}
        rows={held.cells}
        id={(row) => row.validFrom}
        empty={t("state.nothing")}
        columns={[
          { key: "from", head: t("product.from"), cell: (row) => <Time at={row.validFrom} /> },
          { key: "until", head: t("product.until"), cell: (row) => <Time at={row.validUntil} /> },
          {
            key: "state",
            head: t("common.state"),
            cell: (row) => <Dated from={row.validFrom} until={row.validUntil} now={held.asOf} />,
          },
          {
            key: "was",
            head: t("changes.before"),
            right: true,
            cell: (row) => <Percent ratio={held.cells[held.cells.indexOf(row) + 1]?.annualReturn} />,
          },
          {
            key: "annual",
            head: t("matrix.annual"),
            right: true,
            cell: (row) => <Percent ratio={row.annualReturn} />,
          },
          {
            key: "warning",
            head: t("matrix.warning"),
            right: true,
            cell: (row) => <Percent ratio={multiply(row.warningPercent, "0.01")} />,
          },
          {
            key: "alert",
            head: t("matrix.alert"),
            right: true,
            cell: (row) => <Percent ratio={multiply(row.alertPercent, "0.01")} />,
          },
          {
            key: "asked",
            head: t("approvals.by"),
            cell: (row) => row.decision?.askedByName ?? t("product.published"),
          },
          { key: "by", head: t("approvals.decidedBy"), cell: (row) => row.decision?.decidedByName ?? "–" },
          {
            key: "at",
            head: t("approvals.decidedAt"),
            cell: (row) =>
              row.decision ? (
                <Link
                  to="/approvals"
                  search={{ status: "approved", open: row.decision.approvalId } as never}
                  className="focusable text-primary rounded hover:underline"
                >
                  <Time at={row.decision.decidedAt} />
                </Link>
              ) : (
                "–"
              ),
          },
        ]}
      />
    </Card>
  )
}

function Terms({ held }: { held: History }) {
  const { t } = useTranslation()
  const { offer } = held
  const shares = (rates: readonly string[]) =>
    rates.map((rate, level) => <Percent key={level} ratio={rate} />)
  return (
    <Card title={t("product.terms")}>
      <Facts
        rows={[
          [t("product.minimum"), <Money key="n" amount={offer.minimum} asset={offer.asset} />],
          [t("product.maximum"), <Money key="x" amount={offer.maximum} asset={offer.asset} />],
          [t("discover.earlyExit"), offer.earlyExit ? t("common.yes") : t("common.no")],
        ]}
      />
      {held.terms.map((one) => (
        <section key={one.validFrom} className="mt-4 border-t pt-3">
          <h3 className="mb-2 flex flex-wrap items-center gap-2">
            <Time at={one.validFrom} /> – {one.validUntil && <Time at={one.validUntil} />}
            <Dated from={one.validFrom} until={one.validUntil} now={held.asOf} />
          </h3>
          <Facts
            rows={[
              [t("fees.management"), <Percent key="m" ratio={one.fees.managementFee} />],
              [t("fees.profitShare"), <Percent key="p" ratio={one.fees.profitShare} />],
              [
                t("fees.hurdle"),
                <span key="h">
                  <Percent ratio={one.fees.hurdle} /> · {t(`fees.${one.fees.hurdleKind}`)}
                </span>,
              ],
              [t("product.platformCut"), <Percent key="c" ratio={one.fees.platformCut} />],
              [
                t("product.referral"),
                <span key="r" className="inline-flex gap-2">
                  {one.fees.referralRates.length ? shares(one.fees.referralRates) : "–"}
                </span>,
              ],
              [
                t("product.crystallise"),
                one.fees.crystalliseDays
                  ? t("product.every", { count: one.fees.crystalliseDays })
                  : t("product.atEnd"),
              ],
            ]}
          />
        </section>
      ))}
    </Card>
  )
}
