import { useQuery } from "@tanstack/react-query"
import { Link, useParams } from "@tanstack/react-router"
import { useMemo, useState } from "react"
import { useTranslation } from "react-i18next"
import { Refusal } from "@/api/client"
import { useUser } from "@/api/session"
import { OpenPage } from "@/app/outside"
import { cn } from "@/lib/cn"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Field } from "@/ui/field"
import { Empty, Loaded } from "@/ui/states"
import { groupOf, haystack, operations, type Document, type Operation } from "./document"
import { Fields, OperationView } from "./operation"

async function read(): Promise<Document> {
  const answer = await fetch("/openapi.json").catch(() => null)
  if (answer?.ok) return answer.json()
  const status = answer?.status ?? 0
  const silent = { field: null, value: null, mend: null, requestId: "" }
  throw new Refusal({
    status,
    code: status ? "unreadable" : "unreachable",
    detail: `HTTP ${status}`,
    ...silent,
  })
}

/** The API, as its own document describes it: for everybody, signed in or not. */
export default function Reference() {
  const query = useQuery({
    queryKey: ["openapi"],
    queryFn: read,
    staleTime: Infinity,
    refetchInterval: false,
  })
  const page = (
    <Loaded query={query} rows={10}>
      {(document) => <Reader document={document} />}
    </Loaded>
  )
  return useUser() ? page : <OpenPage>{page}</OpenPage>
}

function Reader({ document }: { document: Document }) {
  const { t } = useTranslation()
  const chosen: string | undefined = useParams({ strict: false }).operation
  const [linked, setLinked] = useUrl("find", "")
  // The address follows a moment later than a fast hand types.
  const [seek, setSeek] = useState(linked)
  const all = useMemo(
    () => operations(document).map((one) => ({ one, text: haystack(document, one) })),
    [document],
  )
  const words = seek.toLowerCase().split(/\s+/)
  const found = all.filter(({ text }) => words.every((word) => text.includes(word))).map(({ one }) => one)
  const shown = all.find(({ one }) => one.operationId === chosen)?.one
  return (
    <>
      <PageHead title={t("pages.reference")}>
        <Badge>{document.info.version}</Badge>
        <Badge>{t("reference.count", { count: all.length })}</Badge>
        <Button asChild intent="ghost" className="ml-auto">
          <a href="/openapi.json">{t("reference.document")}</a>
        </Button>
      </PageHead>
      <div className="grid items-start gap-4 lg:grid-cols-[20rem_minmax(0,1fr)]">
        <Card className={cn("lg:sticky lg:top-16", chosen && "max-lg:hidden")}>
          <Field
            type="search"
            label={t("reference.find")}
            placeholder={t("reference.findWhat")}
            value={seek}
            onChange={({ target }) => (setSeek(target.value), setLinked(target.value))}
          />
          <List operations={found} chosen={chosen} />
        </Card>
        <div className={cn("min-w-0 space-y-4", !chosen && "max-lg:order-first")}>
          {chosen && (
            <Button asChild intent="ghost" className="lg:hidden">
              <Link to="/docs" search={true}>
                {t("reference.all")}
              </Link>
            </Button>
          )}
          {shown ? (
            <OperationView key={shown.operationId} document={document} operation={shown} />
          ) : chosen ? (
            <Empty title={t("reference.unknown", { name: chosen })} />
          ) : (
            <Manners document={document} />
          )}
        </div>
      </div>
    </>
  )
}

function List({ operations, chosen }: { operations: Operation[]; chosen: string | undefined }) {
  const { t } = useTranslation()
  const groups = [...new Set(operations.map(groupOf))]
  if (!operations.length) return <Empty title={t("reference.none")} />
  return (
    <nav
      aria-label={t("reference.operations")}
      className="mt-3 space-y-3 lg:max-h-[calc(100dvh-13rem)] relative lg:overflow-y-auto"
    >
      {groups.map((group) => (
        <div key={group}>
          <h2 lang="en" className="text-muted-foreground px-1 pb-1 text-xs font-medium">
            {group}
          </h2>
          <ul>
            {operations
              .filter((one) => groupOf(one) === group)
              .map(({ operationId, method, path, summary }) => (
                <li key={operationId}>
                  <Link
                    to={`/docs/${operationId}`}
                    search={true}
                    title={`${method} ${path}`}
                    aria-current={operationId === chosen ? "page" : undefined}
                    className="focusable hover:bg-muted aria-[current]:bg-muted flex items-baseline gap-2 rounded-md px-1 py-1"
                  >
                    <Method method={method} />
                    <span lang="en" className="min-w-0 break-words">
                      {summary}
                    </span>
                  </Link>
                </li>
              ))}
          </ul>
        </div>
      ))}
    </nav>
  )
}

export function Method({ method }: { method: string }) {
  return (
    <code
      className={cn("w-14 shrink-0 text-xs", method === "GET" ? "text-muted-foreground" : "text-primary")}
    >
      {method}
    </code>
  )
}

/** What holds for every operation. */
function Manners({ document }: { document: Document }) {
  const { t } = useTranslation()
  const problem = document.components.schemas.Problem
  return (
    <>
      <Card title={t("reference.manners")}>
        <ul className="max-w-prose list-disc space-y-1.5 pl-4">
          <li>{t("reference.who")}</li>
          <li>{t("reference.once")}</li>
          <li>{t("reference.wire")}</li>
          <li>{t("reference.lists")}</li>
        </ul>
      </Card>
      {problem && (
        <Card title={t("reference.problems")}>
          <p className="mb-2 max-w-prose">{t("reference.problemsWhy")}</p>
          <Fields document={document} schema={problem} />
        </Card>
      )}
    </>
  )
}
