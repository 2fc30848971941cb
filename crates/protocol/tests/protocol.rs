//! Golden vectors, round trips and the relation between acceptance and debit.

use farthing_protocol::deadline::{ChainTime, grace_is_over};
use farthing_protocol::debit::{
    AcceptError, ChannelPosition, DebitError, LanePosition, accept, claimed_debit, lane_debit,
};
use farthing_protocol::encoding::has_canonical_y;
use farthing_protocol::layout::{ChannelHeader, NEVER, lanes};
use farthing_protocol::price::{TokenPrice, Tokens};
use farthing_protocol::state_query::StateQuery;
use farthing_protocol::statement::{StatementEntry, StatementError, statement_bytes};
use farthing_protocol::{BaseUnits, DecodeError, Domain, Generation, LaneIndex, Voucher};
use proptest::prelude::{Just, prop_assert, prop_assert_eq, prop_oneof, proptest};

mod golden;

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

const VOUCHER: Voucher = Voucher {
    domain: Domain([7; 32]),
    lane: LaneIndex(3),
    generation: Generation(1),
    authorized: BaseUnits(250_000),
};

#[test]
fn a_voucher_of_another_length_or_magic_is_refused() {
    let bytes = VOUCHER.to_bytes();
    assert_eq!(Voucher::from_bytes(&bytes[..46]), Err(DecodeError::Length));
    assert_eq!(
        Voucher::from_bytes(&[&bytes[..], &[0]].concat()),
        Err(DecodeError::Length)
    );
    for position in 0..3 {
        let mut other = bytes;
        other[position] ^= 1;
        assert_eq!(Voucher::from_bytes(&other), Err(DecodeError::Magic));
    }
    assert_eq!(Voucher::from_bytes(&bytes), Ok(VOUCHER));
}

#[test]
fn a_state_query_is_no_voucher_and_expires() {
    let query = StateQuery {
        domain: VOUCHER.domain,
        lane: VOUCHER.lane,
        generation: VOUCHER.generation,
        unix_seconds: 1_000,
    };
    assert_eq!(
        Voucher::from_bytes(&query.to_bytes()),
        Err(DecodeError::Magic)
    );
    assert_eq!(
        StateQuery::from_bytes(&VOUCHER.to_bytes()),
        Err(DecodeError::Magic)
    );
    assert_eq!(StateQuery::from_bytes(&[]), Err(DecodeError::Length));
    for (now, fresh) in [
        (939, false),
        (940, true),
        (1_000, true),
        (1_060, true),
        (1_061, false),
    ] {
        assert_eq!(query.is_fresh(now), fresh, "at {now}");
    }
}

#[test]
fn a_statement_needs_one_to_128_ascending_lanes() {
    let entry = |lane| StatementEntry {
        lane: LaneIndex(lane),
        generation: Generation(0),
        debit_to: BaseUnits(1),
    };
    let bytes = |entries: &[StatementEntry]| statement_bytes(sha256, &VOUCHER.domain, entries);
    assert_eq!(bytes(&[]), Err(StatementError::Empty));
    assert_eq!(
        bytes(&[entry(1), entry(1)]),
        Err(StatementError::LanesNotAscending)
    );
    assert_eq!(
        bytes(&[entry(2), entry(1)]),
        Err(StatementError::LanesNotAscending)
    );
    let many: Vec<_> = (0..129).map(entry).collect();
    assert_eq!(bytes(&many), Err(StatementError::TooManyEntries));
    assert!(bytes(&many[..128]).is_ok());
}

#[test]
fn grace_needs_seconds_and_slots() {
    let requested = ChainTime {
        unix_timestamp: 100,
        slot: 50,
    };
    let over = |unix_timestamp, slot| {
        grace_is_over(
            requested,
            900,
            ChainTime {
                unix_timestamp,
                slot,
            },
        )
    };
    assert!(!over(999, 10_000));
    assert!(
        !over(10_000, 949),
        "an outage moves the clock but not the slots"
    );
    assert!(over(1_000, 950));
    let never = ChainTime {
        unix_timestamp: NEVER,
        slot: 0,
    };
    let late = ChainTime {
        unix_timestamp: i64::MAX,
        slot: u64::MAX,
    };
    assert!(!grace_is_over(never, 900, late));
    let overflowing = ChainTime {
        unix_timestamp: 0,
        slot: u64::MAX,
    };
    assert!(!grace_is_over(overflowing, 900, late));
}

