import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useAct } from "@/lib/form"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts } from "@/ui/card"
import { Id, Quantity, Said, Time } from "@/ui/shown"
import { Prose } from "@/ui/prose"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

type Run = Schemas["ProofRun"]
const TONES: Record<Run["state"], Tone> = { running: "strong", clean: "good", broken: "bad", failed: "bad" }

/** Where both chains end now. */
export function Chain() {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/audit/chain")
  return (
    <Card title={t("proof.chain")}>
      <Loaded query={query}>
        {(ends) => (
          <div className="grid gap-6 lg:grid-cols-2">
            {(["journals", "events"] as const).map((one) => (
              <div key={one} className="space-y-2">
                <h3 className="font-medium">{t(`proof.${one}`)}</h3>
                <Facts
                  rows={[
                    [t("proof.sealed"), <Quantity key="s" value={ends[one].sequence} />],
                    [t("proof.unsealed"), <Quantity key="u" value={ends[one].unsealed} />],
                    [t("proof.sealedAt"), <Time key="t" at={ends[one].sealedAt} />],
                    [t("proof.digest"), <Id key="d" id={ends[one].digest} />],
                  ]}
                />
              </div>
            ))}
          </div>
        )}
      </Loaded>
    </Card>
  )
}

/** Have everything proved now, see how far it is, and what proofs before it found. */
export function Proofs() {
  const { t } = useTranslation()
  const query = api.useQuery(
    "get",
    "/api/v1/audit/proofs",
    { params: { query: { limit: 20 } } },
    { refetchInterval: ({ state }) => (state.data?.items[0]?.state === "running" ? 1000 : 15_000) },
  )
  const act = useAct(async (_: void, key) => {
    await client.POST("/api/v1/audit/proofs", { params: { header: key } })
  })
  const latest = query.data?.items[0]
  const running = latest?.state === "running"
  return (
    <Card
      title={t("prove.title")}
      actions={
        <Button intent="primary" disabled={act.isPending || running} onClick={() => act.mutate()}>
          {t("prove.run")}
        </Button>
      }
    >
      <p className="text-muted-foreground mb-3">
        <Prose text={t("prove.why")} />
      </p>
      {act.error && <Failed error={act.error} />}
      <Loaded query={query}>
        {({ items }) =>
          items.length ? (
            <div className="space-y-4">
              <Result run={items[0]!} />
              {items.length > 1 && <Before runs={items.slice(1)} />}
            </div>
          ) : (
            <Empty title={t("prove.none")} />
          )
        }
      </Loaded>
    </Card>
  )
}

function State({ run }: { run: Run }) {
  const { t } = useTranslation()
  return <Badge tone={TONES[run.state]}>{t(`prove.states.${run.state}`)}</Badge>
}

function Result({ run }: { run: Run }) {
  const { t } = useTranslation()
  const seconds = run.lines.reduce((sum, line) => sum + line.seconds, 0)
  return (
    <>
      <div role="status" className="flex flex-wrap items-center gap-2">
        <State run={run} />
        <span className="num">
          {t("prove.done", { done: run.lines.length, steps: run.steps, seconds: seconds.toFixed(1) })}
        </span>
        <Time at={run.askedAt} /> <Id id={run.askedBy} />
      </div>
      {run.state === "running" && (
        <progress
          className="accent-primary h-2 w-full"
          aria-label={t("prove.title")}
          max={run.steps}
          value={run.lines.length}
        />
      )}
      {run.reason && (
        <p className="text-bad">
          <Said words={run.reason} />
        </p>
      )}
      {run.rows && (
        <p className="text-muted-foreground">
          {t("prove.rows", {
            journals: run.rows.journals,
            entries: run.rows.entries,
            accounts: run.rows.accounts,
            events: run.rows.events,
          })}
        </p>
      )}
      {run.anchors && (
        <Facts
          rows={(["journals", "events"] as const).map((name) => [
            t("prove.anchor", { chain: t(`proof.${name}`) }),
            <span key={name}>
              <Quantity value={run.anchors![name]?.sequence} /> <Id id={run.anchors![name]?.digest} />
            </span>,
          ])}
        />
      )}
      {run.found.length > 0 && (
        <Table
          label={t("prove.found")}
          rows={run.found}
          id={(row) => `${row.rule}:${row.subject}:${row.found}`}
          empty=""
          columns={[
            { key: "rule", head: t("prove.rule"), cell: (row) => row.rule },
            { key: "subject", head: t("approvals.subject"), cell: (row) => row.subject },
            { key: "expected", head: t("prove.expected"), cell: (row) => row.expected },
            { key: "found", head: t("prove.found"), cell: (row) => row.found },
          ]}
        />
      )}
      {run.lines.length > 0 && (
        <details>
          <summary className="focusable w-fit cursor-pointer rounded">
            {t("prove.rules", { count: run.lines.length })}
          </summary>
          <Table
            label={t("prove.rule")}
            rows={run.lines}
            id={(row) => row.rule}
            empty=""
            columns={[
              { key: "rule", head: t("prove.rule"), cell: (row) => <span lang="en">{row.rule}</span> },
              {
                key: "findings",
                head: t("prove.findings"),
                right: true,
                cell: (row) => <Quantity value={row.findings} />,
              },
              {
                key: "seconds",
                head: t("prove.seconds"),
                right: true,
                sort: (row) => row.seconds,
                cell: (row) => <Quantity value={row.seconds} />,
              },
            ]}
          />
        </details>
      )}
    </>
  )
}

function Before({ runs }: { runs: readonly Run[] }) {
  const { t } = useTranslation()
  return (
    <details>
      <summary className="focusable w-fit cursor-pointer rounded">
        {t("prove.before", { count: runs.length })}
      </summary>
      <ul className="mt-2 space-y-1">
        {runs.map((run) => (
          <li key={run.id} className="flex flex-wrap items-center gap-2">
            <State run={run} /> <Time at={run.askedAt} /> <Id id={run.askedBy} />
            <span className="num">{t("prove.count", { count: run.findings })}</span>
          </li>
        ))}
      </ul>
    </details>
  )
}
