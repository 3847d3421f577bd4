import { useNavigate, useSearch } from "@tanstack/react-router"

/** What a page takes from the address: text, which it may look at first; a choice, only from those that there are. */
type Taken<T extends string> = string extends T ? [take?: (text: string) => boolean] : [among: readonly T[]]

/**
 * A choice that lives in the address, so that a page can be sent to somebody as it is seen. Whatever stands there that
 * the page does not take, because it is not among those that there are or for what it is, counts as none.
 */
export function useUrl<T extends string = string>(
  key: string,
  standard: NoInfer<T>,
  ...[take = () => true]: Taken<NoInfer<T>>
): [T, (next: T) => void] {
  const search: Record<string, unknown> = useSearch({ strict: false })
  const navigate = useNavigate()
  const found = search[key]
  // 123 in an address is read as a number, and true as a truth.
  const text = found == null || typeof found === "object" ? null : String(found)
  const taken = text !== null && (typeof take === "function" ? take(text) : take.includes(text as T))
  const value = (taken ? text : standard) as T
  const choose = (next: T) =>
    void navigate({
      to: ".",
      replace: true,
      search: ((now: Record<string, unknown>) => ({
        ...now,
        [key]: next === standard ? undefined : next,
      })) as never,
    })
  return [value, choose]
}

/** Whether a moment is the one that is written: of the 31st of February a browser makes the 3rd of March. */
const there = (moment: string) =>
  !Number.isNaN(Date.parse(moment)) && new Date(moment).toISOString().startsWith(moment.slice(0, 16))

/** Whether a text is a day that there is, as a field for days has it. */
export const isDay = (text: string) => /^\d{4}-\d\d-\d\d$/.test(text) && there(`${text}T00:00Z`)

/** Whether a text is a minute that there is, without a zone, as a field for moments has it. */
export const isMinute = (text: string) => /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text) && there(`${text}Z`)

/** Those of some choices that were made. */
export const present = <K extends string>(choices: Partial<Record<K, string>>) =>
  Object.fromEntries(Object.entries(choices).filter(([, value]) => value)) as Partial<Record<K, string>>
