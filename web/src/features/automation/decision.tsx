import { Link, useParams } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { Card, Facts, PageHead } from "@/ui/card"
import { Id, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Waiting } from "../operate/changes"
import { DecisionActs } from "./decision-acts"
import { placeOf, useNames, type Decision } from "./names"
import { DecisionState, Reasons } from "./parts"
import { Told } from "./told"

type Whole = Schemas["DecisionWhole"]

/** One decision: on what evidence, why, step by step, what led to it, what it made and what came of it. */
export default function DecisionPage() {
  const { t } = useTranslation()
  const names = useNames()
  const { id } = useParams({ strict: false }) as { id: string }
  const query = api.useQuery("get", "/api/v1/automation/decisions/{decision_id}", {
    params: { path: { decision_id: id } },
  })
  return (
    <Loaded query={query} rows={8}>
      {(whole) => {
        const one = whole.decision
        return (
          <>
            <PageHead title={`${names.action(one.action)}: ${one.called}`}>
              <DecisionState state={one.state} />
              <Id id={one.id} />
              <DecisionActs of={one} />
            </PageHead>
            {one.state === "waiting" && <Waiting subject={one.id} />}
            <div className="grid items-start gap-4 lg:grid-cols-2">
              <Card title={t("decisions.because")}>
                <Reasons of={one.because} />
              </Card>
              <Card title={t("decisions.change")}>
                <About of={one} />
                <h3 className="mt-3 mb-1 font-medium">{names.action(one.action)}</h3>
                <Told value={one.change} />
              </Card>
              <Card title={t("decisions.effect")}>
                {one.effect ? (
                  <Told value={one.effect} />
                ) : (
                  <p className="text-muted-foreground">{t("decisions.notMeasured")}</p>
                )}
              </Card>
              <Card title={t("decisions.links")}>
                <Links of={whole.links} />
              </Card>
            </div>
            <Steps of={whole.steps} />
            <div className="grid items-start gap-4 lg:grid-cols-2">
              <Chain title={t("decisions.causes")} of={whole.causes} />
              <Chain title={t("decisions.effects")} of={whole.effects} />
              <Card title={t("decisions.evidence")}>
                <p className="text-muted-foreground mb-2 text-xs">{t("decisions.evidenceWhy")}</p>
                <Told value={one.evidence} />
              </Card>
              <Card title={t("decisions.terms")}>
                <Told value={one.terms} />
              </Card>
            </div>
          </>
        )
      }}
    </Loaded>
  )
}

function About({ of }: { of: Decision }) {
  const { t } = useTranslation()
  const names = useNames()
  const place = placeOf(of.targetKind, of.target)
  return (
    <Facts
      rows={[
        [t("decisions.ability"), names.ability(of.ability)],
        [t("decisions.rule"), <code key="rule">{of.rule}</code>],
        [
          names.kind(of.targetKind),
          place ? (
            <Link key="target" to={place} className="focusable text-primary rounded hover:underline">
              {of.called}
            </Link>
          ) : (
            of.called
          ),
        ],
        ...(of.strategy ? [[t("abilities.strategy"), of.strategy] as const] : []),
        [t("decisions.decidedAt"), <Time key="decided" at={of.decidedAt} seconds />],
        [t("decisions.actedAt"), <Time key="acted" at={of.actedAt} seconds />],
      ]}
    />
  )
}

function Links({ of }: { of: Whole["links"] }) {
  const { t } = useTranslation()
  const names = useNames()
  if (!of.length) return <p className="text-muted-foreground">{t("decisions.nothing")}</p>
  return (
    <Facts
      rows={of.map(({ kind, ref }) => {
        const place = placeOf(kind, ref)
        return [
          names.kind(kind),
          place ? (
            <Link key="ref" to={place} className="focusable text-primary rounded hover:underline">
              <Id id={ref} />
            </Link>
          ) : (
            <Id id={ref} />
          ),
        ]
      })}
    />
  )
}

function Steps({ of }: { of: Whole["steps"] }) {
  const { t } = useTranslation()
  return (
    <Card title={t("decisions.steps")} flush>
      <Table
        label={t("decisions.steps")}
        rows={of}
        id={(row) => String(row.number)}
        empty={<Empty title={t("decisions.nothing")} />}
        columns={[
          { key: "number", head: t("portfolio.number"), cell: (row) => row.number },
          { key: "at", head: t("common.time"), cell: (row) => <Time at={row.at} seconds /> },
          { key: "state", head: t("decisions.state"), cell: (row) => <DecisionState state={row.state} /> },
          {
            key: "actor",
            head: t("decisions.actor"),
            cell: (row) =>
              row.actor === "operation" ? (
                t("decisions.machine")
              ) : (
                <span title={row.actor}>{row.actor.replace(/(:\w{8})[-\w]+$/, "$1")}</span>
              ),
          },
          { key: "details", head: t("trail.details"), cell: (row) => <Details of={row.details} /> },
        ]}
      />
    </Card>
  )
}

/** What a step says, in a line: a refusal by its code and words. */
function Details({ of }: { of: Record<string, unknown> }) {
  const names = useNames()
  const { code, ...rest } = of
  const parts = Object.entries(rest).map(([name, value]) =>
    name === "reason" || name === "says" ? String(value) : `${name}: ${JSON.stringify(value)}`,
  )
  return <>{[...(code ? [names.code(String(code))] : []), ...parts].join(" · ") || "–"}</>
}

function Chain({ title, of }: { title: string; of: readonly Decision[] }) {
  const { t } = useTranslation()
  const names = useNames()
  return (
    <Card title={title}>
      {of.length ? (
        <ol className="space-y-1.5">
          {of.map((one) => (
            <li key={one.id} className="flex flex-wrap items-center gap-2">
              <DecisionState state={one.state} />
              <Link
                to={`/decisions/${one.id}`}
                className="focusable text-primary min-w-0 flex-1 truncate rounded hover:underline"
              >
                {names.ability(one.ability)}: {names.action(one.action)} · {one.called}
              </Link>
              <Time at={one.decidedAt} />
            </li>
          ))}
        </ol>
      ) : (
        <p className="text-muted-foreground">{t("decisions.nothing")}</p>
      )}
    </Card>
  )
}
