import { useState, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { Badge } from "@/ui/badge"
import { Card } from "@/ui/card"
import { Copy } from "@/ui/copy"
import {
  curl,
  objectIn,
  permissionsOf,
  sample,
  schemaOf,
  typeOf,
  type Document,
  type Operation,
  type Schema,
} from "./document"

/** One operation: who may call it, what it takes, what it answers, and a call to try. */
export function OperationView({ document, operation }: { document: Document; operation: Operation }) {
  const { t } = useTranslation()
  const { method, path, summary, description, parameters = [], requestBody, responses } = operation
  const permissions = permissionsOf(operation)
  const body = schemaOf(requestBody?.content)
  const answers = Object.entries(responses).sort(([left], [right]) => left.localeCompare(right))
  const call = curl(document, operation, location.origin)
  return (
    <>
      <Card
        title={<span lang="en">{summary}</span>}
        actions={
          permissions.length ? (
            <span className="flex flex-wrap items-center gap-1 text-xs">
              {t("reference.needs")}
              {permissions.map((one) => (
                <Badge key={one} title={t(`permissions.${one as "wallet"}`, { defaultValue: one })}>
                  {one}
                </Badge>
              ))}
            </span>
          ) : (
            <Badge>{t("reference.open")}</Badge>
          )
        }
      >
        <p>
          <code className="break-all">
            <strong>{method}</strong> {path}
          </code>
        </p>
        {description && (
          <p lang="en" className="mt-2 max-w-prose whitespace-pre-line">
            {description}
          </p>
        )}
      </Card>
      {parameters.length > 0 && (
        <Card title={t("reference.parameters")}>
          <Rows
            rows={parameters.map(({ name, in: place, required, schema = {}, description }) => ({
              name,
              required,
              type: `${place} · ${typeOf(schema)}`,
              says: description ?? schema.description,
              example: schema.examples?.[0] ?? schema.default,
            }))}
          />
        </Card>
      )}
      {body && (
        <Card
          title={
            <>
              {t("reference.body")} <Kind of={Object.keys(requestBody!.content)[0]} />
            </>
          }
        >
          <Fields document={document} schema={body} />
          <Code text={JSON.stringify(sample(document, body, true), null, 2)} />
        </Card>
      )}
      <Card title={t("reference.call")}>
        <Code text={call} />
      </Card>
      {answers
        .filter(([status]) => status < "400")
        .map(([status, { content }]) => {
          const schema = schemaOf(content)
          return (
            <Card
              key={status}
              title={
                <>
                  {t("reference.answer", { status })} <Kind of={Object.keys(content ?? {})[0]} />
                </>
              }
            >
              {schema ? (
                <>
                  <Fields document={document} schema={schema} />
                  <Code text={JSON.stringify(sample(document, schema, true), null, 2)} />
                </>
              ) : (
                <p className="text-muted-foreground">{t("reference.noBody")}</p>
              )}
            </Card>
          )
        })}
      <Card title={t("reference.refusals")}>
        <ul className="flex flex-wrap gap-1.5">
          {answers
            .filter(([status]) => status >= "400")
            .map(([status, { description }]) => (
              <li key={status}>
                <Badge lang="en">
                  {status} {description}
                </Badge>
              </li>
            ))}
        </ul>
        <p className="text-muted-foreground mt-2 max-w-prose">{t("reference.problemsWhy")}</p>
      </Card>
    </>
  )
}

const Kind = ({ of }: { of: string | undefined }) => (
  <code className="text-muted-foreground text-xs font-normal">{of}</code>
)

function Code({ text }: { text: string }) {
  return (
    <div className="mt-3 space-y-1">
      {/* What is wider than the page scrolls, and so must be reachable. */}
      <pre
        lang="en"
        role="region"
        aria-label={text.slice(0, 40)}
        tabIndex={0}
        className="focusable bg-muted max-h-96 relative overflow-auto rounded-md p-3 text-xs"
      >
        {text}
      </pre>
      <Copy text={text} />
    </div>
  )
}

type Row = {
  name: string
  required: boolean | undefined
  type: string
  says: string | undefined
  example?: unknown
  more?: ReactNode
}

function Rows({ rows }: { rows: readonly Row[] }) {
  const { t } = useTranslation()
  return (
    <dl className="divide-y">
      {rows.map(({ name, required, type, says, example, more }) => (
        <div key={name} className="grid gap-x-4 py-1.5 sm:grid-cols-[14rem_minmax(0,1fr)]">
          <dt>
            <code className="break-all">{name}</code>{" "}
            {required && <small className="text-muted-foreground">{t("reference.required")}</small>}
          </dt>
          <dd className="min-w-0">
            <code className="text-muted-foreground text-xs break-words">{type}</code>
            {says && (
              <p lang="en" className="max-w-prose">
                {says}
              </p>
            )}
            {example != null && (
              <p className="text-xs">
                {t("reference.example")} <code className="break-all">{JSON.stringify(example)}</code>
              </p>
            )}
            {more}
          </dd>
        </div>
      ))}
    </dl>
  )
}

/** The fields of the object that a schema is about; those of an object within are opened when wanted. */
export function Fields({ document, schema }: { document: Document; schema: Schema }) {
  const { properties, required = [] } = objectIn(document, schema)
  if (!properties) return <code className="text-xs break-words">{typeOf(schema)}</code>
  return (
    <Rows
      rows={Object.entries(properties).map(([name, one]) => ({
        name,
        required: required.includes(name),
        type: typeOf(one),
        says: one.description,
        example: one.examples?.[0] ?? one.example,
        more: objectIn(document, one).properties && <Inside document={document} schema={one} />,
      }))}
    />
  )
}

function Inside({ document, schema }: { document: Document; schema: Schema }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="focusable text-primary cursor-pointer rounded text-xs">
        {t("reference.fieldsOf", { type: typeOf(schema) })}
      </summary>
      {open && (
        <div className="border-l pl-3">
          <Fields document={document} schema={schema} />
        </div>
      )}
    </details>
  )
}
