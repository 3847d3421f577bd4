import { useId, type ComponentProps, type ReactNode } from "react"
import { cn } from "@/lib/cn"

type CardProps = Omit<ComponentProps<"section">, "title"> & {
  title?: ReactNode
  actions?: ReactNode
  /** Whether the content reaches the border, as a table does. */
  flush?: boolean
}

export function Card({ title, actions, flush, className, children, ...props }: CardProps) {
  const heading = useId()
  return (
    <section
      className={cn("bg-card min-w-0 rounded-xl border shadow-xs", className)}
      aria-labelledby={title ? heading : undefined}
      {...props}
    >
      {title && (
        <header className="flex flex-wrap items-center justify-between gap-2 border-b px-4 py-2.5">
          <h2 id={heading} className="font-medium">
            {title}
          </h2>
          {actions}
        </header>
      )}
      <div className={flush ? cn("overflow-hidden rounded-b-xl", !title && "rounded-t-xl") : "p-4"}>
        {children}
      </div>
    </section>
  )
}

/** A figure with its name above it, and what qualifies it below. */
export function Figure({
  label,
  children,
  note,
}: {
  label: ReactNode
  children: ReactNode
  note?: ReactNode
}) {
  return (
    <Card>
      <div className="text-muted-foreground text-xs">{label}</div>
      <div className="num mt-1 flex flex-wrap items-end justify-between gap-2 text-lg font-semibold tracking-tight sm:text-xl">
        {children}
      </div>
      {note && <div className="text-muted-foreground mt-1 text-xs">{note}</div>}
    </Card>
  )
}

/** Names and their values, one under the other. */
export function Facts({ rows }: { rows: readonly (readonly [label: ReactNode, value: ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5">
      {rows.map(([label, value], index) => (
        <div key={index} className="contents">
          <dt className="text-muted-foreground">{label}</dt>
          <dd className="num text-right break-words">{value}</dd>
        </div>
      ))}
    </dl>
  )
}

export function PageHead({ title, children }: { title: ReactNode; children?: ReactNode }) {
  return (
    <header className="flex flex-wrap items-center gap-x-3 gap-y-2">
      <h1>{title}</h1>
      {children}
    </header>
  )
}
