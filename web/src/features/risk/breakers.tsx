import { useTranslation } from "react-i18next"
import { useState } from "react"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { useList } from "@/lib/lists"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Asked } from "../operate/asked"
import { Resume, Stop } from "./stop"

type Breaker = Schemas["Breaker"]
const LIGHTS: Record<Breaker["state"], Tone> = { open: "bad", half_open: "warn", closed: "good" }

/** What is stopped, by whom or what and on what evidence; the switch that stops, and what asks to resume. */
export default function Breakers() {
  const { t } = useTranslation()
  const may = useMay("risk")
  const [stopping, setStopping] = useState(false)
  const [resuming, setResuming] = useState<Breaker | null>(null)
  const breakers = api.useQuery("get", "/api/v1/risk/breakers")
  const standing = breakers.data?.filter((one) => one.state !== "closed")
  return (
    <>
      <PageHead title={t("pages.breakers")}>
        {may && (
          <Button intent="danger" onClick={() => setStopping(true)}>
            {t("breakers.stop")}
          </Button>
        )}
      </PageHead>
      <p className="text-muted-foreground max-w-3xl">{t("breakers.why")}</p>
      <Loaded query={breakers} rows={3}>
        {() =>
          standing?.length ? (
            <div className="grid gap-3 lg:grid-cols-2">
              {standing.map((one) => (
                <Light key={one.id} of={one} onResume={may ? () => setResuming(one) : null} />
              ))}
            </div>
          ) : (
            <Card title={t("breakers.standing")}>
              <Empty title={t("breakers.none")}>
                <p>{t("breakers.noneWhy")}</p>
              </Empty>
            </Card>
          )
        }
      </Loaded>
      <History />
      {stopping && <Stop onClose={() => setStopping(false)} />}
      {resuming && <Resume of={resuming} onClose={() => setResuming(null)} />}
    </>
  )
}

/** What a breaker covers, as people call it. */
export function useCovered() {
  const { t } = useTranslation()
  return ({ level, subject, called }: Pick<Breaker, "level" | "subject" | "called">) =>
    [t(`breakerLevels.${level}`), called ?? subject].filter(Boolean).join(" ")
}

function useMeasure() {
  const { t } = useTranslation()
  return (measure: string) =>
    t(`breakerMeasures.${measure}` as "breakerMeasures.kill", { defaultValue: measure })
}

function Light({ of, onResume }: { of: Breaker; onResume: (() => void) | null }) {
  const { t } = useTranslation()
  const covered = useCovered()
  const measure = useMeasure()
  const seen = of.evidence as Record<string, unknown>
  const told = (name: string) => (typeof seen[name] === "string" ? seen[name] : null)
  return (
    <Card
      title={
        <>
          <Badge tone={LIGHTS[of.state]}>{t(`breakerStates.${of.state}`)}</Badge> {covered(of)}
        </>
      }
      actions={onResume && !of.approvalId && <Button onClick={onResume}>{t("breakers.resume")}</Button>}
    >
      <Facts
        rows={[
          [t("breakers.effect"), t(`breakerEffects.${of.effect}`)],
          [
            t("breakers.cause"),
            of.measure === "kill" ? (of.openedByName ?? of.openedBy) : measure(of.measure),
          ],
          [t("breakers.reason"), of.reason],
          [t("breakers.since"), <Time key="since" at={of.openedAt} />],
          ...(told("value") ? ([[t("breakers.measured"), told("value")]] as const) : []),
          ...(told("amount") ? ([[t("breakers.amount"), told("amount")]] as const) : []),
          ...(told("resetsAt") ? ([[t("breakers.resets"), told("resetsAt")]] as const) : []),
          ...(of.calmSince ? ([[t("breakers.calm"), <Time key="calm" at={of.calmSince} />]] as const) : []),
          ...(of.relapses ? ([[t("breakers.relapses"), of.relapses]] as const) : []),
          ...Evidence(seen["details"]),
        ]}
      />
      {of.approvalId && (
        <div className="mt-3">
          <Asked id={of.approvalId} />
        </div>
      )}
    </Card>
  )
}

/** What was measured beside the figure, as it was stored. */
function Evidence(details: unknown) {
  if (typeof details !== "object" || details === null) return []
  return Object.entries(details)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [<code key={name}>{name}</code>, String(value)] as const)
}

function History() {
  const { t } = useTranslation()
  const covered = useCovered()
  const measure = useMeasure()
  const list = useList(["breaker-changes"], async (cursor) => {
    const { data } = await client.GET("/api/v1/risk/breakers/changes", {
      params: { query: { cursor, limit: 50 } },
    })
    return data!
  })
  return (
    <Card title={t("breakers.history")} flush={!!list.data?.length}>
      <Loaded query={list} rows={4}>
        {(rows) => (
          <Table
            label={t("breakers.history")}
            rows={rows}
            id={(row) => `${row.breakerId} ${row.version}`}
            more={list.more}
            empty={<Empty title={t("breakers.noHistory")} />}
            columns={[
              { key: "at", head: t("common.time"), cell: (row) => <Time at={row.at} /> },
              {
                key: "state",
                head: t("breakers.change"),
                cell: (row) => <Badge tone={LIGHTS[row.state]}>{t(`breakerStates.${row.state}`)}</Badge>,
              },
              { key: "of", head: t("breakers.of"), cell: (row) => covered(row) },
              { key: "cause", head: t("breakers.cause"), cell: (row) => measure(row.measure) },
              {
                key: "effect",
                head: t("breakers.effect"),
                cell: (row) => t(`breakerEffects.${row.effect}`),
              },
              { key: "reason", head: t("breakers.reason"), cell: (row) => row.reason },
              { key: "by", head: t("breakers.by"), cell: (row) => row.actorName ?? row.actor },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
