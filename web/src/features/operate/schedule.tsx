import { keepPreviousData } from "@tanstack/react-query"
import { useNavigate, useParams } from "@tanstack/react-router"
import { useDeferredValue, useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Field } from "@/ui/field"
import { Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { ScheduleName, ScheduleState, useScheduleActs } from "./schedules"

type Shown = Schemas["ShownSchedule"]
type Run = Schemas["Run"]
const TONES: Record<Run["status"], Tone> = {
  requested: "warn",
  running: "strong",
  success: "good",
  failed: "bad",
  skipped: "plain",
}

/** One schedule: when it runs next, its rule, and how its runs went. */
export default function Schedule() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const may = useMay("schedules")
  const query = api.useQuery("get", "/api/v1/schedules/{schedule_id}", {
    params: { path: { schedule_id: id } },
  })
  const [deleting, setDeleting] = useState(false)
  const { run, turn, error } = useScheduleActs()
  return (
    <Loaded query={query} rows={8}>
      {(schedule) => (
        <>
          <PageHead title={<ScheduleName schedule={schedule} />}>
            <ScheduleState schedule={schedule} />
            {may && (
              <div className="ml-auto flex flex-wrap gap-2">
                <Button intent="primary" disabled={run.isPending} onClick={() => run.mutate(id)}>
                  {t("schedules.run")}
                </Button>
                <Button disabled={turn.isPending} onClick={() => turn.mutate(schedule)}>
                  {t(schedule.status === "active" ? "schedules.pause" : "schedules.resume")}
                </Button>
                {!schedule.builtIn && (
                  <Button intent="danger" onClick={() => setDeleting(true)}>
                    {t("newSchedule.delete")}
                  </Button>
                )}
              </div>
            )}
          </PageHead>
          {deleting && <Delete schedule={schedule} onClose={() => setDeleting(false)} />}
          {error && <Failed error={error} />}
          {run.data && <p role="status">{t("schedules.asked")}</p>}
          <div className="grid gap-4 lg:grid-cols-2">
            <Card title={t("schedules.about")}>
              <Facts
                rows={[
                  [t("schedules.job"), <code key="j">{schedule.target}</code>],
                  ...(Object.keys(schedule.parameter).length
                    ? [
                        [
                          t("schedules.parameter"),
                          <code key="p">{JSON.stringify(schedule.parameter)}</code>,
                        ] as const,
                      ]
                    : []),
                  [t("schedules.catchUp"), t(`catchUp.${schedule.catchUp}`)],
                  [t("schedules.next"), <Time key="n" at={schedule.nextAt} seconds />],
                  [t("schedules.last"), <Time key="l" at={schedule.lastAt} seconds />],
                  [t("schedules.retry"), <Time key="r" at={schedule.retryAt} seconds />],
                  [t("schedules.lastError"), schedule.lastError ?? "–"],
                ]}
              />
            </Card>
            <Card title={t("schedules.rule")}>
              {may ? (
                // What somebody else changed begins the form anew, and does not go under in it.
                <Rule key={schedule.version} schedule={schedule} />
              ) : (
                <Moments rule={schedule.rule} upcoming={schedule.upcoming} note={schedule.note} />
              )}
            </Card>
          </div>
          <Runs id={id} />
        </>
      )}
    </Loaded>
  )
}

/** Its log goes with it; what it did stays in the audit trail. */
function Delete({ schedule, onClose }: { schedule: Shown; onClose: () => void }) {
  const { t } = useTranslation()
  const go = useNavigate()
  const act = useAct(
    async () => {
      await client.DELETE("/api/v1/schedules/{schedule_id}", {
        params: { path: { schedule_id: schedule.id } },
      })
    },
    () => void go({ to: "/schedules" }),
  )
  return (
    <Dialog title={t("newSchedule.delete")} onClose={onClose}>
      <p>{t("newSchedule.sure", { name: schedule.name })}</p>
      {act.error && <Failed error={act.error} />}
      <Button intent="danger" disabled={act.isPending} onClick={() => act.mutate()}>
        {t("newSchedule.delete")}
      </Button>
    </Dialog>
  )
}

