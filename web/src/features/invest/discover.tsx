import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Choice, Field, NumberField } from "@/ui/field"
import { Change, Fall, Money, Percent, Quantity, Statistic } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Segments } from "@/ui/tabs"
import { Follow } from "./follow"
import { PutIn } from "./put-in"
import { Subscribe } from "./subscribe"
import { Tags } from "./tags"

const KINDS = ["managed", "flows", "pools"] as const
const PROFILES = ["conservative", "balanced", "aggressive"] as const
const ORDERS = ["performance", "followers", "aum", "newest"] as const

/** What money can be put into: managed products, flows to copy, pools with a daily rate. */
export default function Discover() {
  const { t } = useTranslation()
  const [kind, setKind] = useUrl<(typeof KINDS)[number]>("kind", "managed", KINDS)
  const kinds = KINDS.map((one) => [one, t(`kinds.${one}`)] as const)
  return (
    <>
      <PageHead title={t("pages.discover")}>
        <Segments label={t("discover.kind")} value={kind} options={kinds} onChange={setKind} />
      </PageHead>
      {kind === "managed" && <Managed />}
      {kind === "flows" && <Flows />}
      {kind === "pools" && <Pools />}
    </>
  )
}

/** Products as a matrix of term and tier for one profile, as they are chosen. */
function Managed() {
  const { t } = useTranslation()
  const [profile, setProfile] = useUrl<Schemas["Offer"]["profile"]>("profile", "balanced", PROFILES)
  const [chosen, setChosen] = useState<Schemas["Offer"] | null>(null)
  const query = api.useQuery("get", "/api/v1/managed/products")
  const profiles = PROFILES.map((one) => [one, t(`profiles.${one}`)] as const)
  return (
    <>
      <div className="flex flex-wrap items-center gap-3">
        <Segments label={t("discover.profile")} value={profile} options={profiles} onChange={setProfile} />
        <p className="text-muted-foreground">{t(`discover.${profile}`)}</p>
      </div>
      <Loaded query={query} rows={6}>
        {(offers) => {
          const shown = offers.filter((offer) => offer.profile === profile)
          const terms = [...new Set(shown.map((offer) => offer.termDays))].sort((left, right) => left - right)
          if (!shown.length) return <Empty title={t("discover.none")} />
          return terms.map((term) => (
            <Card key={term} title={t("common.days", { count: term })}>
              <div className="grid gap-4 md:grid-cols-2 xl:grid-cols-4">
                {shown
                  .filter((offer) => offer.termDays === term)
                  .map((offer) => (
                    <article key={offer.productId} className="space-y-2 rounded-lg border p-3">
                      <header className="flex items-center justify-between gap-2">
                        <h3 className="font-medium">
                          {t(`tiers.${offer.tier}` as "tiers.gold", { defaultValue: offer.tier })}
                        </h3>
                        <Badge>
                          {t("discover.expected")} <Percent ratio={offer.expectedReturn.annualReturn} />
                        </Badge>
                      </header>
                      <Facts
                        rows={[
                          [t("discover.from"), <Money key="m" amount={offer.minimum} asset={offer.asset} />],
                          [t("discover.below"), <Money key="x" amount={offer.maximum} asset={offer.asset} />],
                          [t("fees.management"), <Percent key="f" ratio={offer.fees.managementFee} />],
                          [t("fees.profitShare"), <Percent key="p" ratio={offer.fees.profitShare} />],
                          [t("fees.hurdle"), <Percent key="h" ratio={offer.fees.hurdle} />],
                          [t("discover.earlyExit"), offer.earlyExit ? t("common.yes") : t("common.no")],
                        ]}
                      />
                      <Button intent="primary" className="w-full" onClick={() => setChosen(offer)}>
                        {t("subscribe.title")}
                      </Button>
                    </article>
                  ))}
              </div>
            </Card>
          ))
        }}
      </Loaded>
      {chosen && <Subscribe offer={chosen} onClose={() => setChosen(null)} />}
    </>
  )
}

