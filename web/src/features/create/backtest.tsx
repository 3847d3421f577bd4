import { Link, useParams } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { useMay } from "@/api/session"
import { Button } from "@/ui/button"
import { Loaded } from "@/ui/states"
import { BacktestReport } from "./backtest-report"
import { useKept } from "./run-backtest"

/** One kept run, and a way to run it again. */
export default function Backtest() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const query = useKept(id)
  const may = useMay("share")
  return (
    <Loaded query={query} rows={10}>
      {(run) => (
        <BacktestReport
          run={run}
          actions={
            may &&
            (run.again ? (
              <Button asChild className="ml-auto">
                <Link to="/backtests" search={{ again: run.id } as never}>
                  {t("backtest.again")}
                </Link>
              </Button>
            ) : (
              <small className="text-muted-foreground ml-auto">
                {t("backtest.cannotAgain", { id: run.id })}
              </small>
            ))
          }
        />
      )}
    </Loaded>
  )
}
