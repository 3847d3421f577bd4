import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Check, Choice, Field, NumberField } from "@/ui/field"
import { Money } from "@/ui/shown"
import { Failed, Loaded } from "@/ui/states"
import { ParameterFields, paramsOf, STEADY, StrategyChoice, type Act } from "./run-form"

const BARS = { "1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1h", "4h": "4h", "1d": "1d" }
type Bars = keyof typeof BARS | ""
type Traded = Pick<Schemas["InstrumentView"], "symbol" | "venue">

const placeOf = ({ venue, symbol }: Traded) => `${venue} ${symbol}`
/** Its symbol, with the venue where another has it too. */
const titleOf = (one: Traded, all: Traded[]) =>
  all.filter((other) => other.symbol === one.symbol).length > 1 ? `${one.symbol} · ${one.venue}` : one.symbol

/** Publish a flow: a strategy on one instrument, led by a book of the creator's own money. */
export function Publish({ strategy, onClose }: { strategy?: string; onClose: () => void }) {
  const { t } = useTranslation()
  const [place, setPlace] = useState("")
  const [interval, setBars] = useState<Bars>("")
  const [entry, setEntry] = useState<Schemas["Entry"]>("market")
  const instruments = api.useQuery("get", "/api/v1/market/instruments", {}, STEADY)
  const balances = api.useQuery("get", "/api/v1/wallet/balances")
  const act = useAct(async (body: Schemas["FlowDraft"], key) => {
    await client.POST("/api/v1/co-trading/flows", { params: { header: key }, body })
  }, onClose)
  // Only what has a price now is traded here.
  const traded = instruments.data?.filter((one) => one.mark !== null) ?? []
  const chosen = traded.find((one) => placeOf(one) === place) ?? traded[0]
  return (
    <Dialog title={t("publish.title")} onClose={onClose}>
      <p className="text-muted-foreground">{t("publish.why")}</p>
      <StrategyChoice first={strategy}>
        {(named, params) => (
          <form
            key={named}
            className="space-y-3"
            onSubmit={(event) => {
              const fields = given(event)
              act.mutate({
                title: fields.title!,
                description: fields.description!,
                tags: tagsOf(fields.tags!),
                strategy: named,
                symbol: chosen?.symbol,
                market: chosen?.venue,
                interval: interval || null,
                entry,
                params: paramsOf(params, fields),
                investmentAmount: fields.investment!,
                minInvestment: fields.minimum!,
                automatic: "automatic" in fields,
                maxFollowers: fields.most ? Number(fields.most) : null,
              })
            }}
          >
            <Loaded query={instruments} rows={1}>
              {() => (
                <Choice
                  label={t("common.symbol")}
                  value={chosen ? placeOf(chosen) : ""}
                  options={Object.fromEntries(traded.map((one) => [placeOf(one), titleOf(one, traded)]))}
                  onChange={setPlace}
                />
              )}
            </Loaded>
            <Choice
              label={t("publish.interval")}
              value={interval}
              options={{ "": t("publish.ownInterval"), ...BARS }}
              onChange={setBars}
            />
            <Choice
              label={t("publish.entry")}
              value={entry}
              options={{
                market: t("publish.entries.market"),
                ioc: t("publish.entries.ioc"),
                post_only: t("publish.entries.post_only"),
              }}
              onChange={setEntry}
            />
            <p className="text-muted-foreground text-xs">{t("publish.entryHint")}</p>
            <ParameterFields params={params} act={act} />
            <NumberField
              name="investment"
              label={t("publish.investment")}
              hint={
                <>
                  {t("publish.investmentHint")} ·{" "}
                  {balances.data?.map((one) => (
                    <span key={one.asset}>
                      {t("worth.available")} <Money amount={one.available} asset={one.asset} />
                    </span>
                  ))}
                </>
              }
              required
              error={act.refused("investmentAmount")}
            />
            <Presentation act={act} />
            <p className="border-warn/40 bg-warn/5 rounded-lg border p-2">{t("publish.real")}</p>
            <Check required label={t("subscribe.understood")} />
            {act.error && <Failed error={act.error} />}
            <Button type="submit" intent="primary" disabled={act.isPending || !chosen}>
              {t("publish.title")}
            </Button>
          </form>
        )}
      </StrategyChoice>
    </Dialog>
  )
}

export const tagsOf = (text: string) =>
  text
    .split(/[,，]/)
    .map((tag) => tag.trim())
    .filter(Boolean)

/** How a flow presents itself, and whom it takes. */
export function Presentation({ act, flow }: { act: Act; flow?: Schemas["SharedFlow"] }) {
  const { t } = useTranslation()
  return (
    <>
      <Field
        name="title"
        label={t("publish.name")}
        maxLength={120}
        defaultValue={flow?.title}
        required
        error={act.refused("title")}
      />
      <Field
        name="description"
        label={t("publish.description")}
        defaultValue={flow?.description}
        error={act.refused("description")}
      />
      <Field
        name="tags"
        label={t("publish.tags")}
        hint={t("publish.tagsHint")}
        defaultValue={flow?.tags.join(", ")}
        error={act.refused("tags")}
      />
      <div className="grid grid-cols-2 gap-3">
        <NumberField
          name="minimum"
          label={t("publish.minimum")}
          defaultValue={flow?.settings.minInvestment ?? "100"}
          required
          error={act.refused("minInvestment")}
        />
        <NumberField
          whole
          name="most"
          label={t("publish.most")}
          hint={t("publish.mostHint")}
          min={1}
          max={1_000_000}
          defaultValue={flow?.settings.maxFollowers ?? ""}
          error={act.refused("maxFollowers")}
        />
      </div>
      <Check name="automatic" label={t("publish.automatic")} defaultChecked={flow?.settings.automatic} />
    </>
  )
}
