DROP TABLE loss_carries, settlements, liquidation_attempts, liquidation_batches,
    managed_allocations, allocation_snapshots, principal_reservations, managed_subscriptions,
    leaderboard, custody_authorisations, expected_returns, product_terms, products;
