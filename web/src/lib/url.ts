import { useNavigate, useSearch } from "@tanstack/react-router"

/**
 * A choice that lives in the address, so that a page can be sent to somebody as it is seen. Whatever stands there that
 * the page does not `take`, because it is not among those that there are or for what it is, counts as none.
 */
export function useUrl<T extends string = string>(
  key: string,
  standard: NoInfer<T>,
  take: readonly T[] | ((text: string) => boolean) = () => true,
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

/** Whether a text is a day or a moment that there is: 2026-02-31 is none, and neither is 1e400. */
export const isMoment = (text: string) => /^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(Date.parse(text))

/** Those of some choices that were made. */
export const present = <K extends string>(choices: Partial<Record<K, string>>) =>
  Object.fromEntries(Object.entries(choices).filter(([, value]) => value)) as Partial<Record<K, string>>
