import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Field, NumberField } from "@/ui/field"
import { Money, Time } from "@/ui/shown"
import { Failed } from "@/ui/states"

/** Money in or out: what was asked for, and what happens next. */
export function Transfer({ direction }: { direction: "deposit" | "withdrawal" }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const may = useMay(direction === "deposit" ? "fund" : "withdraw")
  if (!may) return null
  return (
    <>
      <Button intent={direction === "deposit" ? "primary" : "outline"} onClick={() => setOpen(true)}>
        {t(`transfer.${direction}`)}
      </Button>
      {open && <TransferWindow direction={direction} onClose={() => setOpen(false)} />}
    </>
  )
}

function TransferWindow({
  direction,
  onClose,
}: {
  direction: "deposit" | "withdrawal"
  onClose: () => void
}) {
  const { t } = useTranslation()
  const act = useAct(
    async (body: { amount: string; address: string | null; reference: string | null }, key) =>
      (
        await client.POST("/api/v1/participation/funding", {
          params: { header: key },
          body: { ...body, direction, asset: "USDT" },
        })
      ).data!,
  )
  const done = act.data
  return (
    <Dialog title={t(`transfer.${direction}`)} onClose={onClose}>
      {done ? (
        <div className="space-y-2" role="status">
          <p>
            {t(`fundingStatus.${done.status}`)}: <Money amount={done.amount} asset={done.asset} />
          </p>
          {direction === "deposit" && done.status === "pending" && (
            <p>
              {t("transfer.payWith")} <code>{done.paymentReference}</code>
            </p>
          )}
          {done.notBefore && (
            <p>
              {t("transfer.notBefore")} <Time at={done.notBefore} />
            </p>
          )}
          <Button onClick={onClose}>{t("common.close")}</Button>
        </div>
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const { amount, address, reference } = given(event)
            act.mutate({ amount: amount!, address: address || null, reference: reference || null })
          }}
        >
          <p className="text-muted-foreground">{t(`transfer.${direction}Why`)}</p>
          <NumberField
            name="amount"
            label={t("common.amountIn", { asset: "USDT" })}
            required
            error={act.refused("amount")}
          />
          {direction === "withdrawal" ? (
            <Field
              name="address"
              label={t("transfer.address")}
              hint={t("transfer.addressHint")}
              error={act.refused("address")}
            />
          ) : (
            <Field
              name="reference"
              label={t("activity.remark")}
              hint={t("transfer.referenceHint")}
              error={act.refused("reference")}
            />
          )}
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t(`transfer.${direction}`)}
          </Button>
        </form>
      )}
    </Dialog>
  )
}

/** How much of one's money the platform may commit: nothing is subscribed beyond it. */
export function Authorise() {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const may = useMay("fund")
  const custody = api.useQuery("get", "/api/v1/participation/custody-auth", { params: { query: {} } })
  const act = useAct(
    async (limit: string, key) =>
      (
        await client.POST("/api/v1/participation/custody-auth", {
          params: { header: key },
          body: { limit, asset: "USDT" },
        })
      ).data!,
    () => setOpen(false),
  )
  if (!may) return null
  return (
    <>
      <Button onClick={() => setOpen(true)}>{t("authorise.title")}</Button>
      {open && (
        <Dialog title={t("authorise.title")} onClose={() => setOpen(false)}>
          <form className="space-y-3" onSubmit={(event) => act.mutate(given(event).limit!)}>
            <p className="text-muted-foreground">{t("authorise.why")}</p>
            {custody.data && (
              <p>
                {t("authorise.now")} <Money amount={custody.data.limit} asset={custody.data.asset} /> ·{" "}
                {t("authorise.inUse")} <Money amount={custody.data.inUse} asset={custody.data.asset} />
              </p>
            )}
            <NumberField
              name="limit"
              label={t("authorise.limit", { asset: "USDT" })}
              defaultValue={custody.data?.limit}
              required
              error={act.refused("limit")}
            />
            {act.error && <Failed error={act.error} />}
            <Button type="submit" intent="primary" disabled={act.isPending}>
              {t("authorise.title")}
            </Button>
          </form>
        </Dialog>
      )}
    </>
  )
}
