import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Change, Fall, Money, Percent, Quantity, Statistic, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table, type Column } from "@/ui/table"
import { cents, dataOf, order, said } from "./readings"
import { RunAgain, RunBacktest } from "./run-backtest"

type Summary = Schemas["BacktestSummary"]
const MOST = 8

/** What was run and kept, its figures side by side, and a way to run more. */
export default function Backtests() {
  const { t } = useTranslation()
  const [run, setRun] = useUrl("run", "")
  const [again, setAgain] = useUrl("again", "")
  const figures = useFigures()
  const [chosen, setChosen] = useState<string[]>([])
  const list = useList(["backtests"], async (cursor) => {
    const { data } = await client.GET("/api/v1/backtests", { params: { query: { cursor, limit: 100 } } })
    return data!
  })
  const choose = (id: string, wanted: boolean) =>
    setChosen((now) => (wanted ? [...now, id] : now.filter((one) => one !== id)))
  return (
    <>
      <PageHead title={t("pages.backtests")}>
        <div className="ml-auto flex flex-wrap items-center gap-2">
          {chosen.length >= 2 ? (
            <Button asChild>
              <Link to="/backtests/compare" search={{ ids: chosen.join(",") } as never}>
                {t("compare.these", { count: chosen.length })}
              </Link>
            </Button>
          ) : (
            <span className="text-muted-foreground text-xs">{t("compare.how")}</span>
          )}
          <Button intent="primary" onClick={() => setRun("new")}>
            {t("backtest.run")}
          </Button>
        </div>
      </PageHead>
      <p className="text-muted-foreground">{t("backtest.warning")}</p>
      <Card flush>
        <Loaded query={list} rows={8}>
          {(rows) => (
            <Table
              label={t("pages.backtests")}
              rows={rows}
              id={(row) => row.id}
              empty={<Empty title={t("backtest.none")} />}
              more={list.more}
              columns={[
                {
                  key: "choose",
                  head: t("compare.choose"),
                  cell: (row) => (
                    <input
                      type="checkbox"
                      className="focusable accent-primary size-4"
                      aria-label={t("compare.chooseOne", { name: nameOf(row) })}
                      checked={chosen.includes(row.id)}
                      disabled={chosen.length >= MOST && !chosen.includes(row.id)}
                      onChange={(event) => choose(row.id, event.target.checked)}
                    />
                  ),
                },
                {
                  key: "strategy",
                  head: t("run.strategy"),
                  sort: (row) => nameOf(row),
                  cell: (row) => (
                    <Link
                      to={`/backtests/${row.id}`}
                      className="focusable text-primary rounded hover:underline"
                    >
                      {nameOf(row)}
                    </Link>
                  ),
                },
                ...figures,
              ]}
            />
          )}
        </Loaded>
      </Card>
      {run && <RunBacktest strategy={run} onClose={() => setRun("")} />}
      {again && <RunAgain id={again} onClose={() => setAgain("")} />}
    </>
  )
}

const nameOf = (row: Summary) => row.inputs.strategy.name

/** The figures by which runs are told apart and ordered. */
function useFigures(): readonly Column<Summary>[] {
  const { t } = useTranslation()
  return [
    {
      key: "params",
      head: t("run.params"),
      cell: (row) => said(row.inputs.strategy.params).slice(0, 48),
    },
    {
      key: "data",
      head: t("run.data"),
      sort: (row) => dataOf(row.inputs.data),
      cell: (row) => dataOf(row.inputs.data),
    },
    {
      key: "return",
      head: t("backtest.totalReturn"),
      right: true,
      sort: (row) => order(row.metrics.totalReturn),
      cell: (row) => <Change ratio={row.metrics.totalReturn.toFixed(6)} />,
    },
    {
      key: "drawdown",
      head: t("backtest.maxDrawdown"),
      right: true,
      sort: (row) => order(row.metrics.maxDrawdown),
      cell: (row) => <Fall depth={row.metrics.maxDrawdown} />,
    },
    {
      key: "sharpe",
      head: t("flow.sharpe"),
      right: true,
      sort: (row) => order(row.metrics.sharpe),
      cell: (row) => <Statistic value={row.metrics.sharpe} />,
    },
    {
      key: "trades",
      head: t("backtest.trades"),
      right: true,
      sort: (row) => order(row.metrics.trades),
      cell: (row) => <Quantity value={row.metrics.trades} />,
    },
    {
      key: "winRate",
      head: t("backtest.winRate"),
      right: true,
      sort: (row) => order(row.metrics.winRate),
      cell: (row) => <Percent ratio={row.metrics.winRate} />,
    },
    {
      key: "profit",
      head: t("backtest.net"),
      right: true,
      sort: (row) => order(row.metrics.profit),
      cell: (row) => <Money amount={cents(row.metrics.profit)} signed />,
    },
    {
      key: "at",
      head: t("common.time"),
      sort: (row) => row.createdAt,
      cell: (row) => <Time at={row.createdAt} />,
    },
  ]
}
