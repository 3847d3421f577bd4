import { useTranslation } from "react-i18next"
import { compare } from "@/lib/decimal"
import { Card, Facts } from "@/ui/card"
import { Chart } from "@/ui/chart"
import { Change, Money, Percent, Quantity } from "@/ui/shown"
import { Table } from "@/ui/table"
import { barRows, heightOf, histogram, toneOf } from "./options"
import { Drawn, Pair, share, useTold, type Part } from "./parts"

export function Results({ of }: Part) {
  const none = !of.investors.outcomes.settled
  return (
    <>
      <Pair>
        <Returns of={of} />
        <Expected of={of} />
        {!none && <Quantiles of={of} />}
        <Deviation of={of} />
      </Pair>
      <Products of={of} />
    </>
  )
}

function Returns({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { outcomes } = of.investors
  const classes = of.series.returns.map((one) => ({
    from: Number(one.from),
    to: Number(one.to),
    count: one.settled,
    tone: Number(one.from) >= 0 ? ("--up" as const) : ("--down" as const),
  }))
  const words = {
    title: t("simulation.returns.title"),
    method: t("simulation.returns.method"),
    basis: told.now(t("simulation.counted")),
    none: !classes.length && t("simulation.nothingSettled"),
    summary: t("simulation.returns.summary", {
      count: outcomes.settled,
      worst: told.percent(outcomes.worst ?? "0"),
      median: told.percent(outcomes.median ?? "0"),
      best: told.percent(outcomes.best ?? "0"),
      share: told.percent(outcomes.shareWithGain ?? "0", "auto"),
    }),
  }
  return (
    <Drawn {...words}>
      <Chart
        summary={words.summary}
        height={288}
        option={histogram(classes, share)}
        hint={({ dataIndex }) => {
          const one = classes[dataIndex]!
          return t("simulation.returns.hint", {
            from: told.percent(one.from),
            to: told.percent(one.to),
            count: one.count,
          })
        }}
      />
    </Drawn>
  )
}

function Expected({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { products } = of
  const bars = products.map((row) => ({
    name: `${t(`profiles.${row.profile}`)} · ${t("common.days", { count: row.termDays })} · ${t(`tiers.${row.tier as "gold"}`, row.tier)}`,
    from: 0,
    to: Number(row.netReturn),
    tone: toneOf(row.netReturn),
    shown: told.percent(row.netReturn),
  }))
  const words = {
    title: t("simulation.expected.title"),
    method: t("simulation.expected.method"),
    basis: told.now(t("simulation.percent")),
    none: !products.length && t("simulation.nothingSettled"),
    summary: t("simulation.expected.summary", {
      count: products.length,
      met: products.filter((row) => compare(row.netReturn, row.expectedReturn) >= 0).length,
    }),
  }
  return (
    <Drawn {...words}>
      <Chart
        summary={words.summary}
        height={Math.max(heightOf(bars.length), 120)}
        option={barRows(
          bars,
          share,
          products.map((row) => Number(row.expectedReturn)),
        )}
        hint={({ dataIndex }) =>
          t("simulation.expected.hint", {
            name: bars[dataIndex]!.name,
            net: bars[dataIndex]!.shown,
            expected: told.percent(products[dataIndex]!.expectedReturn),
          })
        }
      />
    </Drawn>
  )
}

function Quantiles({ of: { investors } }: Part) {
  const { t } = useTranslation()
  const { outcomes } = investors
  const rows = [
    [t("simulation.quantiles.worst"), outcomes.worst],
    ["10%", outcomes.p10],
    ["25%", outcomes.p25],
    [t("simulation.quantiles.median"), outcomes.median],
    ["75%", outcomes.p75],
    ["90%", outcomes.p90],
    [t("simulation.quantiles.best"), outcomes.best],
    [t("simulation.quantiles.pooled"), outcomes.pooledReturn],
  ] as const
  return (
    <Card title={t("simulation.quantiles.title")} className="break-inside-avoid">
      <Facts
        rows={[
          ...rows.map(([name, ratio]) => [name, <Change key={name} ratio={ratio} />] as const),
          [t("simulation.quantiles.gained"), <Percent key="gained" ratio={outcomes.shareWithGain} />],
        ]}
      />
      <p className="text-muted-foreground mt-3 text-xs">{t("simulation.figures.return")}</p>
    </Card>
  )
}

function Deviation({ of: { deviation, scenario } }: Part) {
  const { t } = useTranslation()
  return (
    <Card title={`${t("simulation.deviation.title")} (${scenario.asset})`} flush>
      <Table
        label={t("simulation.deviation.title")}
        rows={deviation}
        id={(row) => `${row.profile}:${row.termDays}:${row.level}`}
        empty={t("simulation.nothingSettled")}
        columns={[
          { key: "profile", head: t("discover.profile"), cell: (row) => t(`profiles.${row.profile}`) },
          {
            key: "term",
            head: t("simulation.products.term"),
            right: true,
            cell: (row) => t("common.days", { count: row.termDays }),
          },
          {
            key: "level",
            head: t("simulation.deviation.level"),
            cell: (row) => t(`simulation.levels.${row.level}`),
          },
          {
            key: "settled",
            head: t("simulation.products.settled"),
            right: true,
            cell: (row) => <Quantity value={row.subscriptions} />,
          },
          {
            key: "actual",
            head: t("simulation.deviation.actual"),
            right: true,
            cell: (row) => <Money amount={row.actual} signed />,
          },
          {
            key: "expected",
            head: t("simulation.deviation.expected"),
            right: true,
            cell: (row) => <Money amount={row.expected} />,
          },
        ]}
      />
    </Card>
  )
}

function Products({ of: { products, scenario } }: Part) {
  const { t } = useTranslation()
  return (
    <Card title={t("simulation.products.title")} flush>
      <Table
        label={t("simulation.products.title")}
        rows={products}
        id={(row) => `${row.profile}:${row.termDays}:${row.tier}`}
        empty={t("simulation.nothingSettled")}
        columns={[
          { key: "profile", head: t("discover.profile"), cell: (row) => t(`profiles.${row.profile}`) },
          {
            key: "product.term",
            head: t("simulation.products.term"),
            right: true,
            cell: (row) => t("common.days", { count: row.termDays }),
            sort: (row) => row.termDays,
          },
          {
            key: "tier",
            head: t("simulation.products.tier"),
            cell: (row) => t(`tiers.${row.tier as "gold"}`, row.tier),
          },
          {
            key: "product.settled",
            head: t("simulation.products.settled"),
            right: true,
            cell: (row) => <Quantity value={row.settled} />,
            sort: (row) => row.settled,
          },
          {
            key: "product.principal",
            head: t("simulation.products.principal"),
            right: true,
            cell: (row) => <Money amount={row.principal} asset={scenario.asset} />,
            sort: (row) => Number(row.principal),
          },
          {
            key: "product.net",
            head: t("simulation.products.net"),
            right: true,
            cell: (row) => <Change ratio={row.netReturn} />,
            sort: (row) => Number(row.netReturn),
          },
          {
            key: "product.expected",
            head: t("simulation.products.expected"),
            right: true,
            cell: (row) => <Percent ratio={row.expectedReturn} signed />,
            sort: (row) => Number(row.expectedReturn),
          },
          {
            key: "product.gained",
            head: t("simulation.quantiles.gained"),
            right: true,
            cell: (row) => <Percent ratio={row.shareWithGain} />,
            sort: (row) => Number(row.shareWithGain),
          },
        ]}
      />
    </Card>
  )
}
