//! Tests that vouchers which are no longer valid are refused: settled on the chain, or signed for an earlier
//! incarnation of the channel.

use std::time::{Duration, Instant};

use farthing_chain::{NewLane, PROGRAM_ID};
use farthing_cli::dev::Options;
use farthing_protocol::debit::CLAIM_LENGTH;
use farthing_protocol::instruction::SETTLE;
use farthing_tests::end_to_end::raw::{Answered, RawClient, payload, signed, voucher};
use farthing_tests::end_to_end::world::{CAP, DEPOSIT, FundedWorld, ask};
use serde_json::{Value, json};
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_client::rpc_request::RpcRequest;
use solana_sdk::signature::Signature;
use solana_sdk::signer::Signer;

/// What anybody reads of a settlement: ceiling and signature of its first claim.
struct PublicClaim {
    authorized: u64,
    signature: Signature,
}

async fn first_claim(rpc: &RpcClient, settlement: &Signature) -> PublicClaim {
    let options = json!({"encoding": "json", "commitment": "confirmed",
        "maxSupportedTransactionVersion": 0});
    let fetched: Value = rpc
        .send(
            RpcRequest::GetTransaction,
            json!([settlement.to_string(), options]),
        )
        .await
        .expect("the chain knows the settlement");
    let message = &fetched["transaction"]["message"];
    let keys = message["accountKeys"]
        .as_array()
        .expect("a message has keys");
    let program = keys.iter().position(|key| *key == PROGRAM_ID.to_string());
    let instruction = message["instructions"]
        .as_array()
        .expect("a message has instructions")
        .iter()
        .find(|instruction| {
            instruction["programIdIndex"].as_u64() == program.map(|index| index as u64)
        })
        .expect("it calls the program");
    let data = instruction["data"].as_str().expect("base58");
    let data = bs58::decode(data).into_vec().expect("base58");
    assert_eq!(data[0], SETTLE);
    // After the discriminator and the number of claims: lane, ceiling, undebited, signature.
    let claim = &data[5..5 + CLAIM_LENGTH];
    assert_eq!(claim[..2], [0, 0], "lane 0");
    let mut authorized = [0; 8];
    authorized.copy_from_slice(&claim[2..10]);
    PublicClaim {
        authorized: u64::from_le_bytes(authorized),
        signature: Signature::try_from(&claim[14..]).expect("64 bytes"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_seen_on_the_chain_buys_nothing() {
    let setting = FundedWorld::start(&Options::default(), |_| ()).await;
    let body = setting.chat("What is a voucher?", false);
    ask(&setting.client(0).await, body.clone()).await;
    let verifier = &setting.world.verifier;
    let report = verifier.settle_now().await.expect("the chain is up");
    let (address, economy) = (setting.funded.address, &setting.world.economy);
    let claim = first_claim(economy.chain().rpc(), &report.transactions[0]).await;
    let domain = economy
        .channel(&address)
        .await
        .expect("it is open")
        .header
        .domain;

    let raw = RawClient::new(&verifier.url());
    let accepted = raw.requirements(&body).await;
    let seen = voucher(domain, claim.authorized);
    let charged = setting.charged();
    let payment = payload(address, seen, claim.signature);
    assert_eq!(
        raw.pay(&body, &accepted, &payment).await,
        Answered::new(402, "voucher_used")
    );
    // Nor does its signature fit any other ceiling.
    let other = payload(
        address,
        voucher(domain, claim.authorized + 1),
        claim.signature,
    );
    assert_eq!(
        raw.pay(&body, &accepted, &other).await,
        Answered::new(402, "signature_invalid")
    );
    assert_eq!(setting.charged(), charged);
    setting.close_and_reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_of_an_earlier_incarnation_buys_nothing() {
    let mut setting = FundedWorld::start(&Options::default(), |_| ()).await;
    let body = setting.chat("What is an incarnation?", false);
    ask(&setting.client(0).await, body.clone()).await;
    let address = setting.funded.address;
    setting
        .world
        .verifier
        .settle_now()
        .await
        .expect("the chain is up");
    let economy = &mut setting.world.economy;
    let earlier = economy
        .channel(&address)
        .await
        .expect("it is open")
        .header
        .domain;
    economy
        .close_channel(&address)
        .await
        .expect("the payee may close");
    let lanes: Vec<NewLane> = setting
        .funded
        .keys
        .iter()
        .map(|key| NewLane {
            signer: key.pubkey(),
            cap: CAP,
        })
        .collect();
    let escrow = setting.funded.escrow.address;
    let reopened = economy.open_channel(&escrow, 0, DEPOSIT, &lanes).await;
    assert_eq!(reopened.expect("the owner may open it again"), address);
    let later = economy
        .channel(&address)
        .await
        .expect("it is open")
        .header
        .domain;
    assert_ne!(earlier, later);

    // A gateway learns of a close with its next poll; until then it would sell at the payee's expense.
    setting.world.verifier.poll_chain().await;
    let raw = RawClient::new(&setting.world.verifier.url());
    let accepted = raw.requirements(&body).await;
    let key = &setting.funded.keys[0];
    // Never used, and far above what is needed: good, but for its domain.
    let stale = signed(address, voucher(earlier, 50_000), key);
    let fresh = signed(address, voucher(later, 50_000), key);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answered = raw.pay(&body, &accepted, &stale).await;
        assert_eq!(answered.status, 402, "{answered:?}");
        let answered = raw.pay(&body, &accepted, &fresh).await;
        if answered.status == 200 {
            break;
        }
        // Whoever asked between close and opening made the gateway remember it as unknown for a while.
        assert!(Instant::now() < deadline, "{answered:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        raw.pay(&body, &accepted, &stale).await,
        Answered::new(402, "signature_invalid")
    );
    setting.world.shutdown().await.expect("everything stops");
}
