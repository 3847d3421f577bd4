import { useParams } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { useMay } from "@/api/session"
import { Button } from "@/ui/button"
import { Loaded } from "@/ui/states"
import { CancelWork } from "@/ui/work"
import { STEADY } from "./run-form"
import { everyWhile } from "./study-marks"
import { StudyReport } from "./study-report"

/** One study, followed while it runs; one that has ended stays as it is. */
export default function OneStudy() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const path = { study_id: id }
  const may = useMay("share", "schedules")
  const query = api.useQuery(
    "get",
    "/api/v1/optimizer/studies/{study_id}/report",
    { params: { path } },
    {
      ...STEADY,
      refetchInterval: ({ state: { data } }) => data?.study.state === "running" && everyWhile(true),
    },
  )
  const [stopping, setStopping] = useState(false)
  return (
    <Loaded query={query} rows={10}>
      {(report) => (
        <>
          {stopping && report.study.state === "running" && (
            <CancelWork
              work={{ id, subject: `${report.study.strategy} ${report.study.data}` }}
              onClose={() => setStopping(false)}
            />
          )}
          <StudyReport data={report}>
            {may && report.study.state === "running" && (
              <Button intent="danger" className="ml-auto" onClick={() => setStopping(true)}>
                {t("study.cancel")}
              </Button>
            )}
          </StudyReport>
        </>
      )}
    </Loaded>
  )
}
