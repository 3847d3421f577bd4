import { useNavigate } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useAct } from "@/lib/form"
import { Dialog } from "@/ui/dialog"
import { Field } from "@/ui/field"
import { Empty, Loaded } from "@/ui/states"
import { numberOf, ParameterFields, paramsOf, RunForm, STEADY } from "./run-form"

type Request = Schemas["BacktestRequest"]

/** A kept run, which never changes. */
export const useKept = (id: string) =>
  api.useQuery("get", "/api/v1/backtests/{backtest_id}", { params: { path: { backtest_id: id } } }, STEADY)

/** Run a strategy over imported candles. The request answers when the run is done, with its report. */
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
  const act = useAct(
    async (body: Request, key) =>
      (await client.POST("/api/v1/backtests", { params: { header: key }, body })).data!,
    (run) => void navigate({ to: `/backtests/${run.id}` }),
  )
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
            <Field
              name="seed"
              label={t("run.seed")}
              hint={t("run.seedHint")}
              type="number"
              min={0}
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