#[test]
fn acceptance_names_the_rule_that_is_broken() {
    let lane = LanePosition {
        cap: BaseUnits(1_000),
        authorized: BaseUnits(300),
        charged: BaseUnits(200),
        reserved: BaseUnits(50),
    };
    let channel = ChannelPosition {
        deposit: BaseUnits(500),
        charged: BaseUnits(300),
        reserved: BaseUnits(100),
    };
    let try_accept =
        |authorized, maximum| accept(&lane, &channel, BaseUnits(authorized), BaseUnits(maximum));
    // The slack of the earlier ceiling covers the request, whatever the new voucher's ceiling.
    assert_eq!(try_accept(1, 50), Ok(BaseUnits(300)));
    assert_eq!(
        try_accept(300, 51),
        Err(AcceptError::CeilingBelowNeed {
            need: BaseUnits(301)
        })
    );
    assert_eq!(try_accept(350, 100), Ok(BaseUnits(350)));
    assert_eq!(try_accept(1_000, 100), Ok(BaseUnits(1_000)));
    assert_eq!(try_accept(1_001, 100), Err(AcceptError::CeilingAboveCap));
    assert_eq!(try_accept(1_000, 101), Err(AcceptError::DepositExhausted));
    assert_eq!(try_accept(u64::MAX, u64::MAX), Err(AcceptError::Overflow));

    let rich = LanePosition {
        cap: BaseUnits(u64::MAX),
        ..lane
    };
    let far = 200 + u64::from(u32::MAX);
    assert_eq!(
        accept(&rich, &channel, BaseUnits(far), BaseUnits(1)),
        Ok(BaseUnits(far))
    );
    assert_eq!(
        accept(&rich, &channel, BaseUnits(far + 1), BaseUnits(1)),
        Err(AcceptError::CeilingTooFarAhead)
    );
}

#[test]
fn a_debit_stays_within_ceiling_and_cap_and_never_falls() {
    assert_eq!(claimed_debit(BaseUnits(10), 10), Ok(BaseUnits(0)));
    assert_eq!(
        claimed_debit(BaseUnits(10), 11),
        Err(DebitError::UndebitedAboveAuthorized)
    );
    let debit = |debit_to| lane_debit(BaseUnits(100), BaseUnits(40), BaseUnits(debit_to));
    assert_eq!(debit(39), Ok(BaseUnits::ZERO));
    assert_eq!(debit(40), Ok(BaseUnits::ZERO));
    assert_eq!(debit(100), Ok(BaseUnits(60)));
    assert_eq!(debit(101), Err(DebitError::CapExceeded));
}

#[test]
fn amounts_on_the_wire_are_digits_only() {
    assert_eq!("0".parse(), Ok(BaseUnits(0)));
    assert_eq!("18446744073709551615".parse(), Ok(BaseUnits(u64::MAX)));
    for text in ["", "+1", "-1", " 1", "1.0", "0x1", "18446744073709551616"] {
        assert!(text.parse::<BaseUnits>().is_err(), "{text}");
    }
}

#[test]
fn a_y_coordinate_of_p_or_more_is_not_canonical() {
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    assert!(!has_canonical_y(&p));
    p[31] = 0xff;
    assert!(!has_canonical_y(&p), "whatever the sign of x");
    p[0] = 0xec;
    assert!(has_canonical_y(&p));
    p[0] = 0xff;
    p[15] = 0xfe;
    assert!(has_canonical_y(&p));
    assert!(has_canonical_y(&[0; 32]));
}