/** The rule, with the moments it means before it is saved. */
function Rule({ schedule }: { schedule: Shown }) {
  const { t } = useTranslation()
  const [rule, setRule] = useState(schedule.rule)
  const preview = useMoments(rule)
  const act = useAct(
    async (body: { rule: string; remark: string }, key) =>
      (
        await client.PATCH("/api/v1/schedules/{schedule_id}", {
          params: { path: { schedule_id: schedule.id }, header: key },
          body: { ...body, version: schedule.version },
        })
      ).data!,
  )
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        const { rule: wanted, remark } = given(event)
        act.mutate({ rule: wanted!, remark: remark! })
      }}
    >
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
      <Field
        name="remark"
        label={t("schedules.remark")}
        defaultValue={schedule.remark}
        maxLength={500}
        error={act.refused("remark")}
      />
      {act.error && <Failed error={act.error} />}
      <Button
        type="submit"
        intent="primary"
        disabled={act.isPending || !preview.data || preview.isPlaceholderData}
      >
        {t("schedules.save")}
      </Button>
    </form>
  )
}

/** What a rule means, as it is written. */
export function useMoments(rule: string) {
  const asked = useDeferredValue(rule.trim())
  return api.useQuery(
    "get",
    "/api/v1/schedules/preview",
    { params: { query: { rule: asked } } },
    { placeholderData: keepPreviousData },
  )
}

export function Moments({
  rule,
  upcoming,
  note,
}: {
  rule: string
  upcoming: readonly string[]
  note: string | null
}) {
  const { t } = useTranslation()
  return (
    <div className="space-y-1" aria-live="polite">
      <p className="text-muted-foreground text-xs">
        {t("schedules.means")} <code>{rule}</code>
      </p>
      <ol className="num space-y-0.5">
        {upcoming.map((at) => (
          <li key={at}>
            <Time at={at} seconds />
          </li>
        ))}
      </ol>
      {!upcoming.length && <p>{t("schedules.never")}</p>}
      {note && <Badge tone="warn">{t("schedules.eitherDay")}</Badge>}
    </div>
  )
}

function Runs({ id }: { id: string }) {
  const { t } = useTranslation()
  const list = useList(["schedule-runs", id], async (cursor) => {
    const { data } = await client.GET("/api/v1/schedules/{schedule_id}/runs", {
      params: { path: { schedule_id: id }, query: { cursor, limit: 50 } },
    })
    return data!
  })
  return (
    <Card title={t("schedules.log")} flush={!!list.data?.length}>
      <Loaded query={list} rows={5}>
        {(rows) => (
          <Table
            label={t("schedules.log")}
            rows={rows}
            id={(row) => String(row.id)}
            empty={<Empty title={t("schedules.noRuns")} />}
            more={list.more}
            columns={[
              { key: "for", head: t("schedules.for"), cell: (row) => <Time at={row.scheduledFor} seconds /> },
              {
                key: "state",
                head: t("common.state"),
                cell: (row) => <Badge tone={TONES[row.status]}>{t(`runStatus.${row.status}`)}</Badge>,
              },
              {
                key: "by",
                head: t("approvals.by"),
                cell: (row) => row.requestedBy?.slice(0, 24) ?? t("schedules.clock"),
              },
              { key: "attempts", head: t("liquidation.attempts"), right: true, cell: (row) => row.attempts },
              {
                key: "began",
                head: t("schedules.began"),
                cell: (row) => <Time at={row.startedAt} seconds />,
              },
              {
                key: "ended",
                head: t("schedules.ended"),
                cell: (row) => <Time at={row.finishedAt} seconds />,
              },
              {
                key: "error",
                head: t("schedules.lastError"),
                cell: (row) => (
                  <span title={row.exceptionInfo ?? ""}>{row.exceptionInfo?.slice(0, 64) ?? "–"}</span>
                ),
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
