import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Check, Choice, NumberField } from "@/ui/field"
import { Failed } from "@/ui/states"

/** Copy a flow with one's own money. */
export function Follow({ flow, onClose }: { flow: Schemas["SharedFlow"]; onClose: () => void }) {
  const { t } = useTranslation()
  const [copyMode, setCopyMode] = useState<"target" | "percentage">("target")
  const act = useAct(
    async (body: Schemas["CopyOrder"], key) =>
      (await client.POST("/api/v1/co-trading/subscribe", { params: { header: key }, body })).data!,
  )
  return (
    <Dialog title={t("follow.of", { title: flow.title })} onClose={onClose}>
      {act.data ? (
        <div className="space-y-2" role="status">
          <p>{t("follow.done")}</p>
          <Button asChild intent="primary">
            <Link to={`/copies/${act.data.subscriptionId}`}>{t("subscribe.see")}</Link>
          </Button>
        </div>
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const { amount, autoFollow, notify, slippage } = given(event)
            act.mutate({
              flowId: flow.flowId,
              investmentAmount: amount!,
              copyMode,
              vaultAddress: null,
              chainType: null,
              settings: {
                autoFollow: autoFollow === "on",
                notifyOnSignal: notify === "on",
                maxSlippage: slippage!,
              },
            })
          }}
        >
          <NumberField
            name="amount"
            label={t("common.amountIn", { asset: flow.stats.currency })}
            defaultValue={flow.settings.minInvestment === "0" ? "" : flow.settings.minInvestment}
            required
            error={act.refused("investmentAmount")}
          />
          <Choice
            label={t("follow.mode")}
            value={copyMode}
            options={{ target: t("follow.target"), percentage: t("follow.percentage") }}
            onChange={setCopyMode}
          />
          <NumberField
            name="slippage"
            label={t("follow.slippage")}
            hint={t("follow.slippageHint")}
            defaultValue="0.01"
            required
            error={act.refused("settings.maxSlippage")}
          />
          <Check name="autoFollow" defaultChecked label={t("follow.auto")} />
          <Check name="notify" defaultChecked label={t("follow.notify")} />
          <p className="border-warn/40 bg-warn/5 rounded-lg border p-2">{t("subscribe.real")}</p>
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t("follow.title")}
          </Button>
        </form>
      )}
    </Dialog>
  )
}
