import { CircleAlert, Inbox } from "lucide-react"
import { useLayoutEffect, useRef, useState, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { Refusal } from "@/api/client"
import { wordsOf } from "@/lib/refusals"
import { Badge } from "./badge"
import { Button } from "./button"

/** A list with nothing in it, and what to do next. */
export function Empty({ title, children }: { title: ReactNode; children?: ReactNode }) {
  return (
    <div className="text-muted-foreground flex flex-col items-center gap-2 px-4 py-10 text-center">
      <Inbox className="size-6 opacity-60" aria-hidden />
      <p className="text-foreground">{title}</p>
      {children}
    </div>
  )
}

/** What browsers say where a part of the console itself could not be fetched. */
const UNFETCHED = /dynamically imported module|importing a module script/i

/** Whether it was the way to the server that failed. */
export const isUnreachable = (error: Error) =>
  error instanceof Refusal ? error.problem.code === "unreachable" : UNFETCHED.test(error.message)

/** A refusal: what happened, what mends it, and the number by which the operator finds it. */
export function Failed({ error, again }: { error: Error; again?: () => void }) {
  const { t } = useTranslation()
  const problem = error instanceof Refusal ? error.problem : null
  const said = problem && wordsOf(problem)
  // The name that the reader knows a field by stands beside what was refused; programs have another for it.
  const box = useRef<HTMLDivElement>(null)
  const [label, setLabel] = useState<string | null>(null)
  useLayoutEffect(() => {
    const refused = box.current?.closest("form")?.querySelector<HTMLInputElement>("input[aria-invalid=true]")
    setLabel(refused?.labels?.[0]?.textContent ?? null)
  }, [error])
  return (
    <div
      ref={box}
      role="alert"
      className="border-bad/40 bg-bad/5 flex flex-wrap items-start gap-2 rounded-lg border p-3"
    >
      <CircleAlert className="text-bad mt-0.5 size-4" aria-hidden />
      <div className="min-w-0 flex-1 space-y-0.5">
        <p>
          {problem?.field && (label ? `${label}: ` : <code>{problem.field}: </code>)}
          {isUnreachable(error)
            ? t(again ? "state.unreachable" : "state.unsent")
            : (said?.what ?? <span lang="en">{error.message}</span>)}
        </p>
        {said?.mend && <p className="text-muted-foreground">{said.mend}</p>}
        {problem?.requestId && (
          <p className="text-muted-foreground text-xs">
            {problem.code} · {t("state.request")} <code>{problem.requestId}</code>
          </p>
        )}
      </div>
      {again && <Button onClick={again}>{t("state.again")}</Button>}
    </div>
  )
}

export function Skeleton({ rows = 3 }: { rows?: number }) {
  const { t } = useTranslation()
  return (
    <div role="status" aria-label={t("state.loading")} className="space-y-2">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="skeleton h-8" />
      ))}
    </div>
  )
}

/** What a query brought: a skeleton before, its refusal after, and a mark where what is seen has grown old. */
export function Loaded<T>({
  query,
  rows,
  children,
}: {
  query: { data: T | undefined; error: Error | null; refetch: () => unknown }
  rows?: number
  children: (data: T) => ReactNode
}) {
  const { t } = useTranslation()
  const again = () => void query.refetch()
  if (query.data === undefined)
    return query.error ? <Failed error={query.error} again={again} /> : <Skeleton rows={rows} />
  return (
    <>
      {query.error && (
        <Badge tone="warn" role="status" className="mb-2">
          {t("state.stale")}
        </Badge>
      )}
      {children(query.data)}
    </>
  )
}
