//! Acts as a server that sells by itself and uses the verifier as its facilitator, as the x402 packages do.

use farthing_protocol::BaseUnits;
use farthing_verifier::Config;
use farthing_verifier::config::FacilitatorConfig;
use farthing_wire::x402::{PaymentRequirements, SCHEME};
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;

use super::{Agent, Answer, World};

/// Bearer token of the server.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Configures a verifier as a facilitator for other servers.
pub fn facilitating(config: &mut Config) {
    config.facilitator = Some(FacilitatorConfig::new(TOKEN));
}

impl World {
    /// Starts a verifier that is a facilitator for other servers.
    pub async fn facilitator() -> Self {
        Self::configured(facilitating).await
    }

    /// The payment requirements of a server that sells at this price.
    #[must_use]
    pub fn terms(&self, amount: u64) -> PaymentRequirements {
        let chain = &self.config().chain;
        PaymentRequirements {
            scheme: SCHEME.to_owned(),
            network: chain.network.clone(),
            amount: BaseUnits(amount),
            asset: chain.mint.to_string(),
            pay_to: chain.payee.to_string(),
            max_timeout_seconds: 300,
            extra: json!({"program": chain.program.to_string()}),
        }
    }

    /// A payment by lane 0 with a voucher up to `authorized`, as a server that sells for `amount` passes it on.
    #[must_use]
    pub fn passed_on(&self, authorized: u64, amount: u64) -> Value {
        passed_on(&self.agent(0), &self.terms(amount), authorized)
    }

    /// Sends a request with the server's token.
    pub async fn ask(&self, path: &str, body: &Value) -> Answer {
        self.ask_with(path, Some(&format!("Bearer {TOKEN}")), body)
            .await
    }

    /// Sends a request with this authorization.
    pub async fn ask_with(&self, path: &str, authorization: Option<&str>, body: &Value) -> Answer {
        let mut request = self.http.post(self.url(path)).json(body);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        Answer::read(request.send().await.expect("the verifier answers")).await
    }

    /// Verifies a payment, which must be valid.
    pub async fn verify(&self, body: &Value) {
        let answer = self.ask("/verify", body).await;
        let expected = json!({"isValid": true, "payer": payer(self)});
        assert_eq!(answer.json(), expected);
        assert_eq!(answer.status, 200);
    }

    /// Settles a payment, which must be valid, and returns its outcome.
    pub async fn settle(&self, body: &Value) -> Value {
        let answer = self.ask("/settle", body).await;
        let told = answer.json();
        assert_eq!(
            (answer.status, &told["success"]),
            (200, &json!(true)),
            "{told}"
        );
        told
    }
}

/// The key of lane 0.
#[must_use]
pub fn payer(world: &World) -> String {
    let key = world.agent(0).key.verifying_key();
    Pubkey::new_from_array(key.to_bytes()).to_string()
}

/// A payment as a server passes it on.
#[must_use]
pub fn passed_on(agent: &Agent, terms: &PaymentRequirements, authorized: u64) -> Value {
    json!({
        "x402Version": 2,
        "paymentPayload": {
            "x402Version": 2,
            "accepted": terms,
            "payload": agent.payload(authorized),
        },
        "paymentRequirements": terms,
    })
}

/// A payment changed to be settled for another amount.
#[must_use]
pub fn for_amount(payment: &Value, amount: u64) -> Value {
    let mut changed = payment.clone();
    changed["paymentRequirements"]["amount"] = json!(amount.to_string());
    changed
}

/// A payment with a payment identifier chosen by its client.
#[must_use]
pub fn with_identifier(payment: &Value, id: &str) -> Value {
    let mut changed = payment.clone();
    let extension = json!({"payment-identifier": {"info": {"required": false, "id": id}}});
    changed["paymentPayload"]["extensions"] = extension;
    changed
}
