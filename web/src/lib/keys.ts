import { useEffect, useEffectEvent, useRef, type KeyboardEvent as Press, type RefObject } from "react"

/** Whether a key is meant for whatever is focused: it is being typed into, or lies in a window or a menu. */
function spoken(event: KeyboardEvent) {
  const at = event.target instanceof Element ? event.target : null
  return (
    event.defaultPrevented ||
    event.isComposing ||
    !!at?.closest("input, textarea, select, [contenteditable], [role=menu]") ||
    !!document.querySelector("dialog[open]")
  )
}

/** A key that is held down repeats itself; what Enter does is done once, whatever it is pressed on. */
export function pressOnce() {
  const press = (event: KeyboardEvent) => event.repeat && event.key === "Enter" && event.preventDefault()
  addEventListener("keydown", press, true)
  return () => removeEventListener("keydown", press, true)
}

/** Keys of the whole page, each by its name ("/", "?"; "Ctrl k" with either Ctrl or Cmd). One press is one act. */
export function useKeys(keys: Record<string, () => void>) {
  const press = useEffectEvent((event: KeyboardEvent) => {
    const held = event.metaKey || event.ctrlKey
    const act = keys[(held ? "Ctrl " : "") + event.key]
    if (!act || event.altKey || event.repeat || (!held && spoken(event))) return
    event.preventDefault()
    act()
  })
  useEffect(() => {
    addEventListener("keydown", press)
    return () => removeEventListener("keydown", press)
  }, [])
}

const STEPS: Record<string, (at: number, last: number) => number> = {
  ArrowDown: (at) => at + 1,
  j: (at) => at + 1,
  ArrowUp: (at) => at - 1,
  k: (at) => at - 1,
  Home: () => 0,
  End: (_, last) => last,
}

/**
 * Walk a list by keys: arrows or j and k go from row to row, Home and End to the first and last. A row's link is what
 * is focused, so that Enter opens it; without one it is the row. Rows come into the document as they come into sight
 * (`show`), so the one that is wanted may have to be waited for.
 */
export function useWalk(box: RefObject<HTMLElement | null>, count: number, show: (index: number) => void) {
  const wanted = useRef<number>(null)
  const focus = () => {
    const row = box.current?.querySelector<HTMLElement>(`tr[data-index="${wanted.current}"]`)
    if (!row) return
    wanted.current = null
    const target = row.querySelector<HTMLElement>("td:first-child a") ?? row
    target.focus({ preventScroll: true })
  }
  useEffect(() => {
    if (wanted.current !== null) focus()
  })
  return (event: Press) => {
    const target = event.target as HTMLElement
    const step = STEPS[event.key]
    if (!step || event.metaKey || event.ctrlKey || event.altKey || target.closest("input, select, textarea"))
      return
    event.preventDefault()
    const at = wanted.current ?? Number(target.closest("tr")?.dataset.index ?? -1)
    wanted.current = Math.min(Math.max(step(at, count - 1), 0), count - 1)
    show(wanted.current)
    focus()
  }
}
