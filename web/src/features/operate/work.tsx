import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import type { en } from "@/i18n/en"
import { useAct } from "@/lib/form"
import { formatAge } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { AsOf, Said, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

type Work = Schemas["Workforce"]
type Sights = (typeof en)["workers"]["sights"]

/** The words for what a check saw; their figures come with it. Whatever can be seen has some, or this is no type. */
const named = (seen: keyof Sights) => `workers.sights.${seen}` as "workers.sights.no_market"

/** Whether the machinery works: what readiness tries, who works, what waits, what is behind and what failed. */
export default function WorkPage() {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/operations/workers", {}, { refetchInterval: 5_000 })
  return (
    <>
      <PageHead title={t("pages.work")}>
        {query.data && (
          <>
            <Badge tone={query.data.readiness.ready ? "good" : "bad"}>
              {t(query.data.readiness.ready ? "workers.ready" : "workers.notReady")}
            </Badge>
            <AsOf at={query.data.asOf} />
          </>
        )}
      </PageHead>
      <Loaded query={query} rows={8}>
        {(seen) => (
          <>
            <div className="grid gap-4 xl:grid-cols-2">
              <Checks checks={seen.readiness.checks} />
              <Behind seen={seen} />
            </div>
            <Workers rows={seen.workers} />
            <Queues rows={seen.queues} />
            <FailedWork rows={seen.failed} />
            {seen.schedules.length > 0 && <Schedules rows={seen.schedules} />}
          </>
        )}
      </Loaded>
    </>
  )
}

function Checks({ checks }: { checks: Work["readiness"]["checks"] }) {
  const { t } = useTranslation()
  return (
    <Card title={t("workers.checks")}>
      <ul className="space-y-1.5">
        {Object.entries(checks).map(([name, verdict]) => (
          <li key={name} className="flex flex-wrap items-center gap-2">
            <Badge tone={verdict.ok ? "good" : "bad"}>{t(verdict.ok ? "workers.ok" : "workers.wrong")}</Badge>
            <span>{t(`workers.check_${name}` as "workers.check_database", { defaultValue: name })}</span>
            <span className="text-muted-foreground text-xs">
              {t(named(verdict.seen), { defaultValue: verdict.detail, ...verdict.figures })}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Behind({ seen: { lag, businessNow } }: { seen: Work }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const oldest = lag.oldestSignalSeconds
  return (
    <Card title={t("workers.behind")}>
      <Facts
        rows={[
          [t("workers.businessNow"), <Time key="n" at={businessNow} />],
          [
            t("workers.signals"),
            oldest === null ? lag.signals : `${lag.signals} · ${formatAge(oldest, preferences)}`,
          ],
          [t("workers.transfers"), lag.transfers],
          [t("workers.unsealedEvents"), lag.unsealedEvents],
          [t("workers.unsealedJournals"), lag.unsealedJournals],
        ]}
      />
    </Card>
  )
}

function Workers({ rows }: { rows: Work["workers"] }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  return (
    <Card title={t("operation.workers")} flush={rows.length > 0}>
      <Table
        label={t("operation.workers")}
        rows={rows}
        id={(row) => row.id}
        empty={<Empty title={t("operation.noWorkers")} />}
        columns={[
          { key: "id", head: t("operation.worker"), cell: (row) => row.id },
          {
            key: "state",
            head: t("common.state"),
            cell: (row) => (
              <Badge tone={row.up ? "good" : "bad"}>{t(row.up ? "operation.up" : "operation.silent")}</Badge>
            ),
          },
          {
            key: "seen",
            head: t("workers.heartbeat"),
            right: true,
            cell: (row) => formatAge(row.silentSeconds, preferences),
          },
          { key: "running", head: t("workers.running"), right: true, cell: (row) => row.running },
          {
            key: "leads",
            head: t("operation.leads"),
            cell: (row) => (row.leads ? t("common.yes") : t("common.no")),
          },
          { key: "tick", head: t("operation.lastTick"), cell: (row) => <Time at={row.tickAt} /> },
          { key: "since", head: t("workers.since"), cell: (row) => <Time at={row.startedAt} /> },
          { key: "waits", head: t("workers.waitsFor"), cell: (row) => <Said words={row.waitsFor} /> },
        ]}
      />
    </Card>
  )
}

function Queues({ rows }: { rows: Work["queues"] }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  return (
    <Card title={t("workers.queues")} flush={rows.length > 0}>
      <Table
        label={t("workers.queues")}
        rows={rows}
        id={(row) => row.queue}
        empty={<Empty title={t("operation.noWorkers")} />}
        columns={[
          {
            key: "queue",
            head: t("workers.queue"),
            cell: (row) =>
              t(`workers.queue_${row.queue}` as "workers.queue_signals", { defaultValue: row.queue }),
          },
          { key: "waiting", head: t("workers.waiting"), right: true, cell: (row) => row.waiting },
          { key: "running", head: t("workers.running"), right: true, cell: (row) => row.running },
          {
            key: "oldest",
            head: t("workers.oldest"),
            right: true,
            cell: (row) => (row.oldestSeconds === null ? "–" : formatAge(row.oldestSeconds, preferences)),
          },
        ]}
      />
    </Card>
  )
}

function FailedWork({ rows }: { rows: Work["failed"] }) {
  const { t } = useTranslation()
  const may = useMay("schedules")
  const act = useAct(async (id: string, key) =>
    client.POST("/api/v1/operations/workers/{workflow_id}/again", {
      params: { path: { workflow_id: id }, header: key },
    }),
  )
  return (
    <Card title={t("workers.failed")} flush={rows.length > 0}>
      {act.error && <Failed error={act.error} />}
      <Table
        label={t("workers.failed")}
        rows={rows}
        id={(row) => row.workflowId}
        empty={<Empty title={t("workers.noneFailed")} />}
        columns={[
          { key: "kind", head: t("common.kind"), cell: (row) => row.workflow },
          { key: "of", head: t("workers.ofKind"), right: true, cell: (row) => row.ofKind },
          { key: "at", head: t("common.time"), cell: (row) => <Time at={row.failedAt} /> },
          {
            key: "error",
            head: t("schedules.lastError"),
            cell: (row) => <span title={row.error ?? undefined}>{row.error?.slice(0, 80) ?? "–"}</span>,
          },
          {
            key: "id",
            head: t("users.id"),
            cell: (row) => <span title={row.workflowId}>{row.workflowId.slice(0, 24)}</span>,
          },
          ...(may
            ? [
                {
                  key: "act",
                  head: "",
                  right: true,
                  cell: (row: Work["failed"][number]) => (
                    <Button
                      className="h-6"
                      disabled={act.isPending}
                      onClick={() => act.mutate(row.workflowId)}
                    >
                      {t("workers.again")}
                    </Button>
                  ),
                },
              ]
            : []),
        ]}
      />
    </Card>
  )
}

function Schedules({ rows }: { rows: Work["schedules"] }) {
  const { t } = useTranslation()
  return (
    <Card title={t("workers.schedules")} flush>
      <Table
        label={t("workers.schedules")}
        rows={rows}
        id={(row) => row.name}
        empty={null}
        columns={[
          { key: "name", head: t("schedules.name"), cell: (row) => row.name },
          {
            key: "failures",
            head: t("workers.times"),
            right: true,
            cell: (row) => row.failures,
          },
          { key: "error", head: t("schedules.lastError"), cell: (row) => row.lastError ?? "–" },
          { key: "next", head: t("schedules.next"), cell: (row) => <Time at={row.nextAt} /> },
        ]}
      />
    </Card>
  )
}
