import { useState, type FormEvent, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { given } from "@/lib/form"
import { Button } from "@/ui/button"
import { Check, Choice, Field, NumberField } from "@/ui/field"
import { Empty, Failed, Loaded } from "@/ui/states"

export type Declared = Schemas["DeclaredParameter"]
export type Run = Omit<Schemas["BacktestRequest"], "params" | "size" | "seed">
export type Act = { isPending: boolean; error: Error | null; refused: (field: string) => ReactNode }

/** What a strategy declares does not change while somebody looks at it. */
export const STEADY = { refetchInterval: false, staleTime: 300_000 } as const
const INTERVALS = ["1m", "5m", "15m", "30m", "1h", "4h", "1d"]

/** A number that a field holds, or that it is empty. */
export const numberOf = (text: string | undefined) => (text ? Number(text) : null)

const ZERO_SECONDS = /(:00)?(\.0+)?Z$/
const asField = (moment: string | null | undefined) => moment?.replace(ZERO_SECONDS, "").slice(0, 19)
const asMoment = (field: string | undefined) =>
  field ? `${field}${field.length === "2025-01-01T00:00".length ? ":00" : ""}Z` : null

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
  const gone = !!first && names?.includes(first) === false
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
            {gone && chosen === first && <NotThere name={first} />}
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

/** Something that was asked for and cannot be: another is chosen in its place, and that is said. */
function NotThere({ name }: { name: string }) {
  const { t } = useTranslation()
  return (
    <p role="alert" className="text-warn text-xs">
      {t("run.notThere", { name })}
    </p>
  )
}

/** The declared parameters as fields, with their defaults and ranges. */
export function ParameterFields({
  params,
  values,
  act,
}: {
  params: readonly Declared[]
  values?: Record<string, number>
  act: Act
}) {
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
          defaultValue={values?.[one.name] ?? one.default}
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
  asked,
  slippage,
  act,
  submit,
  parameters,
  terms,
  more,
  onRun,
}: {
  first?: string
  /** What it is filled in with. */
  asked?: Schemas["BacktestRequest"]
  slippage: string
  act: Act
  submit: string
  parameters: (params: readonly Declared[]) => ReactNode
  /** What else only this kind of run is asked by. */
  terms?: ReactNode
  more?: ReactNode
  onRun: (run: Run, params: readonly Declared[], fields: Record<string, string>) => void
}) {
  const { t } = useTranslation()
  const [interval, setInterval] = useState(asked?.interval ?? "5m")
  const wanted = asked && `${asked.venue} ${asked.symbol}`
  const [place, setPlace] = useState(wanted ?? "")
  const query = api.useQuery("get", "/api/v1/market/instruments", {}, STEADY)
  const places = query.data?.map((one) => `${one.venue} ${one.symbol}`) ?? []
  const chosen = places.includes(place) ? place : (places[0] ?? "")
  const send = (strategy: string, params: readonly Declared[]) => (event: FormEvent<HTMLFormElement>) => {
    const fields = given(event)
    const [venue = "", symbol = ""] = chosen.split(" ")
    const { start, end, fee, cash, leverage, funding, participation, lot, perYear } = fields
    const run = {
      strategy,
      venue,
      symbol,
      interval,
      start: asMoment(start),
      end: asMoment(end),
      funding: funding === "on",
      fee: Number(fee),
      slippage: Number(fields.slippage),
      cash: Number(cash),
      participation: numberOf(participation),
      lot: Number(lot),
      leverage: numberOf(leverage),
      periodsPerYear: numberOf(perYear),
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
                  {wanted && !places.includes(wanted) && place === wanted && (
                    <div className="col-span-2">
                      <NotThere name={wanted} />
                    </div>
                  )}
                  <Choice
                    label={t("run.instrument")}
                    value={chosen}
                    options={sameTexts(places)}
                    onChange={setPlace}
                  />
                  <Choice
                    label={t("run.interval")}
                    value={interval}
                    options={sameTexts([...new Set([...INTERVALS, interval])])}
                    onChange={setInterval}
                  />
                </div>
              ) : (
                <Empty title={t("run.noInstruments")} />
              )
            }
          </Loaded>
          <div className="grid gap-3 sm:grid-cols-2">
            <Field
              name="start"
              type="datetime-local"
              step="any"
              label={t("common.from")}
              hint={t("run.wholeRecord")}
              defaultValue={asField(asked?.start)}
              error={act.refused("start")}
            />
            <Field
              name="end"
              type="datetime-local"
              step="any"
              label={t("common.to")}
              hint={t("run.notIncluded")}
              defaultValue={asField(asked?.end)}
              error={act.refused("end")}
            />
            <NumberField
              name="fee"
              label={t("run.fee")}
              hint={t("run.fraction")}
              min={0}
              max={0.99}
              defaultValue={asked?.fee ?? "0.0005"}
              required
              error={act.refused("fee")}
            />
            <NumberField
              name="slippage"
              label={t("run.slippage")}
              hint={t("run.fraction")}
              min={0}
              max={0.99}
              defaultValue={asked?.slippage ?? slippage}
              required
              error={act.refused("slippage")}
            />
            <NumberField
              name="cash"
              label={t("run.cash")}
              min={1}
              defaultValue={asked?.cash ?? "10000"}
              required
              error={act.refused("cash")}
            />
            <NumberField
              name="leverage"
              label={t("run.leverage")}
              hint={t("run.leverageHint")}
              min={1}
              max={200}
              defaultValue={asked?.leverage ?? ""}
              error={act.refused("leverage")}
            />
          </div>
          <Check name="funding" defaultChecked={asked?.funding ?? true} label={t("run.funding")} />
          <details open={!!asked}>
            <summary className="focusable text-primary w-fit cursor-pointer rounded text-xs">
              {t("run.more")}
            </summary>
            <div className="mt-2 grid grid-cols-2 gap-3">
              <Field
                name="participation"
                label={t("run.participation")}
                hint={t("run.participationHint")}
                type="number"
                step="any"
                min={0}
                max={1}
                defaultValue={asked?.participation ?? ""}
                error={act.refused("participation")}
              />
              <Field
                name="lot"
                label={t("run.lot")}
                hint={t("run.anyLot")}
                type="number"
                step="any"
                min={0}
                defaultValue={asked?.lot ?? 0}
                required
                error={act.refused("lot")}
              />
              <Field
                name="perYear"
                label={t("run.perYear")}
                hint={t("run.perYearHint")}
                type="number"
                step="any"
                min={0}
                defaultValue={asked?.periodsPerYear ?? ""}
                error={act.refused("periodsPerYear")}
              />
              {terms}
            </div>
          </details>
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
