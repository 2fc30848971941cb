//! Tests of one lane's checks: which reports it trusts, and how much it signs.

use farthing_wire::x402::PaymentState;

use super::model_tests::identity;
use super::*;

fn key_and_lane(cap: u64) -> (Keypair, LanePayer) {
    let key = Keypair::new_from_array([7; 32]);
    let identity = identity(&key, BaseUnits(cap));
    let payer = LanePayer::new(identity, BaseUnits::ZERO).expect("a usable key");
    (key, payer)
}

fn signed_state(key: &Keypair, authorized: u64, charged: u64, reserved: u64) -> VoucherStateInfo {
    let identity = identity(key, BaseUnits(1_000));
    let voucher = Voucher {
        domain: identity.domain,
        lane: identity.lane,
        generation: identity.generation,
        authorized: BaseUnits(authorized),
    };
    VoucherStateInfo {
        authorized: BaseUnits(authorized),
        signature: Some(key.sign_message(&voucher.to_bytes())),
        charged: BaseUnits(charged),
        reserved: BaseUnits(reserved),
    }
}

#[test]
fn only_a_state_with_its_own_signature_is_believed() {
    let (own, lane) = key_and_lane(1_000);
    let own = &own;
    let stranger = Keypair::new_from_array([8; 32]);
    let good = signed_state(own, 500, 300, 100);
    let other_lane = {
        let mut other = identity(own, BaseUnits(1_000));
        other.lane = LaneIndex(6);
        let voucher = Voucher {
            domain: other.domain,
            lane: other.lane,
            generation: other.generation,
            authorized: BaseUnits(500),
        };
        Some(own.sign_message(&voucher.to_bytes()))
    };
    let cases = [
        (
            signed_state(&stranger, 500, 300, 100),
            ResynchroniseError::NotSigned,
        ),
        (
            VoucherStateInfo {
                signature: other_lane,
                ..good.clone()
            },
            ResynchroniseError::NotSigned,
        ),
        (
            VoucherStateInfo {
                authorized: BaseUnits(501),
                ..good.clone()
            },
            ResynchroniseError::NotSigned,
        ),
        (
            VoucherStateInfo {
                signature: None,
                ..good.clone()
            },
            ResynchroniseError::NotSigned,
        ),
        (
            signed_state(own, 500, 501, 0),
            ResynchroniseError::AboveAuthorized,
        ),
        (
            signed_state(own, 500, 300, 201),
            ResynchroniseError::AboveAuthorized,
        ),
        (
            signed_state(own, 500, u64::MAX, 1),
            ResynchroniseError::AboveAuthorized,
        ),
        (
            signed_state(own, 1_001, 300, 0),
            ResynchroniseError::AboveAuthorized,
        ),
    ];
    for (state, expected) in cases {
        let mut payer = lane.clone();
        let (_, reservation) = payer.next_voucher(BaseUnits(10), own).expect("room");
        assert_eq!(payer.resynchronise(reservation, &state), Err(expected));
        assert_eq!(payer.spent_at_most(), BaseUnits::ZERO, "nothing was learnt");
    }
    let mut payer = lane.clone();
    let (_, reservation) = payer.next_voucher(BaseUnits(10), own).expect("room");
    assert_eq!(payer.resynchronise(reservation, &good), Ok(()));
    assert_eq!(payer.spent_at_most(), BaseUnits(400));
    let (signed, _reservation) = payer.next_voucher(BaseUnits(10), own).expect("room");
    assert_eq!(
        signed.voucher.authorized,
        BaseUnits(501),
        "above what was signed before"
    );
}

fn told(state: VoucherStateInfo, used_floor: u64, used: &[u64]) -> LaneStateInfo {
    LaneStateInfo {
        state,
        deposit: BaseUnits(1_000),
        used_floor: BaseUnits(used_floor),
        used: used.iter().copied().map(BaseUnits).collect(),
    }
}

