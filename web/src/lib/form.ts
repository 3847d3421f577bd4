import { useMutation } from "@tanstack/react-query"
import { useRef, type FormEvent } from "react"
import { oneKey, queries, Refusal } from "@/api/client"
import { wordsOf } from "./refusals"

type Key = ReturnType<typeof oneKey>

/**
 * One act that changes something: it runs once at a time, what is on the page is read again after it, and a refusal
 * that names a field is found under that field's name. `act` gets a key to send along, which stays the same until
 * there is an answer: what may have arrived is not done twice, and what was refused can be mended and sent again.
 */
export function useAct<Given, Done>(
  act: (given: Given, key: Key) => Promise<Done>,
  then?: (done: Done, given: Given) => void,
) {
  const key = useRef<Key>(null)
  const running = useRef(false)
  const mutation = useMutation({
    mutationFn: (given: Given) => act(given, (key.current ??= oneKey())),
    onSuccess: (done, given) => {
      key.current = null
      void queries.invalidateQueries()
      then?.(done, given)
    },
    onError: (error) => {
      const status = error instanceof Refusal ? error.problem.status : 0
      if (status >= 400 && status < 500) key.current = null
    },
    onSettled: () => (running.current = false),
  })
  // The second press of a double click comes before the page shows that the first one runs.
  const mutate: typeof mutation.mutate = (...sent) => {
    if (running.current) return
    running.current = true
    mutation.mutate(...sent)
  }
  const problem = mutation.error instanceof Refusal ? mutation.error.problem : null
  return {
    ...mutation,
    mutate,
    refused: (field: string) => {
      // A part of what a field holds, such as the second of its tags, is refused under the field.
      if (problem?.field !== field && !problem?.field?.startsWith(`${field}.`)) return null
      // What a schema refuses says in its detail what is wrong; its mend is the same for all fields.
      const { what, mend } = wordsOf(problem)
      return problem.code === "invalid_request" ? what : (mend ?? what)
    },
  }
}

/** What a form holds, by the names of its fields: without the spaces around it, which a password may have. */
export function given(event: FormEvent<HTMLFormElement>): Record<string, string> {
  event.preventDefault()
  const form = event.currentTarget
  return Object.fromEntries(
    [...new FormData(form)].map(([name, value]) => {
      const field = form.elements.namedItem(name)
      const secret = field instanceof HTMLInputElement && field.autocomplete.endsWith("password")
      return [name, secret ? String(value) : String(value).trim()]
    }),
  )
}
