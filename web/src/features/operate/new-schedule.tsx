import { useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Choice, Field } from "@/ui/field"
import { Failed, Loaded } from "@/ui/states"
import { Moments, useMoments } from "./schedule"

type Target = Schemas["TargetView"]
type Property = { type?: string; title?: string; description?: string; default?: string | number | boolean }

/** Another schedule of a job that there is, with the moments that its rule means before it is made. */
export function NewSchedule({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const targets = api.useQuery("get", "/api/v1/schedules/targets")
  return (
    <Dialog title={t("newSchedule.title")} onClose={onClose}>
      <Loaded query={targets} rows={5}>
        {(known) => <Form targets={known} />}
      </Loaded>
    </Dialog>
  )
}

function Form({ targets }: { targets: readonly Target[] }) {
  const { t } = useTranslation()
  const go = useNavigate()
  const [job, setJob] = useState(targets[0]!.name)
  const target = targets.find((one) => one.name === job)!
  const [rule, setRule] = useState(target.rule ?? "0 * * * *")
  const [catchUp, setCatchUp] = useState<Target["catchUp"]>(target.catchUp)
  const preview = useMoments(rule)
  const properties = Object.entries((target.parameters.properties ?? {}) as Record<string, Property>)
  const act = useAct(
    async (body: Schemas["Plan"], key) =>
      (await client.POST("/api/v1/schedules", { params: { header: key }, body })).data!,
    (made) => void go({ to: `/schedules/${made.id}` }),
  )
  const jobs = Object.fromEntries(
    targets.map((one) => [one.name, t(`jobs.${one.name}` as "jobs.nav", { defaultValue: one.name })]),
  )
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        const held = given(event)
        act.mutate({
          name: held.name!,
          rule: held.rule!,
          target: job,
          parameter: Object.fromEntries(
            properties
              .filter(([name]) => held[`parameter.${name}`])
              .map(([name, { type }]) => [name, typed(held[`parameter.${name}`]!, type)]),
          ),
          singleton: true,
          catchUp,
          status: "active",
          remark: held.remark ?? "",
        })
      }}
    >
      <Field name="name" label={t("schedules.name")} maxLength={100} required error={act.refused("name")} />
      <Choice
        label={t("schedules.job")}
        value={job}
        options={jobs}
        onChange={(next) => {
          const chosen = targets.find((one) => one.name === next)!
          setJob(next)
          setCatchUp(chosen.catchUp)
          if (chosen.rule) setRule(chosen.rule)
        }}
      />
      <Choice
        label={t("schedules.catchUp")}
        value={catchUp}
        options={
          Object.fromEntries(target.catchUps.map((one) => [one, t(`catchUp.${one}`)])) as Record<
            Target["catchUp"],
            string
          >
        }
        onChange={setCatchUp}
      />
      {properties.map(([name, { type, title, description, default: standard }]) => (
        <Field
          key={`${job}:${name}`}
          name={`parameter.${name}`}
          label={title ?? name}
          hint={description}
          inputMode={type === "integer" || type === "number" ? "decimal" : undefined}
          defaultValue={standard === undefined || standard === null ? "" : String(standard)}
          error={act.refused(`parameter.${name}`)}
        />
      ))}
      <Field
        name="rule"
        label={t("schedules.rule")}
        hint={t("schedules.ruleHint")}
        className="font-mono"
        value={rule}
        onChange={(event) => setRule(event.target.value)}
        maxLength={200}
        required
        error={act.refused("rule")}
      />
      <Loaded query={preview} rows={5}>
        {(seen) => <Moments rule={seen.rule} upcoming={seen.upcoming} note={seen.note} />}
      </Loaded>
      <Field name="remark" label={t("schedules.remark")} maxLength={500} error={act.refused("remark")} />
      {act.error && <Failed error={act.error} />}
      <Button
        type="submit"
        intent="primary"
        disabled={act.isPending || !preview.data || preview.isPlaceholderData}
      >
        {t("newSchedule.make")}
      </Button>
    </form>
  )
}

const typed = (text: string, type?: string) =>
  type === "integer" || type === "number" ? Number(text) : type === "boolean" ? text === "true" : text
