import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Change, Time } from "@/ui/shown"
import { Prose } from "@/ui/prose"
import { Empty, Loaded } from "@/ui/states"
import { docOf } from "@/lib/refusals"
import { useUrl } from "@/lib/url"
import { rounded } from "./readings"
import { STEADY } from "./run-form"

type Strategy = Schemas["StrategySummary"]
const TONES: Record<Strategy["status"], Tone> = { draft: "warn", published: "good", retired: "plain" }

/** The strategies that a creator may use: what each does, what it can be set to, and where to try it. */
export default function Studio() {
  const { t } = useTranslation()
  const [name] = useUrl("name", "")
  const query = api.useQuery("get", "/api/v1/strategies")
  return (
    <>
      <PageHead title={t("pages.studio")}>
        {name && (
          <Button asChild>
            <Link to="/studio">{name.slice(0, 80)} ×</Link>
          </Button>
        )}
      </PageHead>
      <p className="text-muted-foreground">{t("studio.why")}</p>
      <Loaded query={query} rows={8}>
        {(all) => {
          const strategies = all.filter((one) => !name || one.name === name)
          return strategies.length ? (
            <div className="grid items-start gap-4 xl:grid-cols-2">
              {strategies.map((one) => (
                <OneStrategy key={one.name} strategy={one} />
              ))}
            </div>
          ) : (
            <Empty title={t("studio.none")} />
          )
        }}
      </Loaded>
    </>
  )
}

function OneStrategy({ strategy }: { strategy: Strategy }) {
  const { t } = useTranslation()
  const query = api.useQuery(
    "get",
    "/api/v1/strategies/{name}/versions",
    { params: { path: { name: strategy.name } } },
    STEADY,
  )
  return (
    <Card
      title={strategy.name}
      actions={
        <div className="flex flex-wrap items-center gap-2">
          <Badge tone={TONES[strategy.status]}>{t(`strategyStatus.${strategy.status}`)}</Badge>
          <Badge>{strategy.ownerId ? t("studio.yours") : t("studio.platforms")}</Badge>
        </div>
      }
    >
      <Loaded query={query}>
        {(versions) => (
          <div className="space-y-4">
            {versions[0] ? <Latest of={strategy} version={versions[0]} /> : <p>{t("studio.noVersion")}</p>}
            {versions.length > 0 && <Versions versions={versions} />}
            <Performance strategy={strategy.name} />
            {versions[0]?.shipped && (
              <div className="flex flex-wrap gap-2">
                <Button asChild intent="primary">
                  <Link to="/backtests" search={{ run: strategy.name } as never}>
                    {t("studio.backtest")}
                  </Link>
                </Button>
                <Button asChild>
                  <Link to="/studies" search={{ run: strategy.name } as never}>
                    {t("studio.study")}
                  </Link>
                </Button>
                <Button asChild>
                  <Link to="/my-flows" search={{ publish: strategy.name } as never}>
                    {t("studio.publish")}
                  </Link>
                </Button>
              </div>
            )}
          </div>
        )}
      </Loaded>
    </Card>
  )
}

/** A text wrapped for a screen of code, as paragraphs. */
const paragraphs = (doc: string) => doc.split(/\n{2,}/).map((text) => text.replaceAll("\n", " "))

function Latest({ of, version }: { of: Strategy; version: Schemas["StrategyVersion"] }) {
  const { t } = useTranslation()
  const { doc, lang } = docOf(of, version.doc)
  return (
    <>
      {paragraphs(doc).map((text) => (
        <p key={text} lang={lang}>
          <Prose text={text} />
        </p>
      ))}
      <div className="flex flex-wrap gap-2">
        {version.stop && (
          <Badge>
            {t("studio.stop")} <code>{version.stop}</code>
          </Badge>
        )}
        <Badge>{version.orders ? t("studio.orders", { count: version.orders }) : t("studio.targets")}</Badge>
        {!version.compiled && <Badge tone="warn">{t("studio.slow")}</Badge>}
        {!version.shipped && <Badge tone="warn">{t("studio.notHere")}</Badge>}
      </div>
      <div className="relative overflow-x-auto">
        <table className="w-full text-sm">
          <caption className="pb-1 text-left text-xs font-medium">{t("studio.params")}</caption>
          <thead className="text-muted-foreground text-xs">
            <tr>
              <th scope="col" className="border-b py-1 text-left font-normal">
                {t("studio.param")}
              </th>
              {(["standard", "low", "high"] as const).map((head) => (
                <th key={head} scope="col" className="border-b py-1 pl-3 text-right font-normal">
                  {t(`studio.${head}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {version.params.map((one) => (
              <tr key={one.name}>
                <th scope="row" className="border-b py-1 text-left font-normal">
                  <code>{one.name}</code>{" "}
                  {one.kind === "int" && (
                    <span className="text-muted-foreground text-xs">{t("studio.whole")}</span>
                  )}
                </th>
                {[one.default, one.low, one.high].map((value, place) => (
                  <td key={place} className="num border-b py-1 pl-3 text-right">
                    {value}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

function Versions({ versions }: { versions: Schemas["StrategyVersion"][] }) {
  const { t } = useTranslation()
  return (
    <details>
      <summary className="focusable cursor-pointer rounded">
        {t("studio.versions", { count: versions.length })}
      </summary>
      <ul className="mt-2 space-y-1">
        {versions.map((one) => (
          <li key={one.version} className="flex flex-wrap items-center gap-x-3">
            <span className="num font-medium">{one.version}</span>
            <Time at={one.createdAt} />
            <span className="text-muted-foreground text-xs">{one.createdBy}</span>
            <code title={one.sourceHash} className="text-muted-foreground text-xs">
              {one.sourceHash.slice(0, 12)}
            </code>
          </li>
        ))}
      </ul>
    </details>
  )
}

/** How the strategy did: in its backtests, and, apart from that, in one's own flows. */
function Performance({ strategy }: { strategy: string }) {
  const { t } = useTranslation()
  const flows = api.useQuery("get", "/api/v1/co-trading/flows/my", { params: { query: { limit: 100 } } })
  const runs = api.useQuery("get", "/api/v1/backtests", { params: { query: { limit: 100 } } })
  const mine = flows.data?.items.filter((one) => one.strategy === strategy && one.status !== "closed") ?? []
  const latest = runs.data?.items.find((one) => one.inputs.strategy.name === strategy)
  if (!mine.length && !latest) return null
  const totalReturn = latest?.metrics.totalReturn
  return (
    <ul className="space-y-1">
      {latest && (
        <li className="flex flex-wrap items-center gap-2">
          <Link to={`/backtests/${latest.id}`} className="text-primary hover:underline">
            {t("studio.latestRun")}
          </Link>
          <Time at={latest.createdAt} />
          <Change ratio={rounded(totalReturn, 6)?.toFixed(6)} />
        </li>
      )}
      {mine.map((flow) => (
        <li key={flow.flowId} className="flex flex-wrap items-center gap-2">
          <Link to={`/my-flows/${flow.flowId}`} className="text-primary hover:underline">
            {t("studio.inFlow", { title: flow.title })}
          </Link>
          <Change ratio={flow.stats.performance.totalReturn} />
        </li>
      ))}
    </ul>
  )
}
