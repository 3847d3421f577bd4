import { useState, type FormEvent, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { given } from "@/lib/form"
import { Button } from "@/ui/button"
import { Check, Choice, Field, NumberField } from "@/ui/field"
import { Empty, Failed, Loaded } from "@/ui/states"

export type Declared = Schemas["DeclaredParameter"]
export type Run = Omit<Schemas["BacktestRequest"], "params">
export type Act = { isPending: boolean; error: Error | null; refused: (field: string) => ReactNode }

/** What a strategy declares does not change while somebody looks at it. */
export const STEADY = { refetchInterval: false, staleTime: 300_000 } as const
const INTERVALS = ["1m", "5m", "15m", "30m", "1h", "4h", "1d"]

const sameTexts = (texts: readonly string[]) => Object.fromEntries(texts.map((text) => [text, text]))

/** A choice of the strategies that somebody may use, and what the chosen one declares. */
export function StrategyChoice({
  first,
  children,
}: {
  first?: string
  children: (strategy: string, params: readonly Declared[]) => ReactNode
}) {
  const { t } = useTranslation()
  const [chosen, setChosen] = useState(first ?? "")
  const list = api.useQuery("get", "/api/v1/strategies", {}, STEADY)
  const names = list.data?.filter((one) => one.latestVersion).map((one) => one.name)
  const name = names?.includes(chosen) ? chosen : (names?.[0] ?? "")
  const detail = api.useQuery(
    "get",
    "/api/v1/strategies/{name}",
    { params: { path: { name } } },
    { ...STEADY, enabled: !!name },
  )
  return (
    <Loaded query={list}>
      {() =>
        name ? (
          <>
            <Choice label={t("run.strategy")} value={name} options={sameTexts(names!)} onChange={setChosen} />
            <Loaded query={detail}>{(one) => children(name, one.latest?.params ?? [])}</Loaded>
          </>
        ) : (
          <Empty title={t("studio.none")} />
        )
      }
    </Loaded>
  )
}

/** The declared parameters as fields, with their defaults and ranges. */
export function ParameterFields({ params, act }: { params: readonly Declared[]; act: Act }) {
  return (
    <div className="grid grid-cols-2 gap-3">
      {params.map((one) => (
        <NumberField
          key={one.name}
          name={`param.${one.name}`}
          label={one.name}
          hint={`${one.low} – ${one.high}`}
          whole={one.kind === "int"}
          min={one.low}
          max={one.high}
          defaultValue={one.default}
          required
          error={act.refused(one.name) ?? act.refused(`params.${one.name}`)}
        />
      ))}
    </div>
  )
}

/** Which parameters the fields of a form hold. */
export const paramsOf = (params: readonly Declared[], fields: Record<string, string>) =>
  Object.fromEntries(params.map(({ name }) => [name, Number(fields[`param.${name}`])]))

/** A strategy over imported candles at given costs: what a backtest and a study are both asked by. */
export function RunForm({
  first,
  slippage,
  act,
  submit,
  parameters,
  more,
  onRun,
}: {
  first?: string
  slippage: string
  act: Act
  submit: string
  parameters: (params: readonly Declared[]) => ReactNode
  more?: ReactNode
  onRun: (run: Run, params: readonly Declared[], fields: Record<string, string>) => void
}) {
  const { t } = useTranslation()
  const [interval, setInterval] = useState("5m")
  const [place, setPlace] = useState("")
  const query = api.useQuery("get", "/api/v1/market/instruments", {}, STEADY)
  const places = query.data?.map((one) => `${one.venue} ${one.symbol}`) ?? []
  const chosen = places.includes(place) ? place : (places[0] ?? "")
  const send = (strategy: string, params: readonly Declared[]) => (event: FormEvent<HTMLFormElement>) => {
    const fields = given(event)
    const [venue = "", symbol = ""] = chosen.split(" ")
    const { start, end, fee, cash, leverage, funding } = fields
    const run = {
      strategy,
      venue,
      symbol,
      interval,
      start: start ? `${start}T00:00:00Z` : null,
      end: end ? `${end}T00:00:00Z` : null,
      funding: funding === "on",
      fee: Number(fee),
      slippage: Number(fields.slippage),
      cash: Number(cash),
      lot: 0,
      leverage: leverage ? Number(leverage) : null,
    }
    onRun(run, params, fields)
  }
  return (
    <StrategyChoice first={first}>
      {(strategy, params) => (
        <form key={strategy} className="space-y-3" onSubmit={send(strategy, params)}>
          {parameters(params)}
          <Loaded query={query}>
            {() =>
              places.length ? (
                <div className="grid grid-cols-2 gap-3">
                  <Choice
                    label={t("run.instrument")}
                    value={chosen}
                    options={sameTexts(places)}
                    onChange={setPlace}
                  />
                  <Choice
                    label={t("run.interval")}
                    value={interval}
                    options={sameTexts(INTERVALS)}
                    onChange={setInterval}
                  />
                </div>
              ) : (
                <Empty title={t("run.noInstruments")} />
              )
            }
          </Loaded>
          <div className="grid grid-cols-2 gap-3">
            <Field
              name="start"
              type="date"
              label={t("common.from")}
              hint={t("run.wholeRecord")}
              error={act.refused("start")}
            />
            <Field
              name="end"
              type="date"
              label={t("common.to")}
              hint={t("run.notIncluded")}
              error={act.refused("end")}
            />
            <NumberField
              name="fee"
              label={t("run.fee")}
              hint={t("run.fraction")}
              min={0}
              max={0.99}
              defaultValue="0.0005"
              required
              error={act.refused("fee")}
            />
            <NumberField
              name="slippage"
              label={t("run.slippage")}
              hint={t("run.fraction")}
              min={0}
              max={0.99}
              defaultValue={slippage}
              required
              error={act.refused("slippage")}
            />
            <NumberField
              name="cash"
              label={t("run.cash")}
              min={1}
              defaultValue="10000"
              required
              error={act.refused("cash")}
            />
            <NumberField
              name="leverage"
              label={t("run.leverage")}
              hint={t("run.leverageHint")}
              min={1}
              max={200}
              error={act.refused("leverage")}
            />
          </div>
          <Check name="funding" defaultChecked label={t("run.funding")} />
          {more}
          {act.error && <Failed error={act.error} />}
          {act.isPending && <p role="status">{t("run.waiting")}</p>}
          <Button type="submit" intent="primary" disabled={act.isPending || !chosen}>
            {submit}
          </Button>
        </form>
      )}
    </StrategyChoice>
  )
}
