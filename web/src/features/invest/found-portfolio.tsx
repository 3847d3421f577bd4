import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Check, Field, NumberField } from "@/ui/field"
import { Failed, Loaded } from "@/ui/states"
import { RulesFields, rulesOf, useMethod } from "./portfolio-rules"

/** Divide money of one's own wallet among several flows, in a book of its own. */
export function FoundPortfolio({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [method, setMethod] = useMethod()
  const [chosen, setChosen] = useState<readonly string[]>([])
  const flows = api.useQuery("get", "/api/v1/co-trading/flows", { params: { query: { limit: 50 } } })
  const act = useAct(
    async (body: Schemas["PortfolioDraft"], key) =>
      (await client.POST("/api/v1/portfolios", { params: { header: key }, body })).data!,
  )
  const toggle = (id: string) =>
    setChosen(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id])
  return (
    <Dialog title={t("portfolio.found")} onClose={onClose}>
      {act.data ? (
        <div className="space-y-2" role="status">
          <p>{t("portfolio.founded")}</p>
          <Button asChild intent="primary">
            <Link to={`/portfolios/${act.data.id}`}>{t("subscribe.see")}</Link>
          </Button>
        </div>
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const held = given(event)
            act.mutate({
              name: held.name!,
              amount: held.amount!,
              flows: [...chosen],
              rules: rulesOf(held, method),
            })
          }}
        >
          <Field
            name="name"
            label={t("portfolio.name")}
            maxLength={120}
            required
            error={act.refused("name")}
          />
          <NumberField
            name="amount"
            label={t("common.amountIn", { asset: "USDT" })}
            required
            error={act.refused("amount")}
          />
          <fieldset className="space-y-1">
            <legend className="text-xs font-medium">{t("portfolio.flows")}</legend>
            <p className="text-muted-foreground text-xs">{t("portfolio.flowsWhy")}</p>
            <Loaded query={flows} rows={3}>
              {({ items }) => (
                <div className="max-h-48 space-y-1 overflow-auto">
                  {items.map((flow) => (
                    <Check
                      key={flow.flowId}
                      label={flow.title}
                      checked={chosen.includes(flow.flowId)}
                      onChange={() => toggle(flow.flowId)}
                    />
                  ))}
                </div>
              )}
            </Loaded>
          </fieldset>
          <RulesFields method={method} onMethod={setMethod} refused={act.refused} />
          <p className="border-warn/40 bg-warn/5 rounded-lg border p-2">{t("subscribe.real")}</p>
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending || !chosen.length}>
            {t("portfolio.found")}
          </Button>
        </form>
      )}
    </Dialog>
  )
}
