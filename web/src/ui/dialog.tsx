import { X } from "lucide-react"
import { useId, useLayoutEffect, useRef, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { cn } from "@/lib/cn"
import { Button } from "./button"

type DialogProps = { title: string; onClose: () => void; bare?: boolean; children: ReactNode }

/**
 * A window over the page, as long as it is rendered. The browser's own element: it holds the focus, closes on Escape,
 * and needs no style that the page's policy forbids. What is typed goes into its first field. `bare` leaves the title to screen readers.
 */
export function Dialog({ title, onClose, bare, children }: DialogProps) {
  const { t } = useTranslation()
  const window = useRef<HTMLDialogElement>(null)
  const heading = useId()
  // Closed while it is still on the page: only then does the browser give the focus back to what opened it.
  useLayoutEffect(() => {
    const element = window.current!
    element.showModal()
    element.querySelector<HTMLElement>("input:enabled, select:enabled")?.focus()
    return () => element.close()
  }, [])
  return (
    // A press beside the window closes it; whoever uses the keyboard has Escape.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions, jsx-a11y/click-events-have-key-events
    <dialog
      ref={window}
      aria-labelledby={heading}
      onCancel={(event) => (event.preventDefault(), onClose())}
      onClick={(event) => event.target === window.current && onClose()}
      className="bg-card text-foreground m-auto max-h-[90dvh] w-[min(34rem,calc(100vw-2rem))] overflow-y-auto rounded-xl border p-0 shadow-lg backdrop:bg-black/50"
    >
      <header
        className={cn(
          "bg-card sticky top-0 z-10 flex items-center justify-between gap-2 border-b px-4 py-2",
          bare && "sr-only",
        )}
      >
        <h2 id={heading} className="font-medium">
          {title}
        </h2>
        {!bare && (
          <Button intent="ghost" size="icon" aria-label={t("common.close")} onClick={onClose}>
            <X />
          </Button>
        )}
      </header>
      <div className={bare ? undefined : "space-y-4 p-4"}>{children}</div>
    </dialog>
  )
}
