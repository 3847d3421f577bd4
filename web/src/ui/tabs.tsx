import { cn } from "@/lib/cn"

/** One of a few, as a row of buttons: a range, a view, a filter. */
export function Segments<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string
  value: T
  options: readonly (readonly [T, string])[]
  onChange: (value: T) => void
}) {
  return (
    <div role="group" aria-label={label} className="bg-muted inline-flex flex-wrap rounded-lg p-0.5">
      {options.map(([key, text]) => (
        <button
          key={key}
          type="button"
          aria-pressed={key === value}
          onClick={() => onChange(key)}
          className={cn(
            "focusable text-muted-foreground rounded-md px-2.5 py-1 text-xs",
            key === value && "bg-card text-foreground shadow-xs",
          )}
        >
          {text}
        </button>
      ))}
    </div>
  )
}
