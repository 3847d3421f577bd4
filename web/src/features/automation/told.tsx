import type { ReactNode } from "react"
import { formatNumber } from "@/lib/format"
import { usePreferences } from "@/lib/preferences"
import { Facts } from "@/ui/card"
import { Id, Time } from "@/ui/shown"

const NUMBER = /^-?\d+(\.\d+)?$/
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/
const PLACES = 6
/** Entries of a list that are shown; the export has all. */
const MOST = 50

/** What was stored as JSON, as people read it: figures rounded, moments in their zone, objects by their names. */
export function Told({ value }: { value: unknown }): ReactNode {
  const preferences = usePreferences()
  if (value === null || value === undefined || value === "") return "–"
  if (Array.isArray(value)) return <Entries of={value} />
  if (typeof value === "object") return <Fields of={value as Record<string, unknown>} />
  const text = String(value)
  if (NUMBER.test(text)) return <span className="num">{formatNumber(text, preferences, 0, PLACES)}</span>
  if (MOMENT.test(text)) return <Time at={text} />
  return /^[0-9a-f-]{36}$/.test(text) ? <Id id={text} /> : text
}

function Fields({ of }: { of: Record<string, unknown> }) {
  const rows = Object.entries(of)
  if (!rows.length) return "–"
  return (
    <Facts
      rows={rows.map(([name, value]) => [
        <code key="name" className="text-xs">
          {name}
        </code>,
        <Told key="value" value={value} />,
      ])}
    />
  )
}

function Entries({ of }: { of: readonly unknown[] }) {
  if (!of.length) return "–"
  if (of.every((one) => typeof one !== "object")) return of.slice(0, MOST).map(String).join(", ")
  return (
    <ol className="space-y-2">
      {of.slice(0, MOST).map((one, place) => (
        <li key={place} className="border-l-2 pl-3">
          <Told value={one} />
        </li>
      ))}
    </ol>
  )
}
