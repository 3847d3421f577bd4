import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { multiply } from "@/lib/decimal"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { PageHead } from "@/ui/card"
import { Change, Money, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Card } from "@/ui/card"
import { Segments } from "@/ui/tabs"
import type { Schemas } from "@/api/client"

export type State = Schemas["State"]
export const STATE_TONES: Record<State, Tone> = {
  RESERVED: "plain",
  ACTIVE: "strong",
  MATURED: "plain",
  LIQUIDATING: "warn",
  LIQUIDATED: "plain",
  SETTLED: "good",
  CANCELLED: "plain",
}

const SHOWN = ["all", "managed", "copies", "pools"] as const
type Kind = Exclude<(typeof SHOWN)[number], "all">

/** One line of any kind: what it is, what went in, what it is worth, how it stands. */
type Line = {
  id: string
  kind: Kind
  name: string
  asset: string
  amount: string
  worth: string
  gain: string
  ratio: string | null
  state: string
  tone: Tone
  since: string
  until: string | null
}

/** Everything that one's money is in, over all kinds of products. */
export default function Holdings() {
  const { t } = useTranslation()
  const [shown, setShown] = useUrl<Kind | "all">("kind", "all", SHOWN)
  const managed = useList(["managed"], async (cursor) => {
    const { data } = await client.GET("/api/v1/managed-subscriptions", {
      params: { query: { cursor, limit: 200 } },
    })
    return data!
  })
  const copies = api.useQuery("get", "/api/v1/co-trading/subscriptions", {
    params: { query: { limit: 100 } },
  })
  const pools = useList(["pools"], async (cursor) => {
    const { data } = await client.GET("/api/v1/pools/holdings", { params: { query: { cursor, limit: 200 } } })
    return data!
  })
  const lines: Line[] = [
    ...(managed.data ?? []).map((one): Line => ({
      id: one.subscriptionId,
      kind: "managed",
      name: `${t(`profiles.${one.product.profile}`)} · ${t("common.days", { count: one.product.termDays })} · ${t(`tiers.${one.product.tier}` as "tiers.gold", { defaultValue: one.product.tier })}`,
      asset: one.asset,
      amount: one.amount,
      worth: one.performance.currentValue,
      gain: one.performance.profit,
      ratio: null,
      state: t(`states.${one.status}`),
      tone: STATE_TONES[one.status],
      since: one.subscribedAt,
      until: one.settledAt ?? one.maturesAt,
    })),
    ...(copies.data?.items ?? []).map((one): Line => ({
      id: one.subscriptionId,
      kind: "copies",
      name: one.flowTitle,
      asset: one.currency,
      amount: one.investmentAmount,
      worth: one.currentValue,
      gain: one.profitLoss,
      ratio: multiply(one.profitLossPercentage, "0.01"),
      state: t(`copyStatus.${one.status}`),
      tone: one.status === "active" ? "strong" : "plain",
      since: one.subscribedAt,
      until: one.exit?.closedAt ?? null,
    })),
    ...(pools.data ?? []).map((one): Line => ({
      id: one.id,
      kind: "pools",
      name: one.productName,
      asset: one.asset,
      amount: one.amount,
      worth: one.status === "held" ? one.amount : "0",
      gain: one.totalIncome,
      ratio: null,
      state: t(`holdingStatus.${one.status}`),
      tone: one.status === "held" ? "strong" : "plain",
      since: one.createdAt,
      until: one.redeemedAt ?? one.endAt,
    })),
  ].sort((left, right) => right.since.localeCompare(left.since))
  const kinds = SHOWN.map((one) => [one, t(`kinds.${one}`)] as const)
  const first = [managed, copies, pools].find((query) => query.error) ?? managed
  return (
    <>
      <PageHead title={t("pages.holdings")}>
        <Segments label={t("discover.kind")} value={shown} options={kinds} onChange={setShown} />
      </PageHead>
      <Loaded
        query={{ data: first.error ? undefined : managed.data, error: first.error, refetch: managed.refetch }}
        rows={8}
      >
        {() => (
          <Card flush>
            <Table
              label={t("pages.holdings")}
              rows={lines.filter((line) => shown === "all" || line.kind === shown)}
              id={(line) => line.id}
              to={(line) => (line.kind === "managed" ? `/holdings/${line.id}` : `/${line.kind}/${line.id}`)}
              empty={<Empty title={t("home.noneRunning")} />}
              more={managed.more ?? pools.more}
              columns={[
                {
                  key: "name",
                  head: t("holding.name"),
                  cell: (line) => line.name,
                  sort: (line) => line.name,
                },
                {
                  key: "kind",
                  wide: true,
                  head: t("discover.kind"),
                  cell: (line) => t(`kindOf.${line.kind}`),
                },
                {
                  key: "amount",
                  wide: true,
                  head: t("holding.amount"),
                  right: true,
                  cell: (line) => <Money amount={line.amount} asset={line.asset} />,
                  sort: (line) => Number(line.amount),
                },
                {
                  key: "worth",
                  head: t("holding.worth"),
                  right: true,
                  cell: (line) => <Money amount={line.worth} asset={line.asset} />,
                  sort: (line) => Number(line.worth),
                },
                {
                  key: "gain",
                  head: t("holding.gain"),
                  right: true,
                  cell: (line) => (
                    <>
                      <Money amount={line.gain} asset={line.asset} signed />{" "}
                      {line.ratio !== null && <Change ratio={line.ratio} />}
                    </>
                  ),
                  sort: (line) => Number(line.gain),
                },
                {
                  key: "state",
                  head: t("common.state"),
                  cell: (line) => <Badge tone={line.tone}>{line.state}</Badge>,
                  sort: (line) => line.state,
                },
                {
                  key: "since",
                  head: t("holding.since"),
                  cell: (line) => <Time at={line.since} />,
                  sort: (line) => line.since,
                },
                {
                  key: "until",
                  head: t("holding.until"),
                  cell: (line) => <Time at={line.until} />,
                  sort: (line) => line.until ?? "",
                },
              ]}
            />
          </Card>
        )}
      </Loaded>
    </>
  )
}
