import { useNavigate } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useAct } from "@/lib/form"
import { Dialog } from "@/ui/dialog"
import { ParameterFields, paramsOf, RunForm } from "./run-form"

/** Run a strategy over imported candles. The request answers when the run is done, with its report. */
export function RunBacktest({ strategy, onClose }: { strategy?: string; onClose: () => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const act = useAct(
    async (body: Schemas["BacktestRequest"], key) =>
      (await client.POST("/api/v1/backtests", { params: { header: key }, body })).data!,
    (run) => void navigate({ to: `/backtests/${run.id}` }),
  )
  return (
    <Dialog title={t("backtest.run")} onClose={onClose}>
      <p className="text-muted-foreground">{t("backtest.runWhy")}</p>
      <RunForm
        first={strategy}
        slippage="0"
        act={act}
        submit={t("backtest.run")}
        parameters={(params) => <ParameterFields params={params} act={act} />}
        onRun={(run, params, fields) => act.mutate({ ...run, params: paramsOf(params, fields) })}
      />
    </Dialog>
  )
}
