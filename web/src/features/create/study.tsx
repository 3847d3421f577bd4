import { useParams } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { useList } from "@/lib/lists"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { CancelWork } from "@/ui/work"
import { numberIn, order, rounded, said } from "./readings"
import { STEADY } from "./run-form"
import { everyWhile, Progress, State, Verdict } from "./studies"
import { HeatMap } from "./heat-map"

type Study = Schemas["StudyView"]
type Result = Schemas["ResultView"]

/** One study: how far it is; once complete, its verdict, what each test found, and where its best stands. */
export default function OneStudy() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const path = { study_id: id }
  const may = useMay("share")
  const query = api.useQuery(
    "get",
    "/api/v1/optimizer/studies/{study_id}",
    { params: { path } },
    { refetchInterval: ({ state }) => everyWhile(state.data?.state === "running") },
  )
  const [stopping, setStopping] = useState(false)
  return (
    <Loaded query={query} rows={10}>
      {(study) => (
        <>
          <PageHead title={t("study.of", { strategy: study.strategy })}>
            <State study={study} />
            {study.verdict && <Verdict grade={study.verdict} />}
            <Badge>{study.data}</Badge>
            {may && study.state === "running" && (
              <Button intent="danger" className="ml-auto" onClick={() => setStopping(true)}>
                {t("study.cancel")}
              </Button>
            )}
          </PageHead>
          <p className="text-muted-foreground">{t("study.warning")}</p>
          {stopping && study.state === "running" && (
            <CancelWork
              work={{ id, subject: `${study.strategy} ${study.data}` }}
              onClose={() => setStopping(false)}
            />
          )}
          {study.state === "running" && <p role="status">{t("study.running")}</p>}
          {study.state !== "complete" && study.reason && (
            <p className="border-warn/40 bg-warn/5 rounded-lg border p-3">{study.reason}</p>
          )}
          {study.state === "complete" && <Concluded study={study} />}
          <Plan study={study} />
          <Trials study={study} />
        </>
      )}
    </Loaded>
  )
}

function Plan({ study }: { study: Study }) {
  const { t } = useTranslation()
  return (
    <Card title={t("study.plan")}>
      <Facts
        rows={[
          [t("run.strategy"), `${study.strategy} ${study.version}`],
          [t("study.sampler"), t(`samplers.${study.sampler}`)],
          [
            t("study.objectives"),
            study.objectives
              .map((one) => t(`objectives.${one}` as "objectives.sharpe", { defaultValue: one }))
              .join(", "),
          ],
          [t("inputs.bars"), <Quantity key="b" value={study.bars} />],
          [
            t("study.progress"),
            <span key="p" className="inline-flex">
              <Progress study={study} />
            </span>,
          ],
          [t("study.refused"), <Quantity key="r" value={study.refused} />],
          [t("study.ruined"), <Quantity key="u" value={study.ruined} />],
          [t("inputs.by"), study.askedBy],
          [t("study.begun"), <Time key="c" at={study.createdAt} />],
          [t("study.ended"), <Time key="f" at={study.finishedAt} />],
        ]}
      />
    </Card>
  )
}

/** What came of it. It is asked for once: a study that has ended stays as it is. */
function Concluded({ study }: { study: Study }) {
  const query = api.useQuery(
    "get",
    "/api/v1/optimizer/studies/{study_id}/result",
    { params: { path: { study_id: study.id } } },
    STEADY,
  )
  const first = study.objectives[0]!
  return (
    <Loaded query={query} rows={8}>
      {(result) => (
        <>
          <Judged result={result} />
          <Best result={result} />
          <Walked result={result} objective={first} />
          <Maps result={result} objective={first} />
        </>
      )}
    </Loaded>
  )
}

