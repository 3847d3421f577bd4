import { useNavigate } from "@tanstack/react-router"
import { useEffect, useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Failed, Loaded } from "@/ui/states"
import { CancelWork, WorkBar, WorkState } from "@/ui/work"
import { Refusal } from "@/api/client"
import { ParameterFields, paramsOf, RunForm } from "./run-form"
import { everyWhile } from "./studies"

/** Run a strategy over imported candles: the report where it is short, and how far it is where it is long. */
export function RunBacktest({ strategy, onClose }: { strategy?: string; onClose: () => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [work, setWork] = useState("")
  const show = (id: string) => void navigate({ to: `/backtests/${id}` })
  const act = useAct(
    async (body: Schemas["BacktestRequest"], key) =>
      (await client.POST("/api/v1/backtests", { params: { header: key }, body })).data!,
    (done) => ("progress" in done ? setWork(done.id) : show(done.id)),
  )
  return (
    <Dialog title={t("backtest.run")} onClose={onClose}>
      {work ? (
        <Running id={work} then={show} />
      ) : (
        <>
          <p className="text-muted-foreground">{t("backtest.runWhy")}</p>
          <RunForm
            first={strategy}
            slippage="0"
            act={act}
            submit={t("backtest.run")}
            parameters={(params) => <ParameterFields params={params} act={act} />}
            onRun={(run, params, fields) => act.mutate({ ...run, params: paramsOf(params, fields) })}
          />
        </>
      )}
    </Dialog>
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
