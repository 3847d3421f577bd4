import { useTranslation } from "react-i18next"
import { Badge } from "@/ui/badge"
import { STATE_TONES, useNames, type Decision } from "./names"
import { Told } from "./told"

export function DecisionState({ state }: { state: Decision["state"] }) {
  const { t } = useTranslation()
  return <Badge tone={STATE_TONES[state]}>{t(`decisions.states.${state}`)}</Badge>
}

/** The reasons of a decision in a line. */
export function Because({ of }: { of: Decision["because"] }) {
  const names = useNames()
  return <>{of.map((one) => names.code(String(one.code))).join(", ") || "–"}</>
}

/** The reasons of a decision, each with its figures. */
export function Reasons({ of }: { of: Decision["because"] }) {
  const names = useNames()
  return (
    <ul className="space-y-3">
      {of.map(({ code, ...figures }, place) => (
        <li key={place}>
          <h3 className="font-medium">{names.code(String(code))}</h3>
          {Object.keys(figures).length > 0 && <Told value={figures} />}
        </li>
      ))}
    </ul>
  )
}
