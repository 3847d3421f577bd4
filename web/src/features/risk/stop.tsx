import { useId, useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Choice, Field, Reason } from "@/ui/field"
import { Failed } from "@/ui/states"
import { Asked } from "../operate/asked"

type Order = Schemas["KillOrder"]
type Opening = Schemas["Opening"]
const LEVELS = ["platform", "venue", "instrument", "strategy", "flow", "creator", "scope"] as const
const EFFECTS = ["no_entries", "cancel", "reduce", "flatten"] as const

/** Stops all or a part of trading in one call, and says what was on its way. */
export function Stop({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [level, setLevel] = useState<Order["level"]>("platform")
  const [effect, setEffect] = useState<NonNullable<Order["effect"]>>("no_entries")
  const known = useId()
  const suggested = useSuggested(level)
  const act = useAct(
    async (body: Order, key) =>
      (await client.POST("/api/v1/risk/kill", { params: { header: key }, body })).data!,
  )
  if (act.data) return <Stopped done={act.data} onClose={onClose} />
  return (
    <Dialog title={t("breakers.stop")} onClose={onClose}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const { subject, reason } = given(event)
          act.mutate({ level, effect, subject: level === "platform" ? "" : subject!, reason: reason! })
        }}
      >
        <p className="text-muted-foreground">{t("breakers.stopWhy")}</p>
        <Choice
          label={t("breakers.level")}
          value={level}
          options={
            Object.fromEntries(LEVELS.map((one) => [one, t(`breakerLevels.${one}`)])) as Words<Order["level"]>
          }
          onChange={setLevel}
        />
        {level !== "platform" && (
          <>
            <Field
              key={level}
              name="subject"
              label={t("breakers.subject")}
              hint={t("breakers.subjectHint")}
              list={known}
              autoComplete="off"
              maxLength={100}
              required
              error={act.refused("subject")}
            />
            <datalist id={known}>
              {suggested.map(([id, called]) => (
                <option key={id} value={id}>
                  {called}
                </option>
              ))}
            </datalist>
          </>
        )}
        <Choice
          label={t("breakers.effect")}
          value={effect}
          options={
            Object.fromEntries(EFFECTS.map((one) => [one, t(`breakerEffects.${one}`)])) as Words<
              (typeof EFFECTS)[number]
            >
          }
          onChange={setEffect}
        />
        <Reason label={t("breakers.reason")} error={act.refused("reason")} />
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="danger" disabled={act.isPending}>
          {t("breakers.stop")}
        </Button>
      </form>
    </Dialog>
  )
}

type Words<T extends string> = Record<T, string>

/** What is held at present of a level: (id, what people call it). */
function useSuggested(level: Order["level"]): (readonly [string, string])[] {
  const { data } = api.useQuery("get", "/api/v1/exposure")
  if (level === "instrument")
    return data?.instruments.map((one) => [String(one.instrumentId), one.symbol]) ?? []
  if (level === "creator") return data?.creators.map((one) => [one.creatorId, one.creator ?? ""]) ?? []
  if (level === "venue") return [...new Set(data?.venues.map((one) => one.venue))].map((one) => [one, one])
  return []
}

function Stopped({ done, onClose }: { done: Schemas["Stopped"]; onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Dialog title={t("breakers.stopped")} onClose={onClose}>
      <div role="status" className="space-y-3">
        <p>{t("breakers.stoppedAfter", { ms: done.waitedMs })}</p>
        <Orders title={t("breakers.sending")} of={done.sending} />
        <Orders title={t("breakers.unanswered")} of={done.unanswered} />
        {done.ending > 0 && (
          <p>
            {t("breakers.ending")}: <span className="num">{done.ending}</span>
          </p>
        )}
      </div>
    </Dialog>
  )
}

function Orders({ title, of }: { title: string; of: readonly Opening[] }) {
  const { t } = useTranslation()
  if (!of.length) return null
  return (
    <section>
      <h3 className="text-bad font-medium">{title}</h3>
      <ul>
        {of.map((one) => (
          <li key={one.id} className="num">
            {one.symbol} {t(`sides.${one.side}`)} {one.quantity} · {one.venue}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Asks a second person to close a breaker. */
export function Resume({ of, onClose }: { of: Schemas["Breaker"]; onClose: () => void }) {
  const { t } = useTranslation()
  const act = useAct(
    async (body: { reason: string }, key) =>
      (
        await client.POST("/api/v1/risk/breakers/{breaker_id}/resume", {
          params: { path: { breaker_id: of.id }, header: key },
          body,
        })
      ).data!,
  )
  return (
    <Dialog title={t("breakers.resume")} onClose={onClose}>
      {act.data?.approvalId ? (
        <Asked id={act.data.approvalId} />
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            act.mutate({ reason: given(event).reason! })
          }}
        >
          <p className="text-muted-foreground">{t("breakers.resumeWhy")}</p>
          <Reason label={t("breakers.reason")} error={act.refused("reason")} />
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t("breakers.resume")}
          </Button>
        </form>
      )}
    </Dialog>
  )
}
