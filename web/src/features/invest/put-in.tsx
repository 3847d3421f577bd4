import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { isDecimal } from "@/lib/decimal"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Facts } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { NumberField } from "@/ui/field"
import { Money, Percent, Time } from "@/ui/shown"
import { Failed } from "@/ui/states"

/** Put money into a pool product, with what it would bring. */
export function PutIn({ product, onClose }: { product: Schemas["PoolProduct"]; onClose: () => void }) {
  const { t } = useTranslation()
  const [amount, setAmount] = useState(product.minimum)
  const estimate = api.useQuery(
    "get",
    "/api/v1/pools/products/{product_id}/estimate",
    { params: { path: { product_id: product.id }, query: { amount } } },
    { enabled: isDecimal(amount) },
  )
  const act = useAct(
    async (held: string, key) =>
      (
        await client.POST("/api/v1/pools/products/{product_id}/subscribe", {
          params: { path: { product_id: product.id }, header: key },
          body: { amount: held },
        })
      ).data!,
    onClose,
  )
  return (
    <Dialog title={product.name} onClose={onClose}>
      <form className="space-y-3" onSubmit={(event) => act.mutate(given(event).amount!)}>
        <NumberField
          name="amount"
          label={t("common.amountIn", { asset: product.asset })}
          value={amount}
          onChange={(event) => setAmount(event.target.value.trim())}
          required
          error={act.refused("amount")}
        />
        {estimate.data && (
          <Facts
            rows={[
              [t("pool.perDay"), <Money key="d" amount={estimate.data.daily} asset={product.asset} />],
              [t("pool.perYear"), <Money key="y" amount={estimate.data.yearly} asset={product.asset} />],
              [t("pool.apr"), <Percent key="r" ratio={estimate.data.apr} />],
              ...(estimate.data.maturity
                ? ([[t("pool.matures"), <Time key="m" at={estimate.data.maturity.endAt} />]] as const)
                : []),
            ]}
          />
        )}
        <p className="text-muted-foreground">
          {product.termDays === null
            ? t("pool.anyTime")
            : product.earlyExit
              ? t("pool.earlyExit")
              : t("pool.noEarlyExit")}
        </p>
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="primary" disabled={act.isPending}>
          {t("pool.putIn")}
        </Button>
      </form>
    </Dialog>
  )
}
