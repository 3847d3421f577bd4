import type { ReactNode } from "react"
import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Badge } from "@/ui/badge"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { Percent, Quantity, Statistic, Time } from "@/ui/shown"
import { HeatMap } from "./heat-map"
import { useTerms } from "./backtest-inputs"
import { numberIn, paramsSaid, rounded, rowIn, said } from "./readings"
import { State, useObjective, Verdict } from "./study-marks"
import { Parallel, Samples, Trials } from "./study-trials"
import { Folds, Judged, Walked } from "./study-verdict"

type Report = Schemas["StudyReport"]
type Result = Schemas["ResultView"]

/**
 * One study: how far it is; once complete, its best with what that brought out of sample, the verdict, and where
 * everything that was tried stands. `children` are what can be done with it.
 */
export function StudyReport({ data, children }: { data: Report; children?: ReactNode }) {
  const { t } = useTranslation()
  const { study, result } = data
  return (
    <>
      <PageHead title={t("study.of", { strategy: study.strategy })}>
        <State study={study} />
        {study.verdict && <Verdict grade={study.verdict} />}
        <Badge>{study.data}</Badge>
        {children}
      </PageHead>
      {study.state === "running" && <Running report={data} />}
      {study.state !== "complete" && study.reason && (
        <p className="border-warn/40 bg-warn/5 rounded-lg border p-3" lang="en">
          {study.reason}
        </p>
      )}
      {result && <Summary result={result} />}
      <p className="text-muted-foreground">{t("study.warning")}</p>
      {result && (
        <>
          <Judged result={result} />
          <div className="grid items-start gap-4 lg:grid-cols-2">
            <Best result={result} />
            <Samples report={data} best={result.best.number} />
          </div>
          <Walked result={result} objective={study.objectives[0]!} />
        </>
      )}
      <Parallel report={data} best={result?.best.number ?? null} />
      {result && <Maps maps={result.heatMaps} objective={study.objectives[0]!} />}
      <Inputs report={data} />
      <Trials report={data} />
    </>
  )
}

/** How far it is, and the best so far. */
function Running({ report: { study, trials } }: { report: Report }) {
  const { t } = useTranslation()
  return (
    <Card>
      <p role="status" className="mb-2 flex flex-wrap justify-between gap-2">
        <span>{trials.length ? t("study.running") : t("study.waiting")}</span>
        <span className="num">{t("study.ranOf", { ran: study.ran, trials: study.trials })}</span>
      </p>
      <progress
        className="accent-primary h-2 w-full"
        value={study.ran}
        max={study.trials}
        aria-label={t("study.progress")}
      />
    </Card>
  )
}

/** What a reader looks for first: the best, what it brought where nothing was chosen, and how far to believe it. */
function Summary({ result: { best, evidence, findings } }: { result: Result }) {
  const { t } = useTranslation()
  const deflated = findings.find((one) => one.test === "deflated_sharpe")?.value
  return (
    <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
      <Figure label={t("study.best")} note={t("study.trial", { number: best.number })}>
        <span className="text-base">{paramsSaid(best.params)}</span>
      </Figure>
      <Figure
        label={t("study.outOfSample")}
        note={
          best.folds.length
            ? t("study.meanOf", { count: best.folds.length, inside: rounded(best.trainSharpe, 2) ?? "–" })
            : t("study.noFolds")
        }
      >
        <Statistic value={best.testSharpe} />
      </Figure>
      <Figure label={t("study.lastRange")} note={t("study.lastRangeNote")}>
        <Statistic value={numberIn(evidence, "holdout")} />
      </Figure>
      <Figure
        label={t("study.noLuck")}
        note={t("study.noLuckNote", { count: numberIn(evidence, "configurations") ?? 0 })}
      >
        <Percent ratio={deflated} />
      </Figure>
    </div>
  )
}

function Best({ result: { best, evidence } }: { result: Result }) {
  const { t } = useTranslation()
  const objective = useObjective()
  const interval = rowIn(evidence, "interval")
  const [low, high] = [numberIn(interval, "low"), numberIn(interval, "high")]
  return (
    <Card title={t("study.best")} actions={<Badge>{t("study.trial", { number: best.number })}</Badge>}>
      <div className="space-y-4">
        <Facts
          rows={[
            ...Object.entries(best.params).map(
              ([name, value]) => [<code key="n">{name}</code>, <Quantity key="v" value={value} />] as const,
            ),
            ...Object.entries(best.values).map(
              ([name, value]) => [objective(name), <Quantity key="v" value={rounded(value)} />] as const,
            ),
            [
              t("study.within"),
              low === null || high === null ? "–" : `${low.toFixed(2)} – ${high.toFixed(2)}`,
            ],
            [t("backtest.trades"), <Quantity key="t" value={best.trades} />],
          ]}
        />
        <Folds label={t("study.bestFolds")} folds={best.folds} />
      </div>
    </Card>
  )
}

function Maps({ maps, objective }: { maps: Result["heatMaps"]; objective: string }) {
  const { t } = useTranslation()
  if (!maps.length) return null
  return (
    <Card title={t("study.maps")}>
      <p className="text-muted-foreground mb-3 text-xs">{t("study.mapsWords")}</p>
      <div className="grid gap-6 lg:grid-cols-2">
        {maps.map((map) => (
          <HeatMap key={`${map.x} ${map.y}`} map={map} objective={objective} />
        ))}
      </div>
    </Card>
  )
}

/** What was asked, and all that it takes to have it again. */
function Inputs({ report: { study, inputs, tried } }: { report: Report }) {
  const { t } = useTranslation()
  const objective = useObjective()
  const { walk } = inputs
  const { costs, terms } = useTerms()
  const code = (text: string | null) => <code className="text-xs break-all">{text ?? "–"}</code>
  return (
    <Card title={t("study.plan")}>
      <div className="grid items-start gap-x-10 gap-y-4 lg:grid-cols-2">
        <Facts
          rows={[
            [t("run.strategy"), `${study.strategy} ${study.version}`],
            [t("study.space"), said(inputs.space)],
            [t("run.params"), said(inputs.fixed) || "–"],
            [t("study.sampler"), t(`samplers.${study.sampler}`)],
            [t("study.objectives"), study.objectives.map(objective).join(", ")],
            [t("study.walk"), walk ? t("study.walkSaid", { ...walk, kind: t(`walks.${walk.kind}`) }) : "–"],
            [t("study.purge"), <Quantity key="p" value={inputs.purge} />],
            [t("inputs.costs"), costs(inputs.costs)],
            [t("inputs.terms"), terms(inputs.terms)],
          ]}
        />
        <Facts
          rows={[
            [t("inputs.bars"), <Quantity key="b" value={study.bars} />],
            [t("study.year"), <Quantity key="y" value={study.periodsPerYear} />],
            [t("study.ranTrials"), <Quantity key="a" value={study.ran} />],
            [t("study.refused"), <Quantity key="r" value={study.refused} />],
            [t("study.ruined"), <Quantity key="u" value={study.ruined} />],
            [t("study.proposed"), <Quantity key="d" value={tried} />],
            [t("inputs.by"), study.askedBy],
            [t("study.begun"), <Time key="c" at={study.createdAt} />],
            [t("study.ended"), <Time key="f" at={study.finishedAt} />],
            [t("inputs.code"), code(inputs.sourceHash)],
            [t("inputs.dataHash"), code(inputs.dataHash)],
            [t("study.seed"), <Quantity key="s" value={inputs.seed} />],
            [t("study.id"), code(study.id)],
          ]}
        />
      </div>
    </Card>
  )
}
