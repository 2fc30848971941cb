//! Tests every case of a small domain, and every combination of values around the edges of 32 and 64 bits: whatever
//! `accept` accepts, the program's debit arithmetic accepts as well.

use farthing_protocol::BaseUnits;
use farthing_protocol::debit::{ChannelPosition, LanePosition, accept, claimed_debit, lane_debit};

/// A lane, the other lanes' part of its channel's deposit, and a request.
#[derive(Debug, Clone, Copy)]
struct Case {
    cap: u64,
    authorized: u64,
    charged: u64,
    reserved: u64,
    /// Charged and reserved by other lanes of the channel.
    others: u64,
    deposit: u64,
    voucher: u64,
    maximum: u64,
}

impl Case {
    /// Whether a ledger can be in this state, because all that it accepted before was within ceiling, cap and deposit.
    fn is_reachable(&self) -> bool {
        let used = self.charged.checked_add(self.reserved);
        let in_channel = used.and_then(|used| used.checked_add(self.others));
        used.is_some_and(|used| used <= self.authorized)
            && self.authorized <= self.cap
            && self.authorized - self.charged <= u64::from(u32::MAX)
            && in_channel.is_some_and(|sum| sum <= self.deposit)
    }

    fn accept(&self) -> Option<u64> {
        let lane = LanePosition {
            cap: BaseUnits(self.cap),
            authorized: BaseUnits(self.authorized),
            charged: BaseUnits(self.charged),
            reserved: BaseUnits(self.reserved),
        };
        let channel = ChannelPosition {
            deposit: BaseUnits(self.deposit),
            charged: BaseUnits(self.charged + self.others),
            reserved: BaseUnits(self.reserved),
        };
        let accepted = accept(
            &lane,
            &channel,
            BaseUnits(self.voucher),
            BaseUnits(self.maximum),
        );
        accepted.ok().map(|authorized| authorized.0)
    }

    /// Checks what must hold if the request was accepted and cost `actual`, whatever the counter on the chain.
    fn check(&self, authorized: u64, actual: u64) {
        assert_eq!(authorized, self.authorized.max(self.voucher), "{self:?}");
        assert!(authorized <= self.cap, "{self:?}");
        let charged = self.charged + actual;
        assert!(charged + self.reserved <= authorized, "{self:?}");
        let undebited = u32::try_from(authorized - charged).expect("a claim can say it");
        let debit_to = claimed_debit(BaseUnits(authorized), undebited);
        assert_eq!(debit_to, Ok(BaseUnits(charged)), "{self:?}");
        for debited in [0, self.charged / 2, self.charged, charged] {
            let owed = lane_debit(BaseUnits(self.cap), BaseUnits(debited), BaseUnits(charged));
            assert_eq!(owed, Ok(BaseUnits(charged - debited)), "{self:?}");
            // The counter never falls, and the others' charges fit beside it.
            assert!(charged >= debited);
            assert!(charged + self.others <= self.deposit, "{self:?}");
        }
    }
}

/// Runs every combination of `values`, and returns how many were accepted.
fn run(values: &[u64]) -> u64 {
    let mut accepted = 0;
    let mut indices = [0; 8];
    loop {
        let [
            cap,
            authorized,
            charged,
            reserved,
            others,
            deposit,
            voucher,
            maximum,
        ] = indices.map(|index: usize| values[index]);
        let case = Case {
            cap,
            authorized,
            charged,
            reserved,
            others,
            deposit,
            voucher,
            maximum,
        };
        if case.is_reachable()
            && let Some(authorized) = case.accept()
        {
            accepted += 1;
            for actual in [0, maximum / 2, maximum] {
                case.check(authorized, actual);
            }
        }
        let Some(at) = indices.iter().position(|index| index + 1 < values.len()) else {
            return accepted;
        };
        indices[..at].fill(0);
        indices[at] += 1;
    }
}

#[test]
fn acceptance_implies_settleable_on_a_small_domain() {
    assert!(run(&[0, 1, 2, 3, 4]) > 1_000);
}

#[test]
fn acceptance_implies_settleable_at_the_edges() {
    let edge = u64::from(u32::MAX);
    let accepted = run(&[0, 1, edge - 1, edge, edge + 1, u64::MAX - 1, u64::MAX]);
    assert!(accepted > 1_000, "{accepted}");
}
