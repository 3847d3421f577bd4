import { cva, type VariantProps } from "class-variance-authority"
import { Slot } from "radix-ui"
import type { ComponentProps } from "react"
import { cn } from "@/lib/cn"

const styles = cva(
  "focusable inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap transition-colors disabled:opacity-50 [&_svg]:size-4",
  {
    variants: {
      intent: {
        primary: "bg-primary text-primary-foreground hover:bg-primary/90",
        outline: "border bg-card hover:bg-muted",
        ghost: "hover:bg-muted",
        danger: "border border-bad/50 text-bad hover:bg-bad/10",
      },
      size: { sm: "h-8 px-2.5 text-xs", md: "h-9 px-3.5", icon: "size-8" },
    },
    defaultVariants: { intent: "outline", size: "sm" },
  },
)

type ButtonProps = ComponentProps<"button"> & VariantProps<typeof styles> & { asChild?: boolean }

export function Button({ intent, size, asChild, className, type = "button", ...props }: ButtonProps) {
  const Tag = asChild ? Slot.Root : "button"
  return <Tag className={cn(styles({ intent, size }), className)} {...(asChild ? {} : { type })} {...props} />
}
