import { useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useAct } from "@/lib/form"
import { Dialog } from "@/ui/dialog"
import { Check, Choice, Field, NumberField } from "@/ui/field"
import { significant } from "./readings"
import { RunForm, type Act, type Declared } from "./run-form"

type Request = Schemas["StudyRequest"]
const SAMPLERS = ["tpe", "grid", "gp", "cmaes", "nsga2"] as const
const OBJECTIVES = [
  "sharpe",
  "sortino",
  "calmar",
  "total_return",
  "max_drawdown",
  "profit_factor",
  "turnover",
] as const
type WalkKind = Schemas["Walk"] | "none"

/** Have a worker search a strategy's parameters, and judge whether the best of them is more than luck. */
export function RunStudy({ strategy, onClose }: { strategy?: string; onClose: () => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [sampler, setSampler] = useState<Schemas["Sampler"]>("tpe")
  const [walk, setWalk] = useState<WalkKind>("rolling")
  const act = useAct(
    async (body: Request, key) =>
      (await client.POST("/api/v1/optimizer/run", { params: { header: key }, body })).data!,
    (study) => void navigate({ to: `/studies/${study.id}` }),
  )
  return (
    <Dialog title={t("study.run")} onClose={onClose}>
      <p className="text-muted-foreground">{t("study.runWhy")}</p>
      <RunForm
        first={strategy === "new" ? undefined : strategy}
        slippage="0.0001"
        act={act}
        submit={t("study.run")}
        parameters={(params) => <SpaceFields params={params} act={act} />}
        more={
          <>
            <div className="grid grid-cols-2 gap-3">
              <Choice
                label={t("study.sampler")}
                value={sampler}
                options={namesOf(SAMPLERS, (one) => t(`samplers.${one}`))}
                onChange={setSampler}
              />
              <NumberField
                name="trials"
                whole
                label={t("study.trials")}
                min={1}
                max={20_000}
                defaultValue="100"
                required
                error={act.refused("trials")}
              />
              <Choice
                label={t("study.walk")}
                value={walk}
                options={namesOf(["rolling", "anchored", "purged", "none"] as const, (one) =>
                  t(`walks.${one}`),
                )}
                onChange={setWalk}
              />
              {walk !== "none" && (
                <>
                  <NumberField
                    name="folds"
                    whole
                    label={t("study.folds")}
                    min={2}
                    max={50}
                    defaultValue="5"
                    required
                    error={act.refused("folds")}
                  />
                  <NumberField
                    name="embargo"
                    whole
                    label={t("study.embargo")}
                    hint={t("study.embargoHint")}
                    min={0}
                    max={1_000_000}
                    defaultValue="0"
                    required
                    error={act.refused("embargo")}
                  />
                </>
              )}
            </div>
            <fieldset className="space-y-1">
              <legend className="pb-1 text-xs font-medium">{t("study.objectives")}</legend>
              <div className="grid grid-cols-2 gap-1">
                {OBJECTIVES.map((one) => (
                  <Check
                    key={one}
                    name={`objective.${one}`}
                    defaultChecked={one === "sharpe"}
                    label={t(`objectives.${one}`)}
                  />
                ))}
              </div>
              <p className="text-muted-foreground text-xs">
                {act.refused("objectives") ?? t("study.objectivesHint")}
              </p>
            </fieldset>
          </>
        }
        onRun={(run, params, fields) =>
          act.mutate({
            ...run,
            params: {},
            space: spaceOf(params, fields),
            sampler,
            trials: Number(fields.trials),
            objectives: OBJECTIVES.filter((one) => fields[`objective.${one}`] === "on"),
            walkForward:
              walk === "none"
                ? null
                : { kind: walk, folds: Number(fields.folds), embargo: Number(fields.embargo) },
            pruning: false,
            seed: 0,
          })
        }
      />
    </Dialog>
  )
}

const namesOf = <T extends string>(keys: readonly T[], name: (key: T) => string) =>
  Object.fromEntries(keys.map((key) => [key, name(key)])) as Record<T, string>

/** Where each parameter is searched; one left empty keeps its default. */
function SpaceFields({ params, act }: { params: readonly Declared[]; act: Act }) {
  const { t } = useTranslation()
  return (
    <fieldset className="space-y-2">
      <legend className="pb-1 text-xs font-medium">{t("study.space")}</legend>
      <p className="text-muted-foreground text-xs">{t("study.spaceHint")}</p>
      <div className="grid grid-cols-2 gap-3">
        {params.map((one) => (
          <Field
            key={one.name}
            name={`space.${one.name}`}
            label={one.name}
            hint={t("study.declared", { low: one.low, high: one.high, standard: one.default })}
            pattern="[0-9a-zA-Z.:\|+\-]+"
            defaultValue={around(one)}
            error={act.refused(one.name) ?? act.refused(`space.${one.name}`)}
          />
        ))}
      </div>
    </fieldset>
  )
}

/** A quarter to four times what stands if nothing is said, so that the first study is neither endless nor starved. */
function around({ low, high, default: standard }: Declared) {
  if (standard <= 0) return `${low}:${high}`
  const whole = Number.isInteger(standard) && Number.isInteger(low)
  const within = (value: number) =>
    Math.min(high, Math.max(low, whole ? Math.round(value) : significant(value, 6)))
  return `${within(standard / 4)}:${within(standard * 4)}`
}

const spaceOf = (params: readonly Declared[], fields: Record<string, string>) =>
  Object.fromEntries(
    params.flatMap(({ name }) => {
      const dimension = fields[`space.${name}`]
      return dimension ? [[name, dimension]] : []
    }),
  )
