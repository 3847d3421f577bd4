import { useCallback } from "react"
import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Badge, type Tone } from "@/ui/badge"

export type Study = Schemas["StudyView"]
const TONES: Record<Schemas["StudyState"], Tone> = {
  running: "strong",
  complete: "good",
  cancelled: "plain",
  failed: "bad",
}
const GRADES: Record<Schemas["Grade"], Tone> = { promote: "good", doubtful: "warn", overfit: "bad" }

/** Milliseconds until it is asked for again: often while something runs. */
export const everyWhile = (running: boolean) => (running ? 2_000 : 15_000)

export function State({ study }: { study: Study }) {
  const { t } = useTranslation()
  return <Badge tone={TONES[study.state]}>{t(`studyStates.${study.state}`)}</Badge>
}

export function Verdict({ grade }: { grade: Schemas["Grade"] | null }) {
  const { t } = useTranslation()
  return grade ? <Badge tone={GRADES[grade]}>{t(`grades.${grade}`)}</Badge> : <span>–</span>
}

export function Progress({ study }: { study: Study }) {
  const { t } = useTranslation()
  return (
    <span className="flex items-center gap-2">
      <progress
        className="accent-primary h-2 w-20"
        value={study.ran}
        max={study.trials}
        aria-label={t("study.progress")}
      />
      <span className="num text-xs">
        {study.ran} / {study.trials}
      </span>
    </span>
  )
}

/** What an objective is called, as text that any chart can have. */
export function useObjective() {
  const { t } = useTranslation()
  return useCallback(
    (name: string) => t(`objectives.${name}` as "objectives.sharpe", { defaultValue: name }),
    [t],
  )
}
