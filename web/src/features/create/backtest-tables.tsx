import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { formatNumber } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Card, Facts } from "@/ui/card"
import { Money, Quantity, Time } from "@/ui/shown"
import { useInputs } from "./backtest-inputs"
import { cents, rounded, significant, type Told } from "./readings"

const INSIDE = ["ambiguousBars", "refinedBars", "shortFilled", "clamped", "refused"] as const
const SHARES = ["greatestShareOfVolume", "meanShareOfVolume"] as const
const ORDERS = ["orders", "filled", "rejected", "cancelled", "expired", "open"] as const
const LOTS = ["taken", "offered", "ambiguous", "refused"] as const
/** Why a fill happened; in an order book, what filled it. */
type Kind = Schemas["FillMarker"]["kind"] | "trade" | "book" | "taking"
type Counted =
  | (typeof INSIDE)[number]
  | (typeof ORDERS)[number]
  | (typeof LOTS)[number]
  | "barsWithoutVolume"
  | "takerFills"

/** How the fills came about, how much of the market they took, and what bars cannot tell. */
export function Execution({ run: { execution, metrics, inputs } }: { run: Told }) {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const counted = (names: readonly Counted[]) =>
    names
      .filter((name) => execution[name] !== undefined)
      .map((name) => [t(`execution.${name}`), <Quantity key={name} value={execution[name]} />] as const)
  const share = (value: number | null | undefined) =>
    value == null ? "–" : `${formatNumber(significant(value * 100, 4), preferences)}%`
  const kinds = Object.entries(execution.byKind) as [Kind, number][]
  const fills = [
    [t("execution.fills"), <Quantity key="f" value={execution.fills} />],
    [t("execution.makerFills"), <Quantity key="m" value={execution.makerFills} />],
    ...counted(["takerFills"]),
    ...kinds.map(
      ([kind, count]) =>
        [
          t("execution.ofKind", { kind: t(`fillKinds.${kind}`) }),
          <Quantity key={kind} value={count} />,
        ] as const,
    ),
  ] as const
  const shortfall = [
    t("execution.shortfall"),
    <Money key="s" amount={cents(execution.shortfall ?? 0)} />,
  ] as const
  return (
    <Card title={t("execution.title")}>
      {inputs.depth ? (
        <>
          <Facts
            rows={[
              [t("execution.steps"), <Quantity key="s" value={metrics.steps} />],
              ...counted(ORDERS),
              ...fills,
              ...counted(LOTS),
              shortfall,
            ]}
          />
          <p className="text-muted-foreground mt-2 text-xs">{t("execution.bookWords")}</p>
        </>
      ) : (
        <>
          <Facts
            rows={[
              [t("execution.targetChanges"), <Quantity key="t" value={metrics.targetChanges} />],
              ...fills,
              ...SHARES.map((name) => [t(`execution.${name}`), share(execution[name])] as const),
              ...counted(["barsWithoutVolume"]),
            ]}
          />
          <p className="text-muted-foreground mt-2 mb-3 text-xs">{t("execution.shareWords")}</p>
          <Facts rows={[...counted(INSIDE), shortfall]} />
          <p className="text-muted-foreground mt-2 text-xs">{t("execution.insideWords")}</p>
        </>
      )}
    </Card>
  )
}

/** Everything that the result depends on: the same inputs give the same equity to the last bit. */
export function Inputs({ run }: { run: Told }) {
  const { t } = useTranslation()
  const inputs = useInputs()
  return (
    <Card title={t("inputs.title")}>
      <Facts
        rows={[
          ...inputs(run.inputs).map(
            ({ label, text, hash }) =>
              [
                label,
                hash ? (
                  <code key={label} className="text-xs break-all">
                    {text}
                  </code>
                ) : (
                  text
                ),
              ] as const,
          ),
          ...(run.id
            ? ([
                [
                  t("inputs.equityHash"),
                  <code key="e" className="text-xs break-all">
                    {run.equitySha256}
                  </code>,
                ],
                [t("inputs.by"), run.createdBy],
                [t("common.time"), <Time key="t" at={run.createdAt} />],
                [t("inputs.seconds"), <Quantity key="s" value={rounded(run.seconds, 2)} />],
              ] as const)
            : []),
        ]}
      />
      <p className="text-muted-foreground mt-2 text-xs">{t("inputs.words")}</p>
    </Card>
  )
}