function Flows() {
  const { t } = useTranslation()
  const [sortBy, setSortBy] = useUrl<(typeof ORDERS)[number]>("by", "performance", ORDERS)
  const [search, setSearch] = useUrl("search", "")
  const [chosen, setChosen] = useState<Schemas["SharedFlow"] | null>(null)
  const query = api.useQuery("get", "/api/v1/co-trading/flows", { params: { query: { sortBy, limit: 100 } } })
  const found = (flow: Schemas["SharedFlow"]) =>
    [flow.title, flow.symbol, flow.strategy, ...flow.tags].some((text) =>
      text.toLowerCase().includes(search.toLowerCase()),
    )
  return (
    <>
      <div className="filters">
        <Field
          label={t("discover.search")}
          type="search"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          className="sm:w-56"
        />
        <Choice
          label={t("discover.sortBy")}
          value={sortBy}
          options={
            Object.fromEntries(ORDERS.map((one) => [one, t(`sort.${one}`)])) as Record<typeof sortBy, string>
          }
          onChange={setSortBy}
        />
      </div>
      <Loaded query={query} rows={6}>
        {({ items }) => {
          const shown = items.filter(found)
          if (!shown.length) return <Empty title={t("discover.none")} />
          return (
            <div className="grid gap-4 md:grid-cols-2 xl:grid-cols-3">
              {shown.map((flow) => (
                <Card
                  key={flow.flowId}
                  title={
                    <Link
                      to={`/flows/${flow.flowId}`}
                      className="focusable text-primary rounded hover:underline"
                    >
                      {flow.title}
                    </Link>
                  }
                  actions={<Change ratio={flow.stats.performance.totalReturn} />}
                >
                  <p className="mb-2 flex flex-wrap gap-1">
                    <Tags of={flow} />
                  </p>
                  <Facts
                    rows={[
                      [t("flow.followers"), <Quantity key="f" value={flow.stats.followers} />],
                      [
                        t("flow.aum"),
                        <Money key="a" amount={flow.stats.totalAUM} asset={flow.stats.currency} />,
                      ],
                      [t("flow.drawdown"), <Fall key="d" depth={flow.stats.performance.maxDrawdown} />],
                      [t("flow.winRate"), <Percent key="w" ratio={flow.stats.performance.winRate} />],
                      [t("flow.sharpe"), <Statistic key="s" value={flow.stats.performance.sharpeRatio} />],
                    ]}
                  />
                  <Button
                    intent="primary"
                    className="mt-3 w-full"
                    disabled={flow.status !== "active"}
                    onClick={() => setChosen(flow)}
                  >
                    {flow.status === "active" ? t("follow.title") : t(`flowStatus.${flow.status}`)}
                  </Button>
                </Card>
              ))}
            </div>
          )
        }}
      </Loaded>
      {chosen && <Follow flow={chosen} onClose={() => setChosen(null)} />}
    </>
  )
}

function Pools() {
  const { t } = useTranslation()
  const [amount, setAmount] = useUrl("amount", "1000")
  const [chosen, setChosen] = useState<Schemas["PoolProduct"] | null>(null)
  const asked = /^\d+(\.\d+)?$/.test(amount) ? amount : undefined
  const query = api.useQuery("get", "/api/v1/pools/products", {
    params: { query: { amount: asked, onlyOpen: true, limit: 100 } },
  })
  return (
    <>
      <NumberField
        label={t("pool.estimateFor")}
        value={amount}
        onChange={(event) => setAmount(event.target.value)}
        className="sm:w-56"
      />
      <Loaded query={query}>
        {({ items }) =>
          items.length ? (
            <div className="grid gap-4 md:grid-cols-2 xl:grid-cols-4">
              {items.map((product) => (
                <Card
                  key={product.id}
                  title={product.name}
                  actions={
                    <Badge>
                      {t("pool.apy")} <Percent ratio={product.apy} />
                    </Badge>
                  }
                >
                  <Facts
                    rows={[
                      [
                        t("pool.term"),
                        product.termDays === null
                          ? t("pool.flexible")
                          : t("common.days", { count: product.termDays }),
                      ],
                      [t("pool.daily"), <Percent key="d" ratio={product.dailyRate} exact />],
                      [t("pool.left"), <Money key="l" amount={product.quotaLeft} asset={product.asset} />],
                      [t("discover.from"), <Money key="m" amount={product.minimum} asset={product.asset} />],
                      [
                        t("pool.perDay"),
                        <Money key="e" amount={product.estimate?.daily} asset={product.asset} />,
                      ],
                      [
                        t("pool.perYear"),
                        <Money key="y" amount={product.estimate?.yearly} asset={product.asset} />,
                      ],
                    ]}
                  />
                  <Button intent="primary" className="mt-3 w-full" onClick={() => setChosen(product)}>
                    {t("pool.putIn")}
                  </Button>
                </Card>
              ))}
            </div>
          ) : (
            <Empty title={t("discover.none")} />
          )
        }
      </Loaded>
      {chosen && <PutIn product={chosen} onClose={() => setChosen(null)} />}
    </>
  )
}
