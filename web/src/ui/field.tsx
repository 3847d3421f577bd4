import { useId, type ComponentProps, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { cn } from "@/lib/cn"
import { faultOf } from "@/lib/decimal"

const box =
  "focusable h-9 w-full rounded-md border border-input bg-card px-3 text-sm aria-invalid:border-bad placeholder:text-muted-foreground file:text-muted-foreground file:mr-2 file:h-full file:border-0 file:border-r file:pr-2"

/** Has what a browser holds against an input said in the reader's language rather than in the browser's. */
function useJudge(check?: (typed: string) => string) {
  const { t } = useTranslation()
  const fault = ({ validity: wrong, required, value, title, min, max, minLength }: HTMLInputElement) => {
    if (wrong.valueMissing || (required && !value.trim())) return t("field.missing")
    if (wrong.tooShort) return t("field.short", { least: minLength })
    if (wrong.rangeUnderflow) return t("field.least", { bound: min })
    if (wrong.rangeOverflow) return t("field.most", { bound: max })
    if (wrong.stepMismatch) return t("field.whole")
    if (wrong.patternMismatch || wrong.badInput || wrong.typeMismatch) return title || t("field.form")
    return check?.(value.trim()) ?? ""
  }
  return (input: HTMLInputElement | null) => input?.setCustomValidity(fault(input))
}

type FieldProps = ComponentProps<"input"> & {
  label: ReactNode
  hint?: ReactNode
  error?: ReactNode
  check?: (typed: string) => string
}

/** Why somebody does what a form asks for: it stands in the record. */
export const Reason = (props: Pick<FieldProps, "label" | "hint" | "error">) => (
  <Field name="reason" maxLength={500} required {...props} />
)

/**
 * An input with its name; what is wrong with it is said beneath it and to a screen reader. `check` says what is wrong
 * with a text that a browser would take.
 */
export function Field({ label, hint, error, check, className, onInput, ...props }: FieldProps) {
  const id = useId()
  const says = `${id}-says`
  const judge = useJudge(check)
  return (
    <div className="space-y-1">
      <label htmlFor={id} className="block text-xs font-medium">
        {label}
      </label>
      <input
        ref={judge}
        id={id}
        className={cn(box, className)}
        aria-invalid={error ? true : undefined}
        aria-describedby={error || hint ? says : undefined}
        onInput={(event) => (judge(event.currentTarget), onInput?.(event))}
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

/**
 * A number, as the digits that were typed: it is sent as it stands and held against its bounds exactly, and a wheel
 * or an arrow key does not change it. What is below zero needs a bound below zero.
 */
export function NumberField({
  whole,
  min = 0,
  max,
  ...props
}: FieldProps & { whole?: boolean; min?: string | number; max?: string | number }) {
  const { t } = useTranslation()
  return (
    <Field
      inputMode={whole ? "numeric" : "decimal"}
      autoComplete="off"
      check={(typed) => {
        const fault = faultOf(typed, { whole, min, max })
        return fault ? t(`field.${fault}`, { bound: fault === "least" ? min : max }) : ""
      }}
      {...props}
    />
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
        <label htmlFor={id} className="block text-xs font-medium">
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

export function Check({ label, onInput, ...props }: ComponentProps<"input"> & { label: ReactNode }) {
  const id = useId()
  const judge = useJudge()
  return (
    <div className="flex items-start gap-2">
      <input
        ref={judge}
        id={id}
        type="checkbox"
        className="focusable accent-primary mt-0.5 size-4"
        onInput={(event) => (judge(event.currentTarget), onInput?.(event))}
        {...props}
      />
      <label htmlFor={id}>{label}</label>
    </div>
  )
}
