//! The conformance suite over the tiers of `testing`.

use std::sync::Arc;

use meshmemo::testing::{ENTRY_MAX_BYTES, FaultyTier, MemoryTier, conformance};

#[tokio::test]
async fn the_memory_tier_conforms() {
    conformance(&|clock| Arc::new(MemoryTier::new(ENTRY_MAX_BYTES, clock))).await;
}

#[tokio::test]
async fn a_faulty_tier_without_a_fault_conforms() {
    conformance(&|clock| {
        let tier = MemoryTier::new(ENTRY_MAX_BYTES, clock);
        Arc::new(FaultyTier::new(Arc::new(tier)))
    })
    .await;
}
