//! Sample records of each kind.

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::record::{
    AnswerRecord, ClaimRecord, LaneKey, LaneRecord, OutcomeRecord, ReceiptRecord, Remembered,
    RequestKey, ReservationRecord, SettlementRecord,
};

pub(crate) fn key(lane: u16) -> LaneKey {
    LaneKey {
        domain: Domain([3; 32]),
        lane: LaneIndex(lane),
        generation: Generation(2),
    }
}

pub(crate) fn lane(charged: u64) -> LaneRecord {
    LaneRecord {
        authorized: BaseUnits(charged + 9),
        signature: Some([5; 64]),
        charged: BaseUnits(charged),
        floor: BaseUnits(1),
        settled: BaseUnits(charged / 2),
    }
}

pub(crate) fn reservation(checkpoint: u64) -> ReservationRecord {
    ReservationRecord {
        key: key(1),
        maximum: BaseUnits(50),
        checkpoint: BaseUnits(checkpoint),
        request: None,
        held_seconds: None,
    }
}

pub(crate) fn settlement() -> SettlementRecord {
    SettlementRecord {
        signature: Signature::from([6; 64]),
        last_valid_block_height: 77,
        transaction: vec![1, 2, 3],
        channel: Pubkey::new_from_array([4; 32]),
        domain: Domain([3; 32]),
        claims: vec![ClaimRecord {
            lane: LaneIndex(1),
            generation: Generation(2),
            debit_to: BaseUnits(10),
            owed: BaseUnits(4),
        }],
    }
}

pub(crate) fn request() -> RequestKey {
    RequestKey {
        key: [8; 32],
        digest: [9; 32],
    }
}

pub(crate) fn outcome(answer_bytes: Option<u32>) -> OutcomeRecord {
    OutcomeRecord {
        lane: key(1),
        request: request(),
        charged: BaseUnits(1),
        charged_total: BaseUnits(2),
        reserved: BaseUnits(3),
        authorized: BaseUnits(4),
        deposit: BaseUnits(5),
        ended_at: 6,
        answer_bytes,
    }
}

pub(crate) fn answer(text: &str) -> AnswerRecord {
    AnswerRecord {
        status: 200,
        headers: vec![("content-type".to_owned(), b"text/plain".to_vec())],
        body: text.as_bytes().to_vec(),
        is_whole: true,
    }
}

pub(crate) fn receipt(issued_at: u64) -> ReceiptRecord {
    ReceiptRecord {
        issued_at,
        sold: r#"{"model":"demo"}"#.to_owned(),
    }
}

/// An answer without a receipt.
pub(crate) fn with_answer(text: &str) -> Remembered {
    Remembered {
        answer: Some(answer(text)),
        receipt: None,
    }
}
