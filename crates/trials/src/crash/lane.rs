//! A lane: the key that pays, what it has signed, and what came of it.

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

/// The code for a value that has bought something.
const USED: &str = "voucher_used";
/// The code for a lane whose books have forgotten something that the chain knows.
const BEHIND_CHAIN: &str = "store_behind_chain";

/// A lane with its key and its history.
#[derive(Debug)]
pub struct Lane {
    /// Which lane.
    pub id: LaneKey,
    channel: Pubkey,
    key: Keypair,
    payer: Mutex<LanePayer>,
    history: Mutex<LaneHistory>,
    /// Requests with a key that are worth asking again.
    asked: Mutex<Vec<Asked>>,
}

/// A request with a key that was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    key: String,
    body: Value,
    /// What it was charged, by the books of a process that has died: nothing if it is not in them.
    charged: Option<BaseUnits>,
}

/// The most requests of a lane that are asked again after one death.
const MAX_ASKED: usize = 4;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while a lane is locked")
}

impl Lane {
    /// A lane that nobody has paid through.
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

    /// What is known of it.
    ///
    /// # Panics
    /// Only if something panicked before.
    pub fn history(&self) -> MutexGuard<'_, LaneHistory> {
        locked(&self.history)
    }

    /// Pays for one request, with a key that it can be asked again by or without, and notes what came of it.
    ///
    /// # Errors
    /// If the lane cannot pay any more, or a receipt says what cannot be.
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
            // A replay has bought nothing.
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
            (Told::Charged { .. }, Some(receipt)) => payer.settled(reservation, receipt)?,
            (Told::Refused, _) => payer.refused(reservation),
            _ => payer.lost(reservation),
        }
        drop(payer);
        Ok(answer)
    }

    /// The last requests with a key, whatever became of them.
    fn remember(&self, key: &str, body: &Value) {
        let mut asked = locked(&self.asked);
        asked.push(Asked {
            key: key.to_owned(),
            body: body.clone(),
            charged: None,
        });
        if asked.len() > MAX_ASKED {
            asked.remove(0);
        }
    }

    /// The process died, and this is what its books say of requests with a key.
    pub fn died(&self, books: &LaneBooks) {
        for asked in locked(&self.asked).iter_mut() {
            let key = ClientKey {
                text: asked.key.clone(),
                digest: [0; 32],
            };
            asked.charged = books.answered.get(&key.of_lane(&self.id).key).copied();
        }
    }

    /// Asks again for what was asked last, by the keys of then: what the books know is not charged again, and what they
    /// do not know is. Returns how many were answered from the books.
    ///
    /// # Errors
    /// If the process died meanwhile, or the lane cannot pay any more.
    pub async fn ask_again(&self, client: &Client, url: &str) -> Result<(u64, Vec<Fault>)> {
        let all = std::mem::take(&mut *locked(&self.asked));
        let (mut replays, mut faults) = (0, Vec::new());
        for Asked { key, body, charged } in all {
            let answer = self.pay(client, url, &body, Some(&key)).await?;
            if answer.ending != Ending::Whole {
                return Err("the gateway did not answer".into());
            }
            let told = answer.receipt.as_ref().map(|receipt| receipt.charged);
            match (charged, answer.is_replay) {
                (Some(charged), true) if told == Some(charged) => replays += 1,
                (None, false) => {}
                (Some(charged), true) => {
                    let what = format!("was charged {charged} for a key, and is told of {told:?}");
                    faults.push(Fault::new(Kind::Lost, what));
                }
                (Some(charged), false) => {
                    let what = format!("was charged {charged} for a key, and then {told:?} again");
                    faults.push(Fault::new(Kind::Doubled, what));
                }
                (None, true) => {
                    let what = format!("is told of {told:?} for a key that the books do not know");
                    faults.push(Fault::new(Kind::Lost, what));
                }
            }
        }
        Ok((replays, faults))
    }

    /// Compares what a process says of the lane before anybody pays through it with what it should say. The refusal
    /// of a ceiling above the lane's cap tells the lane's state, and changes nothing whatever the state is.
    ///
    /// # Errors
    /// If the process died meanwhile, or answered what it should not.
    pub async fn compare(&self, client: &Client, url: &str, body: &Value) -> Result<Vec<Fault>> {
        let above_cap = BaseUnits(locked(&self.payer).identity().cap.0 + 1);
        let answer = self.ask_with(client, url, body, above_cap).await?;
        match (answer.state, answer.refusal.as_deref()) {
            (Some(state), _) => Ok(self.history().restored(state.charged, state.reserved)),
            (None, Some(BEHIND_CHAIN)) => {
                let what = "the chain has debited more than the books know of";
                Ok(vec![Fault::new(Kind::Lost, what)])
            }
            (None, code) => Err(unexpected(code)),
        }
    }

    /// Presents a voucher again that has bought something. `None` if nothing has been bought through this lane.
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
                let what = format!("value {value} bought something again: {told:?}");
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
    format!("the gateway answered what nobody gave it a reason for: {code}").into()
}
