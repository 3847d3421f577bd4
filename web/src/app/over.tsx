import { useEffect, useRef } from "react"
import { useTranslation } from "react-i18next"
import { SignIn } from "@/features/account/sign-in"

/**
 * The sign-in before a page whose session the server has ended. It covers the page and every window over it, which stay
 * as they are beneath: who signs in again goes on with what they had typed.
 */
export function Over() {
  const { t } = useTranslation()
  const cover = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const element = cover.current!
    element.showModal()
    return () => element.close()
  }, [])
  return (
    <dialog
      ref={cover}
      aria-label={t("signIn.title")}
      onCancel={(event) => event.preventDefault()}
      // A browser closes a window at the second Escape, whatever the page says.
      onClose={() => cover.current?.showModal()}
      className="bg-background text-foreground m-0 size-full max-h-none max-w-none"
    >
      <SignIn />
    </dialog>
  )
}