proptest! {
    #[test]
    fn vouchers_survive_the_round_trip(domain: [u8; 32], lane: u16, generation: u16, authorized: u64) {
        let voucher = Voucher {
            domain: Domain(domain),
            lane: LaneIndex(lane),
            generation: Generation(generation),
            authorized: BaseUnits(authorized),
        };
        prop_assert_eq!(Voucher::from_bytes(&voucher.to_bytes()), Ok(voucher));
    }

    #[test]
    fn arbitrary_bytes_decode_or_fail_but_never_panic(bytes: Vec<u8>) {
        let _ = Voucher::from_bytes(&bytes);
        let _ = StateQuery::from_bytes(&bytes);
        let _ = ChannelHeader::decode(&bytes);
        let _ = lanes(&bytes).count();
    }

    /// Whatever is charged within an accepted reservation, the program accepts as a claim. Small
    /// amounts around a large base, so that every rule decides some of the cases.
    #[test]
    fn what_is_accepted_can_be_settled(
        base in prop_oneof![Just(0), Just(u64::from(u32::MAX)), Just(u64::MAX - 400)],
        charged in 0u64..40, reserved in 0u64..20, slack in 0u64..20, voucher in 0u64..150,
        maximum in 0u64..60, cap in 0u64..200, deposit in 0u64..200, actual in 0u64..60,
    ) {
        let lane = LanePosition {
            cap: BaseUnits(base + cap),
            authorized: BaseUnits(base + charged + reserved + slack),
            charged: BaseUnits(base + charged),
            reserved: BaseUnits(reserved),
        };
        let channel = ChannelPosition {
            deposit: BaseUnits(base + deposit),
            charged: lane.charged,
            reserved: lane.reserved,
        };
        let accepted = accept(&lane, &channel, BaseUnits(base + voucher), BaseUnits(maximum));
        let ceiling = (charged + reserved + slack).max(voucher);
        let need = charged + reserved + maximum;
        prop_assert_eq!(accepted.is_ok(), need <= ceiling && ceiling <= cap && need <= deposit);
        if let Ok(authorized) = accepted {
            prop_assert_eq!(authorized, BaseUnits(base + ceiling));
            let total = base + charged + actual.min(maximum);
            let undebited = u32::try_from(authorized.0 - total).expect("accepted ceilings stay near");
            let debit_to = claimed_debit(authorized, undebited).expect("at most the ceiling");
            prop_assert_eq!(debit_to, BaseUnits(total));
            prop_assert_eq!(
                lane_debit(lane.cap, lane.charged, debit_to),
                Ok(BaseUnits(actual.min(maximum)))
            );
        }
    }

    #[test]
    fn prices_are_monotone_and_never_below_the_exact_price(
        input_per_million: u32, output_per_million: u32, minimum: u16,
        input: u32, output: u32, more in 0u32..1_000,
    ) {
        let price = TokenPrice {
            input_per_million: BaseUnits(input_per_million.into()),
            output_per_million: BaseUnits(output_per_million.into()),
            per_request: BaseUnits(3),
            minimum: BaseUnits(minimum.into()),
            ..TokenPrice::default()
        };
        let of = |input: u32, output: u32| {
            let (input, output) = (u64::from(input), u64::from(output));
            let tokens = Tokens { input, output, ..Tokens::default() };
            price.of(tokens).expect("fits").0
        };
        let exact = u128::from(input_per_million) * u128::from(input)
            + u128::from(output_per_million) * u128::from(output);
        prop_assert!(u128::from(of(input, output) - 3) * 1_000_000 >= exact || of(input, output) == u64::from(minimum));
        prop_assert!(of(input.saturating_add(more), output) >= of(input, output));
        prop_assert!(of(input, output.saturating_add(more)) >= of(input, output));
    }

    #[test]
    fn no_part_of_the_bounds_costs_more_than_the_maximum(
        prices in (0u64..1_000_000_000, 0u64..1_000_000_000),
        parts in (proptest::option::of(0u64..1_000_000_000), proptest::option::of(0u64..1_000_000_000)),
        bounds in (0u64..1_000_000, 0u64..1_000_000),
        shares in (0u64..=100, 0u64..=120, 0u64..=100, 0u64..=120),
    ) {
        let price = TokenPrice {
            input_per_million: BaseUnits(prices.0),
            output_per_million: BaseUnits(prices.1),
            cached_input_per_million: parts.0.map(BaseUnits),
            reasoning_per_million: parts.1.map(BaseUnits),
            per_request: BaseUnits(3),
            minimum: BaseUnits(50),
        };
        let (input, output) = (bounds.0 * shares.0 / 100, bounds.1 * shares.2 / 100);
        let tokens = Tokens {
            input,
            cached_input: input * shares.1 / 100,
            output,
            reasoning: output * shares.3 / 100,
        };
        let maximum = price.maximum(bounds.0, bounds.1).expect("fits");
        prop_assert!(price.of(tokens).expect("fits") <= maximum);
    }
}
