import { useInfiniteQuery } from "@tanstack/react-query"

type Page<Row> = { items: Row[]; nextCursor: string | null }

/** A list that comes page by page: what has come, and how to have more of it. */
export function useList<Row>(
  key: readonly unknown[],
  load: (cursor: string | undefined) => Promise<Page<Row>>,
) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => load(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
  })
  return {
    ...query,
    data: query.data?.pages.flatMap((page) => page.items),
    more: query.hasNextPage
      ? { load: () => void query.fetchNextPage(), loading: query.isFetchingNextPage }
      : undefined,
  }
}
