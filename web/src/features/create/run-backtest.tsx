import { useNavigate } from "@tanstack/react-router"
import { useEffect, useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, Refusal, type Schemas } from "@/api/client"
import { useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Field, NumberField } from "@/ui/field"
import { Empty, Failed, Loaded } from "@/ui/states"
import { CancelWork, WorkBar, WorkState } from "@/ui/work"
import { numberOf, ParameterFields, paramsOf, RunForm, STEADY } from "./run-form"
import { everyWhile } from "./study-marks"

type Request = Schemas["BacktestRequest"]

/** A kept run, which never changes. */
export const useKept = (id: string) =>
  api.useQuery("get", "/api/v1/backtests/{backtest_id}", { params: { path: { backtest_id: id } } }, STEADY)

/** Run a strategy over imported candles: the report where it is short, and how far it is where it is long. */
export function RunBacktest({ strategy, onClose }: { strategy: string; onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Dialog title={t("backtest.run")} onClose={onClose}>
      <Form first={strategy === "new" ? undefined : strategy} />
    </Dialog>
  )
}

/** The same with every input of a kept run. */
export function RunAgain({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Dialog title={t("backtest.run")} onClose={onClose}>
      <Loaded query={useKept(id)}>
        {({ again }) =>
          again ? (
            <Form first={again.strategy} asked={again} />
          ) : (
            <Empty title={t("backtest.cannotAgain", { id })} />
          )
        }
      </Loaded>
    </Dialog>
  )
}

function Form({ first, asked }: { first?: string; asked?: Request }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [work, setWork] = useState("")
  const show = (id: string) => void navigate({ to: `/backtests/${id}` })
  const act = useAct(
    async (body: Request, key) =>
      (await client.POST("/api/v1/backtests", { params: { header: key }, body })).data!,
    (done) => ("progress" in done ? setWork(done.id) : show(done.id)),
  )
  if (work) return <Running id={work} then={show} />
  return (
    <>
      <p className="text-muted-foreground">{t("backtest.runWhy")}</p>
      <RunForm
        first={first}
        asked={asked}
        slippage="0"
        act={act}
        submit={t("backtest.run")}
        parameters={(params) => <ParameterFields params={params} values={asked?.params} act={act} />}
        terms={
          <>
            <Field
              name="size"
              label={t("run.size")}
              hint={t("run.sizeHint")}
              type="number"
              step="any"
              min={0}
              defaultValue={asked?.size ?? ""}
              error={act.refused("size")}
            />
            <NumberField
              whole
              max={Number.MAX_SAFE_INTEGER}
              name="seed"
              label={t("run.seed")}
              hint={t("run.seedHint")}
              defaultValue={asked?.seed ?? ""}
              error={act.refused("seed")}
            />
          </>
        }
        onRun={(run, params, fields) =>
          act.mutate({
            ...run,
            params: paramsOf(params, fields),
            size: numberOf(fields.size),
            seed: numberOf(fields.seed),
          })
        }
      />
    </>
  )
}

/** A run that was accepted, until it is done. */
function Running({ id, then }: { id: string; then: (backtest: string) => void }) {
  const { t } = useTranslation()
  const [stopping, setStopping] = useState(false)
  const query = api.useQuery(
    "get",
    "/api/v1/work/{work_id}",
    { params: { path: { work_id: id } } },
    { refetchInterval: ({ state }) => everyWhile(!state.data?.endedAt) },
  )
  const result = query.data?.result
  useEffect(() => {
    if (result) then(result)
  }, [result, then])
  return (
    <Loaded query={query}>
      {(work) => (
        <>
          <p className="flex items-center gap-2">
            {work.subject} <WorkState work={work} />
          </p>
          <WorkBar work={work} />
          {work.refusal ? (
            <Failed error={new Refusal(work.refusal as unknown as Refusal["problem"])} />
          ) : (
            <p className="text-muted-foreground">{t("work.goesOn")}</p>
          )}
          {work.cancellable && (
            <Button intent="danger" onClick={() => setStopping(true)}>
              {t("work.cancel")}
            </Button>
          )}
          {stopping && work.cancellable && <CancelWork work={work} onClose={() => setStopping(false)} />}
        </>
      )}
    </Loaded>
  )
}
