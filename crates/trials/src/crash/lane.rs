//! A lane of the load: its key, the vouchers that it has signed, and their outcomes.

use std::sync::{Mutex, MutexGuard};

use farthing_client::payer::{LanePayer, SignedVoucher};
use farthing_protocol::{BaseUnits, Voucher};
use farthing_verifier::payment::ClientKey;
use farthing_verifier::record::LaneKey;
use serde_json::Value;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::Result;
use super::client::{Answer, Client, Ending};
use super::oracle::{Fault, Kind, LaneBooks, LaneHistory, Request, Told};
use farthing_tests::payment::payload;

/// Error code for a voucher value that was already used.
const USED: &str = "voucher_used";
/// Error code for a lane of which the chain has debited more than the ledger knows.
const BEHIND_CHAIN: &str = "store_behind_chain";

/// A lane with its key and its history.
#[derive(Debug)]
pub struct PayingLane {
    /// Identifies the lane.
    pub id: LaneKey,
    channel: Pubkey,
    key: Keypair,
    payer: Mutex<LanePayer>,
    history: Mutex<LaneHistory>,
    /// Recent requests with an idempotency key, which are retried after a restart.
    asked: Mutex<Vec<CrashRequest>>,
}

/// A request that was sent with an idempotency key.
#[derive(Debug, Clone)]
pub struct CrashRequest {
    key: String,
    body: Value,
    /// Its charge according to the ledger of the killed process; `None` if the ledger does not contain it.
    charged: Option<BaseUnits>,
}

/// Maximum number of requests of a lane that are retried after one kill.
const MAX_ASKED: usize = 4;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while a lane is locked")
}

