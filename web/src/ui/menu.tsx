import { DropdownMenu, Popover } from "radix-ui"
import type { ComponentProps, ReactNode } from "react"
import { cn } from "@/lib/cn"

const box = "bg-card z-50 max-h-[80dvh] min-w-48 overflow-y-auto rounded-lg border p-1 shadow-md"

export function Menu({ trigger, children }: { trigger: ReactNode; children: ReactNode }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content align="end" sideOffset={4} className={box}>
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

const row =
  "flex cursor-default items-center gap-2 rounded-md px-2 py-1.5 text-xs outline-none data-[highlighted]:bg-muted [&_svg]:size-4"

/** What is read, not chosen from, beside the button that opens it. */
export function Panel({
  trigger,
  label,
  children,
}: {
  trigger: ReactNode
  label: string
  children: ReactNode
}) {
  return (
    <Popover.Root>
      <Popover.Trigger asChild>{trigger}</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content align="end" sideOffset={4} aria-label={label} className={box}>
          {children}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  )
}

export function MenuItem({ className, ...props }: ComponentProps<typeof DropdownMenu.Item>) {
  return <DropdownMenu.Item className={cn(row, className)} {...props} />
}

export function MenuChoice<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string
  value: T
  options: Record<T, string>
  onChange: (value: T) => void
}) {
  return (
    <DropdownMenu.RadioGroup value={value} onValueChange={(next) => onChange(next as T)}>
      <DropdownMenu.Label className="text-muted-foreground px-2 pt-2 pb-1 text-xs">
        {label}
      </DropdownMenu.Label>
      <div className="flex gap-1 px-1 pb-1">
        {(Object.entries(options) as [T, string][]).map(([key, text]) => (
          <DropdownMenu.RadioItem
            key={key}
            value={key}
            onSelect={(event) => event.preventDefault()}
            className={cn(
              row,
              "flex-1 justify-center border data-[state=checked]:border-primary data-[state=checked]:text-primary",
            )}
          >
            {text}
          </DropdownMenu.RadioItem>
        ))}
      </div>
    </DropdownMenu.RadioGroup>
  )
}
