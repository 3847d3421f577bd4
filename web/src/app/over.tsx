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
    // Kept from the browser as it goes down: at its second it would close this window, and at the next the one beneath.
    const stay = (event: KeyboardEvent) => event.key === "Escape" && event.preventDefault()
    document.addEventListener("keydown", stay, true)
    return () => (document.removeEventListener("keydown", stay, true), element.close())
  }, [])
  return (
    <dialog
      ref={cover}
      aria-label={t("signIn.title")}
      onCancel={(event) => event.preventDefault()}
      // A telephone's way back is no key, and closes a window at the second time whatever the page says.
      onClose={() => cover.current?.showModal()}
      className="bg-background text-foreground m-0 size-full max-h-none max-w-none"
    >
      <SignIn />
    </dialog>
  )
}
