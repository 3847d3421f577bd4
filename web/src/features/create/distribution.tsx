import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { formatPercent } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Card } from "@/ui/card"
import { Money } from "@/ui/shown"
import { Empty } from "@/ui/states"
import { Grid } from "./grid"
import { cents, numberIn, part, textIn } from "./readings"

type View = Schemas["BacktestView"]

/** The return of each month, a year a line. A month recorded in part bears a star. */
export function Months({ run: { months } }: { run: View }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const greatest = Math.max(...months.map((one) => Math.abs(numberIn(one, "return") ?? 0)), 1e-9)
  const years = [...new Set(months.map((one) => (textIn(one, "month") ?? "").slice(0, 4)))]
  const numbers = Array.from({ length: 12 }, (_, place) => String(place + 1).padStart(2, "0"))
  const cell = (year: string, month: string) => {
    const found = months.find((one) => textIn(one, "month") === `${year}-${month}`)
    const value = found && numberIn(found, "return")
    if (!found || value == null) return null
    return {
      text: `${formatPercent(value, preferences)}${part(found, "partial") ? " *" : ""}`,
      strength: Math.abs(value) / greatest,
      color: value < 0 ? ("--down" as const) : ("--up" as const),
    }
  }
  return (
    <Card title={t("backtest.months")}>
      <Grid
        label={t("backtest.months")}
        corner={t("backtest.year")}
        columns={numbers}
        rows={years.map((year) => ({ head: year, cells: numbers.map((month) => cell(year, month)) }))}
      />
      <p className="text-muted-foreground mt-2 text-xs">{t("backtest.monthsWords")}</p>
    </Card>
  )
}

/** How many closed trades ended in which class of profit. */
export function Profits({ run: { tradeProfits, metrics } }: { run: View }) {
  const { t } = useTranslation()
  const classes = tradeProfits.map((one) => ({
    from: numberIn(one, "from") ?? 0,
    to: numberIn(one, "to") ?? 0,
    count: numberIn(one, "count") ?? 0,
  }))
  const most = Math.max(...classes.map((one) => one.count), 1)
  return (
    <Card title={t("backtest.profits")}>
      {classes.length ? (
        <>
          <table className="w-full text-xs">
            <thead className="text-muted-foreground">
              <tr>
                <th scope="col" className="py-1 text-left font-normal">
                  {t("backtest.class")}
                </th>
                <th scope="col" className="w-1/2 py-1 text-left font-normal">
                  {t("backtest.trades")}
                </th>
              </tr>
            </thead>
            <tbody>
              {classes.map((one) => (
                <tr key={one.from}>
                  <th scope="row" className="num py-0.5 pr-3 text-left font-normal whitespace-nowrap">
                    <Money amount={cents(one.from)} /> – <Money amount={cents(one.to)} />
                  </th>
                  <td className="py-0.5">
                    <span className="flex items-center gap-2">
                      <span
                        className={one.from < 0 ? "bg-down/60 h-3 rounded-sm" : "bg-up/60 h-3 rounded-sm"}
                        style={{ width: `${(one.count / most) * 80}%` }}
                        aria-hidden
                      />
                      <span className="num">{one.count}</span>
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          <p className="text-muted-foreground mt-2 text-xs">
            {t("backtest.worst")} <Money amount={cents(numberIn(metrics, "worstTrade"))} signed /> ·{" "}
            {t("backtest.average")} <Money amount={cents(numberIn(metrics, "averageTrade"))} signed /> ·{" "}
            {t("backtest.best")} <Money amount={cents(numberIn(metrics, "bestTrade"))} signed />
          </p>
        </>
      ) : (
        <Empty title={t("backtest.noTrades")} />
      )}
    </Card>
  )
}
