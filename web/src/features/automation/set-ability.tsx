import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Check, Choice, Field, NumberField, Reason } from "@/ui/field"
import { Failed } from "@/ui/states"
import { Asked } from "../operate/asked"
import { Waiting } from "../operate/changes"
import { useNames } from "./names"

type Ability = Schemas["AbilityView"]
type Order = Schemas["SettingOrder"]
type Figure = { default: unknown; about: string }
const MODES = ["off", "recommending", "acting"] as const

const written = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value))

/** What somebody typed for a figure, as it is sent: a number, a list, a truth, or the text itself. */
function read(typed: string): unknown {
  try {
    return JSON.parse(typed)
  } catch {
    return typed
  }
}

/** Say how far an ability goes: less holds at once, more waits for a second person. */
export function SetAbility({ of, onClose }: { of: Ability; onClose: () => void }) {
  const { t } = useTranslation()
  const names = useNames()
  const [mode, setMode] = useState<Order["mode"]>(of.mode)
  const figures = Object.entries(of.figures) as [string, Figure][]
  const act = useAct(
    async (body: Order, key) =>
      (await client.POST("/api/v1/automation/settings", { params: { header: key }, body })).data!,
    (answer) => {
      if (answer.status === "in_force") onClose()
    },
  )
  const order = (held: Record<string, string>): Order => ({
    ability: of.name,
    strategy: held.strategy ?? "",
    mode,
    budget: held.budget ? Number(held.budget) : null,
    needsApproval: held.approval === "on",
    terms: Object.fromEntries(
      figures
        .filter(([name, one]) => held[`of-${name}`] && held[`of-${name}`] !== written(one.default))
        .map(([name]) => [name, read(held[`of-${name}`]!)]),
    ),
    reason: held.reason!,
  })
  return (
    <Dialog title={names.ability(of.name)} onClose={onClose}>
      {act.data?.approvalId ? (
        <Asked id={act.data.approvalId} />
      ) : (
        <form className="space-y-3" onSubmit={(event) => act.mutate(order(given(event)))}>
          <p className="text-muted-foreground">{t("abilities.ask")}</p>
          <Choice
            label={t("abilities.mode")}
            value={mode}
            options={
              Object.fromEntries(MODES.map((one) => [one, t(`abilities.modes.${one}`)])) as Record<
                Order["mode"],
                string
              >
            }
            onChange={setMode}
          />
          <Field
            name="strategy"
            label={t("abilities.strategy")}
            hint={t("abilities.strategyHint")}
            pattern="[a-z0-9_]*"
            maxLength={60}
            error={act.refused("strategy")}
          />
          <NumberField
            name="budget"
            label={t("abilities.budget")}
            whole
            defaultValue={String(of.budget)}
            error={act.refused("budget")}
          />
          <Check name="approval" label={t("abilities.approval")} defaultChecked={of.needsApproval} />
          <details>
            <summary className="focusable cursor-pointer rounded font-medium">
              {t("abilities.figures")}
            </summary>
            <div className="mt-2 space-y-3">
              {figures.map(([name, one]) => (
                <Field
                  key={name}
                  name={`of-${name}`}
                  label={<code>{name}</code>}
                  hint={one.about && <span lang="en">{one.about}</span>}
                  autoComplete="off"
                  defaultValue={written(of.terms[name] ?? one.default)}
                  error={act.refused(`terms.${name}`)}
                />
              ))}
            </div>
          </details>
          <Reason label={t("abilities.reason")} error={act.refused("reason")} />
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t("abilities.change")}
          </Button>
          <Waiting subject={`${of.name}:`} />
        </form>
      )}
    </Dialog>
  )
}
