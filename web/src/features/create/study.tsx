import { useParams } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { useMay } from "@/api/session"
import { useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Failed, Loaded } from "@/ui/states"
import { STEADY } from "./run-form"
import { everyWhile } from "./study-marks"
import { StudyReport } from "./study-report"

/** One study, followed while it runs; one that has ended stays as it is. */
export default function OneStudy() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const path = { study_id: id }
  const may = useMay("share")
  const query = api.useQuery(
    "get",
    "/api/v1/optimizer/studies/{study_id}/report",
    { params: { path } },
    {
      ...STEADY,
      refetchInterval: ({ state: { data } }) => data?.study.state === "running" && everyWhile(true),
    },
  )
  const cancel = useAct(async () => {
    await client.POST("/api/v1/optimizer/studies/{study_id}/cancel", { params: { path } })
  })
  return (
    <Loaded query={query} rows={10}>
      {(report) => (
        <>
          {cancel.error && <Failed error={cancel.error} />}
          <StudyReport data={report}>
            {may && report.study.state === "running" && (
              <Button
                intent="danger"
                className="ml-auto"
                disabled={cancel.isPending}
                onClick={() => cancel.mutate(undefined)}
              >
                {t("study.cancel")}
              </Button>
            )}
          </StudyReport>
        </>
      )}
    </Loaded>
  )
}
