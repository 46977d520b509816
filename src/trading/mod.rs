//! Intent to order: risk, paper fills. Order life, positions and reconciliation join here later.
