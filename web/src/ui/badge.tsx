import { cva, type VariantProps } from "class-variance-authority"
import type { ComponentProps } from "react"
import { cn } from "@/lib/cn"

const styles = cva(
  "inline-flex items-center gap-1 rounded-full border px-2 py-0.5 text-xs whitespace-nowrap [&_svg]:size-3",
  {
    variants: {
      tone: {
        plain: "text-muted-foreground",
        strong: "border-primary/30 bg-primary/10 text-primary",
        up: "border-up/30 bg-up/10 text-up",
        down: "border-down/30 bg-down/10 text-down",
        warn: "border-warn/40 bg-warn/10 text-warn",
        bad: "border-bad/40 bg-bad/10 text-bad",
        good: "border-good/40 bg-good/10 text-good",
      },
    },
    defaultVariants: { tone: "plain" },
  },
)
export type Tone = NonNullable<VariantProps<typeof styles>["tone"]>

export function Badge({ tone, className, ...props }: ComponentProps<"span"> & VariantProps<typeof styles>) {
  return <span className={cn(styles({ tone }), className)} {...props} />
}
