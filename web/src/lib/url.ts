import { useNavigate, useSearch } from "@tanstack/react-router"

/** A choice that lives in the address, so that a page can be sent to somebody as it is seen. */
export function useUrl<T extends string = string>(key: string, standard: NoInfer<T>): [T, (next: T) => void] {
  const search: Record<string, unknown> = useSearch({ strict: false })
  const navigate = useNavigate()
  const value = (typeof search[key] === "string" ? search[key] : standard) as T
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

/** Those of some choices that were made. */
export const present = <K extends string>(choices: Partial<Record<K, string>>) =>
  Object.fromEntries(Object.entries(choices).filter(([, value]) => value)) as Partial<Record<K, string>>