#[test]
fn an_answer_about_the_lane_is_believed_as_far_as_it_was_signed() {
    let (own, lane) = key_and_lane(1_000);
    let stranger = Keypair::new_from_array([8; 32]);
    let signed = |authorized| signed_state(&own, authorized, 20, 0);
    let many: Vec<u64> = (1..=1_025).collect();
    for (told, expected) in [
        (
            told(signed_state(&stranger, 500, 20, 0), 0, &[]),
            ResynchroniseError::NotSigned,
        ),
        (
            told(signed_state(&own, 500, 501, 0), 0, &[]),
            ResynchroniseError::AboveAuthorized,
        ),
        (
            told(signed(500), 0, &[501, 30]),
            ResynchroniseError::UsedAboveAuthorized,
        ),
        (
            told(signed(500), 501, &[]),
            ResynchroniseError::UsedAboveAuthorized,
        ),
        (
            told(signed(1_000), 0, &many),
            ResynchroniseError::UsedAboveAuthorized,
        ),
    ] {
        let mut payer = lane.clone();
        let (_, outgoing) = payer.ask_state(1, &own);
        assert_eq!(payer.learn_state(&outgoing, &told), Err(expected));
        assert_eq!(payer.spent_at_most(), BaseUnits::ZERO, "nothing was learnt");
        let (next, _reservation) = payer.next_voucher(BaseUnits(10), &own).expect("room");
        assert_eq!(next.voucher.authorized, BaseUnits(10));
    }
}

#[test]
fn a_lane_that_knows_what_is_used_signs_the_least_that_suffices() {
    let (key, mut payer) = key_and_lane(1_000);
    let (signature, outgoing) = payer.ask_state(77, &key);
    let identity = *payer.identity();
    let query = StateQuery {
        domain: identity.domain,
        lane: identity.lane,
        generation: identity.generation,
        unix_seconds: 77,
    };
    assert!(signature.verify(identity.signer.as_ref(), &query.to_bytes()));
    let state = signed_state(&key, 500, 20, 0);
    let told = told(state, 25, &[30, 31, 500]);
    payer.learn_state(&outgoing, &told).expect("it is signed");
    for expected in [32, 40, 50] {
        let (next, _reservation) = payer.next_voucher(BaseUnits(10), &key).expect("room");
        assert_eq!(next.voucher.authorized, BaseUnits(expected));
    }
    let (below_the_floor, _reservation) = key_and_next(&key, 25);
    assert_eq!(below_the_floor.voucher.authorized, BaseUnits(26));
}

/// The next voucher for 1 base unit of a lane that was charged nothing and whose values up to `floor` are used.
fn key_and_next(key: &Keypair, floor: u64) -> (SignedVoucher, Reservation) {
    let (_, mut payer) = key_and_lane(1_000);
    let (_, outgoing) = payer.ask_state(1, key);
    let told = told(signed_state(key, 500, 0, 0), floor, &[]);
    payer.learn_state(&outgoing, &told).expect("it is signed");
    payer.next_voucher(BaseUnits(1), key).expect("room")
}

#[test]
fn an_answer_tells_what_became_of_losses_before_it() {
    let (key, mut payer) = key_and_lane(100);
    let (_, first) = payer.next_voucher(BaseUnits(60), &key).expect("room");
    payer.lost(first);
    assert!(payer.has_losses());
    let (_, early) = payer.ask_state(1, &key);
    let (_, second) = payer.next_voucher(BaseUnits(40), &key).expect("room");
    payer.lost(second);
    let state = told(signed_state(&key, 60, 5, 0), 0, &[60]);
    payer.learn_state(&early, &state).expect("it is signed");
    assert!(payer.has_losses(), "the second was lost afterwards");
    let (_, late) = payer.ask_state(2, &key);
    payer.learn_state(&late, &state).expect("it is signed");
    assert!(!payer.has_losses());
    assert_eq!(payer.spent_at_most(), BaseUnits(5));
    let (next, _reservation) = payer.next_voucher(BaseUnits(94), &key).expect("room again");
    assert_eq!(next.voucher.authorized, BaseUnits(99));
}

#[test]
fn receipts_above_what_was_signed_are_disputed_and_count_as_the_maximum() {
    let (key, mut payer) = key_and_lane(1_000);
    let receipt = |charged, charged_total| ReceiptExtra {
        state: PaymentState::Charged,
        charged: BaseUnits(charged),
        charged_total: BaseUnits(charged_total),
        reserved: BaseUnits::ZERO,
        authorized: BaseUnits(charged_total),
        deposit: BaseUnits(1_000),
        receipt: None,
    };
    let mut settle = |receipt: ReceiptExtra| {
        let (_, reservation) = payer.next_voucher(BaseUnits(10), &key).expect("room");
        let result = payer.settled(reservation, &receipt);
        (result, payer.spent_at_most())
    };
    let above_maximum = ReceiptError::AboveMaximum {
        charged: BaseUnits(11),
        maximum: BaseUnits(10),
    };
    assert_eq!(settle(receipt(11, 11)), (Err(above_maximum), BaseUnits(10)));
    let above_authorized = ReceiptError::AboveAuthorized {
        charged_total: BaseUnits(21),
    };
    assert_eq!(
        settle(receipt(5, 21)),
        (Err(above_authorized), BaseUnits(20))
    );
    // An honest receipt for a later request resolves both.
    let nothing_else = Ok(BaseUnits::ZERO);
    assert_eq!(settle(receipt(5, 15)), (nothing_else, BaseUnits(15)));
}

