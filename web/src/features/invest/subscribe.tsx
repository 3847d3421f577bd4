import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { compare, isDecimal, cut, yearlyPart } from "@/lib/decimal"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Facts } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Check, NumberField } from "@/ui/field"
import { Money, Percent } from "@/ui/shown"
import { Failed } from "@/ui/states"

/** Subscribe to a managed product: the range of its tier, the fees in words and money, and that trading is real. */
export function Subscribe({ offer, onClose }: { offer: Schemas["Offer"]; onClose: () => void }) {
  const { t } = useTranslation()
  const [amount, setAmount] = useState(offer.minimum)
  const custody = api.useQuery("get", "/api/v1/participation/custody-auth", {
    params: { query: { asset: offer.asset } },
  })
  const act = useAct(
    async (body: { productId: string; amount: string }, key) =>
      (await client.POST("/api/v1/managed-subscriptions", { params: { header: key }, body })).data!,
  )
  const fits =
    isDecimal(amount) &&
    compare(amount, offer.minimum) >= 0 &&
    (!offer.maximum || compare(amount, offer.maximum) < 0)
  const wrong = amount && !fits ? t("subscribe.range") : null
  return (
    <Dialog
      title={`${t(`profiles.${offer.profile}`)} · ${t("common.days", { count: offer.termDays })} · ${t(`tiers.${offer.tier}` as "tiers.gold", { defaultValue: offer.tier })}`}
      onClose={onClose}
    >
      {act.data ? (
        <div className="space-y-2" role="status">
          <p>{t("subscribe.done")}</p>
          <Button asChild intent="primary">
            <Link to={`/holdings/${act.data.subscriptionId}`}>{t("subscribe.see")}</Link>
          </Button>
        </div>
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => act.mutate({ productId: offer.productId, amount: given(event).amount! })}
        >
          <NumberField
            name="amount"
            label={t("common.amountIn", { asset: offer.asset })}
            hint={
              <>
                {t("discover.from")} <Money amount={offer.minimum} /> · {t("discover.below")}{" "}
                <Money amount={offer.maximum} />
                {custody.data && (
                  <>
                    {" · "}
                    {t("subscribe.available")} <Money amount={custody.data.available} />
                  </>
                )}
              </>
            }
            value={amount}
            onChange={(event) => setAmount(event.target.value.trim())}
            required
            error={act.refused("amount") ?? wrong}
          />
          <Facts
            rows={[
              [
                <>
                  {t("fees.management")} (<Percent ratio={offer.fees.managementFee} />)
                </>,
                fits ? (
                  <span>
                    ≈{" "}
                    <Money
                      amount={cut(yearlyPart(amount, offer.fees.managementFee, offer.termDays), 8)}
                      asset={offer.asset}
                    />
                  </span>
                ) : null,
              ],
              [t("fees.profitShare"), <Percent key="p" ratio={offer.fees.profitShare} />],
              [t("fees.hurdle"), <Percent key="h" ratio={offer.fees.hurdle} />],
              [t("matrix.annual"), <Percent key="e" ratio={offer.expectedReturn.annualReturn} />],
            ]}
          />
          <p className="text-muted-foreground">
            {t("fees.words", { kind: t(`fees.${offer.fees.hurdleKind}`) })}
          </p>
          <p className="border-warn/40 bg-warn/5 rounded-lg border p-2">{t("subscribe.real")}</p>
          <Check required label={t("subscribe.understood")} />
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending || !fits}>
            {t("subscribe.title")}
          </Button>
        </form>
      )}
    </Dialog>
  )
}
