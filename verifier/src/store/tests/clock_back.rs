//! A clock that goes back. Records hold no wall-clock time, and the verifier's monotonic clock starts anew with every
//! process: after a restart it reads zero, and no unsettled amount may change by that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farthing_protocol::{BaseUnits, Voucher};
use solana_sdk::pubkey::Pubkey;

use super::super::memory::MemoryStore;
use super::key;
use crate::durable_ledger::{DurableLedger, ReserveError};
use crate::ledger::{ChannelFacts, LaneFacts, OutcomeLimits, VerifiedVoucher};
use crate::ports::{Clock, Moment};
use crate::record::Remembered;

#[derive(Debug, Clone, Default)]
struct TestClock(Arc<AtomicU64>);

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }

    fn unix_seconds(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn facts() -> Arc<ChannelFacts> {
    let lane = LaneFacts {
        signer: [1; 32],
        cap: BaseUnits(1_000),
        debited: BaseUnits::ZERO,
        generation: key(0).generation,
        revoked: None,
        rotating: false,
    };
    Arc::new(ChannelFacts {
        address: Pubkey::new_from_array([9; 32]),
        domain: key(0).domain,
        escrow: Pubkey::new_from_array([8; 32]),
        grace_seconds: 900,
        deposit: BaseUnits(10_000),
        debited: BaseUnits::ZERO,
        closing: false,
        gone: false,
        lanes: vec![lane],
    })
}

fn voucher(authorized: u64) -> VerifiedVoucher {
    VerifiedVoucher {
        voucher: Voucher {
            domain: key(0).domain,
            lane: key(0).lane,
            generation: key(0).generation,
            authorized: BaseUnits(authorized),
        },
        signature: [5; 64],
    }
}

#[tokio::test]
async fn a_clock_that_went_back_changes_nothing_that_is_owed() {
    let store = MemoryStore::default();
    let clock = TestClock(Arc::new(AtomicU64::new(1_000_000)));
    let open = || {
        let limits = OutcomeLimits::default();
        DurableLedger::open(Box::new(store.clone()), limits, Arc::new(clock.clone()))
            .expect("opens")
    };
    let (durable_ledger, _) = open();
    let reserved = durable_ledger.reserve(&facts(), &voucher(100), BaseUnits(100), None);
    let Ok(Ok((reservation, _ticket))) = reserved else {
        panic!("there is room: {reserved:?}");
    };
    // The clock goes back while a request is in flight, which a real monotonic clock never does.
    clock.0.store(10, Ordering::SeqCst);
    let (_, ticket) = reservation
        .complete(BaseUnits(60), Remembered::default())
        .expect("it is known");
    ticket.durable().await.expect("memory does not fail");
    let before = durable_ledger.read(|ledger| ledger.unsettled(&facts()));
    durable_ledger.close();

    clock.0.store(0, Ordering::SeqCst);
    let (durable_ledger, _) = open();
    let after = durable_ledger.read(|ledger| ledger.unsettled(&facts()));
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].owed, BaseUnits(60));
    assert_eq!(after[0].authorized, before[0].authorized);
    assert_eq!(after[0].signature, before[0].signature);
    // The charge counts as unsettled since the restart, not since a moment of the earlier process's clock.
    assert_eq!(after[0].since, Moment::default());
    let again = durable_ledger.reserve(&facts(), &voucher(100), BaseUnits(40), None);
    assert!(
        matches!(again, Err(ReserveError::Refused(_))),
        "a voucher buys once, whatever the time: {again:?}"
    );
    durable_ledger.close();
}
