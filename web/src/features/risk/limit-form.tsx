import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Choice, Field, NumberField, Reason } from "@/ui/field"
import { Failed } from "@/ui/states"
import { Asked } from "../operate/asked"
import { Waiting } from "../operate/changes"

type Limit = Schemas["LimitUse"]
type Order = Schemas["LimitOrder"]
type Effect = NonNullable<Order["effect"]>
const LEVELS = ["platform", "venue", "instrument", "strategy", "flow", "creator", "scope"] as const
const MEASURES = [
  "gross_notional",
  "net_notional",
  "position",
  "leverage",
  "concentration",
  "margin_use",
  "order_notional",
  "order_rate",
  "open_orders",
  "daily_loss",
  "drawdown",
  "error_rate",
  "feed_age",
  "price_jump",
  "difference",
  "order_burst",
] as const
const EFFECTS = ["no_entries", "cancel", "reduce", "flatten"] as const

/** Set a limit, or another one in the place of one: what is looser, or ends it, waits for a second person. */
export function SetLimit({ limit, onClose }: { limit: Limit | null; onClose: () => void }) {
  const { t } = useTranslation()
  const [level, setLevel] = useState<Order["level"]>(limit?.level ?? "flow")
  const [measure, setMeasure] = useState<Order["measure"]>(limit?.measure ?? "gross_notional")
  const [effect, setEffect] = useState<Effect | "">((limit?.effect as Effect | null) ?? "")
  const act = useAct(
    async (body: Order, key) =>
      (await client.POST("/api/v1/risk/limits", { params: { header: key }, body })).data!,
    (answer) => {
      if (answer.status === "in_force") onClose()
    },
  )
  const order = (held: Record<string, string>, amount: string | null): Order => ({
    level,
    measure,
    subject: limit?.subject ?? (level === "platform" ? "" : held.subject!),
    asset: limit ? limit.asset : held.asset || null,
    amount,
    effect: amount === null || !effect ? null : effect,
    resetsAt: amount === null || !effect ? null : held.resetsAt || null,
    cooldownSeconds: amount === null || !effect || !held.cooldown ? null : Number(held.cooldown),
    reason: held.reason!,
  })
  const named = <T extends string>(words: readonly T[], of: "levels" | "measures" | "effects") =>
    Object.fromEntries(words.map((one) => [one, t(`limits.${of}.${one}` as "limits.levels.flow")])) as Record<
      T,
      string
    >
  return (
    <Dialog title={t(limit ? "limits.changeTitle" : "limits.set")} onClose={onClose}>
      {act.data?.approvalId ? (
        <Asked id={act.data.approvalId} />
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const ends = (event.nativeEvent as SubmitEvent).submitter?.getAttribute("value") === "end"
            const held = given(event)
            act.mutate(order(held, ends ? null : held.amount!))
          }}
        >
          {!limit && (
            <>
              <Choice
                label={t("limits.measure")}
                value={measure}
                options={named(MEASURES, "measures")}
                onChange={setMeasure}
              />
              <Choice
                label={t("limits.level")}
                value={level}
                options={named(LEVELS, "levels")}
                onChange={setLevel}
              />
              {level !== "platform" && (
                <Field
                  name="subject"
                  label={t("limits.subject")}
                  hint={t("limits.subjectHint")}
                  maxLength={100}
                  defaultValue="*"
                  required
                  error={act.refused("subject")}
                />
              )}
              <Field
                name="asset"
                label={t("limits.asset")}
                hint={t("limits.assetHint")}
                pattern="[A-Z0-9]{1,12}"
                error={act.refused("asset")}
              />
            </>
          )}
          <NumberField
            name="amount"
            label={t("limits.amount")}
            hint={t("limits.amountHint")}
            defaultValue={limit?.amount ?? ""}
            required
            error={act.refused("amount")}
          />
          <Choice
            label={t("limits.effect")}
            value={effect}
            options={{ "": "–", ...named(EFFECTS, "effects") }}
            onChange={setEffect}
          />
          {effect && (
            <>
              <NumberField
                name="resetsAt"
                label={t("changes.fields.resetsAt")}
                defaultValue={limit?.resetsAt ?? ""}
                error={act.refused("resetsAt")}
              />
              <NumberField
                name="cooldown"
                label={t("changes.fields.cooldownSeconds")}
                whole
                min={1}
                defaultValue={limit?.cooldownSeconds ?? ""}
                error={act.refused("cooldownSeconds")}
              />
            </>
          )}
          <Reason label={t("limits.reason")} error={act.refused("reason")} />
          {act.error && <Failed error={act.error} />}
          <div className="flex gap-2">
            <Button type="submit" intent="primary" disabled={act.isPending}>
              {t(limit ? "limits.change" : "limits.set")}
            </Button>
            {limit && (
              <Button type="submit" value="end" intent="danger" disabled={act.isPending}>
                {t("limits.end")}
              </Button>
            )}
          </div>
          {limit && <Waiting subject={limit.id} />}
        </form>
      )}
    </Dialog>
  )
}
