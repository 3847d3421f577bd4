import { useId, type ComponentProps, type ReactNode } from "react"
import { cn } from "@/lib/cn"

const box =
  "focusable h-9 w-full rounded-md border border-input bg-card px-3 text-sm aria-invalid:border-bad placeholder:text-muted-foreground"

type FieldProps = ComponentProps<"input"> & { label: ReactNode; hint?: ReactNode; error?: ReactNode }

/** An input with its name; what is wrong with it is said beneath it and to a screen reader. */
export function Field({ label, hint, error, className, ...props }: FieldProps) {
  const id = useId()
  const says = `${id}-says`
  return (
    <div className="space-y-1">
      <label htmlFor={id} className="text-xs font-medium">
        {label}
      </label>
      <input
        id={id}
        className={cn(box, className)}
        aria-invalid={error ? true : undefined}
        aria-describedby={error || hint ? says : undefined}
        {...props}
      />
      {(error || hint) && (
        <p id={says} className={cn("text-xs", error ? "text-bad" : "text-muted-foreground")}>
          {error || hint}
        </p>
      )}
    </div>
  )
}

/** A choice of the browser's own: it works with every keyboard, screen reader and telephone. */
export function Choice<T extends string>({
  label,
  value,
  options,
  onChange,
  hideLabel,
}: {
  label: string
  value: T
  options: Record<T, string>
  onChange: (value: T) => void
  hideLabel?: boolean
}) {
  const id = useId()
  return (
    <div className={hideLabel ? undefined : "space-y-1"}>
      {!hideLabel && (
        <label htmlFor={id} className="text-xs font-medium">
          {label}
        </label>
      )}
      <select
        id={id}
        aria-label={hideLabel ? label : undefined}
        className={cn(box, hideLabel && "h-8 w-auto px-2 text-xs")}
        value={value}
        onChange={(event) => onChange(event.target.value as T)}
      >
        {(Object.entries(options) as [T, string][]).map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </div>
  )
}

export function Check({ label, ...props }: ComponentProps<"input"> & { label: ReactNode }) {
  const id = useId()
  return (
    <div className="flex items-start gap-2">
      <input id={id} type="checkbox" className="focusable accent-primary mt-0.5 size-4" {...props} />
      <label htmlFor={id}>{label}</label>
    </div>
  )
}
