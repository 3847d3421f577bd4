import { useTranslation } from "react-i18next"
import { cn } from "@/lib/cn"
import { formatPercent } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Card } from "@/ui/card"
import { Money } from "@/ui/shown"
import { Empty } from "@/ui/states"
import { Grid } from "./grid"
import { cents, type Told } from "./readings"

/** The return of each month, a year a line. A month recorded in part bears a star. */
export function Months({ run: { months } }: { run: Told }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const years = [...new Set(months.map((one) => one.month.slice(0, 4)))].map((year) => ({
    year,
    of: months.filter((one) => one.month.startsWith(year)),
  }))
  const numbers = Array.from({ length: 12 }, (_, place) => String(place + 1).padStart(2, "0"))
  const greatest = Math.max(...months.map((one) => Math.abs(one.return ?? 0)), 1e-9)
  const cell = (value: number | null | undefined, partial = false) =>
    value == null
      ? null
      : {
          text: `${formatPercent(value, preferences)}${partial ? " *" : ""}`,
          strength: Math.min(Math.abs(value) / greatest, 1),
          color: value < 0 ? ("--down" as const) : ("--up" as const),
        }
  return (
    <Card title={t("backtest.months")}>
      <Grid
        label={t("backtest.months")}
        corner={t("backtest.year")}
        columns={[...numbers, t("backtest.wholeYear")]}
        rows={years.map(({ year, of }) => ({
          head: year,
          cells: [
            ...numbers.map((month) => {
              const found = of.find((one) => one.month === `${year}-${month}`)
              return cell(found?.return, found?.partial)
            }),
            cell(compounded(of)),
          ],
        }))}
      />
      <p className="text-muted-foreground mt-2 text-xs">{t("backtest.monthsWords")}</p>
    </Card>
  )
}

const compounded = (months: Told["months"]) =>
  months.some((one) => one.return === null)
    ? null
    : months.reduce((growth, one) => growth * (1 + one.return!), 1) - 1

/** From the result before costs to the one after them: each part begins where the last one ended. */
export function Costs({ run: { costs } }: { run: Told }) {
  const { t } = useTranslation()
  const lent = costs.shortfall ?? 0
  const parts = [
    { name: t("costs.fees"), value: -costs.fees },
    { name: t("costs.slippage"), value: -costs.slippage },
    costs.funding === null
      ? { name: t("costs.notCharged"), value: 0 }
      : { name: t("costs.funding"), value: -costs.funding },
    ...(lent ? [{ name: t("costs.shortfall"), value: lent }] : []),
  ]
  const steps = [{ name: t("costs.gross"), value: costs.gross, from: 0, total: true }]
  let reached = costs.gross
  for (const part of parts) {
    steps.push({ ...part, from: reached, total: false })
    reached += part.value
  }
  steps.push({ name: t("costs.net"), value: costs.net, from: 0, total: true })
  const ends = [0, ...steps.map((one) => one.from + one.value)]
  const low = Math.min(...ends)
  const span = Math.max(...ends) - low || 1
  return (
    <Card title={t("backtest.costs")}>
      <table className="w-full">
        <tbody>
          {steps.map(({ name, value, from, total }) => (
            <tr key={name} className={total ? "font-medium" : undefined}>
              <th scope="row" className="py-1 pr-3 text-left font-[inherit]">
                {name}
              </th>
              <td className="w-1/2 py-1" aria-hidden>
                <span
                  className={cn("bar block h-4 min-w-px rounded-sm", value < 0 ? "bg-down/60" : "bg-up/60")}
                  style={{
                    marginLeft: `${((Math.min(from, from + value) - low) / span) * 100}%`,
                    width: `${(Math.abs(value) / span) * 100}%`,
                  }}
                />
              </td>
              <td className="num py-1 pl-3 text-right">
                {/* Nothing, not a negative nothing. */}
                <Money amount={cents(value || 0)} signed />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="text-muted-foreground mt-2 text-xs">{t("costs.words")}</p>
    </Card>
  )
}

/** How many closed trades ended in which class of profit. */
export function Profits({ run: { tradeProfits, metrics } }: { run: Told }) {
  const { t } = useTranslation()
  const most = Math.max(...tradeProfits.map((one) => one.count), 1)
  return (
    <Card title={t("backtest.profits")}>
      {tradeProfits.length ? (
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
              {tradeProfits.map((one) => (
                <tr key={one.from}>
                  <th scope="row" className="num py-0.5 pr-3 text-left font-normal whitespace-nowrap">
                    <Money amount={cents(one.from)} /> – <Money amount={cents(one.to)} />
                  </th>
                  <td className="py-0.5">
                    <span className="flex items-center gap-2">
                      <span
                        className={
                          one.from < 0 ? "bar bg-down/60 h-3 rounded-sm" : "bar bg-up/60 h-3 rounded-sm"
                        }
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
            {t("backtest.profitsWords", { count: metrics.trades })}. {t("backtest.worst")}{" "}
            <Money amount={cents(metrics.worstTrade)} signed /> · {t("backtest.average")}{" "}
            <Money amount={cents(metrics.averageTrade)} signed /> · {t("backtest.best")}{" "}
            <Money amount={cents(metrics.bestTrade)} signed />
          </p>
        </>
      ) : (
        <Empty title={t("backtest.noTrades")} />
      )}
    </Card>
  )
}
