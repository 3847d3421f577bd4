import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { add } from "@/lib/decimal"
import { useAct } from "@/lib/form"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Figure, PageHead } from "@/ui/card"
import { Change, Money, Quantity, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Publish } from "./publish"

type Flow = Schemas["SharedFlow"]

/** What a creator publishes: who follows with how much money, and what it earns. */
export default function MyFlows() {
  const { t } = useTranslation()
  const [publish, setPublish] = useUrl("publish", "")
  const query = api.useQuery("get", "/api/v1/co-trading/flows/my", { params: { query: { limit: 100 } } })
  return (
    <>
      <PageHead title={t("pages.myFlows")}>
        <Button intent="primary" className="ml-auto" onClick={() => setPublish("new")}>
          {t("publish.title")}
        </Button>
      </PageHead>
      <Loaded query={query} rows={8}>
        {({ items }) => (
          <>
            <Sums flows={items} />
            <Card title={t("myFlows.list")} flush>
              <Table
                label={t("myFlows.list")}
                rows={items}
                id={(row) => row.flowId}
                to={(row) => `/my-flows/${row.flowId}`}
                empty={<Empty title={t("myFlows.none")} />}
                columns={[
                  {
                    key: "title",
                    head: t("publish.name"),
                    sort: (row) => row.title,
                    cell: (row) => row.title,
                  },
                  { key: "status", head: t("common.state"), cell: (row) => <Status flow={row} /> },
                  { key: "strategy", wide: true, head: t("run.strategy"), cell: (row) => row.strategy },
                  { key: "symbol", wide: true, head: t("common.symbol"), cell: (row) => row.symbol },
                  {
                    key: "followers",
                    head: t("flow.followers"),
                    right: true,
                    sort: (row) => row.stats.followers,
                    cell: (row) => (
                      <>
                        <Quantity value={row.stats.followers} />
                        {row.settings.maxFollowers && ` / ${row.settings.maxFollowers}`}
                      </>
                    ),
                  },
                  {
                    key: "aum",
                    head: t("flow.aum"),
                    right: true,
                    sort: (row) => Number(row.stats.totalAUM),
                    cell: (row) => <Money amount={row.stats.totalAUM} asset={row.stats.currency} />,
                  },
                  {
                    key: "return",
                    head: t("flow.return"),
                    right: true,
                    sort: (row) => Number(row.stats.performance.totalReturn ?? 0),
                    cell: (row) => <Change ratio={row.stats.performance.totalReturn} />,
                  },
                  {
                    key: "signal",
                    head: t("myFlows.lastSignal"),
                    cell: (row) => <Time at={row.lastSignalAt} />,
                  },
                ]}
              />
            </Card>
          </>
        )}
      </Loaded>
      {publish && <Publish strategy={publish === "new" ? "" : publish} onClose={() => setPublish("")} />}
    </>
  )
}

/** What the flows bring their creator, and what they carry. */
function Sums({ flows }: { flows: readonly Flow[] }) {
  const { t } = useTranslation()
  const earned = api.useQuery("get", "/api/v1/wallet/earnings")
  const currencies = [...new Set(flows.map((flow) => flow.stats.currency))]
  return (
    <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
      <Loaded query={earned} rows={2}>
        {({ income, asset }) => (
          <Figure label={t("myFlows.profitShare")} note={t("myFlows.profitShareNote")}>
            <Money amount={income.profitShare} asset={asset} />
          </Figure>
        )}
      </Loaded>
      <Figure label={t("flow.followers")}>
        <Quantity value={flows.reduce((sum, flow) => sum + flow.stats.followers, 0)} />
      </Figure>
      {currencies.map((currency) => (
        <Figure key={currency} label={t("flow.aum")}>
          <Money
            amount={add(
              ...flows.filter((one) => one.stats.currency === currency).map((one) => one.stats.totalAUM),
            )}
            asset={currency}
          />
        </Figure>
      ))}
      <Figure label={t("myFlows.running")}>
        {flows.filter((flow) => flow.status === "active").length} / {flows.length}
      </Figure>
    </div>
  )
}

export function Status({ flow }: { flow: Flow }) {
  const { t } = useTranslation()
  return <Badge tone={flow.status === "active" ? "strong" : "plain"}>{t(`flowStatus.${flow.status}`)}</Badge>
}

/** Pause or resume a flow. Asking for what it already is changes nothing, so it needs no key. */
export function Toggle({ flow }: { flow: Flow }) {
  const { t } = useTranslation()
  const act = useAct(async (action: "pause" | "resume") => {
    await client.POST("/api/v1/co-trading/flows/{flow_id}/toggle", {
      params: { path: { flow_id: flow.flowId } },
      body: { action },
    })
  })
  if (flow.status === "closed") return null
  const action = flow.status === "active" ? "pause" : "resume"
  return (
    <>
      {act.error && <Failed error={act.error} />}
      <Button
        intent={action === "pause" ? "danger" : "primary"}
        disabled={act.isPending}
        onClick={() => act.mutate(action)}
      >
        {action === "pause" ? t("copy.pause") : t("copy.resume")}
      </Button>
    </>
  )
}