impl PayingLane {
    /// A lane that has not been used for payments yet.
    #[must_use]
    pub fn new(payer: LanePayer, key: Keypair) -> Self {
        let identity = payer.identity();
        Self {
            id: LaneKey {
                domain: identity.domain,
                lane: identity.lane,
                generation: identity.generation,
            },
            channel: identity.channel,
            key,
            payer: Mutex::new(payer),
            history: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// The lane's history.
    ///
    /// # Panics
    /// If another thread panicked while it held the lock.
    pub fn history(&self) -> MutexGuard<'_, LaneHistory> {
        locked(&self.history)
    }

    /// Pays for one request, with or without an idempotency key, and records the outcome.
    ///
    /// # Errors
    /// If the lane cannot pay any more, or if a receipt is implausible.
    pub async fn pay(
        &self,
        client: &Client,
        url: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Result<Answer> {
        let maximum = client.maximum(body)?;
        let (signed, reservation) = locked(&self.payer).next_voucher(maximum, &self.key)?;
        let answer = client
            .ask(url, body, &payload(self.channel, &signed), key)
            .await;
        if !answer.is_replay {
            // A replayed answer does not use the voucher.
            self.history().note(Request {
                value: signed.voucher.authorized,
                maximum,
                told: answer.told,
            });
        }
        if let (Some(key), false) = (key, answer.is_replay) {
            self.remember(key, body);
        }
        let mut payer = locked(&self.payer);
        match (answer.told, &answer.receipt) {
            _ if answer.is_replay => payer.refused(reservation),
            (Told::Charged { .. }, Some(receipt)) => {
                payer.settled(reservation, receipt)?;
            }
            (Told::Refused, _) => payer.refused(reservation),
            _ => payer.lost(reservation),
        }
        drop(payer);
        Ok(answer)
    }

    /// Records a request with an idempotency key, whatever its outcome; only the last few are kept.
    fn remember(&self, key: &str, body: &Value) {
        let mut asked = locked(&self.asked);
        asked.push(CrashRequest {
            key: key.to_owned(),
            body: body.clone(),
            charged: None,
        });
        if asked.len() > MAX_ASKED {
            asked.remove(0);
        }
    }

    /// Records what the ledger of a killed process says about the requests with an idempotency key.
    pub fn died(&self, books: &LaneBooks) {
        for asked in locked(&self.asked).iter_mut() {
            let key = ClientKey {
                text: asked.key.clone(),
                digest: [0; 32],
            };
            asked.charged = books.answered.get(&key.of_lane(&self.id).key).copied();
        }
    }

    /// Retries the last requests with their idempotency keys. Requests that the ledger knows must not be charged again,
    /// and those that it does not know must be. Returns how many were answered from the ledger.
    ///
    /// # Errors
    /// If the process died meanwhile, or if the lane cannot pay any more.
    pub async fn ask_again(&self, client: &Client, url: &str) -> Result<(u64, Vec<Fault>)> {
        let all = std::mem::take(&mut *locked(&self.asked));
        let (mut replays, mut faults) = (0, Vec::new());
        for CrashRequest { key, body, charged } in all {
            let answer = self.pay(client, url, &body, Some(&key)).await?;
            if answer.ending != Ending::Whole {
                return Err("the gateway did not answer".into());
            }
            let told = answer.receipt.as_ref().map(|receipt| receipt.charged);
            match (charged, answer.is_replay) {
                (Some(charged), true) if told == Some(charged) => replays += 1,
                (None, false) => {}
                (Some(charged), true) => {
                    let what = format!(
                        "was charged {charged} for an idempotency key, but the retry reports {told:?}"
                    );
                    faults.push(Fault::new(Kind::Lost, what));
                }
                (Some(charged), false) => {
                    let what = format!(
                        "was charged {charged} for an idempotency key, and {told:?} again for the \
                    retry"
                    );
                    faults.push(Fault::new(Kind::Doubled, what));
                }
                (None, true) => {
                    let what = format!(
                        "the retry of an idempotency key that is not in the ledger reports {told:?}"
                    );
                    faults.push(Fault::new(Kind::Lost, what));
                }
            }
        }
        Ok((replays, faults))
    }

    /// Compares the lane's state as reported by a restarted process with the expected one, before anything is paid
    /// through it. The state is read from the refusal of a ceiling above the lane's cap, which changes nothing.
    ///
    /// # Errors
    /// If the process died meanwhile, or gave an unexpected answer.
    pub async fn compare(&self, client: &Client, url: &str, body: &Value) -> Result<Vec<Fault>> {
        let above_cap = BaseUnits(locked(&self.payer).identity().cap.0 + 1);
        let answer = self.ask_with(client, url, body, above_cap).await?;
        match (answer.state, answer.refusal.as_deref()) {
            (Some(state), _) => Ok(self.history().restored(state.charged, state.reserved)),
            (None, Some(BEHIND_CHAIN)) => {
                let what = "the chain has debited more than the ledger has recorded";
                Ok(vec![Fault::new(Kind::Lost, what)])
            }
            (None, code) => Err(unexpected(code)),
        }
    }

    /// Presents a used voucher again. Returns a fault if it is accepted, and `None` if it is refused or if no voucher
    /// of this lane has been used yet.
    ///
    /// # Errors
    /// If the process died meanwhile, or refused for another reason.
    pub async fn replay(
        &self,
        client: &Client,
        url: &str,
        body: &Value,
        choose: impl FnOnce(&[BaseUnits]) -> Option<BaseUnits>,
    ) -> Result<Option<Fault>> {
        let Some(value) = choose(self.history().acknowledged()) else {
            return Ok(None);
        };
        let answer = self.ask_with(client, url, body, value).await?;
        match (answer.told, answer.refusal.as_deref()) {
            (Told::Refused, Some(USED)) => Ok(None),
            (Told::Refused | Told::Nothing, code) => Err(unexpected(code)),
            (told, _) => {
                let what = format!("the used voucher value {value} was accepted again: {told:?}");
                Ok(Some(Fault::new(Kind::Doubled, what)))
            }
        }
    }

    /// Sends a request with a voucher of this value.
    async fn ask_with(
        &self,
        client: &Client,
        url: &str,
        body: &Value,
        value: BaseUnits,
    ) -> Result<Answer> {
        let voucher = Voucher {
            domain: self.id.domain,
            lane: self.id.lane,
            generation: self.id.generation,
            authorized: value,
        };
        let signed = SignedVoucher {
            voucher,
            signature: self.key.sign_message(&voucher.to_bytes()),
        };
        let answer = client
            .ask(url, body, &payload(self.channel, &signed), None)
            .await;
        match answer.ending {
            Ending::Whole => Ok(answer),
            Ending::Cut | Ending::NotConnected => Err("the gateway did not answer".into()),
        }
    }
}

fn unexpected(code: Option<&str>) -> Box<dyn std::error::Error + Send + Sync> {
    let code = code.unwrap_or("no code");
    format!("the gateway refused a request with an unexpected code: {code}").into()
}
