import { useMutation } from "@tanstack/react-query"
import type { FormEvent } from "react"
import { queries, Refusal } from "@/api/client"

/**
 * One act that changes something: it runs once at a time, what is on the page is read again after it, and a refusal
 * that names a field is found under that field's name.
 */
export function useAct<Given, Done>(act: (given: Given) => Promise<Done>, then?: (done: Done) => void) {
  const mutation = useMutation({
    mutationFn: act,
    onSuccess: (done) => {
      void queries.invalidateQueries()
      then?.(done)
    },
  })
  const problem = mutation.error instanceof Refusal ? mutation.error.problem : null
  return {
    ...mutation,
    refused: (field: string) => (problem?.field === field ? (problem.mend ?? problem.detail) : null),
  }
}

/** What a form holds, by the names of its fields. */
export function given(event: FormEvent<HTMLFormElement>): Record<string, string> {
  event.preventDefault()
  return Object.fromEntries(
    [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()]),
  )
}
