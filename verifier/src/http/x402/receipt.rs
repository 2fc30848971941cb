//! The contents of `PAYMENT-RESPONSE` for an accepted payment.

use farthing_protocol::BaseUnits;
use farthing_wire::x402::{PaymentState, ReceiptExtra, SettleResponse};
use solana_sdk::pubkey::Pubkey;

use crate::record::LaneSnapshot;

/// The final charge of a payment, with the signed receipt.
#[derive(Debug)]
pub(crate) struct FinalCharge {
    pub(crate) charged: BaseUnits,
    pub(crate) receipt: String,
}

/// The receipt of an accepted payment. `end` is `None` while the answer is still in flight and only an amount is
/// reserved.
pub(crate) fn receipt(
    network: &str,
    payer: &Pubkey,
    lane: &LaneSnapshot,
    end: Option<FinalCharge>,
) -> SettleResponse {
    let state = match end {
        Some(_) => PaymentState::Charged,
        None => PaymentState::Reserved,
    };
    let charged = end.as_ref().map(|end| end.charged);
    SettleResponse {
        success: true,
        error_reason: None,
        error_message: None,
        payer: Some(payer.to_string()),
        transaction: String::new(),
        network: network.to_owned(),
        amount: charged,
        extra: Some(ReceiptExtra {
            state,
            charged: charged.unwrap_or_default(),
            charged_total: lane.charged,
            reserved: lane.reserved,
            authorized: lane.authorized,
            deposit: lane.deposit,
            receipt: end.map(|end| end.receipt),
        }),
    }
}