#[test]
fn a_used_value_is_left_behind_without_passing_the_cap() {
    let (key, mut payer) = key_and_lane(100);
    let (first, reservation) = payer.next_voucher(BaseUnits(10), &key).expect("room");
    assert_eq!(first.voucher.authorized, BaseUnits(10));
    payer.refused_as_used(reservation, 7);
    let (second, reservation) = payer.next_voucher(BaseUnits(10), &key).expect("room");
    assert_eq!(second.voucher.authorized, BaseUnits(17));
    payer.refused_as_used(reservation, 1_000);
    let (third, _reservation) = payer
        .next_voucher(BaseUnits(10), &key)
        .expect("room below the cap");
    assert_eq!(third.voucher.authorized, BaseUnits(11));
}

#[test]
fn the_cap_is_never_passed_and_the_error_says_what_is_left() {
    let (key, mut payer) = key_and_lane(25);
    let (_, _first) = payer.next_voucher(BaseUnits(20), &key).expect("room");
    let error = payer.next_voucher(BaseUnits(6), &key).expect_err("no room");
    let expected = PayerError::CapReached {
        lane: LaneIndex(5),
        left: BaseUnits(5),
        maximum: BaseUnits(6),
    };
    assert_eq!(error, expected);
    let shown = error.to_string();
    assert!(
        shown.contains("0.000005 USDC more") && shown.contains("may cost 0.000006 USDC"),
        "{shown}"
    );
}

#[test]
fn keys_are_not_in_debug_output() {
    let key = Keypair::new_from_array([171; 32]);
    let shown = format!("{key:?} {key:#?}").to_lowercase();
    assert!(
        !shown.contains("171, 171") && !shown.contains("abab"),
        "{shown}"
    );
}

/// A state may be false: only what somebody else has signed is believed beyond what is known here.
#[test]
fn what_is_in_flight_is_not_counted_twice() {
    let (key, mut payer) = key_and_lane(100_000);
    let (_, _slow) = payer.next_voucher(BaseUnits(4_000), &key).expect("room");
    for _ in 0..4 {
        let (voucher, reservation) = payer.next_voucher(BaseUnits(10), &key).expect("room");
        assert!(voucher.voucher.authorized <= BaseUnits(4_020));
        let authorized = voucher.voucher.authorized.0;
        let lie = signed_state(&key, authorized, 4_000, 0);
        payer
            .resynchronise(reservation, &lie)
            .expect("it is signed");
        assert_eq!(payer.spent_at_most(), BaseUnits(4_000));
    }
}

#[test]
fn a_total_beyond_what_is_known_is_told() {
    let (key, mut payer) = key_and_lane(1_000_000);
    let (_, refused) = payer.next_voucher(BaseUnits(250_000), &key).expect("room");
    payer.refused(refused);
    let (_, reservation) = payer.next_voucher(BaseUnits(10), &key).expect("room");
    let receipt = ReceiptExtra {
        state: PaymentState::Charged,
        charged: BaseUnits(10),
        charged_total: BaseUnits(250_000),
        reserved: BaseUnits::ZERO,
        authorized: BaseUnits(250_000),
        deposit: BaseUnits(1_000_000),
        receipt: None,
    };
    let beyond = payer.settled(reservation, &receipt);
    assert_eq!(beyond, Ok(BaseUnits(250_000 - 10)));
    assert_eq!(payer.spent_at_most(), BaseUnits(250_000));
}

#[test]
fn a_voucher_that_was_never_sent_leaves_nothing() {
    let (key, mut payer) = key_and_lane(100);
    let (first, reservation) = payer.next_voucher(BaseUnits(10), &key).expect("room");
    payer.unsent(reservation);
    assert_eq!(payer.spent_at_most(), BaseUnits::ZERO);
    let (second, _reservation) = payer.next_voucher(BaseUnits(10), &key).expect("room");
    assert_eq!(first.voucher, second.voucher);
}

#[test]
fn refusals_do_not_end_a_lane() {
    let (key, mut payer) = key_and_lane(1_000_000);
    for _ in 0..3 * MAX_USED_VALUES {
        let (_, reservation) = payer.next_voucher(BaseUnits(10), &key).expect("room");
        payer.refused(reservation);
    }
}
