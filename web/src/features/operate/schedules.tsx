import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { NewSchedule } from "./new-schedule"

type Schedule = Schemas["ShownSchedule"]

/** What runs when: the next run of each job, how its last one went, and whether it fails. */
export default function Schedules() {
  const { t } = useTranslation()
  const may = useMay("schedules")
  const list = useList(["schedules"], async (cursor) => {
    const { data } = await client.GET("/api/v1/schedules", { params: { query: { cursor, limit: 100 } } })
    return data!
  })
  const [making, setMaking] = useState(false)
  const { run, turn, error } = useScheduleActs()
  return (
    <>
      <PageHead title={t("pages.schedules")}>
        {may && (
          <Button intent="primary" className="ml-auto" onClick={() => setMaking(true)}>
            {t("newSchedule.title")}
          </Button>
        )}
      </PageHead>
      {making && <NewSchedule onClose={() => setMaking(false)} />}
      <p className="text-muted-foreground">{t("schedules.why")}</p>
      {error && <Failed error={error} />}
      {run.data && <p role="status">{t("schedules.asked")}</p>}
      <Card flush>
        <Loaded query={list} rows={10}>
          {(rows) => (
            <Table
              label={t("pages.schedules")}
              rows={rows}
              id={(row) => row.id}
              to={(row) => `/schedules/${row.id}`}
              empty={<Empty title={t("schedules.none")} />}
              more={list.more}
              columns={[
                {
                  key: "name",
                  head: t("schedules.name"),
                  cell: (row) => <ScheduleName schedule={row} />,
                  sort: (row) => row.name,
                },
                {
                  key: "state",
                  head: t("common.state"),
                  cell: (row) => <ScheduleState schedule={row} />,
                },
                { key: "rule", head: t("schedules.rule"), cell: (row) => <code>{row.rule}</code> },
                {
                  key: "next",
                  head: t("schedules.next"),
                  cell: (row) => <Time at={row.nextAt} />,
                  sort: (row) => row.nextAt ?? "",
                },
                {
                  key: "last",
                  head: t("schedules.last"),
                  cell: (row) => <Time at={row.lastAt} />,
                  sort: (row) => row.lastAt ?? "",
                },
                {
                  key: "error",
                  head: t("schedules.lastError"),
                  cell: (row) => (
                    <span title={row.lastError ?? ""}>{row.lastError?.slice(0, 48) ?? "–"}</span>
                  ),
                },
                ...(may
                  ? [
                      {
                        key: "act",
                        head: "",
                        right: true,
                        cell: (row: Schedule) => (
                          <span className="inline-flex gap-1">
                            <Button
                              className="h-6"
                              disabled={run.isPending}
                              onClick={() => run.mutate(row.id)}
                            >
                              {t("schedules.run")}
                            </Button>
                            <Button
                              className="h-6"
                              disabled={turn.isPending}
                              onClick={() => turn.mutate(row)}
                            >
                              {t(row.status === "active" ? "schedules.pause" : "schedules.resume")}
                            </Button>
                          </span>
                        ),
                      },
                    ]
                  : []),
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  )
}

/** Run one now; pause it or let it go on, if nobody has changed it meanwhile. */
export function useScheduleActs() {
  const run = useAct(
    async (id: string, key) =>
      (
        await client.POST("/api/v1/schedules/{schedule_id}/run", {
          params: { path: { schedule_id: id }, header: key },
        })
      ).data!,
  )
  const turn = useAct(
    async (schedule: Schedule, key) =>
      (
        await client.PATCH("/api/v1/schedules/{schedule_id}", {
          params: { path: { schedule_id: schedule.id }, header: key },
          body: {
            status: schedule.status === "active" ? "paused" : "active",
            version: schedule.version,
          },
        })
      ).data!,
  )
  return { run, turn, error: run.error ?? turn.error }
}

/** A schedule that came with the house is called by what its job does; one of an operator's as they called it. */
export function ScheduleName({ schedule }: { schedule: Schedule }) {
  const { t } = useTranslation()
  return schedule.builtIn
    ? t(`jobs.${schedule.target}` as "jobs.nav", { defaultValue: schedule.name })
    : schedule.name
}

export function ScheduleState({ schedule }: { schedule: Schedule }) {
  const { t } = useTranslation()
  if (schedule.status === "paused") return <Badge>{t("scheduleStatus.paused")}</Badge>
  return schedule.failures ? (
    <Badge tone="bad">{t("schedules.failing", { count: schedule.failures })}</Badge>
  ) : (
    <Badge tone="good">{t("scheduleStatus.active")}</Badge>
  )
}
