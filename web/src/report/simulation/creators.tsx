import { useTranslation } from "react-i18next"
import { Card } from "@/ui/card"
import { Chart } from "@/ui/chart"
import { Change, Fall, Money, Quantity } from "@/ui/shown"
import { Table } from "@/ui/table"
import type { Creator } from "./data"
import { points, toneOf } from "./options"
import { Drawn, Pair, share, useTold, type Part } from "./parts"
import { greatest, median } from "./sums"

export function Creators({ of }: Part) {
  return (
    <>
      <Pair>
        <OwnAndFollowers of={of} />
        <OwnAndFall of={of} />
      </Pair>
      <All of={of} />
    </>
  )
}

function OwnAndFollowers({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { creators } = of
  const followed = creators.flatMap((row) =>
    row.followersReturn === null ? [] : [{ ...row, followersReturn: row.followersReturn }],
  )
  const gained = creators.filter((row) => Number(row.ownReturnTwr) > 0)
  const words = {
    title: t("simulation.own.title"),
    method: t("simulation.own.method"),
    basis: told.now(t("simulation.percent")),
    none: !followed.length && t("simulation.nothingSettled"),
    summary: t("simulation.own.summary", {
      count: creators.length,
      own: gained.length,
      both: gained.filter((row) => Number(row.followersReturn) > 0).length,
    }),
  }
  const axes = [t("simulation.own.twr"), t("simulation.own.followers")] as const
  return (
    <Drawn {...words}>
      <Chart
        summary={words.summary}
        height={320}
        option={points(
          followed.map((row) => ({
            name: row.creator,
            x: Number(row.ownReturnTwr),
            y: Number(row.followersReturn),
            tone: toneOf(row.followersReturn),
          })),
          axes,
          share,
        )}
        hint={({ dataIndex }) => {
          const row = followed[dataIndex]!
          return `${row.creator}\n${axes[0]} ${told.percent(row.ownReturnTwr)}\n${axes[1]} ${told.percent(row.followersReturn)}`
        }}
      />
    </Drawn>
  )
}

function OwnAndFall({ of }: Part) {
  const { t } = useTranslation()
  const told = useTold(of)
  const { creators } = of
  const worst = greatest(creators, (row) => row.maxDrawdown)
  const words = {
    title: t("simulation.fall.title"),
    method: t("simulation.fall.method"),
    basis: told.now(t("simulation.percent")),
    summary: t("simulation.fall.summary", {
      name: worst?.creator ?? "–",
      deepest: told.percent(-Number(worst?.maxDrawdown ?? 0)),
      median: told.percent(-median(creators.map((row) => row.maxDrawdown))),
    }),
  }
  const axes = [t("simulation.fall.deepest"), t("simulation.own.twr")] as const
  return (
    <Drawn {...words}>
      <Chart
        summary={words.summary}
        height={320}
        option={points(
          creators.map((row) => ({
            name: row.creator,
            x: -Number(row.maxDrawdown),
            y: Number(row.ownReturnTwr),
            tone: toneOf(row.ownReturnTwr),
          })),
          axes,
          share,
        )}
        hint={({ dataIndex }) => {
          const row = creators[dataIndex]!
          return `${row.creator}\n${axes[0]} ${told.percent(-Number(row.maxDrawdown))}\n${axes[1]} ${told.percent(row.ownReturnTwr)}`
        }}
      />
    </Drawn>
  )
}

const order = ({ profile, creator }: Creator) => `${profile}:${creator}`

function All({ of: { creators, scenario } }: Part) {
  const { t } = useTranslation()
  return (
    <Card title={`${t("simulation.creators.title")} (${scenario.asset})`} flush>
      <Table
        label={t("simulation.creators.title")}
        rows={creators.toSorted((left, right) => (order(left) < order(right) ? -1 : 1))}
        id={(row) => row.creator}
        empty={t("state.nothing")}
        columns={[
          {
            key: "creator",
            head: t("simulation.creators.creator"),
            cell: (row) => row.creator,
            sort: (row) => row.creator,
          },
          {
            key: "creator.profile",
            head: t("discover.profile"),
            cell: (row) => t(`profiles.${row.profile}`),
            sort: (row) => row.profile,
          },
          {
            key: "creator.strategy",
            head: t("simulation.creators.strategy"),
            cell: (row) => row.strategy,
            sort: (row) => row.strategy,
          },
          {
            key: "creator.symbol",
            head: t("common.symbol"),
            cell: (row) => row.symbol,
            sort: (row) => row.symbol,
          },
          {
            key: "creator.own",
            head: t("simulation.own.twr"),
            right: true,
            cell: (row) => <Change ratio={row.ownReturnTwr} />,
            sort: (row) => Number(row.ownReturnTwr),
          },
          {
            key: "creator.fall",
            head: t("simulation.fall.deepest"),
            right: true,
            cell: (row) => <Fall depth={row.maxDrawdown} />,
            sort: (row) => Number(row.maxDrawdown),
          },
          {
            key: "creator.followers",
            head: t("simulation.own.followers"),
            right: true,
            cell: (row) => <Change ratio={row.followersReturn} />,
            sort: (row) => Number(row.followersReturn ?? 0),
          },
          {
            key: "creator.earned",
            head: t("simulation.creators.earned"),
            right: true,
            cell: (row) => <Money amount={row.profitShare} />,
            sort: (row) => Number(row.profitShare),
          },
          {
            key: "creator.followed",
            head: t("simulation.creators.followed"),
            right: true,
            cell: (row) => <Money amount={row.followedCapital} />,
            sort: (row) => Number(row.followedCapital),
          },
          {
            key: "creator.legs",
            head: t("simulation.creators.legs"),
            right: true,
            cell: (row) => <Quantity value={row.followers} />,
            sort: (row) => row.followers,
          },
          {
            key: "creator.signals",
            head: t("simulation.creators.signals"),
            right: true,
            cell: (row) => <Quantity value={row.signals} />,
            sort: (row) => row.signals,
          },
          {
            key: "creator.score",
            head: t("simulation.creators.score"),
            right: true,
            cell: (row) => <Quantity value={row.score} />,
            sort: (row) => Number(row.score),
          },
        ]}
      />
    </Card>
  )
}
