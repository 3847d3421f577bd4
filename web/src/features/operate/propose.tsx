import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Field } from "@/ui/field"
import { Failed } from "@/ui/states"
import { Asked, useBusinessTime } from "./asked"
import { Changes, useProductName } from "./changes"

/** A product with what is expected of it now. */
export type Expected = Schemas["CellChange"] & { profile: string; termDays: number; tier: string }
type Proposal = Schemas["MatrixProposal"]
const SIGNED = String.raw`-?[0-9]+(\.[0-9]+)?`
const DECIMAL = String.raw`[0-9]+(\.[0-9]+)?`

/**
 * New cells of the matrix from one date on: filled in, looked at as what they change, then asked for. What was
 * subscribed before keeps what it came with.
 */
export function Propose({ cells, onClose }: { cells: readonly Expected[]; onClose: () => void }) {
  const { t } = useTranslation()
  const productName = useProductName()
  const { dayAfter } = useBusinessTime()
  const [wanted, setWanted] = useState<Proposal | null>(null)
  const preview = useAct(
    async (body: Proposal) => (await client.POST("/api/v1/managed/return-matrix/preview", { body })).data!,
    (_, body) => setWanted(body),
  )
  const ask = useAct(
    async (body: Proposal, key) =>
      (await client.PUT("/api/v1/managed/return-matrix", { params: { header: key }, body })).data!,
  )
  const day = dayAfter(2)
  const refused = (name: string) => preview.refused(name)
  return (
    <Dialog title={t("propose.title", { count: cells.length })} onClose={onClose}>
      {ask.data ? (
        <Asked id={ask.data.approvalId} />
      ) : (
        <>
          <form
            className="space-y-3"
            hidden={!!wanted}
            onSubmit={(event) => {
              const held = given(event)
              preview.mutate({
                validFrom: `${held.validFrom}:00Z`,
                cells: cells.map(({ productId }) => ({
                  productId,
                  annualReturn: held[`annualReturn:${productId}`]!,
                  warningPercent: held[`warningPercent:${productId}`]!,
                  alertPercent: held[`alertPercent:${productId}`]!,
                })),
              })
            }}
          >
            {cells.map((cell) => (
              <fieldset key={cell.productId} className="grid gap-3 sm:grid-cols-3">
                <legend className="mb-1 font-medium">{productName(cell)}</legend>
                <Field
                  name={`annualReturn:${cell.productId}`}
                  label={t("matrix.annual")}
                  hint={t("matrix.share")}
                  inputMode="decimal"
                  pattern={SIGNED}
                  defaultValue={cell.annualReturn}
                  required
                  error={cells.length === 1 && refused("annualReturn")}
                />
                <Field
                  name={`warningPercent:${cell.productId}`}
                  label={t("matrix.warning")}
                  hint={t("matrix.points")}
                  inputMode="decimal"
                  pattern={DECIMAL}
                  defaultValue={cell.warningPercent}
                  required
                  error={cells.length === 1 && refused("warningPercent")}
                />
                <Field
                  name={`alertPercent:${cell.productId}`}
                  label={t("matrix.alert")}
                  hint={t("matrix.points")}
                  inputMode="decimal"
                  pattern={DECIMAL}
                  defaultValue={cell.alertPercent}
                  required
                  error={cells.length === 1 && refused("alertPercent")}
                />
              </fieldset>
            ))}
            <Field
              key={day ?? ""}
              name="validFrom"
              type="datetime-local"
              label={t("matrix.from")}
              hint={t("matrix.fromHint")}
              defaultValue={day && `${day}T00:00`}
              required
              error={refused("validFrom")}
            />
            {preview.error && <Failed error={preview.error} />}
            <Button type="submit" intent="primary" disabled={preview.isPending}>
              {t("propose.preview")}
            </Button>
          </form>
          {wanted && preview.data && (
            <div className="space-y-3">
              <Changes changes={preview.data} />
              <p className="text-muted-foreground">{t("propose.keeps")}</p>
              {ask.error && <Failed error={ask.error} />}
              <div className="flex gap-2">
                <Button intent="primary" disabled={ask.isPending} onClick={() => ask.mutate(wanted)}>
                  {t("asked.propose")}
                </Button>
                <Button onClick={() => setWanted(null)}>{t("propose.back")}</Button>
              </div>
            </div>
          )}
        </>
      )}
    </Dialog>
  )
}