function Judged({ result }: { result: Result }) {
  const { t } = useTranslation()
  return (
    <>
      <Card title={t("study.verdict")} actions={<Verdict grade={result.verdict} />}>
        <p>{t(`gradeWords.${result.verdict}`)}</p>
        <ul className="mt-2 list-disc space-y-1 pl-5" lang="en">
          {result.reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      </Card>
      <Card title={t("study.findings")} flush>
        <Table
          label={t("study.findings")}
          rows={result.findings}
          id={(row) => row.test}
          empty={<Empty title={t("state.nothing")} />}
          columns={[
            {
              key: "test",
              head: t("study.test"),
              cell: (row) => t(`tests.${row.test}` as "tests.trades", { defaultValue: row.test }),
            },
            { key: "grade", head: t("study.grade"), cell: (row) => <Verdict grade={row.grade} /> },
            {
              key: "value",
              head: t("study.figure"),
              right: true,
              cell: (row) => <Quantity value={rounded(row.value)} />,
            },
            {
              key: "means",
              head: t("study.means"),
              cell: (row) => (
                <span title={row.says}>
                  {t(`testWords.${row.test}` as "testWords.trades", { defaultValue: row.says })}
                </span>
              ),
            },
          ]}
        />
      </Card>
    </>
  )
}

function Best({ result: { best, evidence } }: { result: Result }) {
  const { t } = useTranslation()
  return (
    <Card title={t("study.best")} actions={<Badge>{t("study.trial", { number: best.number })}</Badge>}>
      <div className="grid items-start gap-x-10 gap-y-4 lg:grid-cols-2">
        <Facts
          rows={[
            ...Object.entries(best.params).map(
              ([name, value]) => [<code key="n">{name}</code>, <Quantity key="v" value={value} />] as const,
            ),
            ...Object.entries(best.values).map(
              ([name, value]) =>
                [
                  t(`objectives.${name}` as "objectives.sharpe", { defaultValue: name }),
                  <Quantity key="v" value={rounded(value)} />,
                ] as const,
            ),
            [t("backtest.trades"), <Quantity key="t" value={best.trades} />],
            [t("study.tried"), <Quantity key="c" value={numberIn(evidence, "configurations")} />],
          ]}
        />
        <Folds label={t("study.bestFolds")} folds={best.folds} />
      </div>
    </Card>
  )
}

/** In-sample against out-of-sample Sharpe ratio, fold by fold: what was learned, and what held. */
function Folds({ label, folds }: { label: string; folds: readonly Schemas["FoldView"][] }) {
  const { t } = useTranslation()
  if (!folds.length) return <p className="text-muted-foreground">{t("study.noFolds")}</p>
  return (
    <table className="w-full self-start">
      <caption className="pb-1 text-left text-xs font-medium">{label}</caption>
      <thead className="text-muted-foreground text-xs">
        <tr>
          <th scope="col" className="border-b py-1 text-left font-normal">
            {t("study.fold")}
          </th>
          <th scope="col" className="border-b py-1 text-right font-normal">
            {t("study.inSample")}
          </th>
          <th scope="col" className="border-b py-1 text-right font-normal">
            {t("study.outOfSample")}
          </th>
        </tr>
      </thead>
      <tbody>
        {folds.map((fold, place) => (
          <tr key={place}>
            <th scope="row" className="border-b py-1 text-left font-normal">
              {place + 1}
            </th>
            <td className="border-b py-1 text-right">
              <Quantity value={rounded(fold.trainSharpe, 2)} />
            </td>
            <td className="border-b py-1 text-right">
              <Quantity value={rounded(fold.testSharpe, 2)} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Each fold chooses what was best where it learned. */
function Walked({ result, objective }: { result: Result; objective: string }) {
  const { t } = useTranslation()
  const rows = result.walked.map((one, place) => ({ ...one, place: place + 1 }))
  const figure = (key: keyof Schemas["FoldView"], head: string) => ({
    key,
    head,
    right: true,
    cell: (row: (typeof rows)[number]) => <Quantity value={rounded(row.fold[key])} />,
  })
  const name = t(`objectives.${objective}` as "objectives.sharpe", { defaultValue: objective })
  return (
    <Card title={t("study.walked")} flush>
      <Table
        label={t("study.walked")}
        rows={rows}
        id={(row) => String(row.place)}
        empty={<Empty title={t("study.noFolds")} />}
        columns={[
          { key: "fold", head: t("study.fold"), cell: (row) => row.place },
          { key: "chosen", head: t("study.chosen"), cell: (row) => t("study.trial", { number: row.number }) },
          figure("train", t("study.learned", { name })),
          figure("test", t("study.tested", { name })),
          figure("trainSharpe", t("study.inSample")),
          figure("testSharpe", t("study.outOfSample")),
        ]}
      />
    </Card>
  )
}

function Maps({ result, objective }: { result: Result; objective: string }) {
  const { t } = useTranslation()
  if (!result.heatMaps.length) return null
  const less = objective === "max_drawdown" || objective === "turnover"
  return (
    <Card title={t("study.maps")}>
      <p className="text-muted-foreground mb-3 text-xs">{t("study.mapsWords")}</p>
      <div className="grid gap-6 2xl:grid-cols-2">
        {result.heatMaps.map((map) => (
          <HeatMap key={`${map.x} ${map.y}`} map={map} less={less} />
        ))}
      </div>
    </Card>
  )
}

/** Every configuration that was tried, by number; ordered where it is seen. */
function Trials({ study }: { study: Study }) {
  const { t } = useTranslation()
  const list = useList(
    ["trials", study.id],
    async (cursor) => {
      const { data } = await client.GET("/api/v1/optimizer/studies/{study_id}/trials", {
        params: { path: { study_id: study.id }, query: { cursor, limit: 200 } },
      })
      return data!
    },
    () => everyWhile(study.state === "running"),
  )
  return (
    <Card title={t("study.trials")} flush>
      <Loaded query={list} rows={6}>
        {(rows) => (
          <Table
            label={t("study.trials")}
            rows={rows}
            id={(row) => String(row.number)}
            empty={<Empty title={t("study.noTrials")} />}
            more={list.more}
            columns={[
              {
                key: "number",
                head: t("study.number"),
                sort: (row) => row.number,
                cell: (row) => row.number,
              },
              { key: "params", head: t("run.params"), cell: (row) => said(row.params) },
              {
                key: "state",
                head: t("common.state"),
                cell: (row) => (
                  <span title={row.reason ?? undefined}>
                    {row.ruined ? t("backtest.ruined") : t(`trialStates.${row.state}`)}
                  </span>
                ),
              },
              ...study.objectives.map((name, place) => ({
                key: name,
                head: t(`objectives.${name}` as "objectives.sharpe", { defaultValue: name }),
                right: true,
                sort: (row: Schemas["TrialView"]) => order(row.values[place]),
                cell: (row: Schemas["TrialView"]) => <Quantity value={rounded(row.values[place])} />,
              })),
              {
                key: "trades",
                head: t("backtest.trades"),
                right: true,
                sort: (row) => row.trades,
                cell: (row) => <Quantity value={row.trades} />,
              },
              {
                key: "seconds",
                head: t("inputs.seconds"),
                right: true,
                sort: (row) => row.seconds,
                cell: (row) => <Quantity value={rounded(row.seconds, 2)} />,
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
