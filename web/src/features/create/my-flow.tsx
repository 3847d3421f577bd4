import { Link, useParams } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { Button } from "@/ui/button"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { AsOf, Change, Fall, Money, Percent, Quantity, Time } from "@/ui/shown"
import { Loaded } from "@/ui/states"
import { Nav } from "../invest/flow"
import { Signals } from "../invest/signals"
import { Tags } from "../invest/tags"
import { AgainstBacktest } from "./against"
import { CloseFlow, EditFlow } from "./edit-flow"
import { Followers } from "./followers"
import { Status, Toggle } from "./my-flows"

/** One flow of a creator's own: whom it leads, its record, and how each of its signals was executed. */
export default function MyFlow() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const [doing, setDoing] = useState<"edit" | "close" | null>(null)
  const query = api.useQuery("get", "/api/v1/co-trading/flows/{flow_id}", {
    params: { path: { flow_id: id } },
  })
  const own = api.useQuery("get", "/api/v1/co-trading/subscriptions", { params: { query: { limit: 100 } } })
  const book = own.data?.items.find((one) => one.flowId === id && one.isLeader)
  return (
    <Loaded query={query} rows={8}>
      {(flow) => (
        <>
          <PageHead title={flow.title}>
            <Status flow={flow} />
            <Tags of={flow} />
            <AsOf at={flow.stats.performance.asOf} method="TWR" />
            <div className="ml-auto flex flex-wrap items-center gap-2">
              <Button asChild>
                <Link to={`/flows/${flow.flowId}`}>{t("myFlows.asSeen")}</Link>
              </Button>
              {flow.status !== "closed" && (
                <Button onClick={() => setDoing("edit")}>{t("myFlows.edit")}</Button>
              )}
              <Toggle flow={flow} />
              {book && flow.status !== "closed" && (
                <Button intent="danger" onClick={() => setDoing("close")}>
                  {t("myFlows.close")}
                </Button>
              )}
            </div>
          </PageHead>
          {flow.description && <p>{flow.description}</p>}
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3 2xl:grid-cols-5">
            <Figure label={t("flow.aum")}>
              <Money amount={flow.stats.totalAUM} asset={flow.stats.currency} />
            </Figure>
            <Figure label={t("flow.followers")}>
              <Quantity value={flow.stats.followers} />
            </Figure>
            <Figure label={t("flow.return")}>
              <Change ratio={flow.stats.performance.totalReturn} />
            </Figure>
            <Figure label={t("flow.winRate")}>
              <Percent ratio={flow.stats.performance.winRate} />
            </Figure>
            <Figure label={t("flow.drawdown")}>
              <Fall depth={flow.stats.performance.maxDrawdown} />
            </Figure>
          </div>
          <Card title={t("myFlows.terms")}>
            <Facts
              rows={[
                [t("run.strategy"), flow.strategy],
                [t("common.symbol"), `${flow.symbol} · ${flow.market}`],
                [
                  t("publish.minimum"),
                  <Money key="m" amount={flow.settings.minInvestment} asset={flow.stats.currency} />,
                ],
                [t("publish.most"), flow.settings.maxFollowers ?? t("publish.unlimited")],
                [
                  t("myFlows.ownBook"),
                  book ? (
                    <Link
                      key="b"
                      to={`/copies/${book.subscriptionId}`}
                      className="text-primary hover:underline"
                    >
                      <Money amount={book.currentValue} asset={book.currency} />
                    </Link>
                  ) : null,
                ],
                [t("myFlows.published"), <Time key="p" at={flow.createdAt} />],
                [t("myFlows.changed"), <Time key="c" at={flow.updatedAt} />],
              ]}
            />
          </Card>
          <Followers id={id} />
          <Nav id={id} />
          <AgainstBacktest id={id} />
          <Signals id={id} />
          {doing === "edit" && <EditFlow flow={flow} onClose={() => setDoing(null)} />}
          {doing === "close" && book && <CloseFlow flow={flow} book={book} onClose={() => setDoing(null)} />}
        </>
      )}
    </Loaded>
  )
}
