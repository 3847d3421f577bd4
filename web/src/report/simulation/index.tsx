import { useTranslation } from "react-i18next"
import { Creators } from "./creators"
import type { Simulation } from "./data"
import { Growth } from "./growth"
import { Figures, Head } from "./head"
import { Money } from "./money"
import { Operations } from "./operations"
import { Section } from "./parts"
import { Proof } from "./proof"
import { Results } from "./results"

const SECTIONS = [
  ["figures", Figures],
  ["growth", Growth],
  ["results", Results],
  ["creators", Creators],
  ["money", Money],
  ["operations", Operations],
  ["proof", Proof],
] as const

/** How a replayed business went, from its key figures to the proof of its books. */
export default function SimulationReport({ data }: { data: Simulation }) {
  const { t } = useTranslation()
  return (
    <>
      <Head of={data} />
      <nav aria-label={t("simulation.contents")}>
        <ul className="flex flex-wrap gap-x-4 gap-y-1">
          {SECTIONS.map(([name]) => (
            <li key={name}>
              <a href={`#${name}`} className="focusable text-primary rounded hover:underline">
                {t(`simulation.sections.${name}`)}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      {SECTIONS.map(([name, Part]) => (
        <Section key={name} name={name} title={t(`simulation.sections.${name}`)}>
          <Part of={data} />
        </Section>
      ))}
    </>
  )
}
