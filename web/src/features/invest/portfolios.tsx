import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Money, Percent, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { FoundPortfolio } from "./found-portfolio"

export const PORTFOLIO_TONES: Record<Schemas["Portfolio"]["status"], Tone> = {
  active: "strong",
  closing: "warn",
  closed: "plain",
}

/** One's own portfolios; to the staff, everybody's. */
export default function Portfolios() {
  const { t } = useTranslation()
  const may = useMay("copy")
  const [founding, setFounding] = useState(false)
  const query = api.useQuery("get", "/api/v1/portfolios", { params: { query: { limit: 200 } } })
  return (
    <>
      <PageHead title={t("pages.portfolios")}>
        {may && (
          <Button intent="primary" className="ml-auto" onClick={() => setFounding(true)}>
            {t("portfolio.found")}
          </Button>
        )}
      </PageHead>
      <Loaded query={query} rows={6}>
        {({ items }) => (
          <Card flush>
            <Table
              label={t("pages.portfolios")}
              rows={items}
              id={(one) => one.id}
              to={(one) => `/portfolios/${one.id}`}
              empty={<Empty title={t("portfolio.none")}>{t("portfolio.noneWhy")}</Empty>}
              columns={[
                {
                  key: "name",
                  head: t("portfolio.name"),
                  cell: (one) => one.name,
                  sort: (one) => one.name,
                },
                {
                  key: "method",
                  wide: true,
                  head: t("portfolio.method"),
                  cell: (one) => t(`portfolio.methods.${one.rules.method}`),
                },
                {
                  key: "equity",
                  right: true,
                  head: t("portfolio.equity"),
                  cell: (one) => <Money amount={one.equity} asset={one.asset} />,
                  sort: (one) => Number(one.equity),
                },
                {
                  key: "drift",
                  right: true,
                  head: t("portfolio.drift"),
                  cell: (one) => <Percent ratio={one.drift} />,
                  sort: (one) => Number(one.drift),
                },
                {
                  key: "rebalanced",
                  wide: true,
                  head: t("portfolio.rebalanced"),
                  cell: (one) => <Time at={one.rebalancedAt} />,
                  sort: (one) => one.rebalancedAt ?? "",
                },
                {
                  key: "status",
                  head: t("common.state"),
                  cell: (one) => (
                    <Badge tone={PORTFOLIO_TONES[one.status]}>{t(`portfolio.status.${one.status}`)}</Badge>
                  ),
                },
              ]}
            />
          </Card>
        )}
      </Loaded>
      {founding && <FoundPortfolio onClose={() => setFounding(false)} />}
    </>
  )
}
