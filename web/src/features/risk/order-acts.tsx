import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Facts } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Field, NumberField } from "@/ui/field"
import { Quantity } from "@/ui/shown"
import { Failed } from "@/ui/states"

type Order = Schemas["OrderRow"]
const OVER = ["filled", "cancelled", "expired", "refused"]

/** What may be asked of an order that works: its end, and of a limit another price. */
export function OrderActs({ order }: { order: Order }) {
  const { t } = useTranslation()
  const may = useMay("orders")
  const [asking, setAsking] = useState<"end" | "move" | null>(null)
  if (!may || OVER.includes(order.status) || order.cancelAskedAt) return null
  return (
    <>
      {order.kind === "limit" && <Button onClick={() => setAsking("move")}>{t("orders.move")}</Button>}
      <Button intent="danger" onClick={() => setAsking("end")}>
        {t("orders.end")}
      </Button>
      {asking === "move" && <Move order={order} onClose={() => setAsking(null)} />}
      {asking === "end" && <End order={order} onClose={() => setAsking(null)} />}
    </>
  )
}

function End({ order, onClose }: { order: Order; onClose: () => void }) {
  const { t } = useTranslation()
  const act = useAct(async (body: { note: string }, key) => {
    await client.POST("/api/v1/orders/{order_id}/cancel", {
      params: { path: { order_id: order.id }, header: key },
      body,
    })
  }, onClose)
  return (
    <Dialog title={t("orders.end")} onClose={onClose}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          act.mutate({ note: given(event).note! })
        }}
      >
        <p className="text-muted-foreground">{t("orders.endWhy")}</p>
        <Note refused={act.refused("note")} />
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="danger" disabled={act.isPending}>
          {t("orders.end")}
        </Button>
      </form>
    </Dialog>
  )
}

function Move({ order, onClose }: { order: Order; onClose: () => void }) {
  const { t } = useTranslation()
  const act = useAct(async (body: { limitPrice: string; note: string }, key) => {
    await client.POST("/api/v1/orders/{order_id}/move", {
      params: { path: { order_id: order.id }, header: key },
      body,
    })
  }, onClose)
  return (
    <Dialog title={t("orders.move")} onClose={onClose}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const { limitPrice, note } = given(event)
          act.mutate({ limitPrice: limitPrice!, note: note! })
        }}
      >
        <p className="text-muted-foreground">{t("orders.moveWhy")}</p>
        <Facts
          rows={[
            [t("orders.reference"), <Quantity key="r" value={order.referencePrice} />],
            [t("orders.limit"), <Quantity key="l" value={order.limitPrice} />],
          ]}
        />
        <NumberField
          name="limitPrice"
          label={t("orders.newLimit")}
          defaultValue={order.limitPrice ?? ""}
          required
          error={act.refused("limitPrice")}
        />
        <Note refused={act.refused("note")} />
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="primary" disabled={act.isPending}>
          {t("orders.move")}
        </Button>
      </form>
    </Dialog>
  )
}

function Note({ refused }: { refused: string | null }) {
  const { t } = useTranslation()
  return <Field name="note" label={t("orders.note")} maxLength={300} required error={refused} />
}
